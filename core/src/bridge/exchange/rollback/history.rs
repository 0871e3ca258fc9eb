//! Knowledge of one game and its link as far back as it may still change: what crossed, how it ended, what is
//! final.

use super::conversation;
use super::counters::Counters;
use super::inbound::{Inbound, Judgement, Poll};
use super::incarnation::Incarnation;
use super::outbound::{Outbound, Own};
use super::prediction_window::PredictionWindow;
use super::snapshots::{Snapshot, Snapshots};
use super::timeline::{self, Timeline};
use crate::bridge::FirstNumbers;
use crate::bridge::exchange::conversation::Conversation;
use crate::bridge::exchange::pause::Made;
use crate::protocol::Outcome;
use crate::sequence_numbers::{Number, OwnChunk, OwnEpoch, OwnFrame, OwnOffer, PeerEpoch, PeerOffer};
use crate::serial::{Request, Shift};
use crate::time::Chunk;
use std::hash::{Hash, Hasher};

/// Settings by the caller, see `Rollback::set_repairs` and the two after it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    pub(super) has_repairs: bool,
    pub(super) has_rendezvous: bool,
    pub(super) is_leading: bool,
}

/// The frame at which the game stands, and all that is known of the frames before.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) link: Incarnation,
    pub(super) outbound: Outbound,
    pub(super) inbound: Inbound,
    pub(super) snapshots: Snapshots,
    pub(super) window: PredictionWindow,
    pub(super) timeline: Timeline,
    pub(super) counters: Counters,
    pub(super) settings: Settings,
    pub(super) conversation: Conversation,
    /// Frames emulated in this history; in a replay, the number of the frame that is repeated.
    frame: OwnFrame,
    /// The newest frame so far.
    newest: OwnFrame,
    /// Frames before this one were said to be final.
    confirmed: OwnFrame,
    /// Oldest frame with a take that has become void.
    back_to: Option<OwnFrame>,
    /// Calls since anything happened.
    quiet: u32,
}

impl PartialEq for History {
    fn eq(&self, other: &History) -> bool {
        self.essence() == other.essence()
    }
}

impl Eq for History {}

impl Hash for History {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.essence().hash(hasher);
    }
}

