//! Prediction window: the frames and offers by which a game may run ahead of the verdicts.

use super::frequency::Frequency;
use super::misprediction::Cause;
use crate::time::TCycles;
use std::collections::VecDeque;
use std::time::Duration;

/// Frames beyond the round trip that the clocking side may be ahead of its verdicts: the peer's game needs a
/// frame or two to listen.
const LISTEN_FRAMES: u64 = 3;
/// Frames by which each verdict comes later as long as offers are refused.
const REFUSAL_FRAMES: u64 = 3;
/// Frames beyond the path's own by which an offer may be due in the past: games that answer each other within
/// a frame come further back with each turn.
const REACH_FRAMES: u64 = 6;
/// Limit of the clocking side's window, in frames, however long the path.
const MAX_CLOCKING_FRAMES: u64 = 30;
/// Frames of its own time that a game may be ahead of a transfer that is open, on either side of it and
/// however late it was made: the byte that comes next may be due right behind that, and games that take turns
/// wait 0.7 s for it (Pokemon, 42 frames), then clock out of turn.
pub(super) const MAX_OPEN_FRAMES: u64 = 40;
/// Replays whose costs are smoothed: one that another program held up says nothing of the machine.
const COST_SAMPLES: u32 = 32;
/// Limit of one replay's weight, as a multiple of the cost lately: a machine that has become slower shows it
/// in several.
const MAX_COST_GROWTH: u32 = 2;
/// Divisors of the difference by which the cost follows a dearer replay, and a cheaper one.
const COST_RISE_DIVISOR: u32 = 4;
const COST_FALL_DIVISOR: u32 = 16;
/// Divisors, in a call without a replay, of the distance by which the cost comes nearer to the mean, and of
/// the mean, which falls: a game that predicts right replays nothing, and would stall for ever by the measure
/// of a bad moment. Half a second, and ten.
const COST_DECAY_DIVISOR: u32 = 32;
const MEAN_DECAY_DIVISOR: u32 = 1024;
/// Least window, in frames: a verdict comes between two frames at the soonest.
const MIN_FRAMES: u64 = 1;
/// Time by which a frame may be late now and then: frontends keep more sound than that in hand.
const RARELY_LATE: Duration = Duration::from_millis(3);
/// Offers that may be open beyond what the peer takes in a round trip.
const SPARE_OFFERS: u64 = 10;
/// Calls over which the peer's best rate of verdicts, and the quickest of them, are looked for: a second.
const RATE_CALLS: u32 = 60;
/// Calls behind a silence in which the window is wider: a second.
const RESUMED_CALLS: u32 = 60;
/// Least distance of two stalls that shorten a queue, in calls: fewer than one frame in a hundred.
const DRAIN_PERIOD: u32 = 120;
/// Largest power of two by which that distance grows while such stalls do not help.
const MAX_DRAIN_BACKOFF: u32 = 6;

/// Measures that limit the prediction window.
#[derive(Clone, Debug)]
pub(super) struct PredictionWindow {
    /// Round trip, in frames begun, and one more.
    round_trip: u64,
    /// Time of a call that replays may take.
    slack: Duration,
    /// Cost of one replayed frame lately; follows increases soon.
    cost: Duration,
    /// Mean cost of one replayed frame, and the number of samples in it.
    mean: Duration,
    measured: u32,
    /// A cost was measured in this call.
    has_measured: bool,
    /// Corrections of each cause.
    mispredicted: Frequency,
    replaced: Frequency,
    overdue: Frequency,
    /// Verdicts that arrived in this call, and in those before; `RATE_CALLS` of them, always.
    calls: VecDeque<Verdicts>,
    /// Calls since the game last stood still.
    running: u32,
    /// The peer has been silent, and the game has stood still since then without a verdict.
    was_silent: bool,
    /// Calls for which the window stays wider after a silence.
    resumed: u32,
    drain: Drain,
}

/// Verdicts that arrived in one call.
#[derive(Clone, Copy, Debug, Default)]
struct Verdicts {
    count: u32,
    /// Age of the quickest, in frames since its offer.
    quickest: Option<u64>,
}

/// Actions taken against a standing queue.
#[derive(Clone, Copy, Debug, Default)]
struct Drain {
    /// Calls until the next stall for it.
    next_stall_in: u32,
    /// Length of the queue before the last such stall, until its effect has shown.
    before: Option<u64>,
    failures: u32,
}

impl Default for PredictionWindow {
    fn default() -> Self {
        PredictionWindow {
            round_trip: 1,
            slack: TCycles::FRAME.nominal_duration(),
            cost: Duration::ZERO,
            mean: Duration::ZERO,
            measured: 0,
            has_measured: false,
            mispredicted: Frequency::default(),
            replaced: Frequency::default(),
            overdue: Frequency::default(),
            calls: vec![Verdicts::default(); RATE_CALLS as usize].into(),
            running: 0,
            was_silent: false,
            resumed: 0,
            drain: Drain::default(),
        }
    }
}

