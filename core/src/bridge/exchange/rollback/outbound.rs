//! Outbound transfers, those that this game clocks: what it offered, what it read, which verdicts are known.

use super::counters::{Counters, Transfers};
use super::sequence_buffer::SequenceBuffer;
use super::timeline;
use crate::bridge::exchange::pause::Made;
use crate::protocol::{Offer, Outcome};
use crate::sequence_numbers::{Number, OwnChunk, OwnEpoch, OwnFrame, OwnOffer, PeerOffer, SharedChunk};
use crate::serial::{Speed, UNPLUGGED};

/// Capacity for replacements that the peer has not acknowledged; while none fits, nothing is corrected.
const MAX_REPLACEMENTS: usize = 32;

/// Chunks from a transfer to the soonest answer to it: the transfer itself, and a little code.
const ANSWER_CHUNKS: u64 = 2;

/// Prediction before any verdict is known.
const FIRST_PREDICTION: Outcome = Outcome::Taken { byte: UNPLUGGED };

/// One transfer that this game clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Own {
    pub(super) byte: u8,
    pub(super) speed: Speed,
    /// The frame in which this history made it, and that from which its age counts.
    pub(super) frame: OwnFrame,
    pub(super) told: OwnFrame,
    /// The moment at which this history made it, and the one that the peer is told.
    pub(super) made: Option<Made<OwnChunk>>,
    pub(super) said: Option<Made<OwnChunk>>,
    /// The timeline's lead by then.
    pub(super) lead: i64,
    /// The peer's next offer to be judged by this history when it was made.
    pub(super) judged: PeerOffer,
    /// Outcome that the game read.
    pub(super) used: Outcome,
    pub(super) verdict: Option<Outcome>,
}

impl Own {
    /// The moment of it that both sides know.
    pub(super) fn shared(&self) -> Option<SharedChunk> {
        self.time().map(|time| timeline::shared(time, self.lead))
    }

    /// The chunk of our time that the peer is told.
    pub(super) fn time(&self) -> Option<OwnChunk> {
        self.said.map(|said| said.chunk)
    }

    /// The moment that the peer is told of an offer that is made at this one, behind this.
    pub(super) fn said_behind(&self, made: Made<OwnChunk>) -> Made<OwnChunk> {
        let pair = self.made.zip(self.said);
        pair.map_or(made, |(before, said)| made.said_behind(before, said))
    }

    /// True if this one is what another was in its place.
    fn repeats(&self, before: &Own) -> bool {
        (self.byte, self.speed, self.judged) == (before.byte, before.speed, before.judged)
    }

    /// True if the peer is told the same moment of both.
    fn is_at(&self, before: &Own) -> bool {
        match (self.said, before.said) {
            (Some(one), Some(other)) => {
                one.is_close_to(other) && self.made.is_none_or(|made| made.may_be_said_at(other))
            }
            (one, other) => one == other,
        }
    }
}

/// Source of the outcome that a game reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The verdict itself.
    Known,
    /// An offer of the peer that waits, its announcement, or the verdict before a replacement.
    Hint,
    /// The last verdict.
    Last,
}

/// Offers of this game, as far back as they may still matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Outbound {
    /// Next offer that this history makes, where the core stands.
    next: OwnOffer,
    list: SequenceBuffer<OwnOffer, Own>,
    /// Next offer to get its verdict; beyond `next` while a replay goes on.
    answered: OwnOffer,
    /// Offers before this one are final: the verdict is known and the game has read it.
    settled: OwnOffer,
    /// The newest verdict.
    last: Option<Outcome>,
    /// Predictions, each with its number; numbers that share a place are at least the capacity apart.
    predictions: Box<[Option<(OwnOffer, Outcome)>]>,
    /// From which number the epoch behind each replaced its offers, the newest ones.
    replaces: SequenceBuffer<OwnEpoch, OwnOffer>,
    /// Offers before this one have reached the peer as they are now.
    acknowledged: OwnOffer,
    /// Where the numbers of each incarnation begin.
    first: (OwnOffer, OwnEpoch),
}

impl Outbound {
    pub(super) fn new(places: usize) -> Outbound {
        Outbound {
            list: SequenceBuffer::new(places),
            predictions: vec![None; places].into_boxed_slice(),
            replaces: SequenceBuffer::new(MAX_REPLACEMENTS),
            ..Outbound::default()
        }
    }

