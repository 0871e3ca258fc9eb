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
    conversed: LocalTime,
    /// Calls are ordered by our clock, not by the peer's.
    is_keeper: bool,
    /// The game has looked for a byte since it last clocked one.
    is_listener: bool,
}

impl Calls {
    /// A session begins, in which calls are ordered by our clock or the peer's.
    pub(super) fn plug(&mut self, is_keeper: bool) {
        self.is_keeper = is_keeper;
    }

    /// The core looks for a byte.
    pub(super) fn handle_look(&mut self) {
        self.is_listener = true;
    }

    /// A byte has crossed.
    pub(super) fn handle_byte(&mut self, now: LocalTime) {
        self.conversed = now;
    }

    /// True if what is said now begins a conversation.
    pub(super) fn is_pause(&self, now: LocalTime) -> bool {
        now.since(self.conversed) > PAUSE
    }

    /// The game clocks a byte; returns the moment that its offer says, if that is the call of a game that
    /// listens too. `offset` is the peer's clock minus ours.
    pub(super) fn handle_request(&mut self, now: LocalTime, offset: Option<Span>) -> Option<u64> {
        let is_call = std::mem::take(&mut self.is_listener) && self.is_pause(now);
        let offset = if self.is_keeper { Span(0) } else { offset? };
        is_call.then_some(now.0.saturating_add_signed(offset.0) / 1000)
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

    /// The moment that a call of a game says that has just listened.
    fn call(calls: &mut Calls, now: LocalTime, offset: Option<Span>) -> Option<u64> {
        calls.handle_look();
        calls.handle_request(now, offset)
    }

    #[test]
    fn the_first_byte_after_a_pause_is_a_call() {
        let mut keeper = calls(true);
        assert_eq!(call(&mut keeper, LATER, None), Some(10_000_000));
        keeper.handle_byte(LATER);
        assert_eq!(call(&mut keeper, LATER.after(PAUSE), None), None);
        let after = LATER.after(PAUSE + Duration::from_millis(1));
        assert_eq!(call(&mut keeper, after, None), Some(10_503_000));
    }

    #[test]
    fn a_game_that_never_listens_does_not_call() {
        let mut keeper = calls(true);
        assert_eq!(keeper.handle_request(LATER, None), None);
        assert_eq!(call(&mut keeper, LATER, None), Some(10_000_000));
        assert_eq!(keeper.handle_request(LATER, None), None);
    }

    #[test]
    fn both_sides_say_moments_of_one_clock() {
        let mut other = calls(false);
        assert_eq!(call(&mut other, LATER, None), None, "not known yet");
        let behind = Some(Span(-4_000_000_000));
        assert_eq!(call(&mut other, LATER, behind), Some(6_000_000));
        assert_eq!(call(&mut other, LATER, Some(Span(i64::MIN))), Some(0));
        assert!(call(&mut other, LocalTime(u64::MAX), Some(Span(i64::MAX))).is_some());
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
