//! Links that games are assigned, and their loss.

use crate::identity::{IfIndex, Name};
use gamelink_core::control::{DownCause, FromDaemon};

/// A cable, or a LAN with the one machine chosen there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkId {
    Cable(IfIndex),
    Lan(IfIndex),
}

/// Events for the clients.
#[derive(Debug)]
pub(super) enum Event {
    /// A new interface is served.
    New,
    /// The peer of a link can be reached, or its address or name changed.
    Up(LinkId),
    /// The peer of a link is lost.
    Down(PeerLoss),
}

/// A lost peer, as a game is told.
#[derive(Debug)]
pub(super) struct PeerLoss {
    pub(super) link: LinkId,
    name: Name,
    reason: String,
    pub(super) cause: DownCause,
}

impl PeerLoss {
    pub(super) fn new(link: LinkId, name: Name, reason: &str, cause: DownCause) -> PeerLoss {
        PeerLoss {
            link,
            name,
            reason: reason.to_owned(),
            cause,
        }
    }

    pub(super) fn message(&self) -> FromDaemon {
        FromDaemon::PeerDown {
            cable: self.name.to_string(),
            reason: self.reason.clone(),
            cause: self.cause,
        }
    }
}