    pub(super) fn reset(&mut self) {
        let before = std::mem::take(self);
        let (offer, epoch) = before.first;
        self.first = before.first;
        self.list = before.list.emptied(offer);
        self.replaces = before.replaces.emptied(epoch);
        self.predictions = before.predictions;
        self.predictions.fill(None);
        (self.next, self.answered) = (offer, offer);
        (self.settled, self.acknowledged) = (offer, offer);
    }

    /// Begins at these numbers, now and in each further incarnation.
    pub(super) fn count_from(&mut self, first: (OwnOffer, OwnEpoch)) {
        self.first = first;
        self.reset();
    }

    pub(super) fn next(&self) -> OwnOffer {
        self.next
    }

    /// Goes back to where this was the next number.
    pub(super) fn rewind(&mut self, to: OwnOffer) {
        self.next = to;
    }

    pub(super) fn acknowledged(&self) -> OwnOffer {
        self.acknowledged
    }

    pub(super) fn get(&self, number: OwnOffer) -> Option<&Own> {
        self.list.get(number)
    }

    pub(super) fn offer(&self, number: OwnOffer) -> Option<Offer> {
        let own = self.list.get(number)?;
        Some(Offer {
            id: number.raw(),
            byte: own.byte,
            speed: own.speed,
            frame: own.time().map_or(own.frame, timeline::frame).raw(),
            chunk: own.time().map(timeline::place),
            part: own.said.and_then(|said| said.part),
            lead: own.lead,
            judged: own.judged.raw(),
            since_take: None,
            called: None,
        })
    }

    /// The first moment behind the offers before this one, however far the lead has come meanwhile: nothing
    /// that was made with knowledge of them is due before they were.
    pub(super) fn behind(&self, number: OwnOffer) -> OwnChunk {
        let last = number.previous().and_then(|last| self.list.get(last));
        let time = last.and_then(Own::time);
        time.map_or(OwnChunk::default(), |time| time.after(ANSWER_CHUNKS))
    }

    /// The number behind the last offer that the peer may know; more than [`next`](Self::next) while some
    /// were not sent again.
    pub(super) fn end(&self) -> OwnOffer {
        self.list.end()
    }

    /// The number behind the last offer that the peer may be told: what this history has sent.
    pub(super) fn sent(&self) -> OwnOffer {
        self.next.min(self.end())
    }

    /// The verdict on this offer, if it is known.
    pub(super) fn verdict(&self, number: OwnOffer) -> Option<Outcome> {
        self.list.get(number)?.verdict
    }

    pub(super) fn answered(&self) -> OwnOffer {
        self.answered
    }

    pub(super) fn settled(&self) -> OwnOffer {
        self.settled
    }

    pub(super) fn epoch(&self) -> OwnEpoch {
        self.replaces.end()
    }

    pub(super) fn is_refused(&self) -> bool {
        self.last == Some(Outcome::Refused)
    }

    /// True if every offer of this history has its verdict, and no more than these are known.
    pub(super) fn are_all_answered(&self) -> bool {
        self.next == self.answered
    }

    /// The oldest offer that may still change, if this history has made it.
    pub(super) fn first_open(&self) -> Option<&Own> {
        self.list.get(self.settled).filter(|_| self.settled < self.next)
    }

    /// The oldest offer without a verdict, if this history has made it.
    pub(super) fn first_unanswered(&self) -> Option<&Own> {
        self.list.get(self.answered).filter(|_| self.answered < self.next)
    }

    pub(super) fn is_nearly_full(&self) -> bool {
        self.list.is_nearly_full()
    }

    /// True if a correction could replace offers now.
    pub(super) fn may_replace(&self) -> bool {
        self.replaces.room() >= 4
    }

    /// The game clocks its next transfer, anew or in a replay; false if there is no room. Another one than
    /// before replaces that and all behind it.
    pub(super) fn send(&mut self, own: Own, counters: &mut Counters) -> bool {
        let number = self.next;
        match self.list.get_mut(number) {
            None => {}
            // What is final stays where the peer has been told that it is.
            Some(before) if own.repeats(before) && (own.is_at(before) || number < self.settled) => {
                (before.frame, before.made) = (own.frame, own.made);
            }
            // The peer has been told that this is final: the core is not repeatable.
            Some(_) if number < self.settled => counters.unrepeatable += 1,
            Some(_) => self.replace_from(number, &mut counters.transfers),
        }
        let is_kept = number < self.end() || self.list.push(own);
        if is_kept {
            self.next = number.next();
        }
        is_kept
    }

