//! The datagrams between two bridges: a fixed header, then events.
//!
//! Fixed-size integers, little endian, at most [`MAX_DATAGRAM`] bytes; decoding borrows from the datagram and
//! never allocates. This module is the only place that names `bincode`.
//!
//! | offset | bytes | header field |
//! |---|---|---|
//! | 0 | 4 | magic `GBLC` |
//! | 4 | 2 | version |
//! | 6 | 2 | flags |
//! | 8 | 16 | session: the sender's nonce, the receiver's nonce (0: not known yet) |
//! | 24 | 16 | sequence of this datagram; highest sequence received from the other side |
//! | 40 | 24 | sender's clock as this left; the receiver's newest stamp; how long that was held (ns) |
//! | 64 | 12 | sender's emulated position: frames (8); how long its game rests (4, microseconds) |
//! | 76 | 4 | epoch |
//! | 80 | 8 | judged: the receiver's offers before this number have their verdicts at the sender |
//! | 88 | 8 | settled: the sender's own offers before this number have ended for good |
//! | 96 | 16 | the tag of a sealed datagram (module `seal`); else zeros |
//! | 112 | | events, each a 4-byte tag and its body, up to the end of the datagram |

mod event;
mod reader;
mod seal;
mod writer;

pub use event::{Event, Offer, OfferRun, Outcome, Position, ReplaceRun, Verdict, VerdictRun};
pub use reader::{DecodeError, Events, decode};
pub use seal::{Key, KeyError};
pub use writer::Writer;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

/// The longest datagram: stays under the 1232 bytes that IPv6's minimum MTU leaves for UDP (RFC 8200, section
/// 5).
pub const MAX_DATAGRAM: usize = 1200;

/// Length of the header in bytes; a hello is a header alone.
pub const HEADER_LEN: usize = 112;

/// First bytes of every datagram.
pub const MAGIC: [u8; 4] = *b"GBLC";

/// The version of the protocol that this build speaks.
pub const VERSION: u16 = 3;

/// No count of transfers reaches this: a thousand a second for 146 million years. What follows a count can
/// still be written.
const COUNT_LIMIT: u64 = 1 << 62;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<MAX_DATAGRAM>> = bincode::config::standard()
    .with_little_endian()
    .with_fixed_int_encoding()
    .with_limit::<MAX_DATAGRAM>();

/// States of the sender that are either so or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct Flags(u16);

impl Flags {
    /// The game's serial port waits for the other side's clock.
    pub const ARMED: Flags = Flags(1);
    /// No frame has been emulated for a while: a menu, a pause.
    pub const PAUSED: Flags = Flags(1 << 1);
    /// The sender can roll back: its peer may replace what it has sent.
    pub const ROLLBACK: Flags = Flags(1 << 3);
    /// The sender waits a little for each verdict on its offers, so the other's listening game should stay in
    /// its poll for the next; only where both sides roll back.
    pub const RENDEZVOUS: Flags = Flags(1 << 4);
    /// The sender's core tells the time inside its frames; only where it can roll back.
    pub const CLOCK: Flags = Flags(1 << 5);
    /// The events are sealed with a key.
    pub const SEALED: Flags = Flags(1 << 6);
    /// The sender unplugs: the last datagram of its session.
    pub const GOODBYE: Flags = Flags(1 << 2);

    /// These flags and `other`, if `condition` holds.
    #[must_use]
    pub fn with(self, other: Flags, condition: bool) -> Flags {
        if condition { Flags(self.0 | other.0) } else { self }
    }

    /// True if all of `other` are set; bits without a meaning yet are ignored.
    #[must_use]
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One side's random number for a session; 0 for one that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct Nonce(pub u64);

impl Nonce {
    /// The number of nobody.
    pub const NONE: Nonce = Nonce(0);
}

/// Number of a datagram among its sender's, from 1; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The number before the first.
    pub const NONE: Sequence = Sequence(0);

    /// The number behind this one; it saturates.
    #[must_use]
    pub fn next(self) -> Sequence {
        Sequence(self.0.saturating_add(1))
    }
}

/// Header of every datagram: the state of its sender. See the module for the byte layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct Header {
    /// States of the sender.
    pub flags: Flags,
    /// The sender's random number for this session; never 0.
    pub from: Nonce,
    /// The receiver's random number as the sender knows it; 0 while it does not.
    pub to: Nonce,
    /// Number of this datagram, from 1.
    pub sequence: Sequence,
    /// Highest sequence received from the other side; 0 for none.
    pub acknowledged: Sequence,
    /// The sender's clock as this left, in nanoseconds.
    pub sent: u64,
    /// The receiver's own stamp from the newest datagram the sender has of it; 0 for none.
    pub echo: u64,
    /// Nanoseconds between the arrival of that datagram and the departure of this one.
    pub held: u64,
    /// Frames that the sender has emulated since its start, and those in which its game stood still for what
    /// the receiver had to say.
    pub frames: u64,
    /// A frame in which the sender's game clocked is over, and the next begins in so many microseconds, as
    /// far as the sender knows: no byte comes before that. 0 where nothing is known.
    pub rest: u32,
    /// Counts the sender's replaced histories, modulo 2^32; 0 in strict mode.
    pub epoch: u32,
    /// The receiver's offers before this number have their verdicts at the sender.
    pub judged: u64,
    /// The sender's own offers before this number have ended for good: its game has read what became of them,
    /// or was told that they were given up.
    pub settled: u64,
    /// Tag of a sealed datagram; zeros before it is sealed and after it was opened.
    pub authenticator: [u8; 16],
}

#[cfg(test)]
mod tests;
