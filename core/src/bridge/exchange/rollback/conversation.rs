//! Trace of the transfers that are final: what the maker's game has read and nothing takes back any more.

use super::Rollback;
use super::history::History;
use super::timeline;
use crate::bridge::exchange::conversation::{Conversation, Entry};
use crate::protocol::Offer;
use crate::sequence_numbers::{Number, OwnOffer, PeerOffer};
use crate::serial::UNPLUGGED;

impl Rollback {
    /// Traces the transfers that are final from now on.
    pub(in crate::bridge::exchange) fn trace(&mut self, conversation: Conversation) {
        self.history.conversation = conversation;
    }

    /// The oldest entry of the trace that nobody has taken.
    pub(in crate::bridge::exchange) fn poll_conversation(&mut self) -> Option<Entry> {
        self.history.conversation.poll()
    }

    /// The trace as far as it has got.
    pub(in crate::bridge::exchange) fn conversation(&self) -> &Conversation {
        &self.history.conversation
    }

    /// Ends the trace with what was final.
    pub(in crate::bridge::exchange) fn take_conversation(&mut self) -> Conversation {
        trace(&mut self.history);
        std::mem::take(&mut self.history.conversation)
    }
}

/// Traces what has become final since the last call. Call it before transfers are released.
pub(super) fn trace(history: &mut History) {
    let History {
        conversation,
        outbound,
        inbound,
        ..
    } = history;
    if conversation.places() == 0 {
        return;
    }
    while let Some(number) = conversation.next_own(outbound.settled().raw()) {
        let number = OwnOffer::new(number);
        match (outbound.offer(number), outbound.verdict(number)) {
            (Some(offer), Some(verdict)) => conversation.own(offer, verdict),
            (Some(offer), None) => conversation.own_unplugged(offer, UNPLUGGED),
            (None, _) => {}
        }
    }
    while let Some(number) = conversation.next_of_peer(inbound.confirmed().raw()) {
        let number = PeerOffer::new(number);
        if let (Some(theirs), Some(judgement)) = (inbound.get(number), inbound.judgement(number)) {
            let offer = Offer {
                id: number.raw(),
                byte: theirs.byte,
                speed: theirs.speed,
                frame: theirs.frame.raw(),
                chunk: judgement.time.map(timeline::place),
                lead: 0,
                since_take: None,
                called: None,
                part: None,
                judged: theirs.judged.raw(),
            };
            conversation.of_peer(offer, judgement.outcome, judgement.frame.raw());
        }
    }
}

/// Traces what an incarnation that is given up leaves open: its game has read a prediction, for good.
pub(super) fn end(history: &mut History) {
    trace(history);
    let History {
        conversation,
        outbound,
        ..
    } = history;
    while let Some(number) = conversation.next_own(outbound.sent().raw()) {
        let number = OwnOffer::new(number);
        if let (Some(offer), Some(own)) = (outbound.offer(number), outbound.get(number)) {
            conversation.own_unplugged(offer, own.used.reads());
        }
    }
    conversation.next_link();
}