impl PredictionWindow {
    pub(super) fn set_round_trip(&mut self, round_trip: Duration) {
        let period = TCycles::FRAME.nominal_duration().as_nanos();
        let frames = round_trip.as_nanos().div_ceil(period);
        self.round_trip = u64::try_from(frames).unwrap_or(u64::MAX).min(MAX_OPEN_FRAMES) + 1;
    }

    pub(super) fn set_slack(&mut self, slack: Duration) {
        self.slack = slack;
    }

    pub(super) fn handle_cost(&mut self, cost: Duration) {
        if self.measured == 0 {
            self.cost = cost;
        }
        let cost = cost.min(self.cost * MAX_COST_GROWTH);
        self.cost = match cost.checked_sub(self.cost) {
            Some(more) => self.cost + more / COST_RISE_DIVISOR,
            None => self.cost - (self.cost - cost) / COST_FALL_DIVISOR,
        };
        self.has_measured = true;
        self.measured = (self.measured + 1).min(COST_SAMPLES);
        self.mean = (self.mean * (self.measured - 1) + cost) / self.measured;
    }

    /// A verdict arrived, so many frames after its offer was made.
    pub(super) fn handle_verdict(&mut self, age: u64) {
        if std::mem::take(&mut self.was_silent) {
            self.resumed = RESUMED_CALLS;
        }
        let call = &mut self.calls[0];
        call.count = call.count.saturating_add(1);
        call.quickest = Some(call.quickest.map_or(age, |before| before.min(age)));
    }

    /// True if the game should stand still for one frame although it need not.
    ///
    /// A game whose clock is a little faster than its peer's, or whose datagrams were once held up, runs
    /// ahead of the peer for no use: its offers stand in a queue, and every correction goes further back.
    /// Frontends plan a frame from the last one's due time, so no short sleep would slow them; one frame
    /// shown twice does.
    ///
    /// `spare`: frames by which the quickest verdict may be late for good.
    pub(super) fn must_drain(&mut self, spare: u64) -> bool {
        let standing = self.standing().saturating_sub(spare);
        let limits_are_at_work = self.running < RATE_CALLS;
        if standing == 0 || limits_are_at_work || self.drain.next_stall_in > 0 {
            return false;
        }
        self.drain.before = Some(standing);
        self.drain.next_stall_in = DRAIN_PERIOD << self.drain.failures;
        true
    }

    /// A call begins in which the peer cannot answer.
    pub(super) fn handle_silence(&mut self) {
        self.was_silent = true;
    }

    /// The game stands still in this call.
    pub(super) fn handle_stall(&mut self) {
        self.running = 0;
    }

    /// By how many frames even the quickest verdict of the last second came later than a round trip.
    fn standing(&self) -> u64 {
        let quickest = self.calls.iter().filter_map(|call| call.quickest).min();
        quickest.unwrap_or(0).saturating_sub(self.round_trip)
    }

    /// The call that runs has a correction.
    pub(super) fn handle_correction(&mut self, cause: Cause) {
        match cause {
            Cause::Mispredicted => self.mispredicted.handle_correction(),
            Cause::Replaced => self.replaced.handle_correction(),
            Cause::Overdue => self.overdue.handle_correction(),
        }
    }

    pub(super) fn handle_call_end(&mut self) {
        for frequency in [&mut self.mispredicted, &mut self.replaced, &mut self.overdue] {
            frequency.handle_call_end();
        }
        if !std::mem::take(&mut self.has_measured) {
            self.cost -= self.cost.saturating_sub(self.mean) / COST_DECAY_DIVISOR;
            self.mean -= self.mean / MEAN_DECAY_DIVISOR;
        }
        let has_stalled = self.running == 0;
        self.was_silent &= has_stalled;
        self.running = self.running.saturating_add(1);
        self.resumed = self.resumed.saturating_sub(1);
        self.drain.next_stall_in = self.drain.next_stall_in.saturating_sub(1);
        if self.running == RATE_CALLS
            && let Some(before) = self.drain.before.take()
        {
            let failures = (self.drain.failures + 2).min(MAX_DRAIN_BACKOFF);
            self.drain.failures = if self.standing() < before { 0 } else { failures };
            let pause = self.drain.next_stall_in.max(DRAIN_PERIOD << self.drain.failures);
            self.drain.next_stall_in = pause - RATE_CALLS;
        }
        self.calls.rotate_right(1);
        self.calls[0] = Verdicts::default();
    }

