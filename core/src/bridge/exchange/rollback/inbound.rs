//! Inbound transfers, those that the peer's game clocks: its offers, and this game's verdict on each.

use super::counters::{Counters, Transfers};
use super::due::{Due, Progress};
use super::sequence_buffer::SequenceBuffer;
use crate::protocol::{Outcome, Verdict};
use crate::sequence_numbers::{Number, OwnChunk, OwnFrame, OwnOffer, PeerEpoch, PeerFrame, PeerOffer};
use crate::serial::Speed;
use std::cmp::Ordering;

/// Offers before the oldest snapshot that are kept: the spacing of takes looks back over their frame. Bytes
/// of one frame at the normal clock are 17 at most (70 224 T-cycles, 4096 a byte).
const SPACING_LOOKBACK: u64 = 64;

/// Whole frames without listening after which an offer that could have been taken is refused, as in the
/// strict exchange.
const UNARMED_FRAMES: u64 = 2;

/// One transfer that the peer's game clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Theirs {
    pub(super) byte: u8,
    pub(super) speed: Speed,
    /// The peer's frame in which it was made.
    pub(super) frame: PeerFrame,
    /// Our next offer to be judged by its maker when it was made.
    pub(super) judged: OwnOffer,
    /// Our first frame that could see it.
    pub(super) arrived: OwnFrame,
    /// When it is to be taken, where both cores tell their time; else on arrival.
    pub(super) due: Option<Due>,
}

/// Verdict on one offer of the peer, and when it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Judgement {
    /// Our frame in which it was judged; a refusal belongs to its end, a pair to the instant of our own
    /// offer.
    pub(super) frame: OwnFrame,
    /// The poll of that frame in which it was taken.
    pub(super) poll: Poll,
    /// Our next offer when it was judged, and the chunk of our time where that is known.
    pub(super) made: OwnOffer,
    pub(super) time: Option<OwnChunk>,
    pub(super) outcome: Outcome,
}

/// Numbers of a poll, the first being 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Poll {
    pub(super) in_frame: u32,
    /// `None` where the core does not tell its time, or polls before it were not counted one by one.
    pub(super) in_chunk: Option<u32>,
}

/// Offers of the peer, as far back as they may still matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Inbound {
    /// Next offer that this history judges, where the core stands.
    next: PeerOffer,
    list: SequenceBuffer<PeerOffer, Theirs>,
    judgements: SequenceBuffer<PeerOffer, Judgement>,
    /// The newest epoch of the peer that is known.
    epoch: PeerEpoch,
    /// The peer said that its offers before this one are final. It may be ahead of what has been judged here.
    settled: PeerOffer,
    /// The peer's history has made so many; what is in the list behind that may be withdrawn.
    sent: PeerOffer,
    /// Judgements before this one are pairs or older than one: both sides know them.
    paired: PeerOffer,
    /// The game's answer to the next offer, announced before that has come: number of the offer, byte.
    announced: Option<(PeerOffer, u8)>,
    /// Where the numbers of each incarnation begin.
    first: (PeerOffer, PeerEpoch),
}

impl Inbound {
    pub(super) fn new(places: usize) -> Inbound {
        Inbound {
            list: SequenceBuffer::new(places),
            judgements: SequenceBuffer::new(places),
            ..Inbound::default()
        }
    }

    pub(super) fn reset(&mut self) {
        let before = std::mem::take(self);
        let (offer, epoch) = before.first;
        self.first = before.first;
        self.list = before.list.emptied(offer);
        self.judgements = before.judgements.emptied(offer);
        (self.next, self.epoch) = (offer, epoch);
        (self.settled, self.sent, self.paired) = (offer, offer, offer);
    }

    /// Begins at these numbers, now and in each further incarnation.
    pub(super) fn count_from(&mut self, first: (PeerOffer, PeerEpoch)) {
        self.first = first;
        self.reset();
    }

    pub(super) fn next(&self) -> PeerOffer {
        self.next
    }

    /// Goes back to where this was the next number.
    pub(super) fn rewind(&mut self, to: PeerOffer) {
        self.next = to;
    }

    pub(super) fn epoch(&self) -> PeerEpoch {
        self.epoch
    }

    pub(super) fn settled(&self) -> PeerOffer {
        self.settled
    }

    /// Next offer to be received, in this epoch.
    pub(super) fn received(&self) -> PeerOffer {
        self.list.end()
    }

    /// Next offer to be judged for the first time.
    pub(super) fn judged(&self) -> PeerOffer {
        self.judgements.end()
    }

    pub(super) fn get(&self, number: PeerOffer) -> Option<&Theirs> {
        self.list.get(number)
    }

    /// The offer that this history comes to next, judged or not.
    pub(super) fn upcoming(&self) -> Option<&Theirs> {
        self.list.get(self.next)
    }

    /// The offer that this history came to last.
    pub(super) fn previous(&self) -> Option<&Theirs> {
        self.list.get(self.next.previous()?)
    }

