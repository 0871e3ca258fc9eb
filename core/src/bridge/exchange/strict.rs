//! The strict exchange: the game that clocks waits for its byte, and nothing is ever taken back.
//!
//! It serves where either side keeps no snapshots. [`Transfer`] decides which two bytes meet; here is what
//! surrounds it: what a core may still hold of a session that is over, and the peer's opening at the first
//! look of a frame.

use super::super::game::Context;
use super::super::liveness::Liveness;
use super::super::stats::Counters;
use super::super::wait::Limit;
use super::transfer::{Arrival, Boundary, Judgement, Reply, Request, Transfer};
use super::{Effects, Frame};
use crate::protocol::{Event, Events, Header, Offer, Verdict, Writer};
use crate::serial::{GamePort, Look, Speed, UNPLUGGED};
use crate::time::LocalTime;
use std::time::Duration;

/// Without a byte for so long, thirty frames, the next one is an opening: it begins a conversation. The
/// rollback exchange's port says why.
const PAUSE: Duration = Duration::from_millis(502);

/// One end of the strict exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct Strict {
    transfer: Transfer,
    /// A reply to a byte of the previous session is still due; it is discarded.
    has_orphan: bool,
    /// An offer was refused here: the peer is told as soon as the game listens again.
    has_refused: bool,
    /// The game took a byte in this frame.
    has_taken: bool,
    /// `frames` at the last boundary that was counted.
    boundary: Option<u64>,
    /// When a byte last crossed the game's port.
    conversed: LocalTime,
    looks: Looks,
}

/// Looks of the core for a byte in one frame.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    has_looked: bool,
    /// The look that runs, or was prolonged, is the frame's first.
    is_first: bool,
    /// The peer's opening was passed over in this frame.
    has_passed_opening: bool,
}

impl Strict {
    /// A state in which only what the core may still hold is kept.
    pub(super) fn restarted(&self) -> Strict {
        Strict {
            has_orphan: self.has_orphan || self.transfer.is_delivered(),
            ..Strict::default()
        }
    }

    /// The peer is another one than before; `has_delivery` where a byte for the core has not been handed to
    /// it yet.
    pub(super) fn forget_peer(&mut self, has_delivery: bool) {
        // What was handed to the core cannot be taken back: its answer is for nobody.
        self.has_orphan |= self.transfer.is_delivered() && !has_delivery;
        self.transfer = Transfer::default();
        self.has_refused = false;
    }

    /// The session is over. True where a game that waits is to read an unplugged cable.
    pub(super) fn unplug(&mut self) -> bool {
        self.transfer.forget_waiting();
        self.transfer.give_up().is_some()
    }

    /// The wait for the open offer is over.
    pub(super) fn give_up(&mut self) {
        self.transfer.give_up();
    }

    pub(super) fn handle_reconnect(&mut self) {
        self.has_orphan = false;
        self.transfer.redeliver();
        // A game that waited has lost its socket and read 0xFF from the core itself.
        self.transfer.give_up();
    }

    pub(super) fn is_offer_waiting(&self) -> bool {
        self.transfer.is_offer_waiting()
    }

    /// True if the core holds no byte that it has not answered.
    pub(super) fn is_quiet(&self) -> bool {
        !self.transfer.is_delivered() && !self.has_orphan
    }

    pub(super) fn request(
        &mut self,
        context: &mut Context<'_>,
        (byte, speed): (u8, Speed),
        is_enabled: bool,
        frame: u64,
    ) -> Effects {
        let counters = &mut context.stats.counters.transfers;
        counters.requests += 1;
        counters.torn += u64::from(is_enabled && self.has_taken);
        if std::mem::take(&mut self.has_orphan) {
            // It reads the byte that was already in its socket.
            context.stats.counters.stray_replies += 1;
            return Effects::default();
        }
        // The game was listening and the peer's opening came first, which on a cable it would have heard by
        // now: it reads what an unplugged cable reads, and takes the opening when it listens again.
        if self.looks.has_passed_opening && self.transfer.is_offer_waiting() {
            counters.unplugged += 1;
            return Effects::read(UNPLUGGED);
        }
        self.conversed = context.now;
        let has_offer = self.transfer.is_offer_waiting() || self.transfer.is_delivered();
        let may_offer = context.is_linked && (has_offer || context.liveness.may_offer());
        match self.transfer.request(byte, speed, frame, may_offer) {
            Request::Offered => {
                counters.offered += 1;
                Effects {
                    wait: Some(Limit::Table),
                    transmit: true,
                    ..Effects::default()
                }
            }
            Request::Completed(theirs) => {
                counters.count_pair();
                Effects {
                    transmit: true,
                    ..Effects::read(theirs)
                }
            }
            Request::TookDelivered => {
                counters.count_pair();
                Effects::transmit()
            }
            Request::Unplugged => {
                counters.unplugged += 1;
                Effects::read(UNPLUGGED)
            }
        }
    }

    /// The core looks for a byte. A frame's first look passes the peer's opening over: the game's own code of
    /// each frame comes right after it, and at a title that writes SB and SC, or calls itself.
    pub(super) fn poll(&mut self, now: LocalTime, look: Look) -> Option<(u8, Speed)> {
        if look == Look::Access {
            return None;
        }
        self.handle_look();
        self.poll_again(now)
    }

    /// The core's event loop looks for a byte.
    pub(super) fn handle_look(&mut self) {
        self.looks.is_first = !std::mem::replace(&mut self.looks.has_looked, true);
    }