    /// Frames that may pass between an offer and its verdict.
    pub(super) fn clocking(&self, is_refused: bool) -> u64 {
        let slack = self.affordable(&self.mispredicted).max(MIN_FRAMES);
        self.path_clocking(is_refused).min(slack)
    }

    /// The same on a machine with slack to spare.
    fn path_clocking(&self, is_refused: bool) -> u64 {
        let refusal = if is_refused { REFUSAL_FRAMES } else { 0 };
        (self.round_trip + LISTEN_FRAMES + refusal + self.resumption()).min(MAX_CLOCKING_FRAMES)
    }

    /// Frames by which the window is wider after a silence: a round trip at first, and less and less.
    ///
    /// The game stood still at the end of its window. Where the first verdicts show that it has read a wrong
    /// byte, it makes what follows anew, in frames as old as that: for want of verdicts on these it would
    /// stand still for another round trip, though the peer is there.
    fn resumption(&self) -> u64 {
        (self.round_trip * u64::from(self.resumed)).div_ceil(RESUMED_CALLS.into())
    }

    /// True if a machine with slack to spare would go on, where offers have been open for so many frames, and
    /// takes.
    pub(super) fn is_for_slack(&self, unanswered: Option<u64>, open: Option<u64>, is_refused: bool) -> bool {
        unanswered.is_none_or(|age| age < self.path_clocking(is_refused))
            && open.is_none_or(|age| age < MAX_OPEN_FRAMES)
    }

    /// True if this machine has too little slack for the window that the path asks for, were all predictions
    /// wrong.
    pub(super) fn is_cut_short(&self) -> bool {
        self.measured > 0 && self.fitting(self.mean) < self.path_reach()
    }

    /// True if the path asks for more than the limit of the clocking side's window.
    pub(super) fn is_path_too_long(&self) -> bool {
        self.round_trip + LISTEN_FRAMES > MAX_CLOCKING_FRAMES
    }

    /// Mean cost of one replayed frame.
    pub(super) fn mean_cost(&self) -> Duration {
        self.mean
    }

    fn path_reach(&self) -> u64 {
        self.round_trip * 3 / 2 + REACH_FRAMES
    }

    /// Frames that may be replayed for a cause, so that the frame is on time where that is frequent.
    fn affordable(&self, frequency: &Frequency) -> u64 {
        if frequency.is_rare() {
            u64::MAX
        } else {
            self.fitting(self.cost)
        }
    }

    /// Frames that may pass between a take and the word that it is final.
    pub(super) fn armed(&self) -> u64 {
        MAX_OPEN_FRAMES.min(self.affordable(&self.replaced).max(MIN_FRAMES))
    }

    /// Frames by which an offer may have been due in the past and still be gone back to: as many as it was on
    /// its way, and some for its turn.
    pub(super) fn reach(&self) -> u64 {
        self.path_reach().min(self.affordable(&self.overdue))
    }

    /// The same where the games take turns: the answer is made there too, so it is as old from the start, and
    /// may stay open for a window more.
    ///
    /// Without a limit where the path is too long: turns that are late on both sides take a round trip of the
    /// games' time each, and a game that waits would not wait for so long.
    pub(super) fn turn_reach(&self) -> u64 {
        if self.is_path_too_long() {
            return u64::MAX;
        }
        MAX_OPEN_FRAMES - self.path_clocking(false)
    }

    /// Offers that may be without a verdict: as many as the peer's best takes in a round trip, and some.
    pub(super) fn most_outstanding(&self) -> u64 {
        let best = self.calls.iter().map(|call| call.count).max();
        u64::from(best.unwrap_or(0).max(1)) * self.round_trip + SPARE_OFFERS
    }

    /// Frames that may be replayed in one call, where one costs so much.
    fn fitting(&self, cost: Duration) -> u64 {
        let frames = self.slack.as_nanos() / cost.as_nanos().max(1);
        u64::try_from(frames).unwrap_or(u64::MAX)
    }

    /// True if the call's own frame is still on time after so many have been replayed in it, or late by so
    /// little that a stall would be worse, where that is rare.
    pub(super) fn has_time_after(&self, replayed: u32) -> bool {
        let all = [&self.mispredicted, &self.replaced, &self.overdue];
        let is_rare = all.iter().all(|frequency| frequency.is_rare());
        let late = if is_rare { RARELY_LATE } else { Duration::ZERO };
        self.cost * replayed <= self.slack + late
    }

    /// Frames back before which a replay takes nothing anew: else each replacement is taken at the old place,
    /// and the open past never gets shorter.
    pub(super) fn floor(&self) -> u64 {
        self.round_trip + 1
    }
}

#[cfg(test)]
mod tests;
