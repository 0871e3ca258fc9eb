//! Trials of a game's speed: whether it is faster with predictions or with waits for verdicts.
//!
//! An estimate of either depends on what nobody knows: the peer's machine, how the two machines' frames lie
//! to each other, what the games do with a byte. So the choice follows what was measured, half a second at a
//! time, and an estimate stands only for a wait that has not been tried.

use super::frame_budget::FrameBudget;
use crate::time::TCycles;
use std::time::Duration;

/// Calls of a trial, and its time where calls are long: half a second.
const TRIAL_CALLS: u32 = 32;
const TRIAL_TIME: Duration = Duration::from_millis(500);
/// Trials in a row that must say the same before the choice changes.
const TRIALS_AGREEING: u32 = 2;
/// Factor by which the transfers of a frame may differ between two measures that are compared: a menu says
/// nothing of a block.
const ALIKE: f64 = 1.5;
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
    /// Stalls so far for want of slack.
    pub(super) slack_stalls: u64,
    /// This machine has too little slack for the predictions that the path asks for, at worst.
    pub(super) is_cut_short: bool,
    pub(super) round_trip: Duration,
    /// Round trips are alike: a wait for one that is not would end too soon, or long after its frame.
    pub(super) is_steady: bool,
}

/// Chooses, and measures the choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SpeedTrials {
    choice: Choice,
    trial: Trial,
    /// Trials that do not count: they show what was before them.
    settling: u32,
    /// The other choice's measure, when it was last tried, and for how many trials that holds.
    other: Option<(Trial, u32)>,
    /// Trials in a row that the other choice would win.
    losses: u32,
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
            losses: 0,
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

    /// The game takes a byte.
    pub(super) fn handle_taken(&mut self) {
        self.trial.has_taken = true;
    }

    /// A call is over; chooses anew where the game was slow.
    pub(super) fn handle_call(&mut self, call: Call, budget: &FrameBudget) {
        let trial = self.trial.handle_call(call, budget.gap());
        let Some(trial) = trial.filter(|trial| trial.has_clocked) else {
            return;
        };
        if self.waits_in_vain(&trial, call, budget) {
            return self.change(trial);
        }
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
            .and_then(|(other, trials)| Some((other, trials.checked_sub(1)?)));
        let loses = self.speed < FULL_SPEED && self.loses(&trial, call, budget);
        self.losses = if loses { self.losses + 1 } else { 0 };
        if self.losses == TRIALS_AGREEING {
            self.change(trial);
        }
    }

    /// Makes the other choice.
    fn change(&mut self, trial: Trial) {
        self.losses = 0;
        self.other = Some((trial, TRIALS_KEPT));
        self.settling = TRIALS_SETTLING;
        self.choice = match self.choice {
            Choice::Predict => Choice::Wait,
            Choice::Wait => Choice::Predict,
        };
    }

    /// True where the games now have so many transfers in a frame that waits cannot be as fast as predictions
    /// were before: a block after a menu.
    fn waits_in_vain(&self, trial: &Trial, call: Call, budget: &FrameBudget) -> bool {
        let before = self
            .other
            .filter(|_| self.choice == Choice::Wait && !trial.has_turns());
        let at_best = trial.progress_with_waits(call.round_trip, budget);
        before.is_some_and(|(before, _)| at_best < before.speed() * LEAST_GAIN_OF_PREDICTIONS)
    }

    /// True if the other choice should be better than what this trial has measured.
    fn loses(&self, trial: &Trial, call: Call, budget: &FrameBudget) -> bool {
        let other = self.other.map(|(other, _)| other);
        let other = other.filter(|other| other.is_comparable(trial));
        let (expected, least) = match self.choice {
            _ if !call.is_steady => return self.choice == Choice::Wait,
            Choice::Predict if !trial.is_for_slack(call) => return false,
            Choice::Predict => {
                let estimate = trial.progress_with_waits(call.round_trip, budget);
                let known = other.map_or(estimate, |other| other.progress(trial));
                (known.min(estimate), LEAST_GAIN_OF_WAITS)
            }
            Choice::Wait => {
                let full = trial.progress(trial) / self.speed;
                (
                    other.map_or(full, |other| other.progress(trial)),
                    LEAST_GAIN_OF_PREDICTIONS,
                )
            }
        };
        expected > trial.progress(trial) * least
    }
}

/// Measure of some calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Trial {
    calls: u32,
    frames: u32,
    has_clocked: bool,
    has_taken: bool,
    /// Transfers that had crossed the cable for good before the trial, and now.
    transfers: [u64; 2],
    /// Stalls for want of slack, in the same way.
    slack_stalls: [u64; 2],
    time: Duration,
}

impl Trial {
    /// A call is over; the one before began so much earlier. Some at the end of a trial, which is over.
    fn handle_call(&mut self, call: Call, gap: Duration) -> Option<Trial> {
        self.calls += 1;
        self.frames += u32::from(call.has_frame);
        self.transfers[1] = call.transfers;
        self.slack_stalls[1] = call.slack_stalls;
        self.time += gap.max(Duration::from_nanos(1));
        let next = Trial {
            transfers: [call.transfers; 2],
            slack_stalls: [call.slack_stalls; 2],
            ..Trial::default()
        };
        let is_over = self.calls == TRIAL_CALLS || self.time >= TRIAL_TIME;
        is_over.then(|| std::mem::replace(self, next))
    }

    /// At least one, so that rates can be compared.
    fn transfers(&self) -> f64 {
        self.transfers[1].saturating_sub(self.transfers[0]).max(1) as f64
    }

    /// Frames of the game as a part of those that a Game Boy has in that time.
    fn speed(&self) -> f64 {
        (TCycles::FRAME.nominal_duration() * self.frames.max(1)).div_duration_f64(self.time)
    }

    /// Transfers in each frame.
    fn density(&self) -> f64 {
        self.transfers() / f64::from(self.frames.max(1))
    }

    /// True if both sides clock: then a frame that waits for its turn is no progress, and transfers count.
    fn has_turns(&self) -> bool {
        self.has_clocked && self.has_taken
    }

    /// True if this machine's slack held the game up. A replay that is given up for want of it shows in no
    /// stall where roles change.
    fn is_for_slack(&self, call: Call) -> bool {
        self.slack_stalls[1] > self.slack_stalls[0] + 1 || (self.has_turns() && call.is_cut_short)
    }

    /// True if the games did the same in both trials, as far as that can be told.
    fn is_comparable(&self, other: &Trial) -> bool {
        let ratio = self.density() / other.density();
        (self.has_turns() && other.has_turns()) || (1.0 / ALIKE..=ALIKE).contains(&ratio)
    }

    /// Measure of progress in a second by which two trials are compared, of a game that plays as in `like`.
    fn progress(&self, like: &Trial) -> f64 {
        match like.has_turns() {
            true => self.transfers() / self.time.as_secs_f64(),
            false => self.speed(),
        }
    }

    /// The same, were each transfer a wait of a round trip.
    fn progress_with_waits(&self, round_trip: Duration, budget: &FrameBudget) -> f64 {
        let density = self.density();
        let frame = budget.frame_with(round_trip.mul_f64(density));
        match self.has_turns() {
            true => density / frame.as_secs_f64(),
            false => TCycles::FRAME.nominal_duration().div_duration_f64(frame),
        }
    }
}

#[cfg(test)]
mod tests;
