//! What goes into a cable's machine and what comes out.

use crate::identity::{Identity, Instance, Mac, Name};
use crate::machine::address::{Failure, Plan};
use crate::machine::carrier::{self, LinkState};
use crate::machine::diagnostic::Diagnostic;
use crate::machine::loss::Loss;
use crate::machine::mac::Seed;
use crate::wire::cursor::WireError;
use crate::wire::frame::{Flags, Frame};
use gamelink_core::control::FrameCounts;
use std::net::IpAddr;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input<'a> {
    /// The interface's state, read from the kernel.
    Link(LinkState, Mac),
    /// A frame, and the sibling cable of this box that sent it, if one did.
    Frame(&'a Frame, Option<Name>),
    /// Something that is no frame of this version.
    BadFrame(WireError),
    /// The outcome of [`Output::Install`].
    Installed(Result<(), Failure>),
    /// An address is gone from the interface.
    AddressRemoved(IpAddr),
    /// The outcome of [`Output::SetMac`].
    MacSet(Result<Mac, ()>),
    /// A datagram of the peer came over UDP.
    UdpHeard,
    /// Whether this system lets us send UDP on the cable.
    UdpBlocked(bool),
    /// How the games stand.
    Game {
        /// One has this cable, or would take it.
        waits: bool,
        /// One has it: while nothing is heard of the peer's daemon, its two games may hear each other.
        holds: bool,
    },
    /// A new identity of this process.
    Identity(Identity),
    /// The interface was down for a moment: the kernel has forgotten addresses and neighbours.
    Flapped,
    /// The machine slept, or stood still.
    Resumed,
    /// The interface is gone.
    Gone,
    /// The daemon stops.
    Stop {
        /// A game plays on: it keeps its path, and the other end is not told. To that one it is as if the daemon had died.
        leaves_path: bool,
    },
    /// Nothing but the time.
    Timeout,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send this to the other end.
    Send(Frame),
    /// Set the interface up, or down and up.
    Carrier(carrier::Action),
    /// Down, set, up, read back; answered by [`Input::MacSet`].
    SetMac(Mac),
    /// Put addresses and the neighbour in place; answered by [`Input::Installed`].
    Install(Plan),
    /// Take them away.
    Remove(Plan),
    /// From now on frames of this instance matter most; of nobody if `None`.
    Follow(Option<Instance>),
    /// The peer can be reached.
    PeerUp(Peer, Plan),
    /// It cannot any more, and why. After a loss that leaves the path this may come once more, with a harder one.
    PeerDown(Name, Loss),
    /// Another machine has our instance: draw a new one for the whole process.
    Redraw,
    /// A person should know.
    Report(Diagnostic),
}

/// The other end, as it described itself last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) identity: Identity,
    pub(crate) mac: Mac,
    pub(crate) flags: Flags,
    pub(crate) hears_us: bool,
    pub(super) sequence: u32,
}

/// What does not change while the interface is there.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) identity: Identity,
    pub(crate) seed: Seed,
    /// It is a cable. Otherwise it may be a phone or a modem: then it is its owner's to set up, and nothing is said on it before
    /// a game waits or a peer is heard.
    pub(crate) is_certain: bool,
    /// The interface belongs to a bridge or a bond: its MAC is not ours.
    pub(crate) is_locked: bool,
    /// The driver is to be cycled when nobody answers.
    pub(crate) recovers: bool,
    pub(crate) has_v6: bool,
}

/// Frames, and events worth counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) frames: FrameCounts,
    pub(crate) mac_changes: u64,
    pub(crate) links: u64,
}
