//! The bridge's side towards the game: its requests, its answers, its frames, and how long it waits.

use super::Bridge;
use super::peer::GiveUp;
use super::transfer::{Boundary, Reply, Request};
use crate::serial::{Speed, UNPLUGGED};
use crate::time::LocalTime;
use std::time::Duration;

/// An open offer is repeated at least so often: a dozen times in the shortest wait, so that at 20 % loss none is lost.
pub(super) const LONGEST_RETRANSMIT: Duration = Duration::from_millis(20);

impl Bridge {
    pub(super) fn handle_request(&mut self, now: LocalTime, byte: u8, speed: Speed, is_enabled: bool) {
        self.last_active = now;
        self.last_byte = Some(now);
        self.has_clocked = true;
        self.means.handle_clocked();
        self.stats.counters.requests += 1;
        self.stats.counters.torn += u64::from(is_enabled && self.has_taken);
        if std::mem::take(&mut self.has_orphan) {
            // It reads the byte that was already in its socket.
            self.stats.counters.stray_replies += 1;
            return;
        }
        let has_offer = self.transfer.is_offer_waiting() || self.transfer.is_delivered();
        let may_offer = self.is_linked() && (has_offer || self.peer.may_offer());
        match self.transfer.request(byte, speed, self.frames, may_offer) {
            Request::Offered => {
                self.stats.counters.offered += 1;
                self.waits_since = Some(now);
                let pause = self.first_retransmit();
                self.retransmit = Some((now.after(pause), pause));
                self.must_transmit = true;
            }
            Request::Completed(theirs) => {
                self.stats.counters.paired += 1;
                self.stats.counters.peer_paired += 1;
                self.complete = Some(theirs);
                self.must_transmit = true;
            }
            Request::TookDelivered => {
                self.stats.counters.paired += 1;
                self.stats.counters.peer_paired += 1;
                self.must_transmit = true;
            }
            Request::Unplugged => {
                self.stats.counters.unplugged += 1;
                self.complete = Some(UNPLUGGED);
            }
        }
    }

    pub(super) fn handle_poll(&mut self) {
        if self.has_orphan {
            return;
        }
        if let Boundary::Deliver(byte, speed) = self.transfer.handle_boundary(Some(true)) {
            self.deliver = Some((byte, speed));
        }
    }

    pub(super) fn handle_reply(&mut self, now: LocalTime, byte: u8) {
        self.last_active = now;
        self.last_byte = Some(now);
        self.has_taken = true;
        if std::mem::take(&mut self.has_orphan) {
            self.stats.counters.stray_replies += 1;
            return;
        }
        match self.transfer.handle_reply(byte) {
            Reply::Taken => self.stats.counters.peer_taken += 1,
            Reply::TooLate => {
                self.stats.counters.peer_taken += 1;
                self.tell_too_late();
            }
            Reply::Stray => {
                self.stats.counters.stray_replies += 1;
                return;
            }
        }
        self.has_refused = false;
        self.means.handle_taken();
        self.meet.handle_take();
        self.must_transmit = true;
    }

