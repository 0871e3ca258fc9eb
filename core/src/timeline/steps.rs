//! What is to be done between frames: corrections, the live frame or a hold, states.

use super::hooks::Port;
use super::states::State;
use super::{Boundary, Phase, Step, Timeline};

/// Corrections in one slot; more wait for the next one.
const MENDS_PER_SLOT: u32 = 8;

/// Calls of a core that only repeats its picture, in a row, before a replay goes on without the frame.
const REPEATS: u32 = 4;

/// Without a state for so many frames a game that is armed gets no byte until a boundary is safe: a shift lasts less than a
/// frame, so that is the next one. Some games' shifts would cross every boundary for ever.
pub(super) const RARE: u64 = 20;

/// The same without one that was saved with no transfer in flight, in a stream so fast that the game has always armed again when a
/// frame ends: only such a state is given to the player, who should not lose more than two thirds of a second. Then no byte is taken in
/// the last quarter of a frame, by what was taken in the one before.
pub(super) const RARE_WHOLE: u64 = 24;

/// Without a state for so many frames even a live one with a transfer in flight is saved and repaired, where that can be done.
const RARE_REPAIRED: u64 = 8;

/// Slots without news after which nobody counts as using the cable, and of so many boundaries one is saved: the first transfer then
/// goes back a little further, and an idle link costs next to nothing.
const IDLE: u32 = 60;
const IDLE_EVERY: u64 = 4;

/// Where a save leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Then {
    Decide,
    Mend { until: u64 },
    End,
}

impl From<Then> for Phase {
    fn from(then: Then) -> Phase {
        match then {
            Then::Decide => Phase::Deciding,
            Then::Mend { until } => Phase::Mending { until },
            Then::End => Phase::Ending,
        }
    }
}

impl Timeline {
    /// What is to be done next; see the module.
    pub fn step(&mut self) -> Step {
        loop {
            match self.phase {
                Phase::Between => {
                    self.read_inbox();
                    self.mends = 0;
                    self.phase = Phase::Deciding;
                }
                Phase::Deciding => {
                    if let Some(step) = self.decide() {
                        return step;
                    }
                }
                // A correction, between two of its frames.
                Phase::Mending { until } if self.frame < until => {
                    self.port = Port::default();
                    self.phase = Phase::Replaying { until };
                    return Step::Replay { frame: self.frame };
                }
                Phase::Mending { .. } => {
                    self.not_before = 0;
                    self.phase = Phase::Deciding;
                }
                Phase::Keeping {
                    state,
                    in_flight,
                    then,
                } => {
                    self.phase = Phase::Saving { state, then };
                    return Step::Save {
                        slot: state.slot,
                        in_flight,
                    };
                }
                // The caller did not say how its last step ended: nothing came of it.
                Phase::Saving { .. } => self.saved(false),
                Phase::Replaying { until } => self.phase = Phase::Mending { until },
                Phase::Running => self.phase = Phase::Ending,
                Phase::Ending => {
                    self.end_slot();
                    self.phase = Phase::Between;
                    return Step::Done;
                }
            }
        }
    }

    /// The frame that the last step asked for has been emulated.
    pub fn frame_end(&mut self, boundary: Boundary) {
        match self.phase {
            Phase::Replaying { until } => self.end_replay(until, boundary),
            Phase::Running => self.end_live(boundary),
            _ => {}
        }
    }

    /// The state that the last step asked for has been kept, or could not be.
    pub fn saved(&mut self, is_kept: bool) {
        let Phase::Saving { state, then } = self.phase else {
            return;
        };
        self.phase = then.into();
        if is_kept && then == Then::Decide && self.joint.is_joined() {
            // The first state: from here on, everything can be undone.
            self.states.keep(state);
            self.is_open = true;
            self.counters.joins += 1;
        } else if is_kept && self.is_open {
            self.states.keep(state);
            self.counters.repaired += u64::from(!state.is_whole);
        } else {
            // A later boundary may be better.
            self.is_here_safe = false;
        }
    }

    fn decide(&mut self) -> Option<Step> {
        if self.is_open {
            if let Some(frame) = self.correction() {
                let may_replace = self.is_closing || self.offers.may_replace();
                if self.mends < MENDS_PER_SLOT && may_replace {
                    return self.go_back(frame);
                }
                return Some(self.hold());
            }
            if self.is_closing {
                self.close();
                return None;
            }
            self.release();
        }
        if self.joint.is_joined()
            && !self.is_open
            && self.is_here_safe
            && let Some(slot) = self.states.free_slot()
        {
            let state = self.state_here(slot, true);
            self.phase = Phase::Keeping {
                state,
                in_flight: None,
                then: Then::Decide,
            };
            return None;
        }
        if std::mem::take(&mut self.is_undone) || self.must_hold() {
            return Some(self.hold());
        }
        self.port = Port::default();
        self.phase = Phase::Running;
        self.was_ready = self.is_open && self.offers.are_all_answered();
        Some(Step::Live { frame: self.frame })
    }

    fn hold(&mut self) -> Step {
        self.counters.holds += 1;
        self.reach.handle_hold();
        self.phase = Phase::Ending;
        Step::Hold
    }

