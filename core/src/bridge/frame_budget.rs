//! Budget of a frame: its period, its cost on this machine, and the slack that is left for waits and replays.
//!
//! An emulator runs a frame in a burst and sleeps until the next is due. The sleep is what rollback and
//! rendezvous may spend; beyond it each frame would be late.

use crate::time::{LocalTime, TCycles};
use std::time::Duration;

/// Part of a frame's time that a wait leaves free: the frontend's own work and a late wake-up.
const WAIT_MARGIN: Duration = Duration::from_micros(2500);
/// Part of a frame's time that replays leave free: the frontend's own work.
const REPLAY_MARGIN: Duration = Duration::from_millis(1);
/// Period of frames below which nobody paces them: fast-forward, and then nobody sleeps.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);
/// Limit of a call that waits for a slower peer: four frames, less than a pause.
const SLOWEST_FRAME: Duration = Duration::from_millis(67);
/// Longest time from call to call that counts: a longer one is a pause.
const LONGEST_GAP: Duration = Duration::from_millis(250);
/// Cost of a frame that counts as it is; above it, one frame counts as no more than twice the cost of those
/// before.
const LEAST_COST: Duration = Duration::from_millis(2);
/// Least time between two datagrams inside a frame.
const FLUSH_PERIOD: Duration = Duration::from_millis(2);
/// Divisor of the difference by which the cost follows a cheaper frame.
const COST_FALL_DIVISOR: u32 = 16;

/// Measures this side's calls of `retro_run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FrameBudget {
    /// When the call that runs began.
    started: Option<LocalTime>,
    /// When the newest call began, also after its end.
    last_started: Option<LocalTime>,
    /// Time from call to call, smoothed; at most a frame of the Game Boy's own, for a slower one has no time
    /// to give.
    period: Duration,
    /// Time from the last call's start to this one's.
    gap: Duration,
    /// Time of a frame apart from waits and replays, at worst lately.
    cost: Duration,
    /// Time of waits and replays in this call.
    apart: Duration,
    /// When a datagram last left inside a frame.
    flushed: Option<LocalTime>,
}

impl Default for FrameBudget {
    fn default() -> Self {
        FrameBudget {
            started: None,
            last_started: None,
            period: TCycles::FRAME.nominal_duration(),
            gap: TCycles::FRAME.nominal_duration(),
            cost: Duration::ZERO,
            apart: Duration::ZERO,
            flushed: None,
        }
    }
}

impl FrameBudget {
    pub(super) fn handle_frame_start(&mut self, now: LocalTime) {
        if let Some(last) = self.last_started.replace(now) {
            let nominal = TCycles::FRAME.nominal_duration();
            // A pause says nothing of the rhythm.
            let gap = now.since(last);
            self.gap = gap.min(LONGEST_GAP);
            self.period = (self.period * 7 + gap.min(nominal)) / 8;
        }
        self.started = Some(now);
        self.apart = Duration::ZERO;
    }

    /// The emulation thread has waited for the peer, inside the frame.
    pub(super) fn handle_wait(&mut self, wait: Duration) {
        self.apart += wait;
    }

    /// The call has replayed frames for so long.
    pub(super) fn handle_replay(&mut self, elapsed: Duration) {
        self.apart += elapsed;
    }

    /// A call is over; `has_frame`: with a frame of its own, and no stall.
    pub(super) fn handle_frame_end(&mut self, now: LocalTime, has_frame: bool) {
        let started = self.started.take().filter(|_| has_frame);
        if let Some(started) = started {
            // One frame in which another program ran says little of the next.
            let most = (2 * self.cost).max(LEAST_COST);
            let cost = now.since(started).saturating_sub(self.apart).min(most);
            self.cost = cost.max(self.cost - self.cost.saturating_sub(cost) / COST_FALL_DIVISOR);
        }
    }

    /// Time from the last call's start to this one's, at most a pause: what the call before took with all
    /// that the frontend did.
    pub(super) fn gap(&self) -> Duration {
        self.gap
    }

    /// Moment until which the call that runs may wait and its frontend still be on time, for a frame whose
    /// cost is all to come.
    pub(super) fn free_until(&self) -> Option<LocalTime> {
        let started = self.started.filter(|_| self.is_paced())?;
        let free = self.period.checked_sub(self.cost + WAIT_MARGIN)?;
        Some(started.after(free))
    }

