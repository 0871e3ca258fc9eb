//! Keeps an armed game in its poll while the next byte is on its way: two emulators meet instead of missing each other.
//!
//! An emulator runs a frame in a burst and sleeps the rest, so that two of them do one exchange a frame where hardware
//! does a dozen. While exchanges keep coming, the side that answers spends what the frontend would sleep anyway in its
//! poll, and so answers each byte at once.
//!
//! It never waits past the moment at which its own frame must go on to be on time, and never for a game that has not
//! used the cable in the last frames. The side that clocks says when its frame is over and when its next is due: if that
//! is too late for this frame, the frame goes on at once.

use crate::time::{LocalTime, TCycles};
use std::time::Duration;

/// Exchanges keep coming while the last is at most so many frames old: a game that does one a frame may skip some.
const STREAK_FRAMES: u32 = 3;
/// What is left of a frame's time for all that was not foreseen: the frontend's own work and a late wake-up.
const MARGIN: Duration = Duration::from_micros(2500);
/// Frames follow each other faster than this only where nobody paces them: fast-forward, and then nobody sleeps.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// A frame counts as no dearer than this, or twice what frames cost lately.
const LEAST_COST: Duration = Duration::from_millis(2);

/// Watches this side's frames and takes, and says how long a poll may last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meet {
    /// When the frame that runs began.
    started: Option<LocalTime>,
    /// The same of the one before.
    last_started: Option<LocalTime>,
    /// Time from frame to frame, smoothed; at most a frame of the Game Boy's own, for a slower one has no time to give.
    period: Duration,
    /// What a frame costs besides its waits, at worst lately.
    cost: Duration,
    /// Spent in polls in this frame.
    waited: Duration,
    /// Frames since the last take.
    idle: u32,
}

impl Default for Meet {
    fn default() -> Self {
        Meet {
            started: None,
            last_started: None,
            period: TCycles::FRAME.nominal_duration(),
            cost: Duration::ZERO,
            waited: Duration::ZERO,
            idle: STREAK_FRAMES,
        }
    }
}

impl Meet {
    pub(super) fn handle_frame_start(&mut self, now: LocalTime) {
        if let Some(last) = self.last_started.replace(now) {
            let nominal = TCycles::FRAME.nominal_duration();
            // A pause says nothing of the rhythm.
            let gap = now.since(last).min(nominal);
            self.period = (self.period * 7 + gap) / 8;
        }
        self.started = Some(now);
        self.waited = Duration::ZERO;
        self.idle = self.idle.saturating_add(1);
    }

    pub(super) fn handle_frame_end(&mut self, now: LocalTime) {
        if let Some(started) = self.started.take() {
            // One frame in which another program ran says little of the next.
            let most = (2 * self.cost).max(LEAST_COST);
            let cost = now.since(started).saturating_sub(self.waited).min(most);
            self.cost = cost.max(self.cost - self.cost / 16);
        }
    }

    /// The game took a byte.
    pub(super) fn handle_take(&mut self) {
        self.idle = 0;
    }

    /// The emulation thread has waited in a poll, or for a byte that the game asked for.
    pub(super) fn handle_wait(&mut self, wait: Duration) {
        self.waited += wait;
    }

    /// Until when to wait in this frame, if at all; the peer's next byte comes no sooner than it `rests_until`.
    pub(super) fn deadline(&self, rests_until: Option<LocalTime>) -> Option<LocalTime> {
        if self.idle >= STREAK_FRAMES {
            return None;
        }
        let deadline = self.free_until()?;
        rests_until
            .is_none_or(|rests_until| rests_until < deadline)
            .then_some(deadline)
    }

    /// Until when the frame that runs may last and its frontend still be on time.
    pub(super) fn free_until(&self) -> Option<LocalTime> {
        let started = self.started.filter(|_| self.period >= SHORTEST_PERIOD)?;
        let free = self.period.checked_sub(self.cost + MARGIN)?;
        Some(started.after(free))
    }

    /// How long it is from `now` to this side's next frame, in microseconds; at least 1, for 0 says nothing.
    pub(super) fn rest(&self, now: LocalTime) -> u32 {
        let next = self
            .last_started
            .map_or(now, |started| started.after(self.period));
        u32::try_from(next.since(now).as_micros())
            .unwrap_or(u32::MAX)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_nanos(16_742_706);
    const COST: Duration = Duration::from_micros(300);

    /// A game that has taken bytes in frames of this rhythm, in a frame that has just begun.
    fn playing(period: Duration) -> (Meet, LocalTime) {
        let mut meet = Meet::default();
        let mut now = LocalTime(1_000_000_000);
        for _ in 0..100 {
            meet.handle_frame_start(now);
            meet.handle_take();
            meet.handle_frame_end(now.after(COST));
            now = now.after(period);
        }
        meet.handle_frame_start(now);
        (meet, now)
    }

    #[test]
    fn a_game_in_a_streak_waits_for_what_the_frontend_would_sleep() {
        let (meet, now) = playing(PERIOD);
        let free = meet.deadline(None).unwrap().since(now);
        assert!(free < PERIOD - COST && free > PERIOD / 2, "{free:?}");
    }

    #[test]
    fn a_game_that_has_not_used_the_cable_never_waits() {
        let mut meet = Meet::default();
        meet.handle_frame_start(LocalTime(1));
        assert_eq!(meet.deadline(None), None);
        let (mut meet, mut now) = playing(PERIOD);
        for _ in 0..STREAK_FRAMES {
            meet.handle_frame_end(now);
            now = now.after(PERIOD);
            meet.handle_frame_start(now);
        }
        assert_eq!(meet.deadline(None), None);
    }

    #[test]
    fn a_peer_whose_next_frame_comes_too_late_is_not_waited_for() {
        let (meet, now) = playing(PERIOD);
        let at = |ms| Some(now.after(Duration::from_millis(ms)));
        assert!(meet.deadline(at(5)).is_some());
        assert_eq!(meet.deadline(at(15)), None);
    }

    #[test]
    fn the_rest_is_what_is_left_of_the_frame() {
        let (meet, now) = playing(PERIOD);
        let rest = meet.rest(now.after(Duration::from_millis(6)));
        assert!((10_500..10_800).contains(&rest), "{rest}");
        assert_eq!(meet.rest(now.after(2 * PERIOD)), 1);
    }

    #[test]
    fn a_frontend_that_does_not_sleep_is_not_held_up() {
        assert_eq!(playing(Duration::from_millis(2)).0.deadline(None), None);
    }

    #[test]
    fn a_machine_that_needs_its_whole_frame_gives_none_of_it() {
        let (mut meet, mut now) = playing(PERIOD);
        meet.handle_frame_end(now.after(PERIOD));
        meet.handle_frame_start(now.after(PERIOD));
        assert!(meet.deadline(None).is_some(), "one says nothing");
        for _ in 0..5 {
            meet.handle_take();
            now = now.after(PERIOD);
            meet.handle_frame_start(now);
            meet.handle_frame_end(now.after(PERIOD));
        }
        meet.handle_take();
        meet.handle_frame_start(now.after(PERIOD));
        assert_eq!(meet.deadline(None), None);
    }

    #[test]
    fn waits_are_no_cost() {
        let (mut meet, now) = playing(PERIOD);
        meet.handle_wait(PERIOD / 2);
        meet.handle_frame_end(now.after(PERIOD / 2 + COST));
        meet.handle_frame_start(now.after(PERIOD));
        assert!(meet.deadline(None).is_some());
    }
}
