//! Offers and verdicts of the peer, in the strict exchange.

use super::{Incoming, Strict};
use crate::bridge::exchange::crossing::Crossing;
use crate::bridge::exchange::{Context, Effects};
use crate::protocol::{Event, Events, Header, Offer, Outcome, Verdict};
use crate::sequence_numbers::{Number, OwnOffer, PeerOffer};
use crate::serial::UNPLUGGED;

impl Strict {
    pub(in crate::bridge::exchange) fn handle_datagram(
        &mut self,
        context: &mut Context<'_>,
        header: &Header,
        events: &Events<'_>,
    ) -> Effects {
        let mut effects = Effects::default();
        // So many of its offers have ended, by a verdict or otherwise.
        let settled = PeerOffer::new(header.settled);
        self.verdict
            .take_if(|verdict| PeerOffer::new(verdict.id) < settled);
        if settled > self.judged {
            self.judged = settled;
            // An offer that waits is the next to be judged: it was withdrawn.
            if self.is_offer_waiting() {
                self.incoming = Incoming::None;
                context.counters.transfers.peer_withdrawn += 1;
            }
        }
        // Offers come before verdicts: a verdict that is this side's half of a crossing pair must find the
        // pair made.
        for event in events.clone() {
            if let Event::Offers(run) = event {
                run.for_each(|offer| self.handle_offer(context, offer, &mut effects));
            }
        }
        for event in events.clone() {
            if let Event::Verdicts(run) = event {
                run.for_each(|verdict| self.handle_verdict(context, verdict, &mut effects));
            }
        }
        effects
    }

    pub(super) fn handle_offer(&mut self, context: &mut Context<'_>, offer: Offer, effects: &mut Effects) {
        let (id, judged) = (PeerOffer::new(offer.id), OwnOffer::new(offer.judged));
        let is_known = self.is_judged(offer);
        // The peer makes its next offer only after the one before has ended, and says so in the same
        // datagram.
        if !is_known && (id > self.judged || judged > self.next) {
            context.counters.nonsense += 1;
            return;
        }
        context.liveness.handle_clocking(context.now);
        if is_known || self.incoming != Incoming::None {
            // The peer lacks something: answer it.
            effects.transmit = true;
            return;
        }
        match self.pending {
            // The peer made this without having judged ours, and ours was made without having judged this
            // one.
            Some(ours) if judged <= OwnOffer::new(ours.id) => {
                self.handle_crossing(context, (ours, offer), effects);
            }
            _ => self.incoming = Incoming::Waiting { offer, unarmed: 0 },
        }
    }

    /// Two offers, neither made with knowledge of the other.
    fn handle_crossing(
        &mut self,
        context: &mut Context<'_>,
        (ours, theirs): (Offer, Offer),
        effects: &mut Effects,
    ) {
        let transfers = &mut context.counters.transfers;
        effects.transmit = true;
        match self.calls.crossing(&ours, &theirs) {
            // The peer's game does not hear itself called while it calls; it comes to the same end by itself.
            Crossing::Ours => {
                self.judge(theirs, Outcome::Refused);
                transfers.peer_refused += 1;
            }
            // Nobody listened to our game, which is asked now.
            Crossing::Theirs => {
                self.pending = None;
                self.conversation.own(ours, Outcome::Refused);
                self.incoming = Incoming::Waiting {
                    offer: theirs,
                    unarmed: 0,
                };
                transfers.refused += 1;
                effects.read = Some(UNPLUGGED);
            }
            Crossing::Pair => {
                self.pending = None;
                self.conversation.own(ours, Outcome::Paired { byte: theirs.byte });
                self.judge(theirs, Outcome::Paired { byte: ours.byte });
                transfers.count_pair();
                self.calls.handle_byte(context.now);
                effects.read = Some(theirs.byte);
            }
        }
        if effects.read.is_some() {
            context.liveness.handle_verdict();
        }
    }

    pub(super) fn handle_verdict(
        &mut self,
        context: &mut Context<'_>,
        verdict: Verdict,
        effects: &mut Effects,
    ) {
        let id = OwnOffer::new(verdict.id);
        let is_refusal = verdict.outcome == Outcome::Refused;
        let counters = &mut *context.counters;
        if let Some(ours) = self.pending.take_if(|ours| ours.id == verdict.id) {
            self.conversation.own(ours, verdict.outcome);
            effects.read = Some(verdict.outcome.reads());
            context.liveness.handle_verdict();
            if is_refusal {
                counters.transfers.refused += 1;
                context.liveness.handle_refusal();
            } else {
                counters.transfers.taken += 1;
                self.calls.handle_byte(context.now);
            }
        } else if id >= self.next {
            counters.nonsense += 1;
        } else if self.given_up.take_if(|given_up| *given_up == id).is_some() && !is_refusal {
            effects.is_out_of_step = true;
            context.liveness.handle_verdict();
        }
    }
}
