//! What is certain and what is not: pairs, refusals, how far the game may run ahead, what can be let go.

use super::offers::{Answer, Kind};
use super::{Boundary, Timeline};

impl Timeline {
    /// Offers of both sides that were made at the same instant are each other's answers.
    ///
    /// The oldest open offer here and the oldest unjudged one of the peer, where neither maker had judged the other's. Both
    /// must be certain: all before them is final on both sides. Then both sides find the same two, whatever the network does.
    pub(super) fn pair(&mut self) {
        while self.back_to.is_none() && self.check(false).is_none() {
            let (ours, theirs) = (self.offers.answered(), self.judging.judged());
            let (Some(own), Some(other)) = (self.offers.first_unanswered(), self.judging.get(theirs)) else {
                return;
            };
            let is_certain = self.offers.settled() == ours
                && self.judging.settled >= theirs
                && self.judging.sent > theirs
                && self.judging.room() > 0;
            if !is_certain || own.judged != theirs || other.judged != ours {
                return;
            }
            let (frame, byte) = (own.frame, own.byte);
            let answer = Answer {
                byte: other.byte,
                kind: Kind::Paired,
            };
            if !self.offers.handle_answer(answer) {
                return;
            }
            self.judging.judge_pair(frame, byte);
            self.count_answer(answer);
        }
    }

    /// At the end of a live frame: what could have been taken for two whole frames, and was not, is refused.
    pub(super) fn refuse(&mut self) {
        let is_ready = self.is_open && !self.is_closing && self.offers.are_all_answered();
        if self.port.polls > 0 || !is_ready || !self.was_ready {
            self.unarmed_since = self.frame + 1;
        }
        if is_ready && self.offers.end() == self.offers.next {
            let refused = self
                .judging
                .refuse(self.frame, self.unarmed_since, self.offers.next);
            self.counters.peer_refused += refused;
        }
    }

    /// Notes what the game would answer next, if it listens.
    pub(super) fn announce(&mut self, boundary: Boundary) {
        let is_next = self.judging.next == self.judging.judged() && self.judging.head().is_none();
        let listens = boundary.serial_control.is_armed() && self.is_here_safe && self.is_open;
        let announced = (is_next && listens).then_some((self.judging.next, boundary.serial_byte));
        if announced != self.announced {
            self.announced = announced;
            self.quiet = 0;
        }
    }

    /// Whether the next frame would be too far ahead of what is known.
    pub(super) fn must_hold(&mut self) -> bool {
        if !self.is_open {
            return false;
        }
        let unanswered = self.offers.first_unanswered().map(|own| own.frame);
        let horizon = self.reach.clocking(self.offers.last().kind == Kind::Refused);
        let is_ahead = unanswered.is_some_and(|frame| self.frame.saturating_sub(frame) >= horizon);
        let open = self.judging.first_open().map(|judgement| judgement.frame);
        let is_open_long = open.is_some_and(|frame| self.frame.saturating_sub(frame) >= self.reach.armed());
        let outstanding = self.offers.next.saturating_sub(self.offers.answered());
        let is_full = self.offers.is_nearly_full() || self.judging.is_nearly_full();
        if is_full && unanswered.is_none() && open.is_none() {
            // Nothing is open, yet the history cannot be let go: no boundary has been safe for seconds.
            self.fail();
            return false;
        }
        let must_wait = self.is_leading
            || (self.is_meeting && unanswered.is_some())
            || is_ahead
            || is_open_long
            || outstanding > self.reach.window()
            || is_full;
        if !must_wait && self.reach.must_drain() {
            self.counters.drained += 1;
            return true;
        }
        must_wait
    }

    /// The oldest frame that may still change.
    pub(super) fn oldest_open(&self) -> u64 {
        let made = self.offers.first_open().map(|own| own.frame);
        let judged = self.judging.first_open().map(|judgement| judgement.frame);
        [made, judged, self.back_to]
            .into_iter()
            .flatten()
            .fold(self.frame, u64::min)
    }

    /// Gives up what no correction can reach.
    pub(super) fn release(&mut self) {
        self.states.release(self.oldest_open());
        if let Some(state) = self.states.oldest() {
            self.offers.release(state.made);
            self.judging.release(state.judged);
        }
    }
}
