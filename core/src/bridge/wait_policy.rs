//! The wait policy of a rollback session: predict a verdict, or wait a little for it.
//!
//! A prediction costs nothing at once and a replay later, perhaps. On most machines that is the cheaper by
//! far, and the only one that a long path allows. Two cases are otherwise, where a round trip is a small part
//! of a frame:
//!
//! - a machine on which the replays of a frame take too much of its time, or would if the game ran as far
//!   ahead as the path would have it, as measured;
//! - games that change roles: nobody may take a byte while one of its own is open, so a prediction gains no
//!   time there, and the verdict does.
//!
//! Then the clocking side waits a little for each verdict, within the time that its frontend would sleep
//! anyway, and sets [`Flags::RENDEZVOUS`](crate::protocol::Flags::RENDEZVOUS); the peer's listening game
//! stays in its poll for the next byte meanwhile (module `rendezvous`). A verdict that does not come in time
//! is predicted like any other.

use crate::time::TCycles;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Replays may take a frame's time divided by this, smoothed; beyond it the machine is too slow to replay.
const REPLAY_BUDGET_DIVISOR: u32 = 4;
/// A round trip of more than a frame's time divided by this is too long to wait for several times a frame.
const ROUND_TRIP_DIVISOR: u32 = 4;
/// Frames without a transfer after which the policy is open again: two seconds.
const POLICY_RESET_FRAMES: u32 = 120;
/// Changes between clocking and listening, each within [`TURN_FRAMES`], after which a game goes on to change.
const TURNS: u32 = 4;
/// Frames within which a change of roles counts as a turn.
const TURN_FRAMES: u32 = 4;
/// Transfers in one role, in a row, that end a rhythm of turns.
const TURN_BYTES: u32 = 4;
/// Waits in a row without a verdict after which nobody waits for a while: the peer's game is not there.
const MISSES: u32 = 8;
/// Frames without waits after [`MISSES`].
const COOLDOWN_FRAMES: u32 = 60;
/// The longest wait for one verdict, besides the round trip, of a machine that could predict as well: as long
/// as the peer is away between two of its frames.
const PATIENCE: Duration = Duration::from_millis(4);

/// Policy for a game that clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Every byte is waited for: the strict exchange.
    Wait,
    /// The game goes on with a prediction.
    Predict,
    /// The verdict is waited for a little while the peer's game stays in its poll.
    Rendezvous,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Role of a game in one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Clocked,
    Took,
}

/// Measures of this machine and of its game's rhythm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WaitPolicy {
    /// Time that replays have taken since the last frame began.
    replayed: Duration,
    /// The same of each frame, smoothed.
    replay: Duration,
    /// Replays have been over their budget since the games last paused.
    is_over_budget: bool,
    /// They would be, if the game ran as far ahead as the path would have it.
    is_cut_short: bool,
    /// Frames until the policy is open again, unless the game clocks or takes a byte, and its role in the
    /// last one.
    used_for: u32,
    role: Option<Role>,
    /// Changes of role lately, and transfers since the last one.
    turns: u32,
    same: u32,
    /// Waits without a verdict, in a row.
    misses: u32,
    /// Frames for which nobody waits.
    cooldown: u32,
    /// In this frame one wait was in vain: the peer's game does not listen.
    has_missed: bool,
}

impl WaitPolicy {
    /// Frames were replayed, at this cost.
    pub(super) fn handle_replay(&mut self, cost: Duration) {
        self.replayed += cost;
    }

    /// A frame begins. `is_cut_short`: this machine is too slow to run as far ahead as the path would have
    /// it. `has_timeline`: bytes are taken at their emulated time, and verdicts need no wait where roles change.
    pub(super) fn handle_frame_start(&mut self, is_cut_short: bool, has_timeline: bool) {
        self.replay = (self.replay * 15 + std::mem::take(&mut self.replayed)) / 16;
        self.used_for = self.used_for.saturating_sub(1);
        self.cooldown = self.cooldown.saturating_sub(1);
        self.has_missed = false;
        self.is_over_budget &= self.is_used();
        if has_timeline || self.used_for < POLICY_RESET_FRAMES - TURN_FRAMES {
            self.turns = 0;
        }
        self.is_cut_short = is_cut_short;
        // Where nothing is predicted there is nothing to replay, so the policy stays until the games pause.
        self.is_over_budget |= self.replay > TCycles::FRAME.nominal_duration() / REPLAY_BUDGET_DIVISOR;
    }

