//! Trace of what two games say to each other: the transfers whose end nothing can change any more.
//!
//! Off by default. Where it is on, both exchanges append to a ring of fixed size, without an allocation or a
//! lock; whoever owns the bridge drains it. What finds no room is counted, and told at its place.
//!
//! Each side traces the transfers that its own game clocks and those of the peer that it has judged. Numbers
//! put the two traces in one order: a transfer with `judged` 5 was made after five of the other side's.
//! Transfers before there is a link, and in rollback all those that become no offer, are in no trace. A game
//! that clocks while an offer of the peer waits takes that in the same act, in strict: one transfer, the
//! peer's.

use super::Mode;
use crate::protocol::{Offer, Outcome};
use crate::sequence_numbers::{Number as _, OwnOffer, PeerOffer};
use crate::serial::{Speed, UNPLUGGED};
use crate::time::Chunk;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

/// Capacity of a trace: a quarter of a second of the fastest conversation, 548 transfers a frame (70 224
/// T-cycles, 128 a byte; Pan Docs, Serial Data Transfer).
pub const TRACE_PLACES: usize = 8192;

/// Side whose game clocked a transfer, as the tracing side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockedBy {
    /// The tracing one.
    Own,
    /// The other.
    Peer,
}

/// End of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The armed game took the byte and gave its own.
    Taken,
    /// No game was armed for long.
    Refused,
    /// Both clocked at the same instant.
    Paired,
    /// The cable was pulled, or the wait for a verdict ran out.
    Unplugged,
    /// The game read an unplugged cable at once, and the peer never heard of it: nobody plays there, or a
    /// byte of the peer came first. Its number is that of the next offer. Strict only.
    Unheard,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> End {
        match outcome {
            Outcome::Taken { .. } => End::Taken,
            Outcome::Refused => End::Refused,
            Outcome::Paired { .. } => End::Paired,
        }
    }
}

/// One transfer of which nothing can change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The exchange that served the session.
    pub mode: Mode,
    /// Counts what numbers begin anew with: the peer of a strict session, the incarnation of the link in
    /// rollback. The other side's count may differ.
    pub link: u64,
    /// The side that clocked.
    pub clocked_by: ClockedBy,
    /// Number among its maker's offers.
    pub number: u64,
    /// Offers of the other side that its maker had judged by then.
    pub judged: u64,
    /// Emulated frame of the tracing side's game: in which it clocked, or judged the peer's.
    pub frame: u64,
    /// T-cycles into that frame, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u32>,
    /// The byte that the clocking game sent.
    pub byte: u8,
    /// The byte that it read.
    pub read: u8,
    /// End of the transfer.
    pub end: End,
}

/// Entry of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// A transfer.
    Transfer(Transfer),
    /// Here so many are missing, for which there was no room.
    Lost(u64),
}

/// Trace of one exchange.
///
/// Equal to every other: what was said decides nothing of what follows, and comparisons are of that.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation {
    ring: VecDeque<Transfer>,
    /// Capacity; 0 while the trace is off.
    places: usize,
    lost: u64,
    mode: Mode,
    link: u64,
    /// Emulated frame of the strict exchange's game.
    frame: u64,
    /// Next own offer and next offer of the peer that are not traced yet, in rollback.
    next: (u64, u64),
}

impl PartialEq for Conversation {
    fn eq(&self, _: &Conversation) -> bool {
        true
    }
}

impl Eq for Conversation {}

impl Hash for Conversation {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Conversation {
    /// A trace with so many places, or one that is off.
    pub(super) fn new(mode: Mode, places: usize) -> Conversation {
        Conversation {
            ring: VecDeque::with_capacity(places),
            places,
            mode,
            ..Conversation::default()
        }
    }

    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Numbers begin at 0 again.
    pub(super) fn next_link(&mut self) {
        self.link = self.link.saturating_add(1);
        self.next = (0, 0);
    }

    /// A frame of the game begins.
    pub(super) fn handle_frame(&mut self, frame: u64) {
        self.frame = frame;
    }

    /// Number of the own offer to be traced next, if that is before `end`; it counts as traced.
    pub(super) fn next_own(&mut self, end: u64) -> Option<u64> {
        next(&mut self.next.0, end)
    }

    /// The same of the peer's offers.
    pub(super) fn next_of_peer(&mut self, end: u64) -> Option<u64> {
        next(&mut self.next.1, end)
    }

    /// Traces an own offer that got this verdict.
    pub(super) fn own(&mut self, offer: Offer, verdict: Outcome) {
        self.push(
            ClockedBy::Own,
            offer,
            (verdict.reads(), verdict.into()),
            offer.frame,
        );
    }

    /// Traces an own offer that ended without a verdict; its maker's game has read this byte.
    pub(super) fn own_unplugged(&mut self, offer: Offer, read: u8) {
        self.push(ClockedBy::Own, offer, (read, End::Unplugged), offer.frame);
    }

    /// Traces a transfer that becomes no offer.
    pub(super) fn unheard(&mut self, next: OwnOffer, judged: PeerOffer, (byte, speed): (u8, Speed)) {
        let frame = self.frame;
        let offer = Offer {
            id: next.raw(),
            byte,
            speed,
            frame,
            chunk: None,
            part: None,
            lead: 0,
            since_take: None,
            called: None,
            judged: judged.raw(),
        };
        self.push(ClockedBy::Own, offer, (UNPLUGGED, End::Unheard), frame);
    }