    pub(super) fn poll_again(&mut self, now: LocalTime) -> Option<(u8, Speed)> {
        if self.has_orphan || !self.transfer.is_offer_waiting() {
            return None;
        }
        if self.looks.is_first && now.since(self.conversed) > PAUSE {
            self.looks.has_passed_opening = true;
            return None;
        }
        match self.transfer.handle_boundary(Some(true)) {
            Boundary::Deliver(byte, speed) => Some((byte, speed)),
            _ => None,
        }
    }

    pub(super) fn reply(&mut self, now: LocalTime, byte: u8, counters: &mut Counters) -> Effects {
        self.conversed = now;
        self.has_taken = true;
        if std::mem::take(&mut self.has_orphan) {
            counters.stray_replies += 1;
            return Effects::default();
        }
        let reply = self.transfer.handle_reply(byte);
        if reply == Reply::Stray {
            counters.stray_replies += 1;
            return Effects::default();
        }
        counters.transfers.peer_taken += 1;
        self.has_refused = false;
        Effects {
            transmit: true,
            has_taken: true,
            is_out_of_step: reply == Reply::TooLate,
            ..Effects::default()
        }
    }

    pub(super) fn frame_start(&mut self, context: &mut Context<'_>, frame: Frame) -> Effects {
        self.has_taken = false;
        // An opening is passed over once.
        let has_passed_opening = self.looks.has_passed_opening;
        self.looks = Looks {
            has_looked: has_passed_opening,
            ..Looks::default()
        };
        let mut effects = Effects::default();
        if frame.is_armed == Some(true) && !frame.was_armed && std::mem::take(&mut self.has_refused) {
            // The peer stopped offering: tell it at once that somebody listens.
            effects.transmit = true;
        }
        // A game that already has a byte cannot be given another.
        let is_armed = if self.has_orphan {
            Some(false)
        } else {
            frame.is_armed
        };
        // A call that emulated nothing gave the game no chance to arm.
        if self.boundary.replace(frame.number) == Some(frame.number) && is_armed == Some(false) {
            return effects;
        }
        if context.is_linked && self.transfer.verdict().is_some() {
            // The peer's game may still wait for it, and a lost datagram must not look like a stopped
            // machine.
            effects.transmit = true;
        }
        if frame.port == GamePort::Direct && is_armed != Some(false) {
            self.transfer.handle_armed();
            return effects;
        }
        match self.transfer.handle_boundary(is_armed) {
            Boundary::Idle => {}
            Boundary::Waiting => effects.transmit = true,
            Boundary::Deliver(byte, speed) => effects.deliver = Some((byte, speed)),
            Boundary::Refused => {
                context.stats.counters.transfers.peer_refused += 1;
                self.has_refused = true;
                effects.transmit = true;
            }
        }
        effects
    }

    pub(super) fn handle_datagram(
        &mut self,
        context: &mut Context<'_>,
        header: &Header,
        events: &Events<'_>,
    ) -> Effects {
        let now = context.now;
        let (liveness, counters) = (&mut *context.liveness, &mut context.stats.counters);
        let mut effects = Effects::default();
        if self.transfer.handle_settled(header.settled) {
            counters.transfers.peer_withdrawn += 1;
        }
        // Offers come before verdicts: a verdict that is this side's half of a crossing pair must find the
        // pair made.
        for event in events.clone() {
            if let Event::Offers(run) = event {
                run.for_each(|offer| self.handle_offer(now, offer, liveness, counters, &mut effects));
            }
        }
        for event in events.clone() {
            if let Event::Verdicts(run) = event {
                run.for_each(|verdict| self.handle_verdict(verdict, liveness, counters, &mut effects));
            }
        }
        effects
    }

    fn handle_offer(
        &mut self,
        now: LocalTime,
        offer: Offer,
        liveness: &mut Liveness,
        counters: &mut Counters,
        effects: &mut Effects,
    ) {
        let arrival = self.transfer.handle_offer(offer);
        if arrival != Arrival::Nonsense {
            liveness.handle_clocking(now);
        }
        match arrival {
            Arrival::Waiting => {}
            Arrival::Repeated => effects.transmit = true,
            Arrival::Paired(byte) => {
                counters.transfers.count_pair();
                liveness.handle_verdict();
                effects.transmit = true;
                effects.read = Some(byte);
            }
            Arrival::Nonsense => counters.nonsense += 1,
        }
    }

    fn handle_verdict(
        &mut self,
        verdict: Verdict,
        liveness: &mut Liveness,
        counters: &mut Counters,
        effects: &mut Effects,
    ) {
        let judgement = self.transfer.handle_verdict(verdict);
        match judgement {
            Judgement::Completed(byte) => {
                counters.transfers.taken += 1;
                effects.read = Some(byte);
            }
            Judgement::Refused => {
                counters.transfers.refused += 1;
                effects.read = Some(UNPLUGGED);
            }
            Judgement::TooLate => effects.is_out_of_step = true,
            Judgement::Repeated => return,
            Judgement::Nonsense => {
                counters.nonsense += 1;
                return;
            }
        }
        liveness.handle_verdict();
        if judgement == Judgement::Refused {
            liveness.handle_refusal();
        }
    }

    pub(super) fn write_header(&self, header: &mut Header) {
        header.judged = self.transfer.judged();
        header.settled = self.transfer.settled();
    }

    pub(super) fn write_events(&self, writer: &mut Writer<'_>) {
        writer.verdicts(self.transfer.verdict().into_iter());
        writer.offers(self.transfer.pending().into_iter());
    }
}
