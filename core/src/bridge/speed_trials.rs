//! Trials of a game's speed: whether it is faster with predictions or with waits for verdicts.
//!
//! An estimate of either depends on what nobody knows: the peer's machine, how the two machines' frames lie
//! to each other, what the games do with a byte. So the choice follows what was measured, half a second at a
//! time, and an estimate stands only for a wait that has not been tried.

use super::frame_budget::FrameBudget;
use crate::time::TCycles;
use std::time::Duration;

/// Calls of a trial: half a second.
const TRIAL_CALLS: u32 = 32;
/// Speed from which on nothing else is tried: less than a frame in fifty is missing.
const FULL_SPEED: f64 = 0.98;
/// Factor by which waits must be faster.
const LEAST_GAIN_OF_WAITS: f64 = 1.02;
/// Factor by which predictions must be faster, or may be slower: waits make frames late.
const LEAST_GAIN_OF_PREDICTIONS: f64 = 0.95;
/// Trials for which the measure of the other choice holds: two minutes.
const TRIALS_KEPT: u32 = 240;
/// Speed below which a game is slow.
const SLOW_SPEED: f64 = 0.9;
/// Slow trials in a row after which it is worth a word: two seconds.
const SLOW_TRIALS: u32 = 4;
/// Trials that do not count after a change: what was open has to be settled, and both machines' frames come
/// into step.
const TRIALS_SETTLING: u32 = 6;

/// Use of verdicts by a game that clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Choice {
    /// The game goes on with predictions.
    #[default]
    Predict,
    /// It waits for each verdict.
    Wait,
}

/// One call of `retro_run` that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// The call had a frame of its own, and no stall.
    pub(super) has_frame: bool,
    /// Transfers of both games that have crossed the cable for good so far.
    pub(super) transfers: u64,
    /// This machine has too little slack for the predictions that the path asks for.
    pub(super) is_cut_short: bool,
    pub(super) round_trip: Duration,
}

/// Chooses, and measures the choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SpeedTrials {
    choice: Choice,
    trial: Trial,
    /// Trials that do not count: they show what was before them.
    settling: u32,
    /// Transfers a second by the other choice, when it was last tried, and for how many trials that holds.
    other: Option<(f64, u32)>,
    /// Speed in the last trial that counted, 1 being full, and slow trials in a row.
    speed: f64,
    slow_for: u32,
}

impl Default for SpeedTrials {
    fn default() -> Self {
        SpeedTrials {
            choice: Choice::Predict,
            trial: Trial::default(),
            settling: 1,
            other: None,
            speed: 1.0,
            slow_for: 0,
        }
    }
}

impl SpeedTrials {
    pub(super) fn choice(&self) -> Choice {
        self.choice
    }

    /// Speed of the game, 1 being full.
    pub(super) fn speed(&self) -> f64 {
        self.speed
    }

    /// True where the game has been slow for seconds.
    pub(super) fn is_slow(&self) -> bool {
        self.slow_for >= SLOW_TRIALS
    }

    /// The game clocks a transfer, perhaps again.
    pub(super) fn handle_clocked(&mut self) {
        self.trial.has_clocked = true;
    }

    /// A call is over; chooses anew where the game was slow.
    pub(super) fn handle_call(&mut self, call: Call, budget: &FrameBudget) {
        let trial = self.trial.handle_call(call, budget.gap());
        let Some(trial) = trial.filter(|trial| trial.has_clocked) else {
            return;
        };
        if self.settling > 0 {
            self.settling -= 1;
            return;
        }
        self.speed = trial.speed();
        self.slow_for = if self.speed < SLOW_SPEED {
            self.slow_for + 1
        } else {
            0
        };
        self.other = self
            .other
            .and_then(|(rate, trials)| Some((rate, trials.checked_sub(1)?)));
        if self.speed >= FULL_SPEED || (self.choice == Choice::Predict && !call.is_cut_short) {
            return;
        }
        let expected = match (self.other, self.choice) {
            (Some((rate, _)), _) => rate,
            (None, Choice::Predict) => trial.rate_with_waits(call.round_trip, budget),
            (None, Choice::Wait) => trial.rate() / self.speed,
        };
        let (next, least) = match self.choice {
            Choice::Predict => (Choice::Wait, LEAST_GAIN_OF_WAITS),
            Choice::Wait => (Choice::Predict, LEAST_GAIN_OF_PREDICTIONS),
        };
        if expected > trial.rate() * least {
            self.other = Some((trial.rate(), TRIALS_KEPT));
            self.settling = TRIALS_SETTLING;
            self.choice = next;
        }
    }
}

/// Measure of some calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Trial {
    calls: u32,
    frames: u32,
    has_clocked: bool,
    /// Transfers that had crossed the cable for good before the trial, and now.
    transfers: [u64; 2],
    time: Duration,
}

