//! Listeners of the control socket: a path, or sockets passed by systemd.
#![allow(unsafe_code)]

use mio::net::{UnixListener, UnixStream};
use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::stat::{Mode, umask};
use std::fs;
use std::io;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};

/// Process and user at the other end (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
}

/// The listeners.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) all: Vec<UnixListener>,
    /// A file to remove on drop.
    path: Option<PathBuf>,
}

impl Drop for Listeners {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

impl Listeners {
    /// Takes over listeners passed by systemd, or else listens at a path.
    pub(crate) fn open(path: &Path) -> io::Result<Listeners> {
        let all = passed_listeners();
        if !all.is_empty() {
            return Ok(Listeners { all, path: None });
        }
        let all = vec![listen_at(path)?];
        let path = Some(path.to_owned());
        Ok(Listeners { all, path })
    }
}

/// Takes over listeners passed by systemd, which programs of the firewall do not inherit.
fn passed_listeners() -> Vec<UnixListener> {
    let passed = sd_notify::listen_fds().into_iter().flatten();
    passed
        .filter_map(|fd| {
            // SAFETY: systemd passes these descriptors to this very process, and this runs once, before any
            // is opened.
            let listener = unsafe { unix::UnixListener::from_raw_fd(fd) };
            listener.set_nonblocking(true).ok()?;
            Some(UnixListener::from_std(listener))
        })
        .collect()
}

/// Listens at a path that all users may connect to. The socket of a killed daemon is replaced.
///
/// # Errors
/// `AddrInUse` when a running daemon has it.
fn listen_at(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        if unix::UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    // umask sets the mode at once: a later change would follow a link put in the socket's place.
    let before = umask(Mode::from_bits_truncate(0o111));
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

/// Credentials of a client.
pub(crate) fn credentials(stream: &UnixStream) -> Credentials {
    getsockopt(stream, sockopt::PeerCredentials)
        .map(|peer| Credentials {
            pid: peer.pid(),
            uid: peer.uid(),
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn everybody_may_connect_and_the_umask_is_as_it_was() {
        let folder = std::env::temp_dir().join(format!("gamelink-listen-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let before = umask(Mode::from_bits_truncate(0o027));
        let listener = listen_at(&folder.join("control.sock")).unwrap();
        assert_eq!(umask(before), Mode::from_bits_truncate(0o027));
        let mode = fs::metadata(folder.join("control.sock")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o666);
        drop(listener);
        fs::remove_dir_all(folder).unwrap();
    }
}
