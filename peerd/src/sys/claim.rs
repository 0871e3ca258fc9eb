//! Claims on interfaces: one daemon serves one cable.
//!
//! A claim is a listener on an abstract name of this network namespace; it ends with the process, however
//! that ends. Any program of any user can take such a name, so one that is taken is believed only of whom the
//! kernel says to be a daemon's user.

use crate::identity::IfIndex;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

/// The users that systemd gives to units with `DynamicUser=` (systemd, "Users, Groups, UIDs and GIDs on
/// systemd Systems").
const DYNAMIC_USERS: RangeInclusive<u32> = 61_184..=65_519;

/// What came of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// This daemon serves the interface.
    Ours,
    /// The same, though a program that cannot be a daemon has the name; its user, where that is known.
    OursAgainst(Option<u32>),
    /// Another daemon serves it. `is_new`: it was not known yet.
    Theirs {
        /// True if this is the first time that it is found.
        is_new: bool,
    },
}

/// The claims of this daemon, and who has those that it could not get.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// Nothing where a stranger has the name.
    ours: BTreeMap<IfIndex, Option<UnixListener>>,
    /// A connection to each holder, which ends with it; nothing for one that does not listen yet.
    theirs: BTreeMap<IfIndex, Option<UnixStream>>,
}

impl Claims {
    /// Claims an interface; ask again about one that is theirs.
    ///
    /// # Errors
    /// When no socket can be made.
    pub(crate) fn take(&mut self, index: IfIndex) -> io::Result<Claimed> {
        if self.ours.contains_key(&index) {
            return Ok(Claimed::Ours);
        }
        let name = name(index);
        match UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?) {
            Ok(listener) => {
                self.theirs.remove(&index);
                self.ours.insert(index, Some(listener));
                return Ok(Claimed::Ours);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
        let known = self.theirs.get_mut(&index);
        if let Some(Some(holder)) = known
            && is_there(holder)
        {
            return Ok(Claimed::Theirs { is_new: false });
        }
        let has_waited = matches!(self.theirs.get(&index), Some(None));
        match holder(&name) {
            Ok((holder, uid)) if is_daemons(uid) => {
                let is_new = self.theirs.insert(index, Some(holder)).is_none();
                Ok(Claimed::Theirs { is_new })
            }
            Ok((_, uid)) => Ok(self.serve_against(index, Some(uid))),
            // A daemon between its bind and its listen. Nobody is that twice.
            Err(Errno::ECONNREFUSED) if !has_waited => {
                let is_new = self.theirs.insert(index, None).is_none();
                Ok(Claimed::Theirs { is_new })
            }
            Err(_) => Ok(self.serve_against(index, None)),
        }
    }

    /// Gives an interface back.
    pub(crate) fn release(&mut self, index: IfIndex) {
        self.ours.remove(&index);
        self.theirs.remove(&index);
    }

    fn serve_against(&mut self, index: IfIndex, uid: Option<u32>) -> Claimed {
        self.theirs.remove(&index);
        self.ours.insert(index, None);
        Claimed::OursAgainst(uid)
    }
}

fn name(index: IfIndex) -> String {
    format!("gamelink-cable-{}", index.0)
}

fn is_daemons(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw() || DYNAMIC_USERS.contains(&uid)
}

/// Connects to whoever listens at a name, and asks the kernel for its user. Never waits: a stranger may let
/// its queue fill.
fn holder(name: &str) -> Result<(UnixStream, u32), Errno> {
    let socket: OwnedFd = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    connect(socket.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    let stream = UnixStream::from(socket);
    let uid = getsockopt(&stream, sockopt::PeerCredentials)?.uid();
    Ok((stream, uid))
}

/// True if the other end is still open: it says nothing.
fn is_there(holder: &mut UnixStream) -> bool {
    let read = holder.read(&mut [0]);
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beyond any index of an interface, and of this process only: the names are the whole machine's.
    fn index(n: u32) -> IfIndex {
        IfIndex(0x8000_0000 | std::process::id() << 4 | n)
    }

    #[test]
    fn one_daemon_has_an_interface_until_it_lets_go() {
        let (mut first, mut second) = (Claims::default(), Claims::default());
        let index = index(1);
        assert_eq!(first.take(index).unwrap(), Claimed::Ours);
        assert_eq!(second.take(index).unwrap(), Claimed::Theirs { is_new: true });
        assert_eq!(second.take(index).unwrap(), Claimed::Theirs { is_new: false });
        first.release(index);
        assert_eq!(second.take(index).unwrap(), Claimed::Ours);
        assert_eq!(first.take(index).unwrap(), Claimed::Theirs { is_new: true });
    }

    #[test]
    fn a_daemon_that_waits_does_not_fill_the_holders_queue() {
        let (mut first, mut second) = (Claims::default(), Claims::default());
        let index = index(2);
        first.take(index).unwrap();
        second.take(index).unwrap();
        for _ in 0..10_000 {
            assert_eq!(second.take(index).unwrap(), Claimed::Theirs { is_new: false });
        }
    }

    #[test]
    fn only_users_that_can_be_daemons_are_believed() {
        let believed: Vec<u32> = [0, 1000, 61_183, 61_184, 65_519, 65_520, 65_534]
            .into_iter()
            .filter(|uid| is_daemons(*uid))
            .collect();
        assert_eq!(believed, [0, 61_184, 65_519]);
    }

    #[test]
    fn a_name_at_which_nobody_listens_is_waited_for_once() {
        let mut claims = Claims::default();
        let index = index(3);
        let squatter = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
        let address = UnixAddr::new_abstract(name(index).as_bytes()).unwrap();
        nix::sys::socket::bind(squatter.as_raw_fd(), &address).unwrap();
        assert_eq!(claims.take(index).unwrap(), Claimed::Theirs { is_new: true });
        assert_eq!(claims.take(index).unwrap(), Claimed::OursAgainst(None));
        assert_eq!(claims.take(index).unwrap(), Claimed::Ours);
    }
}