    pub(super) fn judgement(&self, number: PeerOffer) -> Option<&Judgement> {
        self.judgements.get(number)
    }

    pub(super) fn unjudged_mut(&mut self) -> Option<&mut Theirs> {
        self.list.get_mut(self.judgements.end())
    }

    pub(super) fn verdict(&self, number: PeerOffer) -> Option<Verdict> {
        let outcome = self.judgements.get(number)?.outcome;
        let id = number.raw();
        Some(Verdict { id, outcome })
    }

    /// The game's answer to the next offer of the peer, if that is the next for both sides.
    pub(super) fn announced(&self) -> Option<u8> {
        self.announced
            .filter(|(number, _)| *number == self.judged())
            .map(|(_, byte)| byte)
    }

    /// Announces the game's answer to the next offer, if that has not come; true if that is news.
    pub(super) fn announce(&mut self, byte: Option<u8>) -> bool {
        let is_next = self.next == self.judged() && self.upcoming().is_none();
        let announced = byte.filter(|_| is_next).map(|byte| (self.next, byte));
        std::mem::replace(&mut self.announced, announced) != announced
    }

    /// The oldest judgement that the peer may still make void.
    pub(super) fn first_open(&self) -> Option<&Judgement> {
        self.judgements.get(self.settled)
    }

    /// True if another verdict can be kept.
    pub(super) fn has_room(&self) -> bool {
        self.judgements.room() > 0
    }

    pub(super) fn is_nearly_full(&self) -> bool {
        self.judgements.is_nearly_full()
    }

    /// The next offer of the peer, if this history has judged all before it and never judged this one.
    pub(super) fn head(&self) -> Option<&Theirs> {
        self.upcoming().filter(|_| self.next == self.judged())
    }

    /// Compares this poll of a replay with the one in which the next offer was taken: `Less` where it is
    /// judged later, or not by a take, `None` where nothing more was judged.
    ///
    /// A core that was restored need not look as often before a poll as it did: where it tells its time, the
    /// chunk and the place in that are compared. Nor need it look at the same moments; then it takes the byte
    /// at the first chance after, which is recorded instead.
    pub(super) fn repeat_take(
        &mut self,
        frame: OwnFrame,
        poll: Poll,
        time: Option<OwnChunk>,
    ) -> Option<Ordering> {
        let judgement = self.judgements.get_mut(self.next)?;
        if !matches!(judgement.outcome, Outcome::Taken { .. }) {
            return Some(Ordering::Less);
        }
        let (recorded, taken) = (judgement.poll, judgement.time);
        // Two frames share a chunk, the last one's sliver and the first of the next.
        let order = frame.cmp(&judgement.frame).then_with(|| match time.zip(taken) {
            Some((now, taken)) if now != taken => now.cmp(&taken),
            Some(_) if poll.in_chunk.is_some() && recorded.in_chunk.is_some() => {
                poll.in_chunk.cmp(&recorded.in_chunk)
            }
            _ => poll.in_frame.cmp(&recorded.in_frame),
        });
        if order.is_gt() {
            (judgement.frame, judgement.poll) = (frame, poll);
            judgement.time = time.or(taken);
        }
        Some(order)
    }

    /// Passes the next offer, which the game has read in a transfer of its own: a pair, if only as predicted.
    pub(super) fn pass_pair(&mut self) {
        self.next = self.next.next();
    }

    /// Takes the next offer, anew or as recorded.
    pub(super) fn take(&mut self, judgement: Judgement, counters: &mut Counters) {
        let recorded = self.judgements.get(self.next).map(|before| before.outcome);
        match recorded {
            Some(before) => counters.unrepeatable += u64::from(before != judgement.outcome),
            None => counters.transfers.taken += u64::from(self.judgements.push(judgement)),
        }
        self.next = self.next.next();
    }

    /// True if the oldest unjudged offer is certain, should it be half of a pair: all before it is final at
    /// its maker.
    pub(super) fn is_pairable(&self) -> bool {
        self.settled >= self.judged() && self.sent > self.judged() && self.has_room()
    }

    /// Judges the next offer as half of a pair, whose other half is this byte of ours.
    pub(super) fn judge_pair(&mut self, frame: OwnFrame, byte: u8) {
        let is_kept = self.judgements.push(Judgement {
            frame,
            outcome: Outcome::Paired { byte },
            ..Judgement::default()
        });
        debug_assert!(is_kept, "the room was looked at before");
        self.paired = self.judged();
    }

    /// Refuses again what was refused up to the end of this frame, in a replay.
    pub(super) fn repeat_refusals(&mut self, frame: OwnFrame) {
        self.pass_refusals(|judgement| judgement.frame <= frame);
    }

    /// Refuses again what was refused before this offer of ours was made.
    pub(super) fn repeat_refusals_before(&mut self, number: OwnOffer) {
        self.pass_refusals(|judgement| judgement.time.is_some() && judgement.made <= number);
    }

