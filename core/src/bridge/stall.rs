//! Time for which the game has stood still for a peer that is heard, is not paused, and answers nothing.
//!
//! An honest peer that cannot answer says that it is paused, or falls silent. So this ends a link to one that
//! does neither: a program that is broken or means harm.

use super::rollback::Counters;
use crate::time::LocalTime;
use std::time::Duration;

/// The game stands still for so long without an answer, frames in which it ran taken off: more than any spike
/// of a path on which the peer is still heard, and short of what a player takes for a crash.
const LIMIT: Duration = Duration::from_secs(2);

/// Counted of one call of `retro_run` at most: longer ones are this side's own pauses.
const LONGEST_FRAME: Duration = Duration::from_millis(100);

/// Watches one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stall {
    /// Frames emulated for the player, and transfers that the peer has answered or confirmed, so far.
    before: (u64, u64),
    started: Option<LocalTime>,
    stood: Duration,
}

impl Stall {
    /// A call of `retro_run` begins. True once the peer has left the game without an answer for too long.
    ///
    /// `is_excused`: the peer says that it is paused.
    pub(super) fn handle_frame(&mut self, now: LocalTime, counters: &Counters, is_excused: bool) -> bool {
        let live = counters.frames.live;
        let answers = counters.transfers.answered + counters.transfers.confirmed;
        let before = std::mem::replace(&mut self.before, (live, answers));
        let started = self.started.replace(now);
        let time = started.map_or(Duration::ZERO, |started| now.since(started).min(LONGEST_FRAME));
        if answers != before.1 {
            self.stood = Duration::ZERO;
        } else if live != before.0 {
            self.stood = self.stood.saturating_sub(time);
        } else if !is_excused {
            self.stood += time;
        }
        self.stood >= LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until the peer is given up, if within a minute, when these are the counters in each frame.
    fn play(mut progress: impl FnMut(u64) -> Counters, is_excused: bool) -> Option<u64> {
        let mut stall = Stall::default();
        (0..3600).find_map(|frame| {
            let now = LocalTime(1_000_000_000 + frame * 16_742_706);
            stall
                .handle_frame(now, &progress(frame), is_excused)
                .then_some(frame / 59)
        })
    }

    fn progress(live: u64, answers: u64) -> Counters {
        let mut counters = Counters::default();
        counters.frames.live = live;
        counters.transfers.answered = answers;
        counters
    }

    #[test]
    fn a_peer_that_answers_nothing_is_given_up_after_two_seconds_unless_it_is_paused() {
        assert_eq!(play(|_| progress(7, 7), false), Some(2));
        assert_eq!(play(|_| progress(7, 7), true), None);
    }

    #[test]
    fn a_slow_peer_that_answers_is_waited_for() {
        assert_eq!(play(|frame| progress(frame / 10, frame / 60), false), None);
    }

    #[test]
    fn a_frame_now_and_then_without_an_answer_does_not_buy_time() {
        let lets_run = |frame: u64| progress(frame - frame % 100 + (frame % 100).min(4), 0);
        assert_eq!(play(lets_run, false), Some(2));
    }

    #[test]
    fn a_pause_of_our_own_is_not_the_peers() {
        let mut stall = Stall::default();
        let mut now = LocalTime(1_000_000_000);
        for _ in 0..15 {
            assert!(!stall.handle_frame(now, &progress(1, 1), false));
            now = now.after(Duration::from_secs(60));
        }
    }
}
