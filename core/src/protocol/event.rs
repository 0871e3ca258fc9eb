//! Events of a datagram, behind its header: runs of offers, verdicts and replacements, and a history's
//! position.

use super::rollback::{Position, REPLACE_LEN, ReplaceRun};
use super::{CONFIG, COUNT_LIMIT, DecodeError};
use crate::serial::{Speed, UNPLUGGED};
use bincode::{BorrowDecode, Encode};

/// One transfer that its maker's game clocks, waiting for the other side's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    /// Number of this offer among its maker's, from 0, within the session.
    pub id: u64,
    /// The byte that the game shifts out.
    pub byte: u8,
    /// The clock that the game chose.
    pub speed: Speed,
    /// The maker's emulated frame in which it was made. A finer emulated time belongs beside it: see the
    /// history's module.
    pub frame: u64,
    /// Number of the receiver's offers that the maker had judged by then.
    pub judged: u64,
}

/// End of an offer: the receiver's verdict, or what its maker supposes that to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Outcome {
    /// The receiver's game took the byte and gave this one.
    Taken {
        /// The byte that the game shifted out.
        byte: u8,
    },
    /// The receiver's game had its chance and was not listening: the maker reads 0xFF.
    #[default]
    Refused,
    /// The offer met one of the receiver, made at the same instant: each game reads the other's byte.
    Paired {
        /// The byte of the receiver's offer.
        byte: u8,
    },
}

impl Outcome {
    /// The byte that the receiver's game gave, if it gave one.
    #[must_use]
    pub fn byte(self) -> Option<u8> {
        match self {
            Outcome::Taken { byte } | Outcome::Paired { byte } => Some(byte),
            Outcome::Refused => None,
        }
    }

    /// The byte that the maker's game reads.
    #[must_use]
    pub fn reads(self) -> u8 {
        self.byte().unwrap_or(UNPLUGGED)
    }

    /// True if the offer met one of the receiver's.
    #[must_use]
    pub fn is_paired(self) -> bool {
        matches!(self, Outcome::Paired { .. })
    }

    pub(super) fn encode(self) -> [u8; VERDICT_LEN] {
        match self {
            Outcome::Taken { byte } => [0, byte],
            Outcome::Refused => [1, 0],
            Outcome::Paired { byte } => [2, byte],
        }
    }
}

/// An outcome and the offer that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Number of the offer.
    pub id: u64,
    /// Its end.
    pub outcome: Outcome,
}

/// One event of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, BorrowDecode)]
pub enum Event<'a> {
    /// Consecutive offers of the sender.
    Offers(OfferRun<'a>),
    /// Consecutive verdicts on offers of the receiver.
    Verdicts(VerdictRun<'a>),
    /// Position of the sender's history.
    Position(Position),
    /// Consecutive epochs of the sender, and from where each replaced its offers.
    Replaces(ReplaceRun<'a>),
}

/// Consecutive offers: the first one's number, frame and judged count, then four bytes each.
///
/// An entry is the byte, its speed (0 normal, 1 fast), and by how much its frame and its judged count exceed
/// the entry before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, BorrowDecode)]
pub struct OfferRun<'a> {
    pub(super) first: u64,
    pub(super) frame: u64,
    pub(super) judged: u64,
    pub(super) entries: &'a [u8],
}

/// Consecutive verdicts: the first one's number, then two bytes each: 0 and the byte given, 1 and 0 for
/// refused, or 2 and the byte of the offer that it was paired with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, BorrowDecode)]
pub struct VerdictRun<'a> {
    pub(super) first: u64,
    pub(super) entries: &'a [u8],
}

pub(super) const OFFER_LEN: usize = 4;
pub(super) const VERDICT_LEN: usize = 2;
/// Bytes of a run before its entries: tag, numbers, length.
pub(super) const OFFER_RUN_LEN: usize = 4 + 8 + 8 + 8 + 8;
/// Bytes of a run before its entries: tag, number, length.
pub(super) const VERDICT_RUN_LEN: usize = 4 + 8 + 8;

/// The events of one datagram, all of them checked.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    bytes: &'a [u8],
}

impl<'a> Events<'a> {
    /// Looks at all of them once.
    pub(crate) fn check(bytes: &'a [u8]) -> Result<Events<'a>, DecodeError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (event, after) = step(rest).ok_or(DecodeError::Malformed)?;
            if !event.is_sound() {
                return Err(DecodeError::Malformed);
            }
            rest = after;
        }
        Ok(Events { bytes })
    }

    /// The events that are left, as they were encoded.
    pub(crate) fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let (event, rest) = step(self.bytes)?;
        self.bytes = rest;
        Some(event)
    }
}

fn step(bytes: &[u8]) -> Option<(Event<'_>, &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    let (event, used) = bincode::borrow_decode_from_slice(bytes, CONFIG).ok()?;
    Some((event, bytes.get(used..)?))
}

impl Event<'_> {
    /// True if the entries are whole and no number in them overflows.
    fn is_sound(&self) -> bool {
        let (len, entry, numbers) = match self {
            Event::Offers(run) => (run.entries.len(), OFFER_LEN, [run.first, run.frame, run.judged]),
            Event::Verdicts(run) => (run.entries.len(), VERDICT_LEN, [run.first, 0, 0]),
            Event::Replaces(run) => (run.entries.len(), REPLACE_LEN, [run.base, 0, 0]),
            Event::Position(position) => {
                return position.received <= COUNT_LIMIT && position.sent <= COUNT_LIMIT;
            }
        };
        // 256 * 1200 bounds the sum of all one-byte steps in a datagram, and of the one two-byte step in a
        // replacement.
        len > 0 && len.is_multiple_of(entry) && numbers.iter().all(|n| n.checked_add(256 * 1200).is_some())
    }
}

impl Iterator for OfferRun<'_> {
    type Item = Offer;

    fn next(&mut self) -> Option<Offer> {
        let (&[byte, speed, frame_step, judged_step], rest) = self.entries.split_first_chunk()?;
        let speed = if speed & 1 == 0 {
            Speed::Normal
        } else {
            Speed::Fast
        };
        self.frame = self.frame.saturating_add(u64::from(frame_step));
        self.judged = self.judged.saturating_add(u64::from(judged_step));
        let offer = Offer {
            id: self.first,
            byte,
            speed,
            frame: self.frame,
            judged: self.judged,
        };
        self.first = self.first.saturating_add(1);
        self.entries = rest;
        Some(offer)
    }
}

impl Iterator for VerdictRun<'_> {
    type Item = Verdict;

    fn next(&mut self) -> Option<Verdict> {
        let (&[kind, byte], rest) = self.entries.split_first_chunk()?;
        let outcome = match kind & 3 {
            0 => Outcome::Taken { byte },
            1 => Outcome::Refused,
            _ => Outcome::Paired { byte },
        };
        let verdict = Verdict {
            id: self.first,
            outcome,
        };
        self.first = self.first.saturating_add(1);
        self.entries = rest;
        Some(verdict)
    }
}