    /// Traces an offer of the peer that is judged in the frame that runs.
    pub(super) fn of_peer_now(&mut self, offer: Offer, outcome: Outcome) {
        self.of_peer(offer, outcome, self.frame);
    }

    /// Traces an offer of the peer that was judged in this frame of the game's.
    pub(super) fn of_peer(&mut self, offer: Offer, outcome: Outcome, frame: u64) {
        self.push(ClockedBy::Peer, offer, (outcome.reads(), outcome.into()), frame);
    }

    fn push(&mut self, clocked_by: ClockedBy, offer: Offer, (read, end): (u8, End), frame: u64) {
        if self.places == 0 {
            return;
        }
        if self.ring.len() >= self.places || self.lost > 0 {
            // Nothing is traced behind a gap before that has been told.
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.ring.push_back(Transfer {
            mode: self.mode,
            link: self.link,
            clocked_by,
            number: offer.id,
            judged: offer.judged,
            frame,
            cycles: offer.chunk.map(Chunk::begin),
            byte: offer.byte,
            read,
            end,
        });
    }

    /// The oldest entry that nobody has taken.
    pub(super) fn poll(&mut self) -> Option<Entry> {
        match self.ring.pop_front() {
            Some(transfer) => Some(Entry::Transfer(transfer)),
            None if self.lost > 0 => Some(Entry::Lost(std::mem::take(&mut self.lost))),
            None => None,
        }
    }

    /// Appends what nobody has taken from another trace, which is over.
    pub(super) fn absorb(&mut self, mut other: Conversation) {
        while let Some(entry) = other.poll() {
            match entry {
                Entry::Transfer(transfer) if self.ring.len() < self.places && self.lost == 0 => {
                    self.ring.push_back(transfer);
                }
                Entry::Transfer(_) => self.lost = self.lost.saturating_add(1),
                Entry::Lost(lost) => self.lost = self.lost.saturating_add(lost),
            }
        }
    }
}

fn next(next: &mut u64, end: u64) -> Option<u64> {
    let number = *next;
    (number < end).then(|| {
        *next = number.saturating_add(1);
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(id: u64) -> Offer {
        Offer {
            id,
            byte: 0x29,
            speed: Speed::Normal,
            frame: 7,
            chunk: None,
            part: None,
            lead: 0,
            since_take: None,
            called: None,
            judged: 3,
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_at_its_place() {
        let mut conversation = Conversation::new(Mode::Strict, 2);
        let capacity = conversation.ring.capacity();
        for id in 0..5 {
            conversation.own(offer(id), Outcome::Refused);
        }
        let mut numbers = Vec::new();
        for _ in 0..2 {
            match conversation.poll() {
                Some(Entry::Transfer(transfer)) => numbers.push(transfer.number),
                other => panic!("a transfer, not {other:?}"),
            }
        }
        // There is room again, but the gap comes first.
        conversation.own_unplugged(offer(5), UNPLUGGED);
        assert_eq!(numbers, [0, 1]);
        assert_eq!(conversation.poll(), Some(Entry::Lost(4)));
        assert_eq!(conversation.poll(), None);
        conversation.own_unplugged(offer(6), UNPLUGGED);
        assert!(matches!(conversation.poll(), Some(Entry::Transfer(transfer)) if transfer.number == 6));
        assert_eq!(conversation.ring.capacity(), capacity, "nothing was allocated");
    }

    #[test]
    fn a_trace_that_is_off_keeps_and_counts_nothing() {
        let mut conversation = Conversation::default();
        conversation.own_unplugged(offer(0), UNPLUGGED);
        assert_eq!(conversation.poll(), None);
    }

    #[test]
    fn what_is_left_of_a_trace_that_is_over_comes_behind() {
        let [mut kept, mut over] = [Mode::Strict, Mode::Rollback].map(|mode| Conversation::new(mode, 2));
        kept.own_unplugged(offer(0), UNPLUGGED);
        (0..3).for_each(|id| over.of_peer(offer(id), Outcome::Taken { byte: 0x55 }, 9));
        kept.absorb(over);
        let entries: Vec<Entry> = std::iter::from_fn(|| kept.poll()).collect();
        assert!(matches!(
            entries[0],
            Entry::Transfer(Transfer {
                read: UNPLUGGED,
                frame: 7,
                ..
            })
        ));
        assert!(matches!(
            entries[1],
            Entry::Transfer(Transfer {
                read: 0x55,
                frame: 9,
                ..
            })
        ));
        assert_eq!(entries[2..], [Entry::Lost(2)]);
    }

    #[test]
    fn an_entry_survives_the_way_through_a_line() {
        let mut conversation = Conversation::new(Mode::Rollback, 1);
        conversation.of_peer(offer(1), Outcome::Paired { byte: 0x55 }, 2);
        for entry in [conversation.poll().unwrap(), Entry::Lost(3)] {
            let line = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), entry, "{line}");
        }
    }
}
