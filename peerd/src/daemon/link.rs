//! The links that games are given, and how a game is told that one is gone.

use crate::identity::{IfIndex, Name};
use gamelink_core::control::{DownCause, FromDaemon};

/// A cable, or a LAN with the one machine that was chosen there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkId {
    Cable(IfIndex),
    Lan(IfIndex),
}

/// What the clients have to be told.
#[derive(Debug)]
pub(super) enum Event {
    /// An interface is served that was not.
    New,
    /// The peer of a link can be reached, or by another address or name.
    Up(LinkId),
    /// It cannot any more.
    Down(PeerLoss),
}

/// A peer that is gone, as a game is told.
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
