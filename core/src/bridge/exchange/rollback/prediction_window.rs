//! Prediction window: the frames and offers by which a game may run ahead of the verdicts.

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
/// Frames that the armed side may be ahead of the peer's word that a take is final.
const MAX_ARMED_FRAMES: u64 = 40;
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
/// Least window, in frames: a machine too slow for it must wait in other ways.
const MIN_FRAMES: u64 = 2;
/// Offers that may be open beyond what the peer takes in a round trip.
const SPARE_OFFERS: u64 = 10;
/// Calls over which the peer's best rate of verdicts, and the quickest of them, are looked for: a second.
const RATE_CALLS: u32 = 60;
/// Least distance of two stalls that shorten a queue, in calls: fewer than one frame in a hundred.
const DRAIN_PERIOD: u32 = 120;
/// Largest power of two by which that distance grows while such stalls do not help.
const MAX_DRAIN_BACKOFF: u32 = 6;

/// Measures that limit the prediction window.
#[derive(Clone, Debug)]
pub(super) struct PredictionWindow {
    /// Round trip, in frames begun, and one more.
    round_trip: u64,
    /// Cost of one replayed frame lately; follows increases soon.
    cost: Duration,
    /// Mean cost of one replayed frame, and the number of samples in it.
    mean: Duration,
    measured: u32,
    /// A cost was measured in this call.
    has_measured: bool,
    /// Verdicts that arrived in this call, and in those before; `RATE_CALLS` of them, always.
    calls: VecDeque<Verdicts>,
    /// Calls since the game last stood still.
    running: u32,
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
            cost: Duration::ZERO,
            mean: Duration::ZERO,
            measured: 0,
            has_measured: false,
            calls: vec![Verdicts::default(); RATE_CALLS as usize].into(),
            running: 0,
            drain: Drain::default(),
        }
    }
}

