//! Reasons why a peer is given up.

use gamelink_core::control::DownCause;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// No carrier, or no interface.
    Unplugged,
    TakenDown,
    /// No frame was received from it.
    Silent,
    /// Its frames no longer name us.
    Deaf,
    PeerStopped,
    /// Its machine sent frames or beacons with a new instance or nonce.
    PeerRestarted,
    /// Another machine answered before this one ever heard us.
    OtherMachine,
    NewIdentity,
    Stopping,
    /// Somebody else uses the interface.
    InUse,
    /// No game waits at either end of an interface that may serve other things.
    Unused,
    LanGone,
    /// No beacon was received from it.
    LeftLan,
    /// A machine on a LAN chose another one or none, or this side did.
    Unchosen,
    CablePlugged,
    Displaced,
}

impl Loss {
    /// The cause for a program, and the reason for a person.
    pub(crate) fn told(self) -> (DownCause, &'static str) {
        match self {
            Loss::Unplugged => (DownCause::Unplugged, "the cable was unplugged"),
            Loss::TakenDown => (DownCause::Unplugged, "the interface was taken down"),
            Loss::Silent => (
                DownCause::Silent,
                "no frame received for 1.3 s: unplugged at its end, switched off, or its daemon is not running",
            ),
            Loss::Deaf => (DownCause::Silent, "it no longer receives this side's frames"),
            Loss::PeerStopped => (DownCause::Stopped, "its daemon has stopped"),
            Loss::PeerRestarted => (DownCause::Restarted, "its daemon was restarted"),
            Loss::OtherMachine => (DownCause::Replaced, "another machine answered"),
            Loss::NewIdentity => (DownCause::Restarted, "this side drew a new identity"),
            Loss::Stopping => (DownCause::Stopped, "this side's daemon is stopping"),
            Loss::InUse => (
                DownCause::Stopped,
                "this machine uses the interface for something else",
            ),
            Loss::Unused => (DownCause::Stopped, "no game waits at either end"),
            Loss::LanGone => (DownCause::Unplugged, "the interface is gone"),
            Loss::LeftLan => (DownCause::Silent, "it is no longer on this network"),
            Loss::Unchosen => (
                DownCause::Replaced,
                "it plays with another machine, or not any more",
            ),
            Loss::CablePlugged => (DownCause::Replaced, "a cable is plugged in"),
            Loss::Displaced => (DownCause::Replaced, "another player's game takes the cable"),
        }
    }

    /// True if the two games may still reach each other: then addresses stay in place.
    pub(crate) fn leaves_the_path(self) -> bool {
        matches!(self, Loss::Silent | Loss::Deaf)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.told().1)
    }
}
