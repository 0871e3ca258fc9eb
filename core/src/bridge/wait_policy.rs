//! The wait policy of a rollback session: predict a verdict, or wait for it.
//!
//! A prediction costs nothing at once and a replay later, perhaps. On most machines that is the cheaper by
//! far, and the only one that a long path allows. Two cases are otherwise:
//!
//! - a machine whose frames leave too little slack for the replays that the path asks for, where waits for
//!   each verdict give more transfers a second (modules `frame_budget` and `speed_trials`);
//! - games that change roles, where a round trip is a small part of a frame: nobody may take a byte while one
//!   of its own is open, so a prediction gains no time there, and the verdict does.
//!
//! Then the clocking side waits for each verdict and sets
//! [`Flags::RENDEZVOUS`](crate::protocol::Flags::RENDEZVOUS); the peer's listening game stays in its poll for
//! the next byte meanwhile (module `rendezvous`). A verdict that does not come in time is predicted like any
//! other.

use super::context::RoundTrip;
use super::frame_budget::FrameBudget;
use super::speed_trials::{Call, Choice, SpeedTrials};
use crate::time::TCycles;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A round trip of more than a frame's time divided by this is too long to wait for at each change of roles.
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
/// The longest wait for one verdict of a machine that could not predict as fast: menus would not be live.
const LONGEST_PATIENCE: Duration = Duration::from_millis(300);

