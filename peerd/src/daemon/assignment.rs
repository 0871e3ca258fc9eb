//! Assignments of links to games: the links, their events, and the messages to a game.

use crate::identity::{Identity, IfIndex, Name};
use crate::machine::peer_loss::Loss;
use crate::machine::trust::Pairing;
use gamelink_core::control::FromDaemon;
use gamelink_driver::PeerAddress;
use std::net::{IpAddr, SocketAddr};

/// A cable, or a LAN with the one machine chosen there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LinkId {
    Cable(IfIndex),
    Lan(IfIndex),
}

/// Events for the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A link is new, or its name, its peer or the peer's address has changed.
    Changed,
    /// The peer of a link on this interface is lost.
    Down(LinkId, Name, Loss),
    /// Another machine has our instance.
    Redraw,
    /// A cable is linked with this machine, which is met so.
    Plugged(Identity),
    /// This machine has met another: their key is to be kept.
    Met(Pairing),
}

/// The way of a game to its peer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// A cable, and our own address there.
    Cable(SocketAddr),
    /// A LAN: the key of the link, and the peer's machine.
    Lan { key: &'a str, box_id: u64 },
}

/// The assignment of a peer with this name and this game on this interface, at one of these addresses.
pub(super) fn peer_up(
    interface: Name,
    (peer, title): (Name, Name),
    addresses: &[SocketAddr],
    way: Way<'_>,
) -> FromDaemon {
    let scoped = |address: SocketAddr| {
        let is_local = matches!(address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
        let address = PeerAddress {
            ip: address.ip(),
            port: address.port(),
            interface: is_local.then(|| interface.to_string()),
        };
        address.to_string()
    };
    let addresses: Vec<String> = addresses.iter().copied().map(scoped).collect();
    let (bind, key, machine) = match way {
        Way::Cable(bind) => (Some(scoped(bind)), None, None),
        Way::Lan { key, box_id } => (None, Some(key.to_owned()), Some(format!("{box_id:016x}"))),
    };
    FromDaemon::PeerUp {
        cable: interface.to_string(),
        name: peer.to_string(),
        address: addresses.join(","),
        bind,
        key,
        machine,
        title: title.to_string(),
    }
}

/// The machine that an assignment or a report names; `None` for a text that is no name of one.
pub(super) fn box_id(machine: &str) -> Option<u64> {
    (machine.len() <= 16).then(|| u64::from_str_radix(machine, 16).ok())?
}

/// The end of an assignment on this interface.
pub(super) fn peer_down(interface: &str, loss: Loss) -> FromDaemon {
    let (cause, reason) = loss.told();
    FromDaemon::PeerDown {
        cable: interface.to_owned(),
        reason: reason.to_owned(),
        cause,
    }
}