    fn pass_refusals(&mut self, is_passed: impl Fn(&Judgement) -> bool) {
        while let Some(judgement) = self.judgements.get(self.next)
            && judgement.outcome == Outcome::Refused
            && is_passed(judgement)
        {
            self.next = self.next.next();
        }
    }

    /// Refuses offers at the end of `frame`; how many they were. `unarmed_since` is the first frame since
    /// which the game has not listened, or could not have been given a byte.
    pub(super) fn refuse(&mut self, frame: OwnFrame, unarmed_since: OwnFrame, made: OwnOffer) -> u64 {
        self.refuse_while(frame, None, made, |_, head| {
            let is_awaited = head.due.is_none_or(|due| due.progress == Progress::Late);
            is_awaited && frame.next().since(head.arrived.max(unarmed_since)) >= UNARMED_FRAMES
        })
    }

    /// Refuses in this frame, and chunk where that is known, what a game that has made these offers does not
    /// hear; how many they were.
    pub(super) fn refuse_while(
        &mut self,
        frame: OwnFrame,
        time: Option<OwnChunk>,
        made: OwnOffer,
        is_refused: impl Fn(&Inbound, &Theirs) -> bool,
    ) -> u64 {
        let judgement = Judgement {
            frame,
            time,
            made,
            ..Judgement::default()
        };
        let mut refused = 0;
        while let Some(head) = self.head()
            && head.judged == made
            && is_refused(self, head)
            && self.judgements.push(judgement)
        {
            self.next = self.next.next();
            refused += 1;
        }
        refused
    }

    /// True if the game may take one more in this frame, in which it has taken so many.
    ///
    /// The peer's game made its offers with pauses between them that cannot be seen from here. So no more are
    /// taken in a frame than the peer made in the densest of the frames that they come from.
    pub(super) fn is_spaced(&self, taken: u64) -> bool {
        let oldest = self.next.before(taken);
        taken == 0 || taken < self.density(self.next).max(self.density(oldest))
    }

    /// Number of offers that the peer made in the frame of this one.
    fn density(&self, number: PeerOffer) -> u64 {
        let Some(offer) = self.list.get(number) else {
            return 0;
        };
        let is_of_frame = |n: &PeerOffer| self.list.get(*n).is_some_and(|other| other.frame == offer.frame);
        let before = number.before(SPACING_LOOKBACK).until(number).rev();
        let behind = number.until(number.after(SPACING_LOOKBACK));
        let all = (before.take_while(is_of_frame).count() + behind.take_while(is_of_frame).count()) as u64;
        // So many in one frame need the fast clock: then they follow one another at once, and there is
        // nothing to space.
        if all >= SPACING_LOOKBACK { u64::MAX } else { all }
    }

    /// Appends an offer that has arrived; false if it is not the next, or has no room.
    pub(super) fn handle_offer(&mut self, number: PeerOffer, offer: Theirs) -> bool {
        number == self.received() && self.list.push(offer)
    }

    /// The peer says that it has made its offers before `sent`, and that those before `settled` are final.
    pub(super) fn handle_progress(&mut self, sent: PeerOffer, settled: PeerOffer, counters: &mut Transfers) {
        let before = self.confirmed();
        self.sent = sent;
        self.settled = self.settled.max(settled);
        counters.confirmed += self.confirmed().since(before);
    }

    /// Judgements before this one are confirmed by the peer.
    pub(super) fn confirmed(&self) -> PeerOffer {
        self.settled.min(self.judged())
    }

    /// True if the peer may still replace from this number on.
    pub(super) fn is_replaceable(&self, from: PeerOffer) -> bool {
        from >= self.paired && from >= self.confirmed()
    }

    /// Forgets the peer's offers from this number on, which are void; the frame of the first that was judged.
    pub(super) fn handle_replace(&mut self, from: PeerOffer, counters: &mut Transfers) -> Option<OwnFrame> {
        self.epoch = self.epoch.next();
        self.list.truncate(from);
        self.take_back(from, counters)
    }

    /// Takes back what the peer might have replaced after the end of the incarnation; the frame of the first.
    pub(super) fn handle_end(&mut self, counters: &mut Transfers) -> Option<OwnFrame> {
        // The oldest one that is not settled is certain: all before it is final at its maker.
        self.take_back(self.settled.next().max(self.paired), counters)
    }

    fn take_back(&mut self, from: PeerOffer, counters: &mut Transfers) -> Option<OwnFrame> {
        let frame = self.judgements.get(from)?.frame;
        let void = from.until(self.judged());
        let is_take = |n: &PeerOffer| {
            self.judgements
                .get(*n)
                .is_some_and(|j| j.outcome.byte().is_some())
        };
        counters.taken_back += void.filter(is_take).count() as u64;
        self.judgements.truncate(from);
        Some(frame)
    }

    /// Releases offers that no replay can reach: the oldest snapshot was saved before this number.
    pub(super) fn release(&mut self, number: PeerOffer) {
        self.list.release(number.before(SPACING_LOOKBACK));
        // The pause before the next take is counted from the last one.
        self.judgements.release(number.min(self.settled).before(1));
    }
}