impl History {
    /// Everything that decides how the game goes on: all fields are named, so that a new one does not build
    /// before it is weighed.
    fn essence(&self) -> impl PartialEq + Hash + '_ {
        let History {
            link,
            outbound,
            inbound,
            snapshots,
            timeline,
            window: _,       // Measures: they decide when the game stalls, not what it reads.
            counters: _,     // Nothing is decided by them.
            settings: _,     // The caller says them anew.
            conversation: _, // For people.
            frame,
            newest,
            confirmed,
            back_to,
            quiet: _, // Decides how often an idle game is saved, and what is said without need.
        } = self;
        (
            (link, outbound, inbound, snapshots),
            (timeline, frame, newest, confirmed, back_to),
        )
    }

    pub(super) fn new(slots: usize, places: usize) -> History {
        History {
            outbound: Outbound::new(places),
            inbound: Inbound::new(places),
            snapshots: Snapshots::new(slots),
            ..History::default()
        }
    }

    /// Counts on from these numbers.
    pub(super) fn count_from(&mut self, first: FirstNumbers) {
        let FirstNumbers {
            frames,
            offers,
            epochs,
            ..
        } = first;
        let frame = OwnFrame::new(frames);
        (self.frame, self.newest, self.confirmed) = (frame, frame, frame);
        let (own, peer) = (OwnOffer::new(offers), PeerOffer::new(offers));
        self.outbound.count_from((own, OwnEpoch::new(epochs)));
        self.inbound.count_from((peer, PeerEpoch::new(epochs)));
    }

    /// The frame that comes next, or runs.
    pub(super) fn frame(&self) -> OwnFrame {
        self.frame
    }

    /// The frame that comes next for the player; in a replay, the one that it ends before.
    pub(super) fn newest(&self) -> OwnFrame {
        self.newest
    }

    pub(super) fn next_frame(&mut self) {
        self.frame = self.frame.next();
        self.newest = self.newest.max(self.frame);
    }

    pub(super) fn rewind(&mut self, snapshot: &Snapshot) {
        self.frame = snapshot.frame;
        self.outbound.rewind(snapshot.made);
        self.inbound.rewind(snapshot.judged);
        self.back_to = None;
    }

    /// A snapshot of where the core stands, to be saved into this slot.
    pub(super) fn snapshot_here(&self, slot: usize, in_flight: Option<Shift>) -> Snapshot {
        Snapshot {
            slot,
            in_flight,
            frame: self.frame,
            made: self.outbound.next(),
            judged: self.inbound.next(),
        }
    }

    /// Frames since this snapshot was saved, if there is one.
    pub(super) fn age(&self, snapshot: Option<Snapshot>) -> u64 {
        snapshot.map_or(0, |snapshot| self.frame.since(snapshot.frame))
    }

    /// Notes that something happened of which the peer should hear.
    pub(super) fn note_news(&mut self) {
        self.quiet = 0;
    }

    pub(super) fn quiet(&self) -> u32 {
        self.quiet
    }

    pub(super) fn back_to(&self) -> Option<OwnFrame> {
        self.back_to
    }

    /// Asks for a correction from this frame on, if it is one: a take in it is void.
    pub(super) fn go_back_before(&mut self, frame: Option<OwnFrame>) {
        self.back_to = self.back_to.into_iter().chain(frame).min();
    }

    /// Opens the link with its first snapshot: from here on, everything can be undone. False if the
    /// incarnation is over by now.
    pub(super) fn open(&mut self, snapshot: Snapshot) -> bool {
        let is_open = self.link.open();
        if is_open {
            self.snapshots.keep(snapshot);
            self.counters.joins += 1;
        }
        is_open
    }

    /// Ends the incarnation here: what is open will be replayed as unplugged.
    pub(super) fn end(&mut self) {
        let was_linked = self.link.is_linked();
        self.link.end();
        self.inbound.announce(None);
        self.note_news();
        if was_linked {
            let void = self.inbound.handle_end(&mut self.counters.transfers);
            self.go_back_before(void);
        } else if !self.link.is_open() {
            self.outbound.reset();
            self.inbound.reset();
        }
    }

    /// Closes the link after that replay: both games go on, each on its own.
    pub(super) fn close(&mut self) {
        conversation::end(self);
        self.link.close();
        self.outbound.reset();
        self.inbound.reset();
        self.snapshots.reset();
        self.back_to = None;
    }

    /// Gives up a history that cannot be kept, as if the cable had been pulled here.
    pub(super) fn fail(&mut self) {
        self.counters.failures += 1;
        self.end();
        self.close();
    }

    /// Offers a transfer that the game clocks in the frame that runs; false if there is no room.
    pub(super) fn send(&mut self, request: Request) -> bool {
        let Request { byte, speed, time } = request;
        let next = self.outbound.next();
        let before = self.outbound.get(next);
        let is_new_timed =
            self.timeline.is_set() && !self.settings.has_rendezvous && !self.timeline.is_colliding();
        let is_timed = before.map_or(is_new_timed, |before| before.said.is_some());
        let made = time
            .filter(|_| is_timed)
            .map(|time| Made::at(self.frame.raw(), time));
        let last = next.previous().and_then(|last| self.outbound.get(last));
        let own = Own {
            byte,
            speed,
            frame: self.frame,
            told: self.told(is_timed),
            made,
            said: made.map(|made| last.map_or(made, |last| last.said_behind(made))),
            lead: self.timeline.lead(),
            judged: self.inbound.next(),
            ..Own::default()
        };
        let epoch = self.outbound.epoch();
        let is_kept = self.outbound.send(own, &mut self.counters);
        self.note_epoch(epoch);
        is_kept
    }

    /// The frame from which the age of the next offer counts. One that is an answer to what was due in the
    /// past is new all the same, and so are those right behind it. Where offers have no moments, nothing is
    /// due in the past: what a replay makes is as old as its frame.
    fn told(&self, is_timed: bool) -> OwnFrame {
        let number = self.outbound.next();
        let last = number.previous().and_then(|last| self.outbound.get(last));
        match last {
            Some(last) if last.judged == self.inbound.next() => self.frame.max(last.told),
            _ if is_timed => self.newest,
            _ => self.frame,
        }
    }

    /// Withdraws what is not sent again.
    pub(super) fn withdraw_unsent(&mut self) {
        let epoch = self.outbound.epoch();
        if self.back_to.is_none() {
            self.outbound.withdraw_unsent(&mut self.counters.transfers);
        }
        self.note_epoch(epoch);
    }

    /// Takes the peer's next offer in this poll and chunk of the frame that runs, for this byte.
    pub(super) fn take(&mut self, poll: Poll, time: Option<OwnChunk>, byte: u8) {
        let judgement = Judgement {
            frame: self.frame,
            poll,
            made: self.outbound.next(),
            time,
            outcome: Outcome::Taken { byte },
        };
        self.inbound.take(judgement, &mut self.counters);
    }

    /// The chunk of our time that this is in the frame that runs, where the core tells it.
    pub(super) fn time(&self, chunk: Option<Chunk>) -> Option<OwnChunk> {
        chunk.map(|chunk| timeline::chunk(self.frame, chunk))
    }

    /// Refuses, at the end of a live frame, what could have been taken for two whole frames and was not.
    pub(super) fn refuse(&mut self, unarmed_since: OwnFrame) {
        if self.outbound.end() == self.outbound.next() {
            let made = self.outbound.next();
            self.counters.transfers.peer_refused += self.inbound.refuse(self.frame, unarmed_since, made);
        }
    }

    /// Announces the game's answer to the next offer, if that has not come; `None` where it does not listen.
    pub(super) fn announce(&mut self, byte: Option<u8>) {
        if self.inbound.announce(byte) {
            self.note_news();
        }
    }

    /// Notes the verdict on the oldest offer without one, if there is such an offer.
    pub(super) fn handle_answer(&mut self, answer: Outcome) {
        let Some(frame) = self.outbound.handle_answer(answer) else {
            return;
        };
        self.window.handle_verdict(self.frame.since(frame));
        self.note_news();
        self.counters.transfers.answered += 1;
        match answer {
            Outcome::Taken { .. } => {}
            Outcome::Refused => self.counters.transfers.refused += 1,
            Outcome::Paired { .. } => self.counters.transfers.paired += 1,
        }
    }

    /// Frames before this one were said to be final.
    pub(super) fn confirmed(&self) -> OwnFrame {
        self.confirmed
    }

    /// The oldest frame that may still change, also by what has not arrived: an offer that is due in the
    /// past.
    pub(super) fn horizon(&self) -> OwnFrame {
        let heard = match self.timeline.is_shared() {
            true => self.timeline.heard().max(self.frame.before(self.window.reach())),
            false => self.frame,
        };
        self.oldest_open().min(heard).max(self.confirmed)
    }

    /// The oldest frame that may still change by what is known.
    pub(super) fn oldest_open(&self) -> OwnFrame {
        let made = self.outbound.first_open().map(|own| own.frame);
        let judged = self.inbound.first_open().map(|judgement| judgement.frame);
        [made, judged, self.back_to]
            .into_iter()
            .flatten()
            .fold(self.frame, OwnFrame::min)
    }

    /// Releases what no correction can reach.
    pub(super) fn release(&mut self) {
        conversation::trace(self);
        self.confirmed = self.horizon();
        self.snapshots.release(self.confirmed);
        if let Some(snapshot) = self.snapshots.oldest() {
            self.outbound.release(snapshot.made);
            self.inbound.release(snapshot.judged);
        }
    }

    pub(super) fn handle_call_end(&mut self) {
        self.window.handle_call_end();
        self.quiet = self.quiet.saturating_add(1);
    }

    /// Notes a new epoch, if this one is over.
    fn note_epoch(&mut self, before: OwnEpoch) {
        if self.outbound.epoch() != before {
            self.note_news();
        }
    }
}