/// Policy for a game that clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Every byte is waited for: the strict exchange.
    Wait,
    /// The game goes on with a prediction.
    Predict,
    /// The verdict is waited for while the peer's game stays in its poll.
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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct WaitPolicy {
    speed: SpeedTrials,
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
    /// A call begins. `has_timeline`: bytes are taken at their emulated time, and verdicts need no wait where
    /// roles change. `has_stalled`: the game stood still in the last one, and could not use the cable.
    pub(super) fn handle_frame_start(&mut self, has_timeline: bool, has_stalled: bool) {
        self.used_for = self.used_for.saturating_sub(u32::from(!has_stalled));
        self.cooldown = self.cooldown.saturating_sub(1);
        self.has_missed = false;
        if has_timeline || self.used_for < POLICY_RESET_FRAMES - TURN_FRAMES {
            self.turns = 0;
        }
        if !self.is_used() {
            self.speed = SpeedTrials::default();
        }
    }

    /// A call is over.
    pub(super) fn handle_frame_end(&mut self, call: Call, budget: &FrameBudget) {
        if self.is_used() {
            self.speed.handle_call(call, budget);
        }
    }

    /// The game clocks a transfer, or takes a byte.
    pub(super) fn handle_transfer(&mut self, role: Role) {
        match role {
            Role::Clocked => self.speed.handle_clocked(),
            Role::Took => self.speed.handle_taken(),
        }
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

    /// Speed of the game, 1 being full.
    pub(super) fn speed(&self) -> f64 {
        self.speed.speed()
    }

    /// True where the game has been slow for seconds.
    pub(super) fn is_slow_for_long(&self) -> bool {
        self.speed.is_slow()
    }

    /// True where bytes have crossed lately.
    pub(super) fn is_used(&self) -> bool {
        self.used_for > 0
    }

    /// True where this machine is too slow to predict as the path would have it, and waits.
    pub(super) fn is_slow(&self) -> bool {
        self.speed.choice() == Choice::Wait && self.cooldown == 0
    }

    /// True where this side waits for verdicts, and the peer's listening game should stay in its poll.
    pub(super) fn wants_rendezvous(&self, round_trip: Duration) -> bool {
        let is_short = round_trip <= TCycles::FRAME.nominal_duration() / ROUND_TRIP_DIVISOR;
        let has_turns = self.turns >= TURNS && is_short;
        self.cooldown == 0 && (self.speed.choice() == Choice::Wait || has_turns)
    }

    /// How long the verdict on the offer just made is worth a wait, if it is. `does_peer_wait`: the peer's
    /// game clocks as well, and waits for this game's verdicts; where one predicts what the other waits for,
    /// both are slow.
    pub(super) fn patience(&self, round_trip: RoundTrip, does_peer_wait: bool) -> Option<Patience> {
        if self.has_missed || self.cooldown > 0 {
            None
        } else if self.speed.choice() == Choice::Wait || does_peer_wait {
            let wait = round_trip.slow + 2 * TCycles::FRAME.nominal_duration();
            Some(Patience::Full(wait.min(LONGEST_PATIENCE)))
        } else {
            let has_turns = self.wants_rendezvous(round_trip.mean);
            has_turns.then_some(Patience::Slack(round_trip.mean + PATIENCE))
        }
    }
}

/// Longest wait for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Within the time that the frontend would sleep.
    Slack(Duration),
    /// A frame may be late for it: predictions would make more of them late.
    Full(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::LocalTime;

    const CABLE: RoundTrip = RoundTrip {
        mean: Duration::from_micros(500),
        slow: Duration::from_micros(700),
    };
    const FAR: RoundTrip = RoundTrip {
        mean: Duration::from_millis(10),
        slow: Duration::from_millis(12),
    };

    /// One call in which the game clocks, with a frame or a stall.
    fn call(policy: &mut WaitPolicy, is_cut_short: bool, has_frame: bool, transfers: u64) {
        let mut budget = FrameBudget::default();
        budget.handle_frame_start(LocalTime(1));
        policy.handle_frame_start(false, false);
        policy.handle_transfer(Role::Clocked);
        let call = Call {
            has_frame,
            transfers,
            slack_stalls: if is_cut_short { transfers } else { 0 },
            is_cut_short,
            round_trip: CABLE.mean,
            is_steady: true,
        };
        policy.handle_frame_end(call, &budget);
    }

    #[test]
    fn a_quick_machine_predicts() {
        let mut policy = WaitPolicy::default();
        for n in 0..1000 {
            call(&mut policy, false, true, n);
            assert_eq!(policy.patience(CABLE, false), None);
        }
    }

    #[test]
    fn a_machine_that_is_slow_by_its_replays_waits_as_long_as_bytes_keep_coming() {
        let mut policy = WaitPolicy::default();
        (0..100).for_each(|n| call(&mut policy, true, n % 2 == 0, n / 2));
        let patience = policy.patience(CABLE, false);
        assert!(
            matches!(patience, Some(Patience::Full(limit)) if limit > CABLE.slow),
            "{patience:?}"
        );
        (0..=POLICY_RESET_FRAMES).for_each(|_| policy.handle_frame_start(false, false));
        assert_eq!(policy.patience(CABLE, false), None);
    }

    #[test]
    fn a_game_whose_peer_clocks_too_and_waits_does_the_same() {
        let policy = WaitPolicy::default();
        assert!(matches!(policy.patience(FAR, true), Some(Patience::Full(_))));
        assert!(
            !policy.wants_rendezvous(FAR.mean),
            "and does not ask for it in turn"
        );
    }

    #[test]
    fn games_that_change_roles_wait_on_a_cable() {
        let mut policy = WaitPolicy::default();
        // One handshake is no rhythm.
        policy.handle_transfer(Role::Clocked);
        policy.handle_transfer(Role::Took);
        policy.handle_transfer(Role::Clocked);
        assert!(!policy.wants_rendezvous(CABLE.mean));
        for _ in 0..TURNS {
            policy.handle_frame_start(false, false);
            policy.handle_transfer(Role::Took);
            policy.handle_transfer(Role::Clocked);
        }
        assert!(policy.wants_rendezvous(CABLE.mean) && !policy.wants_rendezvous(FAR.mean));
        (0..=TURN_BYTES).for_each(|_| policy.handle_transfer(Role::Clocked));
        assert!(!policy.wants_rendezvous(CABLE.mean), "now it only clocks");
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
                if policy.patience(CABLE, false).is_some() {
                    waits += 1;
                    policy.handle_wait(false);
                }
            }
        }
        assert_eq!(waits, MISSES);
    }
}
