//! Rendezvous: keeps a listening game in its poll while the next byte is on its way.
//!
//! An emulator runs a frame in a burst and sleeps until the next, so that two of them do one exchange a frame
//! where hardware does a dozen. While exchanges keep coming, the side that answers spends what the frontend
//! would sleep anyway in its poll, and so answers each byte at once.
//!
//! It never waits past the moment at which its own frame must go on to be on time, and never for a game that
//! has not used the cable in the last frames. The side that clocks says when its frame is over and when its
//! next is due: if that is too late for this frame, the frame goes on at once.

use crate::time::{LocalTime, TCycles};
use std::time::Duration;

/// Age in frames of the last exchange up to which exchanges keep coming: a game that does one a frame may
/// skip some.
const STREAK_FRAMES: u32 = 3;
/// Part of a frame's time that is left free: the frontend's own work and a late wake-up.
const MARGIN: Duration = Duration::from_micros(2500);
/// Period of frames below which nobody paces them: fast-forward, and then nobody sleeps.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);
/// Cost of a frame that counts as it is; above it, one frame counts as no more than twice the cost of those
/// before.
const LEAST_COST: Duration = Duration::from_millis(2);

/// Watches this side's frames and takes, and says how long a poll may last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rendezvous {
    /// When the frame that runs began.
    started: Option<LocalTime>,
    /// When the newest frame began, also after its end.
    last_started: Option<LocalTime>,
    /// Time from frame to frame, smoothed; at most a frame of the Game Boy's own, for a slower one has no
    /// time to give.
    period: Duration,
    /// Time of a frame besides its waits, at worst lately.
    cost: Duration,
    /// Time spent in polls in this frame.
    waited: Duration,
    /// Frames since the last take.
    idle: u32,
    /// The game clocked in the frame that is over, so that the peer's may wait for its next byte.
    is_awaited: bool,
}

impl Default for Rendezvous {
    fn default() -> Self {
        Rendezvous {
            started: None,
            last_started: None,
            period: TCycles::FRAME.nominal_duration(),
            cost: Duration::ZERO,
            waited: Duration::ZERO,
            idle: STREAK_FRAMES,
            is_awaited: false,
        }
    }
}

impl Rendezvous {
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
        self.is_awaited = false;
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

    /// Moment until which to wait in this frame, if at all; the peer's next frame, and so its next byte,
    /// comes no sooner than `peer_frame_at`.
    pub(super) fn deadline(&self, peer_frame_at: Option<LocalTime>) -> Option<LocalTime> {
        let is_in_time = |deadline: &LocalTime| peer_frame_at.is_none_or(|at| at < *deadline);
        let deadline = self.free_until().filter(is_in_time);
        deadline.filter(|_| self.idle < STREAK_FRAMES)
    }

    /// Moment until which the frame that runs may last and its frontend still be on time.
    pub(super) fn free_until(&self) -> Option<LocalTime> {
        let started = self.started.filter(|_| self.period >= SHORTEST_PERIOD)?;
        let free = self.period.checked_sub(self.cost + MARGIN)?;
        Some(started.after(free))
    }

    /// The game's next byte comes no sooner than its next frame, and the peer's game may wait for it.
    pub(super) fn handle_rest(&mut self) {
        self.is_awaited = true;
    }

    /// Microseconds from `now` to this side's next frame, at least 1, for a peer that may wait for its first
    /// byte; 0 where that is not so.
    pub(super) fn next_frame_in(&self, now: LocalTime) -> u32 {
        if !self.is_awaited {
            return 0;
        }
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
    fn playing(period: Duration) -> (Rendezvous, LocalTime) {
        let mut rendezvous = Rendezvous::default();
        let mut now = LocalTime(1_000_000_000);
        for _ in 0..100 {
            rendezvous.handle_frame_start(now);
            rendezvous.handle_take();
            rendezvous.handle_frame_end(now.after(COST));
            now = now.after(period);
        }
        rendezvous.handle_frame_start(now);
        (rendezvous, now)
    }

    #[test]
    fn a_game_in_a_streak_waits_for_what_the_frontend_would_sleep() {
        let (rendezvous, now) = playing(PERIOD);
        let free = rendezvous.deadline(None).unwrap().since(now);
        assert!(free < PERIOD - COST && free > PERIOD / 2, "{free:?}");
    }

    #[test]
    fn a_game_that_has_not_used_the_cable_never_waits() {
        let mut rendezvous = Rendezvous::default();
        rendezvous.handle_frame_start(LocalTime(1));
        assert_eq!(rendezvous.deadline(None), None);
        let (mut rendezvous, mut now) = playing(PERIOD);
        for _ in 0..STREAK_FRAMES {
            rendezvous.handle_frame_end(now);
            now = now.after(PERIOD);
            rendezvous.handle_frame_start(now);
        }
        assert_eq!(rendezvous.deadline(None), None);
    }

    #[test]
    fn a_peer_whose_next_frame_comes_too_late_is_not_waited_for() {
        let (rendezvous, now) = playing(PERIOD);
        let at = |ms| Some(now.after(Duration::from_millis(ms)));
        assert!(rendezvous.deadline(at(5)).is_some());
        assert_eq!(rendezvous.deadline(at(15)), None);
    }

    #[test]
    fn the_next_frame_is_due_when_this_one_has_lasted_its_period() {
        let (mut rendezvous, now) = playing(PERIOD);
        assert_eq!(rendezvous.next_frame_in(now), 0, "it runs");
        rendezvous.handle_rest();
        let micros = rendezvous.next_frame_in(now.after(Duration::from_millis(6)));
        assert!((10_500..10_800).contains(&micros), "{micros}");
        assert_eq!(rendezvous.next_frame_in(now.after(2 * PERIOD)), 1);
    }

    #[test]
    fn a_frontend_that_does_not_sleep_is_not_held_up() {
        assert_eq!(playing(Duration::from_millis(2)).0.deadline(None), None);
    }

    #[test]
    fn a_machine_that_needs_its_whole_frame_gives_none_of_it() {
        let (mut rendezvous, mut now) = playing(PERIOD);
        rendezvous.handle_frame_end(now.after(PERIOD));
        rendezvous.handle_frame_start(now.after(PERIOD));
        assert!(rendezvous.deadline(None).is_some(), "one says nothing");
        for _ in 0..5 {
            rendezvous.handle_take();
            now = now.after(PERIOD);
            rendezvous.handle_frame_start(now);
            rendezvous.handle_frame_end(now.after(PERIOD));
        }
        rendezvous.handle_take();
        rendezvous.handle_frame_start(now.after(PERIOD));
        assert_eq!(rendezvous.deadline(None), None);
    }

    #[test]
    fn waits_are_no_cost() {
        let (mut rendezvous, now) = playing(PERIOD);
        rendezvous.handle_wait(PERIOD / 2);
        rendezvous.handle_frame_end(now.after(PERIOD / 2 + COST));
        rendezvous.handle_frame_start(now.after(PERIOD));
        assert!(rendezvous.deadline(None).is_some());
    }
}
