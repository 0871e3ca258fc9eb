//! Rendezvous: keeps a listening game in its poll while the next byte is on its way.
//!
//! An emulator runs a frame in a burst and sleeps until the next, so that two of them do one exchange a frame
//! where hardware does a dozen. While exchanges keep coming, the side that answers spends what the frontend
//! would sleep anyway in its poll, and so answers each byte at once.
//!
//! It never waits past the moment at which its own frame must go on to be on time, and never for a game that
//! has not used the cable in the last frames. The side that clocks says when its frame is over and when its
//! next is due: if that is too late for this frame, the frame goes on at once.

use super::frame_budget::FrameBudget;
use crate::time::LocalTime;

/// Age in frames of the last exchange up to which exchanges keep coming: a game that does one a frame may
/// skip some.
const STREAK_FRAMES: u32 = 3;

/// Watches this side's takes, and says how long a poll may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rendezvous {
    /// Frames since the last take.
    idle: u32,
    /// The game clocked in the frame that is over, so that the peer's may wait for its next byte.
    is_awaited: bool,
}

impl Default for Rendezvous {
    fn default() -> Self {
        Rendezvous {
            idle: STREAK_FRAMES,
            is_awaited: false,
        }
    }
}

impl Rendezvous {
    pub(super) fn handle_frame_start(&mut self) {
        self.idle = self.idle.saturating_add(1);
        self.is_awaited = false;
    }

    /// The game took a byte.
    pub(super) fn handle_take(&mut self) {
        self.idle = 0;
    }

    /// Moment until which to wait in this frame, if at all; the peer's next frame, and so its next byte,
    /// comes no sooner than `peer_frame_at`. `must_slow`: this game is ahead of the peer's, and waits for it
    /// however late its own frame is for that.
    pub(super) fn deadline(
        &self,
        budget: &FrameBudget,
        peer_frame_at: Option<LocalTime>,
        must_slow: bool,
    ) -> Option<LocalTime> {
        let deadline = match must_slow {
            true => budget.slow_until(),
            false => budget.free_until(),
        };
        let is_in_time = |deadline: &LocalTime| peer_frame_at.is_none_or(|at| at < *deadline);
        deadline.filter(is_in_time).filter(|_| self.idle < STREAK_FRAMES)
    }

    /// The game's next byte comes no sooner than its next frame, and the peer's game may wait for it.
    pub(super) fn handle_rest(&mut self) {
        self.is_awaited = true;
    }

    /// Microseconds from `now` to this side's next frame, at least 1, for a peer that may wait for its first
    /// byte; 0 where that is not so.
    pub(super) fn next_frame_in(&self, budget: &FrameBudget, now: LocalTime) -> u32 {
        if !self.is_awaited {
            return 0;
        }
        let next = budget.next_frame_at().unwrap_or(now);
        u32::try_from(next.since(now).as_micros())
            .unwrap_or(u32::MAX)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PERIOD: Duration = Duration::from_nanos(16_742_706);
    const COST: Duration = Duration::from_micros(300);

    /// A game that has taken bytes in frames of this rhythm, in a frame that has just begun.
    fn playing() -> (Rendezvous, FrameBudget, LocalTime) {
        let (mut rendezvous, mut budget) = (Rendezvous::default(), FrameBudget::default());
        let mut now = LocalTime(1_000_000_000);
        for _ in 0..100 {
            rendezvous.handle_frame_start();
            budget.handle_frame_start(now);
            rendezvous.handle_take();
            budget.handle_frame_end(now.after(COST), true);
            now = now.after(PERIOD);
        }
        rendezvous.handle_frame_start();
        budget.handle_frame_start(now);
        (rendezvous, budget, now)
    }

    #[test]
    fn a_game_in_a_streak_waits_for_what_the_frontend_would_sleep() {
        let (rendezvous, budget, now) = playing();
        let free = rendezvous.deadline(&budget, None, false).unwrap().since(now);
        assert!(free < PERIOD - COST && free > PERIOD / 2, "{free:?}");
    }

    #[test]
    fn a_game_that_has_not_used_the_cable_never_waits() {
        let (mut rendezvous, budget, _) = playing();
        assert_eq!(Rendezvous::default().deadline(&budget, None, false), None);
        (0..STREAK_FRAMES).for_each(|_| rendezvous.handle_frame_start());
        assert_eq!(rendezvous.deadline(&budget, None, false), None);
    }

    #[test]
    fn a_peer_whose_next_frame_comes_too_late_is_not_waited_for() {
        let (rendezvous, budget, now) = playing();
        let at = |ms| Some(now.after(Duration::from_millis(ms)));
        assert!(rendezvous.deadline(&budget, at(5), false).is_some());
        assert_eq!(rendezvous.deadline(&budget, at(15), false), None);
    }

    #[test]
    fn a_game_ahead_of_a_slower_peer_waits_for_it_through_frames_of_its_own() {
        let (rendezvous, budget, now) = playing();
        let late = Some(now.after(2 * PERIOD));
        assert_eq!(rendezvous.deadline(&budget, late, false), None);
        assert!(rendezvous.deadline(&budget, late, true) > late);
    }

    #[test]
    fn the_next_frame_is_due_when_this_one_has_lasted_its_period() {
        let (mut rendezvous, budget, now) = playing();
        assert_eq!(rendezvous.next_frame_in(&budget, now), 0, "it runs");
        rendezvous.handle_rest();
        let micros = rendezvous.next_frame_in(&budget, now.after(Duration::from_millis(6)));
        assert!((10_500..10_800).contains(&micros), "{micros}");
        assert_eq!(rendezvous.next_frame_in(&budget, now.after(2 * PERIOD)), 1);
    }
}