    /// The oldest frame that has to be emulated again, if one has.
    fn correction(&mut self) -> Option<u64> {
        if let Some(frame) = self.back_to {
            return Some(frame);
        }
        if !self.is_closing {
            self.pair();
        }
        let wrong = self.check(self.is_closing)?;
        self.counters.wrong += 1;
        Some(wrong)
    }

    /// Settles what was guessed right; the frame of the first offer that was not, if there is one.
    pub(super) fn check(&mut self, is_unplugged: bool) -> Option<u64> {
        let settled = self.offers.settled();
        let wrong = self.offers.check(is_unplugged).map(|own| own.frame);
        self.counters.exchanged += self.offers.exchanged_since(settled);
        wrong
    }

    fn go_back(&mut self, frame: u64) -> Option<Step> {
        let oldest = self.oldest_open();
        let Some(state) = self.states.go_back(frame) else {
            self.fail();
            return None;
        };
        let until = self.frame;
        self.mends += 1;
        self.counters.corrections += 1;
        self.counters.replaced += u64::from(self.back_to.is_some());
        self.counters.longest_replay = self.counters.longest_replay.max(until - state.frame);
        self.not_before = until.saturating_sub(self.reach.floor()).max(oldest);
        self.back_to = None;
        self.frame = state.frame;
        self.offers.next = state.made;
        self.judging.next = state.judged;
        self.repeats = 0;
        self.phase = Phase::Mending { until };
        Some(Step::Load { slot: state.slot })
    }

    fn end_replay(&mut self, until: u64, boundary: Boundary) {
        self.phase = Phase::Mending { until };
        if !boundary.has_advanced {
            self.repeats += 1;
            if self.repeats < REPEATS {
                return;
            }
            self.counters.unrepeatable += 1;
        }
        self.repeats = 0;
        self.counters.replayed += 1;
        self.judging.replay_refusals(self.frame);
        self.frame += 1;
        if self.port.is_spoiled {
            self.fail();
            return;
        }
        self.keep(boundary, Then::Mend { until });
    }

    fn end_live(&mut self, boundary: Boundary) {
        self.phase = Phase::Ending;
        if !boundary.has_advanced {
            return;
        }
        if self.port.is_spoiled {
            self.counters.undone += 1;
            self.go_back_before(self.frame);
            self.is_undone = true;
            self.phase = Phase::Deciding;
            return;
        }
        self.counters.live += 1;
        self.last_takes = self.port.takes;
        self.refuse();
        self.frame += 1;
        self.keep(boundary, Then::End);
        self.announce(boundary);
    }

    /// Keeps a state of this boundary if it is safe, or can be made so.
    fn keep(&mut self, boundary: Boundary, then: Then) {
        let control = boundary.serial_control;
        let is_in_flight = control.is_clocking() || (self.port.is_shifting && control.0 & 0x80 != 0);
        self.is_here_safe = !is_in_flight;
        let is_idle = then == Then::End && self.quiet >= IDLE && self.oldest_open() == self.frame;
        if is_idle && self.stale() < IDLE_EVERY {
            return;
        }
        let in_flight = self.port.incoming.filter(|_| is_in_flight);
        let may_repair = self.has_repairs && (then != Then::End || self.stale() >= RARE_REPAIRED);
        // One that has lasted for more than a frame, as with the display off, is not known any more.
        if !self.is_open || (is_in_flight && !(may_repair && in_flight.is_some())) {
            return;
        }
        if let Some(slot) = self.states.free_slot() {
            let state = self.state_here(slot, !is_in_flight);
            self.phase = Phase::Keeping {
                state,
                in_flight,
                then,
            };
        }
    }

    /// Frames since the newest state.
    pub(super) fn stale(&self) -> u64 {
        self.states
            .newest()
            .map_or(0, |state| self.frame.saturating_sub(state.frame))
    }

    /// Frames since the newest state that was saved with no transfer in flight.
    pub(super) fn stale_whole(&self) -> u64 {
        self.states
            .newest_whole(self.frame)
            .map_or(0, |state| self.frame - state.frame)
    }

    fn state_here(&self, slot: usize, is_whole: bool) -> State {
        State {
            slot,
            is_whole,
            frame: self.frame,
            made: self.offers.next,
            judged: self.judging.next,
        }
    }

    fn end_slot(&mut self) {
        self.reach.handle_slot();
        self.quiet = self.quiet.saturating_add(1);
        if !self.is_open {
            return;
        }
        // Lazy cancellation: what the replay and the frame after it did not send again is withdrawn now.
        if self.back_to.is_none() && self.offers.may_replace() {
            let cancelled = self.offers.withdraw_rest();
            if cancelled > 0 {
                self.count_replace(cancelled);
            }
        }
        if !self.is_closing {
            self.pair();
        }
        self.release();
        let state = self.confirmed().state.map_or(0, |(_, frame)| frame);
        self.counters.oldest_state = self.counters.oldest_state.max(self.frame - state);
    }

    /// The history cannot be kept: as if the cable had been pulled here.
    pub(super) fn fail(&mut self) {
        self.counters.failures += 1;
        self.end_stretch();
        self.close();
    }

    /// What was open has been replayed as unplugged: both games go on, each on its own.
    pub(super) fn close(&mut self) {
        self.is_open = false;
        self.is_closing = false;
        self.offers.reset();
        self.judging.reset();
        self.states.reset();
        self.back_to = None;
        self.not_before = 0;
        self.announced = None;
        self.phase = Phase::Deciding;
    }
}
