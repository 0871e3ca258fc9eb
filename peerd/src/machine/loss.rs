//! Reasons why a peer is given up.

use gamelink_core::control::DownCause;
use std::fmt;

/// Reasons why a peer is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// No carrier, or no interface.
    Unplugged,
    /// The interface was set down.
    TakenDown,
    /// No frame was received from it.
    Silent,
    /// Its frames no longer name us.
    Deaf,
    /// Its daemon sent a goodbye.
    PeerStopped,
    /// Its machine sent frames with a new instance or nonce.
    PeerRestarted,
    /// Another machine answered before this one ever heard us.
    OtherMachine,
    /// This side draws a new instance.
    NewIdentity,
    /// This side's daemon stops.
    Stopping,
}

impl Loss {
    /// The cause for a program.
    pub(crate) fn cause(self) -> DownCause {
        match self {
            Loss::Unplugged | Loss::TakenDown => DownCause::Unplugged,
            Loss::Silent | Loss::Deaf => DownCause::Silent,
            Loss::PeerRestarted | Loss::NewIdentity => DownCause::Restarted,
            Loss::PeerStopped | Loss::Stopping => DownCause::Stopped,
            Loss::OtherMachine => DownCause::Replaced,
        }
    }

    /// True if the two games may still reach each other: then addresses stay in place.
    pub(crate) fn leaves_the_path(self) -> bool {
        matches!(self, Loss::Silent | Loss::Deaf)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loss::Unplugged => "the cable was unplugged",
            Loss::TakenDown => "the interface was taken down",
            Loss::Silent => {
                "no frame received for 1.3 s: unplugged at its end, switched off, or its daemon is not running"
            }
            Loss::Deaf => "it no longer receives this side's frames",
            Loss::PeerStopped => "its daemon has stopped",
            Loss::PeerRestarted => "its daemon was restarted",
            Loss::OtherMachine => "another machine answered",
            Loss::NewIdentity => "this side drew a new identity",
            Loss::Stopping => "this side's daemon is stopping",
        })
    }
}
