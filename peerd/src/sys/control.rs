//! The control socket's listeners: a path, an abstract name, or what systemd hands over.

use mio::net::{UnixListener, UnixStream};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{getsockopt, sockopt};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{self as unix, SocketAddr};
use std::path::{Path, PathBuf};

/// The abstract name, which a program in a mount sandbox but in the same network namespace can reach.
pub(crate) const ABSTRACT_NAME: &str = "gamelink-control";

/// The first descriptor that systemd passes (`SD_LISTEN_FDS_START`).
const FIRST_PASSED: i32 = 3;

/// Who is at the other end of a connection (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
}

/// Takes over the listeners that systemd opened for this process, if it did.
pub(crate) fn passed_listeners() -> Vec<UnixListener> {
    let number = |name| std::env::var(name).ok()?.parse::<i32>().ok();
    let (pid, count) = (number("LISTEN_PID"), number("LISTEN_FDS"));
    let (Some(pid), Some(count)) = (pid, count) else {
        return vec![];
    };
    if u32::try_from(pid) != Ok(std::process::id()) {
        return vec![];
    }
    (FIRST_PASSED..FIRST_PASSED.saturating_add(count.clamp(0, 16)))
        .filter_map(|fd| {
            // SAFETY: systemd passes these descriptors to this very process, and this runs once, before any is opened.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            // Not for the firewall's programs that we start.
            fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
            from_std(unix::UnixListener::from(fd)).ok()
        })
        .collect()
}

/// Listens at a path that every user may connect to. A socket left by a daemon that was killed is replaced.
///
/// # Errors
/// `AddrInUse` when a living daemon has it.
pub(crate) fn listen_at(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        if unix::UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Listens at an abstract name of this network namespace.
pub(crate) fn listen_abstract(name: &str) -> io::Result<UnixListener> {
    from_std(unix::UnixListener::bind_addr(&SocketAddr::from_abstract_name(
        name,
    )?)?)
}

/// Whether a listener, such as one that was passed to us, has an abstract name.
pub(crate) fn is_abstract(listener: &UnixListener) -> bool {
    listener
        .local_addr()
        .is_ok_and(|address| address.as_abstract_name().is_some())
}

fn from_std(listener: unix::UnixListener) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    Ok(UnixListener::from_std(listener))
}

/// Who connected.
pub(crate) fn credentials(stream: &UnixStream) -> Credentials {
    getsockopt(stream, sockopt::PeerCredentials)
        .map(|peer| Credentials {
            pid: peer.pid(),
            uid: peer.uid(),
        })
        .unwrap_or_default()
}

/// A claim on one interface within this network namespace; it ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Claim(#[expect(dead_code, reason = "held, not used")] unix::UnixListener);

impl Claim {
    /// # Errors
    /// `AddrInUse` when another process has it.
    pub(crate) fn take(index: u32) -> io::Result<Claim> {
        let name = SocketAddr::from_abstract_name(format!("gamelink-cable-{index}"))?;
        Ok(Claim(unix::UnixListener::bind_addr(&name)?))
    }
}

/// A path to remove at the end.
#[derive(Debug)]
pub(crate) struct SocketFile(pub(crate) PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
