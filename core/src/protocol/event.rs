//! Events of a datagram, behind its header: runs of offers, verdicts and replacements, and a history's
//! position.

use super::COUNT_LIMIT;
use crate::serial::{Speed, UNPLUGGED};
use crate::time::{Chunk, Part};
use bincode::{BorrowDecode, Decode, Encode};

/// One transfer that its maker's game clocks, waiting for the other side's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Offer {
    /// Number of this offer among its maker's, from 0, within the session.
    pub id: u64,
    /// The byte that the game shifts out.
    pub byte: u8,
    /// The clock that the game chose.
    pub speed: Speed,
    /// The maker's emulated frame in which it was made.
    pub frame: u64,
    /// The place in that frame, where the maker's core tells it.
    pub chunk: Option<Chunk>,
    /// The part of that chunk, where it tells that too.
    pub part: Option<Part>,
    /// Chunks by which the receiver's emulated time exceeds the maker's at the same moment of the timeline; 0
    /// from the side that does not keep the timeline.
    pub lead: i64,
    /// Number of the receiver's offers that the maker had judged by then.
    pub judged: u64,
    /// In strict mode, parts of a chunk since the maker's game took the newest of these; `None` for a frame
    /// and more, or not known.
    pub since_take: Option<u16>,
    /// In strict mode, when the maker's game called, no byte having crossed for a while: microseconds of the
    /// clock of the side with the greater session number. Two calls that cross are put in order by it.
    pub called: Option<u64>,
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

/// Consecutive offers with the same lead, moment of a call and time since a take: the first one's number,
/// frame and judged count, then five bytes each.
///
/// An entry is the byte; its speed (bit 0: 0 normal, 1 fast) and one more than its chunk (bits 1 to 5; 0 for
/// none); one more than the part of that (0 for none); and by how much its frame and its judged count exceed
/// the entry before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, BorrowDecode)]
pub struct OfferRun<'a> {
    pub(super) first: u64,
    pub(super) frame: u64,
    pub(super) judged: u64,
    pub(super) lead: i64,
    pub(super) called: Option<u64>,
    pub(super) since_take: Option<u16>,
    pub(super) entries: &'a [u8],
}

/// Consecutive verdicts: the first one's number, then two bytes each: 0 and the byte given, 1 and 0 for
/// refused, or 2 and the byte of the offer that it was paired with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, BorrowDecode)]
pub struct VerdictRun<'a> {
    pub(super) first: u64,
    pub(super) entries: &'a [u8],
}

/// Position of the sender's history, and of the receiver's as the sender knows it. One in each datagram that
/// speaks of histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct Position {
    /// Counts the incarnations of the link, between plugging in and unplugging, at the sender.
    pub incarnation: u32,
    /// The receiver's number of the same kind as the sender knows it; 0 for none.
    pub peer_incarnation: u32,
    /// The receiver's newest epoch that the sender has followed, modulo 2^32.
    pub peer_epoch: u32,
    /// Number of the receiver's offers that the sender has, in that epoch.
    pub received: u64,
    /// Number of offers that the sender's history has made.
    pub sent: u64,
    /// Number of the frame at which the sender's history stands.
    pub frame: u64,
    /// Its frames before this one are final, but for what the receiver has sent and it has not heard.
    pub settled_frame: u64,
    /// The lead of its next offer.
    pub lead: i64,
    /// The sender's game's answer to the next offer, announced before that comes: the one whose number is the
    /// header's judged count.
    pub announced: Option<u8>,
}

/// Consecutive epochs: the first one's number, a base, then two bytes each: by how much the number of the
/// first offer that the epoch replaced exceeds the base, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, BorrowDecode)]
pub struct ReplaceRun<'a> {
    pub(super) first: u32,
    pub(super) base: u64,
    pub(super) entries: &'a [u8],
}

const OFFER_LEN: usize = 5;
const VERDICT_LEN: usize = 2;
const REPLACE_LEN: usize = 2;

impl Event<'_> {
    /// True if the entries are whole and no number in them overflows.
    pub(super) fn is_sound(&self) -> bool {
        let (len, entry, numbers) = match self {
            Event::Offers(run) => (run.entries.len(), OFFER_LEN, [run.first, run.frame, run.judged]),
            Event::Verdicts(run) => (run.entries.len(), VERDICT_LEN, [run.first, 0, 0]),
            Event::Replaces(run) => (run.entries.len(), REPLACE_LEN, [run.base, 0, 0]),
            Event::Position(position) => {
                let counts = [
                    position.received,
                    position.sent,
                    position.frame,
                    position.settled_frame,
                ];
                return counts.iter().all(|count| *count <= COUNT_LIMIT);
            }
        };
        // 256 * 1200 bounds the sum of all one-byte steps in a datagram, and of the one two-byte step in a
        // replacement.
        len > 0 && len.is_multiple_of(entry) && numbers.iter().all(|n| n.checked_add(256 * 1200).is_some())
    }
}

impl Offer {
    /// The entry of this offer behind another in a run; None where the distance does not fit.
    pub(super) fn entry(self, before: Offer) -> Option<[u8; OFFER_LEN]> {
        let frame = u8::try_from(self.frame.checked_sub(before.frame)?).ok()?;
        let judged = u8::try_from(self.judged.checked_sub(before.judged)?).ok()?;
        let chunk = self.chunk.map_or(0, |chunk| chunk.raw() + 1);
        let part = self.part.map_or(0, |part| part.raw() + 1);
        let bits = self.speed as u8 | chunk << 1;
        let shared = |offer: Offer| (offer.lead, offer.called, offer.since_take);
        (shared(self) == shared(before)).then_some([self.byte, bits, part, frame, judged])
    }
}

impl Iterator for OfferRun<'_> {
    type Item = Offer;

    fn next(&mut self) -> Option<Offer> {
        let (&[byte, speed, part, frame, judged], rest) = self.entries.split_first_chunk()?;
        let chunk = speed >> 1 & 0x1F;
        let offer = Offer {
            id: self.first,
            byte,
            speed: match speed & 1 {
                0 => Speed::Normal,
                _ => Speed::Fast,
            },
            frame: self.frame.saturating_add(frame.into()),
            chunk: chunk.checked_sub(1).map(Chunk::new),
            part: part.checked_sub(1).and_then(Part::new),
            lead: self.lead,
            judged: self.judged.saturating_add(judged.into()),
            since_take: self.since_take,
            called: self.called,
        };
        (self.frame, self.judged) = (offer.frame, offer.judged);
        (self.first, self.entries) = (self.first.saturating_add(1), rest);
        Some(offer)
    }
}

impl Verdict {
    pub(super) fn entry(self) -> [u8; VERDICT_LEN] {
        match self.outcome {
            Outcome::Taken { byte } => [0, byte],
            Outcome::Refused => [1, 0],
            Outcome::Paired { byte } => [2, byte],
        }
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
        let id = self.first;
        (self.first, self.entries) = (id.saturating_add(1), rest);
        Some(Verdict { id, outcome })
    }
}

/// An epoch, and the number of the first offer that it replaced.
impl Iterator for ReplaceRun<'_> {
    type Item = (u32, u64);

    fn next(&mut self) -> Option<(u32, u64)> {
        let (&step, rest) = self.entries.split_first_chunk()?;
        let epoch = self.first;
        (self.first, self.entries) = (epoch.saturating_add(1), rest);
        Some((epoch, self.base.saturating_add(u16::from_le_bytes(step).into())))
    }
}
