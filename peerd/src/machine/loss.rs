//! Why a peer is given up.

use gamelink_core::control::DownCause;
use std::fmt;

/// Why a peer is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// No carrier, or no interface.
    Unplugged,
    /// Somebody took the interface down.
    TakenDown,
    /// No frame of it.
    Silent,
    /// Its frames do not name us any more.
    Deaf,
    /// Its daemon said goodbye.
    PeerStopped,
    /// The same machine speaks with another daemon's number.
    PeerRestarted,
    /// Another machine answers, before this one ever heard us.
    OtherMachine,
    /// This side draws a new instance.
    NewIdentity,
    /// This side's daemon stops.
    Stopping,
}

impl Loss {
    /// The same for a program.
    pub(crate) fn cause(self) -> DownCause {
        match self {
            Loss::Unplugged | Loss::TakenDown => DownCause::Unplugged,
            Loss::Silent | Loss::Deaf => DownCause::Silent,
            Loss::PeerRestarted | Loss::NewIdentity => DownCause::Restarted,
            Loss::PeerStopped | Loss::Stopping => DownCause::Stopped,
            Loss::OtherMachine => DownCause::Replaced,
        }
    }

    /// Whether the two games may still reach each other: then what they need for it stays in place.
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
