//! Inputs and outputs of a cable's state machine.

use crate::identity::{Identity, Mac, Name};
use crate::machine::address_plan::{Failure, Plan};
use crate::machine::carrier::{self, LinkState};
use crate::machine::custody::Usage;
use crate::machine::diagnostic::Diagnostic;
use crate::machine::mac_repair::Seed;
use crate::machine::peer_loss::Loss;
use crate::wire::ethernet_frame::Frame;
use crate::wire::reader::WireError;
use std::net::IpAddr;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Input<'a> {
    /// The interface's state, read from the kernel.
    Link(LinkState, Mac),
    /// A frame, and the sibling cable of this machine that sent it, if one did.
    Frame(&'a Frame, Option<Name>),
    /// Bytes that are no frame of this version.
    BadFrame(WireError),
    /// The result of [`Output::Install`].
    Installed(Result<(), Failure>),
    /// An address was removed from the interface.
    AddressRemoved(IpAddr),
    /// The result of [`Output::SetMac`].
    MacSet(Result<Mac, ()>),
    /// A datagram of the peer came over UDP.
    UdpHeard,
    /// True if this system refuses to send UDP on the cable.
    UdpBlocked(bool),
    /// State of the games.
    Game {
        /// Title of the game that has this cable, or would take it; `None` where there is none.
        waiting: Option<Name>,
        /// A game has it: while the daemons have lost each other, the two games may still be linked.
        holds: bool,
    },
    /// The result of [`Output::Look`].
    Usage(Option<Usage>),
    /// The result of [`Output::Take`]: a last look may have found somebody's use.
    Taken(Result<(), Usage>),
    /// A new identity of this process.
    Identity(Identity),
    /// The interface was down: the kernel has dropped addresses and neighbours.
    Flapped,
    /// The machine was suspended, or stopped.
    Resumed,
    Gone,
    /// The daemon stops.
    Stop {
        /// A game is linked: its path stays, and the other end is not told. To that end the daemon has died.
        leaves_path: bool,
    },
    Timeout,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Send(Frame),
    /// Set the interface up, or cycle it.
    Carrier(carrier::Action),
    /// Read who else uses the interface; answered by [`Input::Usage`].
    Look,
    /// Set an interface that may be a cable up while a game waits, without an address.
    Raise,
    /// Set it down again.
    Lower,
    /// Take an interface that may be a cable, after a last look; answered by [`Input::Taken`].
    Take,
    /// Give it back as it was.
    GiveBack,
    /// Set it down, set the MAC, set it up, read it back; answered by [`Input::MacSet`].
    SetMac(Mac),
    /// Set addresses and the neighbour; answered by [`Input::Installed`].
    Install(Plan),
    Remove(Plan),
    PeerUp(Identity, Plan),
    /// The peer's game has another title.
    PeerPlays,
    /// The peer is lost. After a loss that leaves the path this may follow again, with a harder one.
    PeerDown(Name, Loss),
    /// Another machine has our instance: draw a new one for the whole process.
    Redraw,
    Report(Diagnostic),
}

/// Settings for the life of the interface.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) identity: Identity,
    pub(crate) seed: Seed,
    /// It is certainly a cable. Otherwise nothing is sent on it before a game waits or a peer is heard, and
    /// nothing is changed before a peer answers.
    pub(crate) is_certain: bool,
    /// An earlier run has taken it.
    pub(crate) is_taken: bool,
    /// It may be set up while a game waits, though it is not certainly a cable.
    pub(crate) may_raise: bool,
    /// The interface belongs to a bridge or a bond: its MAC is not ours.
    pub(crate) is_locked: bool,
    /// The driver is cycled when nobody answers.
    pub(crate) recovers: bool,
    pub(crate) has_v6: bool,
}