impl PredictionWindow {
    pub(super) fn set_round_trip(&mut self, round_trip: Duration) {
        let period = TCycles::FRAME.nominal_duration().as_nanos();
        let frames = round_trip.as_nanos().div_ceil(period);
        self.round_trip = u64::try_from(frames).unwrap_or(u64::MAX).min(MAX_ARMED_FRAMES) + 1;
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

    /// The game stands still in this call.
    pub(super) fn handle_stall(&mut self) {
        self.running = 0;
    }

    /// By how many frames even the quickest verdict of the last second came later than a round trip.
    fn standing(&self) -> u64 {
        let quickest = self.calls.iter().filter_map(|call| call.quickest).min();
        quickest.unwrap_or(0).saturating_sub(self.round_trip)
    }

    pub(super) fn handle_call_end(&mut self) {
        if !std::mem::take(&mut self.has_measured) {
            self.cost -= self.cost.saturating_sub(self.mean) / COST_DECAY_DIVISOR;
            self.mean -= self.mean / MEAN_DECAY_DIVISOR;
        }
        self.running = self.running.saturating_add(1);
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
        let refusal = if is_refused { REFUSAL_FRAMES } else { 0 };
        (self.round_trip + LISTEN_FRAMES + refusal)
            .min(MAX_CLOCKING_FRAMES)
            .min(affordable(self.cost))
    }

    /// True if this machine replays slower than this path would have it: a game that predicts is held up for
    /// that.
    pub(super) fn is_cut_short(&self) -> bool {
        self.measured == COST_SAMPLES
            && affordable(self.mean) < (self.round_trip + LISTEN_FRAMES).min(MAX_CLOCKING_FRAMES)
    }

    /// Frames that may pass between a take and the word that it is final.
    pub(super) fn armed(&self) -> u64 {
        MAX_ARMED_FRAMES.min(affordable(self.cost))
    }

    /// Frames by which an offer may have been due in the past and still be gone back to: as many as it was on
    /// its way, and some for its turn.
    pub(super) fn reach(&self) -> u64 {
        (self.round_trip * 3 / 2 + REACH_FRAMES).min(affordable(self.cost))
    }

    /// Offers that may be without a verdict: as many as the peer's best takes in a round trip, and some.
    pub(super) fn most_outstanding(&self) -> u64 {
        let best = self.calls.iter().map(|call| call.count).max();
        u64::from(best.unwrap_or(0).max(1)) * self.round_trip + SPARE_OFFERS
    }

    /// Frames back before which a replay takes nothing anew: else each replacement is taken at the old place,
    /// and the open past never gets shorter.
    pub(super) fn floor(&self) -> u64 {
        self.round_trip + 1
    }
}

/// Frames whose replay takes a quarter of a frame's time, where one costs so much.
fn affordable(cost: Duration) -> u64 {
    let quarter = TCycles::FRAME.nominal_duration().as_nanos() / 4;
    let frames = quarter / cost.as_nanos().max(1);
    u64::try_from(frames).unwrap_or(u64::MAX).max(MIN_FRAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_is_the_round_trip_and_three_frames() {
        let mut window = PredictionWindow::default();
        assert_eq!(window.clocking(false), 4);
        window.set_round_trip(Duration::from_millis(200));
        assert_eq!((window.clocking(false), window.armed()), (12 + 1 + 3, 40));
        window.set_round_trip(Duration::MAX);
        assert_eq!(window.clocking(false), MAX_CLOCKING_FRAMES);
    }

    #[test]
    fn a_slow_machine_runs_less_far_ahead() {
        let mut window = PredictionWindow::default();
        window.set_round_trip(Duration::from_millis(200));
        window.handle_cost(Duration::from_micros(600));
        assert_eq!((window.clocking(false), window.armed()), (6, 6));
        (0..20).for_each(|_| window.handle_cost(Duration::from_millis(50)));
        assert_eq!(window.clocking(false), MIN_FRAMES);
        for _ in 0..200 {
            window.handle_cost(Duration::from_micros(10));
        }
        assert_eq!(window.armed(), MAX_ARMED_FRAMES, "what it was once is forgotten");
    }

    #[test]
    fn a_replay_that_was_held_up_does_not_hold_the_game_back() {
        let mut window = PredictionWindow::default();
        window.set_round_trip(Duration::from_millis(40));
        let horizon = window.clocking(false);
        for frame in 0..600 {
            // Another program has this processor for 30 ms twice a second.
            let is_held_up = frame % 30 == 0 && frame > 0;
            let cost = if is_held_up { 30_000 } else { 300 };
            window.handle_cost(Duration::from_micros(cost));
            window.handle_call_end();
            assert_eq!(window.clocking(false), horizon, "{frame}");
            assert!(!window.is_cut_short());
        }
    }

    #[test]
    fn a_bad_moment_is_forgotten_by_time_where_nothing_is_replayed() {
        let mut window = PredictionWindow::default();
        window.set_round_trip(Duration::from_millis(200));
        (0..32).for_each(|_| window.handle_cost(Duration::from_micros(100)));
        (0..20).for_each(|_| window.handle_cost(Duration::from_millis(1)));
        assert!(window.clocking(false) < 6);
        (0..60).for_each(|_| window.handle_call_end());
        assert!(window.clocking(false) >= 8, "{:?}", window.cost);
        (0..1200).for_each(|_| window.handle_call_end());
        assert_eq!(window.clocking(false), 16);
    }

    #[test]
    fn a_machine_is_slow_when_it_replays_slowly_on_the_whole() {
        let mut window = PredictionWindow::default();
        (0..100).for_each(|_| window.handle_cost(Duration::from_micros(200)));
        window.handle_cost(Duration::from_millis(5));
        assert!(!window.is_cut_short());
        (0..100).for_each(|_| window.handle_cost(Duration::from_millis(2)));
        assert!(window.is_cut_short());
    }

    #[test]
    fn the_window_follows_the_peers_best_rate() {
        let mut window = PredictionWindow::default();
        assert_eq!(window.most_outstanding(), 11);
        (0..9).for_each(|_| window.handle_verdict(2));
        window.handle_call_end();
        assert_eq!(window.most_outstanding(), 19);
        (0..RATE_CALLS).for_each(|_| window.handle_call_end());
        assert_eq!(window.most_outstanding(), 11);
    }

    #[test]
    fn a_queue_that_never_empties_shows_in_the_quickest_verdict() {
        let mut window = PredictionWindow::default();
        for call in 0..u64::from(RATE_CALLS) {
            window.handle_verdict(4 + call % 3);
            window.handle_call_end();
        }
        assert_eq!(window.standing(), 3);
        window.handle_verdict(1);
        assert_eq!(window.standing(), 0, "it was empty once");
    }

    /// Plays so many calls, one exchange each; how often the game stood still. `helps`: by how much a stall
    /// shortens the queue; a frame is gained on the peer every `gains` calls.
    fn play(calls: u64, helps: u64, gains: u64) -> (u64, u64) {
        let mut window = PredictionWindow::default();
        let (mut stalls, mut queue) = (0, 0);
        for call in 1..=calls {
            if window.must_drain(0) {
                window.handle_stall();
                stalls += 1;
                queue = u64::saturating_sub(queue, helps);
            } else {
                window.handle_verdict(1 + queue);
            }
            queue = (queue + u64::from(call % gains == 0)).min(3);
            window.handle_call_end();
        }
        (stalls, queue)
    }

    #[test]
    fn a_clock_half_a_percent_fast_stands_still_once_in_two_hundred_frames() {
        let (stalls, queue) = play(60_000, 1, 200);
        assert!((290..=301).contains(&stalls) && queue <= 1, "{stalls} {queue}");
    }

    #[test]
    fn a_queue_that_does_not_get_shorter_is_soon_left_alone() {
        let (stalls, _) = play(60_000, 0, 200);
        assert!(stalls < 20, "{stalls}");
    }
}
