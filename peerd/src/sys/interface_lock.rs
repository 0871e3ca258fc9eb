//! Claims on interfaces: one daemon serves one cable.
//!
//! A claim is a listener on an abstract name of this network namespace, which ends with the process. Any
//! program can take such a name, so a foreign claim counts only if the kernel reports a user that may run a
//! daemon.

use crate::identity::IfIndex;
use mio::net::UnixStream;
use nix::sys::socket::{getsockopt, sockopt};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

/// User ids of units with `DynamicUser=` (systemd, "Users, Groups, UIDs and GIDs on systemd Systems").
const DYNAMIC_USERS: RangeInclusive<u32> = 61_184..=65_519;

/// Results of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// This daemon serves the interface.
    Ours,
    /// The same, although a program that is no daemon has the name; its user, where known.
    OursAgainst(Option<u32>),
    /// Another daemon serves it.
    Theirs {
        /// It was not known yet.
        is_new: bool,
    },
}

/// Claims of this daemon and of others.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// `None` where a stranger has the name.
    ours: BTreeMap<IfIndex, Option<UnixListener>>,
    /// Connections to the holders, which end with them; `None` for one that does not listen yet.
    theirs: BTreeMap<IfIndex, Option<UnixStream>>,
}

impl Claims {
    /// Claims an interface; to be repeated for one of theirs.
    pub(crate) fn take(&mut self, index: IfIndex) -> io::Result<Claimed> {
        if self.ours.contains_key(&index) {
            return Ok(Claimed::Ours);
        }
        let address = address(index)?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => {
                self.theirs.remove(&index);
                self.ours.insert(index, Some(listener));
                return Ok(Claimed::Ours);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
        let known = self.theirs.get_mut(&index);
        let has_waited = matches!(known, Some(None));
        if let Some(Some(holder)) = known
            && is_there(holder)
        {
            return Ok(Claimed::Theirs { is_new: false });
        }
        let holder = match holder(&address) {
            Ok((holder, uid)) if is_daemons(uid) => Some(holder),
            // A daemon between bind and listen, which a real one is only once.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !has_waited => None,
            stranger => {
                self.theirs.remove(&index);
                self.ours.insert(index, None);
                return Ok(Claimed::OursAgainst(stranger.ok().map(|(_, uid)| uid)));
            }
        };
        let is_new = self.theirs.insert(index, holder).is_none();
        Ok(Claimed::Theirs { is_new })
    }

    pub(crate) fn release(&mut self, index: IfIndex) {
        self.ours.remove(&index);
        self.theirs.remove(&index);
    }
}

/// Abstract address of a claim.
fn address(index: IfIndex) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("gamelink-cable-{}", index.0))
}

fn is_daemons(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw() || DYNAMIC_USERS.contains(&uid)
}

/// Connects to the listener at a name; returns its user by the kernel. Never waits: a stranger may fill its
/// queue.
fn holder(address: &SocketAddr) -> io::Result<(UnixStream, u32)> {
    let stream = UnixStream::connect_addr(address)?;
    let uid = getsockopt(&stream, sockopt::PeerCredentials)?.uid();
    Ok((stream, uid))
}

/// True if the other end is still open: it sends nothing.
fn is_there(holder: &mut UnixStream) -> bool {
    let read = holder.read(&mut [0]);
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
    use std::os::fd::AsRawFd;

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
        let address = address(index).unwrap();
        let address = UnixAddr::new_abstract(address.as_abstract_name().unwrap()).unwrap();
        bind(squatter.as_raw_fd(), &address).unwrap();
        assert_eq!(claims.take(index).unwrap(), Claimed::Theirs { is_new: true });
        assert_eq!(claims.take(index).unwrap(), Claimed::OursAgainst(None));
        assert_eq!(claims.take(index).unwrap(), Claimed::Ours);
    }
}