    /// The game clocks a transfer, or takes a byte.
    pub(super) fn handle_transfer(&mut self, role: Role) {
        self.used_for = POLICY_RESET_FRAMES;
        if self.role.replace(role) != Some(role) {
            self.turns = self.turns.saturating_add(1);
            self.same = 0;
        } else {
            self.same = self.same.saturating_add(1);
            if self.same > TURN_BYTES {
                self.turns = 0;
            }
        }
    }

    /// A wait is over.
    pub(super) fn handle_wait(&mut self, is_answered: bool) {
        self.has_missed |= !is_answered;
        self.misses = if is_answered { 0 } else { self.misses + 1 };
        if self.misses >= MISSES {
            self.misses = 0;
            self.cooldown = COOLDOWN_FRAMES;
        }
    }

    /// True where bytes have crossed lately.
    pub(super) fn is_used(&self) -> bool {
        self.used_for > 0
    }

    /// True where this side waits for verdicts, and the peer's listening game should stay in its poll.
    pub(super) fn wants_rendezvous(&self, round_trip: Duration) -> bool {
        self.cooldown == 0
            && (self.is_slow() || self.turns >= TURNS)
            && round_trip <= TCycles::FRAME.nominal_duration() / ROUND_TRIP_DIVISOR
    }

    /// Time to wait for the verdict on the offer just made, if at all; the caller bounds it by the time
    /// that the frontend would sleep.
    pub(super) fn patience(&self, round_trip: Duration) -> Option<Duration> {
        (self.wants_rendezvous(round_trip) && !self.has_missed).then(|| {
            if self.is_slow() {
                TCycles::FRAME.nominal_duration()
            } else {
                round_trip + PATIENCE
            }
        })
    }

    fn is_slow(&self) -> bool {
        self.is_over_budget || self.is_cut_short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CABLE: Duration = Duration::from_micros(500);

    #[test]
    fn a_quick_machine_predicts() {
        let mut policy = WaitPolicy::default();
        for _ in 0..1000 {
            policy.handle_replay(Duration::from_millis(1));
            policy.handle_frame_start(false, false);
            policy.handle_transfer(Role::Clocked);
            assert_eq!(policy.patience(CABLE), None);
        }
    }

    #[test]
    fn a_machine_too_slow_to_replay_waits_on_a_cable_and_predicts_on_a_long_path() {
        let mut policy = WaitPolicy::default();
        for _ in 0..60 {
            policy.handle_replay(Duration::from_millis(9));
            policy.handle_frame_start(false, false);
            policy.handle_transfer(Role::Clocked);
        }
        assert!(policy.patience(CABLE).unwrap() > CABLE);
        assert_eq!(policy.patience(Duration::from_millis(10)), None);
        for _ in 0..1000 {
            policy.handle_frame_start(false, false);
            policy.handle_transfer(Role::Clocked);
        }
        assert!(policy.wants_rendezvous(CABLE), "as long as bytes keep coming");
        (0..POLICY_RESET_FRAMES).for_each(|_| policy.handle_frame_start(false, false));
        assert!(!policy.wants_rendezvous(CABLE));
    }

    #[test]
    fn a_machine_that_may_not_run_as_far_ahead_as_it_should_waits() {
        let mut policy = WaitPolicy::default();
        policy.handle_transfer(Role::Clocked);
        policy.handle_frame_start(true, false);
        assert!(policy.wants_rendezvous(CABLE));
    }

    #[test]
    fn games_that_change_roles_wait_on_a_cable() {
        let mut policy = WaitPolicy::default();
        // One handshake is no rhythm.
        policy.handle_transfer(Role::Clocked);
        policy.handle_transfer(Role::Took);
        policy.handle_transfer(Role::Clocked);
        assert!(!policy.wants_rendezvous(CABLE));
        for _ in 0..TURNS {
            policy.handle_frame_start(false, false);
            policy.handle_transfer(Role::Took);
            policy.handle_transfer(Role::Clocked);
        }
        assert!(policy.wants_rendezvous(CABLE));
        (0..=TURN_BYTES).for_each(|_| policy.handle_transfer(Role::Clocked));
        assert!(!policy.wants_rendezvous(CABLE), "now it only clocks");
    }

    #[test]
    fn a_game_that_is_not_there_is_waited_for_once_a_frame_and_then_not_for_a_second() {
        let mut policy = WaitPolicy::default();
        let mut waits = 0;
        for _ in 0..COOLDOWN_FRAMES {
            policy.handle_frame_start(false, false);
            for _ in 0..5 {
                policy.handle_transfer(Role::Took);
                policy.handle_transfer(Role::Clocked);
                if policy.patience(CABLE).is_some() {
                    waits += 1;
                    policy.handle_wait(false);
                }
            }
        }
        assert_eq!(waits, MISSES);
    }
}