    /// True at most once in [`FLUSH_PERIOD`] of a frame that takes longer than that: whether what it has made
    /// should leave before its end.
    pub(super) fn must_flush(&mut self, now: LocalTime) -> bool {
        let is_due = self
            .flushed
            .is_none_or(|flushed| now.since(flushed) >= FLUSH_PERIOD);
        let must_flush = self.cost >= FLUSH_PERIOD && is_due;
        if must_flush {
            self.flushed = Some(now);
        }
        must_flush
    }

    /// Time of a frame apart from waits and replays, at worst lately.
    pub(super) fn cost(&self) -> Duration {
        self.cost
    }

    /// Time from frame to frame of a game that waits so long in each.
    pub(super) fn frame_with(&self, wait: Duration) -> Duration {
        (self.cost + wait).max(self.period)
    }

    /// Moment until which the call that runs may wait for a peer that is slower: its frontend is slow then,
    /// too.
    pub(super) fn slow_until(&self) -> Option<LocalTime> {
        let started = self.started.filter(|_| self.is_paced())?;
        Some(started.after(SLOWEST_FRAME))
    }

    /// Time in a call that replays may take besides its own frame.
    pub(super) fn replay_slack(&self) -> Duration {
        self.period.saturating_sub(self.cost + REPLAY_MARGIN)
    }

    /// When the next call is due.
    pub(super) fn next_frame_at(&self) -> Option<LocalTime> {
        self.last_started.map(|started| started.after(self.period))
    }

    /// True while the frontend sleeps between its calls.
    fn is_paced(&self) -> bool {
        self.period >= SHORTEST_PERIOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_nanos(16_742_706);
    const MS: Duration = Duration::from_millis(1);

    /// The budget of a game whose plain frame costs so much, and that replays and waits for so long in each
    /// call; in a frame that has just begun.
    fn playing(period: Duration, cost: Duration, apart: Duration) -> (FrameBudget, LocalTime) {
        let mut budget = FrameBudget::default();
        let mut now = LocalTime(1_000_000_000);
        for _ in 0..100 {
            budget.handle_frame_start(now);
            budget.handle_replay(apart / 2);
            budget.handle_wait(apart / 2);
            budget.handle_frame_end(now.after(cost + apart), true);
            now = now.after(period.max(cost + apart));
        }
        budget.handle_frame_start(now);
        (budget, now)
    }

    #[test]
    fn replays_and_waits_are_no_part_of_a_frames_cost() {
        for apart in [Duration::ZERO, 6 * MS] {
            let (budget, now) = playing(PERIOD, 4 * MS, apart);
            let free = budget.free_until().unwrap().since(now);
            assert_eq!(free, PERIOD - 4 * MS - WAIT_MARGIN, "{apart:?}");
            assert_eq!(budget.replay_slack(), PERIOD - 4 * MS - REPLAY_MARGIN);
        }
    }

    #[test]
    fn a_call_in_which_the_game_stands_still_says_nothing_of_its_cost() {
        let (mut budget, mut now) = playing(PERIOD, 4 * MS, Duration::ZERO);
        let slack = budget.replay_slack();
        for _ in 0..100 {
            budget.handle_frame_end(now, false);
            now = now.after(PERIOD);
            budget.handle_frame_start(now);
        }
        assert_eq!(budget.replay_slack(), slack);
    }

    #[test]
    fn a_frontend_that_does_not_sleep_is_not_held_up() {
        assert_eq!(playing(2 * MS, MS, Duration::ZERO).0.free_until(), None);
    }

    #[test]
    fn a_machine_that_needs_its_whole_frame_has_no_slack() {
        let (budget, _) = playing(PERIOD, PERIOD, Duration::ZERO);
        assert_eq!(budget.free_until(), None);
        assert_eq!(budget.replay_slack(), Duration::ZERO);
    }

    #[test]
    fn one_frame_in_which_another_program_ran_says_nothing() {
        let (mut budget, now) = playing(PERIOD, MS / 4, Duration::ZERO);
        budget.handle_frame_end(now.after(PERIOD), true);
        budget.handle_frame_start(now.after(PERIOD));
        assert!(budget.free_until().is_some());
    }
}