impl Trial {
    /// A call is over; the one before began so much earlier. Some at the end of a trial, which is over.
    fn handle_call(&mut self, call: Call, gap: Duration) -> Option<Trial> {
        self.calls += 1;
        self.frames += u32::from(call.has_frame);
        self.transfers[1] = call.transfers;
        self.time += gap.max(Duration::from_nanos(1));
        let next = Trial {
            transfers: [call.transfers; 2],
            ..Trial::default()
        };
        (self.calls == TRIAL_CALLS).then(|| std::mem::replace(self, next))
    }

    /// At least one, so that rates can be compared.
    fn transfers(&self) -> f64 {
        self.transfers[1].saturating_sub(self.transfers[0]).max(1) as f64
    }

    /// Frames of the game as a part of those that a Game Boy has in that time.
    fn speed(&self) -> f64 {
        (TCycles::FRAME.nominal_duration() * self.frames.max(1)).div_duration_f64(self.time)
    }

    /// Transfers a second.
    fn rate(&self) -> f64 {
        self.transfers() / self.time.as_secs_f64()
    }

    /// Transfers a second, were each of them a wait of a round trip.
    fn rate_with_waits(&self, round_trip: Duration, budget: &FrameBudget) -> f64 {
        let each_frame = self.transfers() / f64::from(self.frames.max(1));
        each_frame / budget.frame_with(round_trip.mul_f64(each_frame)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::LocalTime;

    const PERIOD: Duration = Duration::from_nanos(16_742_706);
    const MS: Duration = Duration::from_millis(1);

    /// Plays for half a minute with one transfer a frame, where so many frames of a hundred are no stalls by
    /// each choice; the choices in order.
    fn play(cost: Duration, round_trip: Duration, live: impl Fn(Choice) -> u64) -> Vec<Choice> {
        let (mut trials, mut budget) = (SpeedTrials::default(), FrameBudget::default());
        let (mut now, mut transfers, mut choices) = (LocalTime(1_000_000_000), 0, vec![trials.choice()]);
        for call in 0..1800 {
            budget.handle_frame_start(now);
            let has_frame =
                call * live(trials.choice()) / 100 > (call.max(1) - 1) * live(trials.choice()) / 100;
            transfers += u64::from(has_frame);
            trials.handle_clocked();
            budget.handle_frame_end(now.after(cost), has_frame);
            let call = Call {
                has_frame,
                transfers,
                is_cut_short: cost > MS,
                round_trip,
            };
            trials.handle_call(call, &budget);
            if choices.last() != Some(&trials.choice()) {
                choices.push(trials.choice());
            }
            now = now.after(PERIOD);
        }
        choices
    }

    #[test]
    fn a_game_at_full_speed_is_left_alone() {
        assert_eq!(play(8 * MS, MS, |_| 100), [Choice::Predict]);
    }

    #[test]
    fn a_quick_machine_whose_peer_is_slow_predicts() {
        assert_eq!(play(MS / 2, MS, |_| 50), [Choice::Predict]);
    }

    #[test]
    fn a_slow_machine_on_a_short_path_waits_and_stays_with_it() {
        let live = |choice| if choice == Choice::Predict { 50 } else { 100 };
        assert_eq!(play(8 * MS, MS, live), [Choice::Predict, Choice::Wait]);
    }

    #[test]
    fn a_game_that_stays_slow_is_slow_after_seconds() {
        let mut trials = SpeedTrials::default();
        let mut budget = FrameBudget::default();
        budget.handle_frame_start(LocalTime(1));
        let mut calls = 0;
        while !trials.is_slow() && calls < 1000 {
            trials.handle_clocked();
            let call = Call {
                has_frame: calls % 2 == 0,
                transfers: calls / 2,
                is_cut_short: false,
                round_trip: MS,
            };
            trials.handle_call(call, &budget);
            calls += 1;
        }
        assert_eq!(calls, u64::from((SLOW_TRIALS + 1) * TRIAL_CALLS));
        assert!((0.4..0.6).contains(&trials.speed()), "{}", trials.speed());
    }

    #[test]
    fn a_wait_that_cannot_be_faster_is_not_tried() {
        assert_eq!(play(8 * MS, 100 * MS, |_| 50), [Choice::Predict]);
    }

    #[test]
    fn a_wait_that_proves_no_faster_is_given_up_for_predictions_on_time() {
        let live = |_| 75;
        assert_eq!(
            play(3 * MS, MS / 2, live),
            [Choice::Predict, Choice::Wait, Choice::Predict]
        );
    }

    #[test]
    fn a_wait_that_proves_slower_is_given_up_and_not_tried_again_soon() {
        let live = |choice| if choice == Choice::Predict { 50 } else { 20 };
        assert_eq!(
            play(8 * MS, MS, live),
            [Choice::Predict, Choice::Wait, Choice::Predict]
        );
    }
}
