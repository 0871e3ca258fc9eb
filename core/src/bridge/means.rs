//! Which means serves in a session that mends: going on with a guess, or meeting the peer's game in its poll.
//!
//! A guess costs nothing at once and a replay later, perhaps. On most machines that is the cheaper by far, and the only one
//! that a long path allows. Two cases are otherwise, where a word and its answer take a small part of a frame:
//!
//! - a machine on which the replays of a frame take too much of its time, or would if the game ran as far ahead as the path would
//!   have it: so much is measured;
//! - games that change roles: nobody may take a byte while one of its own is open, so a guess gains no time there, and the
//!   verdict does.
//!
//! Then the clocking side waits a little for each verdict, within the time that its frontend would sleep anyway, and says so
//! in its words; the peer's listening game stays in its poll for the next byte meanwhile (module `meet`). A verdict that does not
//! come in time is guessed like any other.

use crate::time::TCycles;
use std::time::Duration;

/// Replays may take this part of a frame's time, smoothed; beyond it the machine is too slow to replay.
const DEAR: u32 = 4;
/// A round trip of more than this part of a frame is too long to wait for several times a frame.
const NEAR: u32 = 4;
/// Frames without a transfer after which a choice is open again: two seconds.
const FORGOTTEN: u32 = 120;
/// A game that has changed between clocking and listening so often, each time within a few frames, goes on to do so.
const TURNS: u32 = 4;
/// So few.
const TURN_FRAMES: u32 = 4;
/// So many transfers in one role in a row end that rhythm.
const TURN_BYTES: u32 = 4;
/// Waits in a row without a verdict after which there is none for a while: the peer's game is not there.
const MISSES: u32 = 8;
/// Frames without waits after that.
const REST: u32 = 60;
/// The longest wait for one verdict, besides the round trip, of a machine that could guess as well: as long as the peer is away between
/// two of its frames.
const PATIENCE: Duration = Duration::from_millis(4);

/// What a game did with a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Clocked,
    Took,
}

/// What the choice goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Means {
    /// What replays take of a frame's time, smoothed.
    replay: Duration,
    is_dear: bool,
    /// They would, if the game ran as far ahead as the path would have it.
    is_cut_short: bool,
    /// Frames since the game clocked or took a byte, and which it was.
    idle: u32,
    role: Option<Role>,
    /// How often that has changed lately, and how many transfers it has been the same.
    turns: u32,
    same: u32,
    /// Waits without a verdict, in a row.
    misses: u32,
    /// Frames for which nobody waits.
    rest: u32,
    /// In this frame one wait was in vain: the peer's game does not listen.
    has_missed: bool,
}

impl Default for Means {
    fn default() -> Self {
        Means {
            replay: Duration::ZERO,
            is_dear: false,
            is_cut_short: false,
            idle: FORGOTTEN,
            role: None,
            turns: 0,
            same: 0,
            misses: 0,
            rest: 0,
            has_missed: false,
        }
    }
}

impl Means {
    /// A slot begins; the replays of the last one took so long. `is_cut_short`: this machine is too slow to run as far ahead as the path
    /// would have it.
    pub(super) fn handle_slot(&mut self, replay: Duration, is_cut_short: bool) {
        self.replay = (self.replay * 15 + replay) / 16;
        self.idle = self.idle.saturating_add(1);
        self.rest = self.rest.saturating_sub(1);
        self.has_missed = false;
        if self.idle >= FORGOTTEN {
            self.is_dear = false;
        }
        if self.idle > TURN_FRAMES {
            self.turns = 0;
        }
        self.is_cut_short = is_cut_short;
        // Where nothing is guessed there is nothing to replay, so the choice stays until the games rest.
        self.is_dear |= self.replay > TCycles::FRAME.nominal_duration() / DEAR;
    }

    /// The game clocks a transfer.
    pub(super) fn handle_clocked(&mut self) {
        self.handle_role(Role::Clocked);
    }

    /// The game took a byte.
    pub(super) fn handle_taken(&mut self) {
        self.handle_role(Role::Took);
    }