    pub(super) fn handle_frame_start(&mut self, now: LocalTime, is_armed: Option<bool>) {
        self.last_active = now;
        self.check_stall(now);
        let is_used = self.is_linked() && self.means.is_used() && !self.peer.is_paused();
        let frames = (self.frames, self.peer.turns());
        self.lead
            .handle_frame_start(now, frames, self.slow_round_trip(), is_used);
        self.pacing.handle_frame_start(now);
        self.meet.handle_frame_start(now);
        let is_cut_short = self
            .timeline
            .as_ref()
            .is_some_and(|timeline| timeline.is_cut_short());
        self.means
            .handle_slot(std::mem::take(&mut self.replayed), is_cut_short);
        self.is_resting = false;
        self.has_taken = false;
        if std::mem::take(&mut self.is_paused) {
            self.must_transmit = true;
        }
        let was_armed = std::mem::replace(&mut self.is_armed, is_armed == Some(true));
        if self.is_armed && !was_armed && std::mem::take(&mut self.has_refused) {
            // The peer stopped offering: tell it at once that somebody listens.
            self.must_transmit = true;
        }
        // A game that already has a byte cannot be given another.
        let is_armed = if self.has_orphan { Some(false) } else { is_armed };
        // A call that emulated nothing gave the game no chance to arm.
        if self.boundary == self.frames && is_armed == Some(false) {
            return;
        }
        self.boundary = self.frames;
        if self.is_linked() && self.transfer.verdict().is_some() {
            // The peer's game may still wait for it, and a lost datagram must not look like a stopped machine.
            self.must_transmit = true;
        }
        match self.transfer.handle_boundary(is_armed) {
            Boundary::Idle => {}
            Boundary::Waiting => self.must_transmit = true,
            Boundary::Deliver(byte, speed) => self.deliver = Some((byte, speed)),
            Boundary::Refused => {
                self.stats.counters.peer_refused += 1;
                self.has_refused = true;
                self.must_transmit = true;
            }
        }
    }

    pub(super) fn handle_frame_end(&mut self, now: LocalTime, has_advanced: bool) {
        // A call may emulate old frames again and then stand still.
        let has_advanced = has_advanced && !self.lead.is_held();
        self.frames = self.frames.saturating_add(has_advanced.into());
        self.turns = self.turns.saturating_add(has_advanced.into());
        self.pacing.handle_frame_end(now);
        self.meet.handle_frame_end(now);
        // The peer's game may be kept waiting for the next byte: none comes before the next frame.
        let is_awaited = !self.is_mending || self.meets();
        if std::mem::take(&mut self.has_clocked) && is_awaited && self.is_linked() {
            self.is_resting = true;
            self.must_transmit = true;
        }
    }

    /// A byte was taken on one side only.
    pub(super) fn tell_too_late(&mut self) {
        self.stats.counters.too_late += 1;
        if !std::mem::replace(&mut self.has_told_step, true) {
            self.notify(super::Notice::OutOfStep);
        }
    }

    /// Ends the game's wait if the table says so.
    pub(super) fn check_wait(&mut self, now: LocalTime) {
        let Some(since) = self.waits_since else { return };
        let Some(reason) = self.peer.give_up(now, since, self.slow_round_trip()) else {
            return;
        };
        let counters = &mut self.stats.counters;
        match reason {
            GiveUp::Stalled => counters.timeouts_stalled += 1,
            GiveUp::Paused => counters.timeouts_paused += 1,
            GiveUp::Overdue => counters.timeouts_overdue += 1,
        }
        self.transfer.give_up();
        // The peer is told that the offer is withdrawn.
        self.must_transmit = true;
        self.finish(now, UNPLUGGED);
    }

    pub(super) fn finish(&mut self, now: LocalTime, byte: u8) {
        if let Some(since) = self.waits_since {
            self.pacing.handle_wait(now.since(since));
            self.meet.handle_wait(now.since(since));
            self.stats.wait.record(now.since(since));
        }
        self.end_wait(now);
        self.complete = Some(byte);
    }

    pub(super) fn end_wait(&mut self, now: LocalTime) {
        self.waits_since = None;
        self.retransmit = None;
        self.last_active = now;
    }

    pub(super) fn round_trip(&self) -> Duration {
        self.clock.delay().unwrap_or_default()
    }

    /// What a round trip takes when the path is busy (RFC 6298: the mean and four deviations).
    pub(super) fn slow_round_trip(&self) -> Duration {
        self.round_trip() + 4 * self.clock.jitter()
    }

    /// Long enough for a verdict that needs no waiting for a frame, in either direction.
    pub(super) fn first_retransmit(&self) -> Duration {
        (self.round_trip().mul_f32(1.5) + Duration::from_millis(8)).min(LONGEST_RETRANSMIT)
    }
}
