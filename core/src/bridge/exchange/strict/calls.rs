//! Calls of the strict exchange: offers that begin a conversation.
//!
//! Two calls that meet are a race, as on a cable: the game that called first is the one that is heard, since
//! the other would have heard it before it called itself. In the middle of a conversation, and between games
//! of which one never listens, two offers that meet are each other's answers.

use crate::bridge::exchange::crossing::Crossing;
use crate::protocol::Offer;
use crate::time::{LocalTime, Span};
use std::time::Duration;

/// Time without a byte behind which the next offer is a call, thirty frames: a conversation may pause, and a
/// game calls again sooner only where nobody has answered.
const PAUSE: Duration = Duration::from_millis(502);

/// When the last conversation ended, and whose clock orders the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Calls {
    /// When a byte last crossed the game's port, in either direction.
    conversed: Option<LocalTime>,
    /// Calls are ordered by our clock, not by the peer's.
    is_keeper: bool,
}

impl Calls {
    /// A session begins, in which calls are ordered by our clock or the peer's.
    pub(super) fn plug(&mut self, is_keeper: bool) {
        self.is_keeper = is_keeper;
    }

    /// A byte has crossed.
    pub(super) fn handle_byte(&mut self, now: LocalTime) {
        self.conversed = Some(now);
    }

    /// True if what is said now begins a conversation.
    pub(super) fn is_pause(&self, now: LocalTime) -> bool {
        self.conversed.is_none_or(|last| now.since(last) > PAUSE)
    }

    /// The moment that a call of our game says, where that is known; `offset` is the peer's clock minus ours.
    pub(super) fn moment(&self, now: LocalTime, offset: Option<Span>) -> Option<u64> {
        let offset = if self.is_keeper { Span(0) } else { offset? };
        Some(now.0.saturating_add_signed(offset.0) / 1000)
    }

    /// Order of two offers that cross, by what both sides know of them.
    pub(super) fn crossing(&self, ours: &Offer, theirs: &Offer) -> Crossing {
        let Some((own, other)) = ours.called.zip(theirs.called) else {
            return Crossing::Pair;
        };
        // In the same microsecond the keeper's is the first.
        if (own, !self.is_keeper) < (other, self.is_keeper) {
            Crossing::Ours
        } else {
            Crossing::Theirs
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: LocalTime = LocalTime(10_000_000_000);

    fn calls(is_keeper: bool) -> Calls {
        let mut calls = Calls::default();
        calls.plug(is_keeper);
        calls
    }

    #[test]
    fn the_first_byte_after_a_pause_is_a_call() {
        let mut calls = calls(true);
        assert!(calls.is_pause(LocalTime(7)), "the first one of all");
        calls.handle_byte(LATER);
        assert!(!calls.is_pause(LATER.after(PAUSE)));
        assert!(calls.is_pause(LATER.after(PAUSE + Duration::from_millis(1))));
    }

    #[test]
    fn both_sides_say_moments_of_one_clock() {
        assert_eq!(calls(true).moment(LATER, None), Some(10_000_000));
        let other = calls(false);
        assert_eq!(other.moment(LATER, None), None, "not known yet");
        let behind = Some(Span(-4_000_000_000));
        assert_eq!(other.moment(LATER, behind), Some(6_000_000));
        assert_eq!(other.moment(LATER, Some(Span(i64::MIN))), Some(0));
        assert!(other.moment(LocalTime(u64::MAX), Some(Span(i64::MAX))).is_some());
    }

    #[test]
    fn both_sides_order_two_calls_alike() {
        let offer = |called| Offer {
            called,
            ..Offer::default()
        };
        for (keepers, others, expected) in [
            (Some(7), Some(8), Crossing::Ours),
            (Some(8), Some(7), Crossing::Theirs),
            (Some(7), Some(7), Crossing::Ours),
            (None, Some(7), Crossing::Pair),
            (Some(7), None, Crossing::Pair),
        ] {
            let (keepers, others) = (offer(keepers), offer(others));
            assert_eq!(calls(true).crossing(&keepers, &others), expected);
            let mirrored = match expected {
                Crossing::Ours => Crossing::Theirs,
                Crossing::Theirs => Crossing::Ours,
                Crossing::Pair => Crossing::Pair,
            };
            assert_eq!(calls(false).crossing(&others, &keepers), mirrored);
        }
    }
}