    fn handle_role(&mut self, role: Role) {
        self.idle = 0;
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
        if is_answered {
            self.misses = 0;
            return;
        }
        self.has_missed = true;
        self.misses += 1;
        if self.misses >= MISSES {
            self.misses = 0;
            self.rest = REST;
        }
    }

    /// True where bytes have crossed lately.
    pub(super) fn is_used(&self) -> bool {
        self.idle < FORGOTTEN
    }

    /// Whether guesses are the worse means for these games on this machine.
    pub(super) fn wants_to_meet(&self) -> bool {
        self.rest == 0 && (self.is_slow() || self.turns >= TURNS)
    }

    /// Whether this side waits for verdicts, and the peer's listening game should stay in its poll.
    pub(super) fn meets(&self, round_trip: Duration) -> bool {
        self.wants_to_meet() && round_trip <= TCycles::FRAME.nominal_duration() / NEAR
    }

    /// How long to wait for the verdict on the offer just made; zero for not at all. No longer than the frontend would sleep, in any case.
    pub(super) fn patience(&self, round_trip: Duration) -> Duration {
        match (self.meets(round_trip) && !self.has_missed, self.is_slow()) {
            (false, _) => Duration::ZERO,
            (true, false) => round_trip + PATIENCE,
            (true, true) => TCycles::FRAME.nominal_duration(),
        }
    }

    fn is_slow(&self) -> bool {
        self.is_dear || self.is_cut_short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CABLE: Duration = Duration::from_micros(500);

    #[test]
    fn a_quick_machine_guesses() {
        let mut means = Means::default();
        for _ in 0..1000 {
            means.handle_slot(Duration::from_millis(1), false);
            means.handle_clocked();
            assert_eq!(means.patience(CABLE), Duration::ZERO);
        }
    }

    #[test]
    fn a_machine_too_slow_to_replay_waits_on_a_cable_and_guesses_on_a_long_path() {
        let mut means = Means::default();
        for _ in 0..60 {
            means.handle_slot(Duration::from_millis(9), false);
            means.handle_clocked();
        }
        assert!(means.patience(CABLE) > CABLE);
        assert_eq!(means.patience(Duration::from_millis(10)), Duration::ZERO);
        for _ in 0..1000 {
            means.handle_slot(Duration::ZERO, false);
            means.handle_clocked();
        }
        assert!(means.meets(CABLE), "as long as bytes keep coming");
        (0..FORGOTTEN).for_each(|_| means.handle_slot(Duration::ZERO, false));
        assert!(!means.meets(CABLE));
    }

    #[test]
    fn a_machine_that_may_not_run_as_far_ahead_as_it_should_waits() {
        let mut means = Means::default();
        means.handle_clocked();
        means.handle_slot(Duration::ZERO, true);
        assert!(means.meets(CABLE));
    }

    #[test]
    fn games_that_change_roles_meet_on_a_cable() {
        let mut means = Means::default();
        // One handshake is no rhythm.
        means.handle_clocked();
        means.handle_taken();
        means.handle_clocked();
        assert!(!means.meets(CABLE));
        for _ in 0..TURNS {
            means.handle_slot(Duration::ZERO, false);
            means.handle_taken();
            means.handle_clocked();
        }
        assert!(means.meets(CABLE));
        (0..=TURN_BYTES).for_each(|_| means.handle_clocked());
        assert!(!means.meets(CABLE), "now it only clocks");
    }

    #[test]
    fn a_game_that_is_not_there_is_waited_for_once_a_frame_and_then_not_for_a_second() {
        let mut means = Means::default();
        let mut waits = 0;
        for _ in 0..REST {
            means.handle_slot(Duration::ZERO, false);
            for _ in 0..5 {
                means.handle_taken();
                means.handle_clocked();
                if !means.patience(CABLE).is_zero() {
                    waits += 1;
                    means.handle_wait(false);
                }
            }
        }
        assert_eq!(waits, MISSES);
    }
}