    /// The outcome that the game reads in the transfer that it has just begun; `crossing` is the byte of an
    /// offer that waits here.
    pub(super) fn answer(&mut self, crossing: Option<u8>) -> (Outcome, Source) {
        let number = self.next.before(1);
        let (used, source) = match (self.best(number), crossing) {
            ((_, Source::Hint | Source::Last), Some(byte)) => (Outcome::Paired { byte }, Source::Hint),
            (best, _) => best,
        };
        if let Some(own) = self.list.get_mut(number) {
            own.used = used;
        }
        (used, source)
    }

    /// The best outcome that is known of this number, and where it came from.
    pub(super) fn best(&self, number: OwnOffer) -> (Outcome, Source) {
        if let Some(answer) = self.verdict(number) {
            return (answer, Source::Known);
        }
        match self.prediction(number) {
            Some(answer) => (answer, Source::Hint),
            None => (self.last.unwrap_or(FIRST_PREDICTION), Source::Last),
        }
    }

    /// Withdraws what the replay and the frame after it did not send again: lazy cancellation.
    pub(super) fn withdraw_unsent(&mut self, counters: &mut Transfers) {
        if self.next < self.end() && self.may_replace() {
            self.replace_from(self.next, counters);
        }
    }

    /// Everything from this number on is void. Verdicts become predictions.
    fn replace_from(&mut self, number: OwnOffer, counters: &mut Transfers) {
        counters.replaces += 1;
        counters.cancelled += self.end().since(number);
        // A correction begins with room for it, but when the incarnation ends and the peer is told no more.
        self.replaces.push(number);
        for void in number.until(self.answered) {
            if let Some(answer) = self.verdict(void) {
                self.predict(void, answer);
            }
        }
        self.list.truncate(number);
        self.answered = self.answered.min(number);
        self.acknowledged = self.acknowledged.min(number);
    }

    /// Predicts this outcome until the verdict comes.
    pub(super) fn predict(&mut self, number: OwnOffer, answer: Outcome) {
        let place = self.place(number);
        if let Some(prediction) = self.predictions.get_mut(place) {
            *prediction = Some((number, answer));
        }
    }

    fn prediction(&self, number: OwnOffer) -> Option<Outcome> {
        let (predicted, answer) = (*self.predictions.get(self.place(number))?)?;
        (predicted == number).then_some(answer)
    }

    fn place(&self, number: OwnOffer) -> usize {
        usize::try_from(number.raw() % self.predictions.len() as u64).unwrap_or_default()
    }

    /// Notes the verdict on the oldest offer without one; the frame of that, if there is such an offer.
    pub(super) fn handle_answer(&mut self, answer: Outcome) -> Option<OwnFrame> {
        let own = self.list.get_mut(self.answered)?;
        own.verdict = Some(answer);
        self.last = Some(answer);
        self.answered = self.answered.next();
        Some(own.frame)
    }

    /// Settles the oldest open offer.
    pub(super) fn settle(&mut self) {
        self.settled = self.settled.next();
    }

    /// The replacements that the peer lacks: first epoch, and from which number each replaced.
    pub(super) fn replaces(&self) -> impl Iterator<Item = (OwnEpoch, OwnOffer)> + Clone {
        let before = self.replaces.start().until(self.replaces.end());
        before.filter_map(|epoch| Some((epoch.next(), *self.replaces.get(epoch)?)))
    }

    /// The first offer that is not any more what it was in this epoch, if one is not.
    pub(super) fn first_replaced(&self, epoch: OwnEpoch) -> Option<OwnOffer> {
        let later = self.replaces().filter(|(later, _)| *later > epoch);
        later.map(|(_, from)| from).min()
    }

    /// The peer has our offers before `received` as they were in this epoch.
    pub(super) fn handle_acknowledgement(&mut self, epoch: OwnEpoch, received: OwnOffer) {
        let valid = self.first_replaced(epoch).unwrap_or(received).min(received);
        // A peer that takes an acknowledgement back gets what is still kept.
        self.acknowledged = valid.clamp(self.list.start(), self.end());
        self.replaces.release(epoch);
    }

    /// Releases offers that no replay can reach: the oldest snapshot was saved before this number.
    pub(super) fn release(&mut self, number: OwnOffer) {
        self.list.release(number.before(1).min(self.acknowledged));
    }
}
