//! Fate of the peer's offers at the moments at which they are due: taken where the game listens, refused
//! where it does not, as on a cable; and the way back to a moment that has passed.

use super::due::{Due, Progress, Window};
use super::history::History;
use super::inbound::{Inbound, Theirs};
use super::misprediction;
use super::outbound::Own;
use super::prediction_window::MAX_OPEN_FRAMES;
use super::timeline;
use crate::bridge::exchange::crossing::Crossing;
use crate::bridge::exchange::pause::Made;
use crate::protocol::Outcome;
use crate::sequence_numbers::{Number, OwnChunk, OwnFrame, OwnOffer, PeerChunk, PeerOffer, SharedChunk};
use crate::time::{Chunk, FrameTime};

/// Chunks behind the first look at or after its moment in which an offer is still taken: the game may have
/// armed in the middle of a chunk, and was given the byte before up to one later than its peer clocked it.
const WINDOW: u64 = 2;

/// Chunks by which a take may come later than its moment for the sake of a pause before it that is known to a
/// chunk only, half a frame. It is rounded up, or a byte might come before the game has loaded its own; in a
/// stream that would add up.
const MOST_LAG: u64 = 8;

/// Chunks of the pause that is kept where the maker had a frame or more: a game that has had most of a frame
/// is ready, and what has come late comes nearer to its moment again.
const MOST_PAUSE: u64 = 12;

/// An offer that was taken.
#[derive(Clone, Copy)]
struct Take {
    made: Made<PeerChunk>,
    taken: OwnChunk,
}

impl Take {
    /// The first chunk in which the offer behind it may be taken, for the sake of the pause between the two.
    fn keep_pause(&self, due: &Due) -> OwnChunk {
        let pause = due.made.since(self.made);
        let chunks = pause.chunks;
        let frame = Chunk::PER_FRAME.into();
        if chunks >= frame {
            let is_late = due.progress == Progress::Late;
            return self.taken.after(if is_late { frame } else { MOST_PAUSE });
        }
        if let Some(whole) = pause.whole() {
            return self.taken.after(whole);
        }
        let (kept, rounded) = (
            self.taken.after(chunks),
            self.taken.after((chunks + 1).min(frame)),
        );
        let tells_parts = due.made.part.or(self.made.part).is_some();
        match chunks {
            0 => kept,
            _ if tells_parts => rounded,
            _ => rounded.min(kept.max(due.time.after(MOST_LAG))),
        }
    }
}

impl Inbound {
    /// Chunks in which the next offer may be taken, where it has a moment: from the first look behind that,
    /// and with as long a pause since the take before as its maker had.
    pub(super) fn window(&self) -> Option<Window> {
        let due = self.upcoming()?.due?;
        let soonest = due.time.next();
        let last = self.last_take();
        let from = last.map_or(soonest, |last| soonest.max(last.keep_pause(&due)));
        let to = match due.progress {
            Progress::Late => OwnChunk::new(u64::MAX),
            // What the last one came late by, this one may.
            Progress::Ahead | Progress::Reached => {
                let latest = last.map_or(soonest, |last| last.taken.after(due.made.since(last.made).chunks));
                latest.max(from).after(WINDOW)
            }
        };
        Some(Window { from, to })
    }

    /// The take before the next offer.
    fn last_take(&self) -> Option<Take> {
        let last = self.next().previous()?;
        let judgement = self.judgement(last)?;
        let is_take = matches!(judgement.outcome, Outcome::Taken { .. });
        let theirs = self.get(last).filter(|_| is_take)?;
        // One without a moment was made in its frame.
        let made = theirs
            .due
            .map_or(Made::at(theirs.frame.raw(), FrameTime::default()), |due| due.made);
        Some(Take {
            made,
            taken: judgement.time?,
        })
    }

    /// Refuses what the game did not listen for by `now`, in this frame; how many that were. Offers from
    /// `known` on came too late for the frame, and are gone back to.
    pub(super) fn refuse_passed(
        &mut self,
        frame: OwnFrame,
        now: OwnChunk,
        made: OwnOffer,
        known: PeerOffer,
    ) -> u64 {
        self.refuse_while(frame, Some(now), made, |inbound, _| {
            inbound.next() < known && inbound.window().is_some_and(|window| window.to < now)
        })
    }

    /// Refuses what was made before the offer that our game makes `now`, as both sides know it; how many that
    /// were.
    pub(super) fn refuse_earlier(
        &mut self,
        frame: OwnFrame,
        (now, shared): (OwnChunk, SharedChunk),
        made: OwnOffer,
        known: PeerOffer,
    ) -> u64 {
        self.refuse_while(frame, Some(now), made, |inbound, head| {
            let theirs = head.due.map(|due| due.shared);
            inbound.next() < known
                && theirs.is_some()
                && timeline::crossing(Some(shared), theirs) == Crossing::Theirs
        })
    }

    /// The oldest offer without a judgement, where it has a moment.
    pub(super) fn unjudged(&self) -> Option<(&Theirs, Due)> {
        let head = self.get(self.judged())?;
        Some((head, head.due?))
    }

    /// Leaves the oldest offer without a judgement to the next moment at which the game listens.
    pub(super) fn set_late(&mut self) {
        if let Some(due) = self.unjudged_mut().and_then(|head| head.due.as_mut()) {
            due.progress = Progress::Late;
        }
    }

    /// Notes the progress of the oldest offer without a judgement, and when it is to be taken.
    pub(super) fn set_progress(&mut self, progress: Progress, time: OwnChunk) {
        if let Some(due) = self.unjudged_mut().and_then(|head| head.due.as_mut()) {
            (due.progress, due.time) = (progress, time);
        }
    }
}

impl History {
    /// Refuses what the game did not listen for when its moment passed, by the end of the frame that runs.
    /// Offers from `known` on came too late for the frame.
    pub(super) fn refuse_passed(&mut self, known: PeerOffer) {
        if self.is_certain() {
            let (now, made) = (
                timeline::chunk(self.frame().next(), Chunk::default()),
                self.outbound.next(),
            );
            let refused = self.inbound.refuse_passed(self.frame(), now, made, known);
            if refused > 0 {
                self.timeline.handle_collision();
            }
            self.counters.transfers.peer_refused += refused;
        }
    }

    /// Refuses what came before the transfer that the game clocks now, up to `known`: it does not listen.
    pub(super) fn refuse_earlier(&mut self, now: OwnChunk, known: PeerOffer) {
        let made = self.outbound.next();
        self.inbound.repeat_refusals_before(made);
        if self.is_certain() {
            let before = self.outbound.get(made).and_then(Own::shared);
            let shared = before.unwrap_or(timeline::shared(now, self.timeline.lead()));
            let refused = self
                .inbound
                .refuse_earlier(self.frame(), (now, shared), made, known);
            if refused > 0 {
                self.timeline.handle_collision();
            }
            self.counters.transfers.peer_refused += refused;
        }
    }

    /// True if nothing that the game has read so far may still change.
    fn is_certain(&mut self) -> bool {
        self.link.is_linked()
            && self.back_to().is_none()
            && self.outbound.are_all_answered()
            && misprediction::check(self).is_none()
    }

    /// True if the peer's next offer follows one of ours so soon that a game may be waiting for it.
    fn takes_turns(&self) -> bool {
        let Some((head, due)) = self.inbound.unjudged() else {
            return false;
        };
        let last = head.judged.previous().and_then(|last| self.outbound.get(last));
        last.is_some_and(|last| timeline::frame(due.time).since(last.frame) < MAX_OPEN_FRAMES)
    }

    /// Frames by which the peer's next offer may have been due in the past and still be gone back to.
    fn reach(&self) -> u64 {
        let reach = self.window.reach();
        match self.takes_turns() {
            true => reach.min(self.window.turn_reach()),
            false => reach,
        }
    }

    /// True if the frame that is replayed lies too far in the past for the peer's next offer, where the games
    /// take turns: it is left to frame `takes_from`, late.
    ///
    /// A turn is answered within a frame of the games' time and takes a flight of the path's. Taken where it
    /// was due in every replay, whatever that is for, turns would take both games ever further ahead of their
    /// last byte, to where they stand still for all but a frame a turn.
    pub(super) fn leaves_turn(&mut self, takes_from: OwnFrame) -> bool {
        let Some((_, due)) = self.inbound.unjudged().filter(|_| self.takes_turns()) else {
            return false;
        };
        match due.progress {
            Progress::Ahead => {
                let is_left = self.frame() < self.newest().before(self.window.turn_reach());
                if is_left {
                    self.counters.transfers.late += 1;
                    self.inbound.set_late();
                }
                is_left
            }
            Progress::Late => self.frame() < takes_from,
            // Gone back to for its own sake: left alone, the game would make the offer of ours again that it
            // came before.
            Progress::Reached => false,
        }
    }

    /// The frame that must be emulated again because an offer of the peer was due in it, or before; notes
    /// that it will be.
    pub(super) fn go_back_for_due(&mut self) -> Option<OwnFrame> {
        let (head, due) = self.inbound.unjudged()?;
        let made = head.judged;
        if self.outbound.settled() < made {
            return None;
        }
        // An offer of ours in the place where the peer knows none yet: the earlier one counts.
        let ours = self.outbound.get(made).filter(|_| made < self.outbound.next());
        let oldest = self.confirmed().max(self.snapshots.oldest()?.frame);
        if let Some(ours) = ours {
            if timeline::crossing(ours.shared(), Some(due.shared)) != Crossing::Theirs {
                return None;
            }
            // Before ours in our own time as well, whatever the lead has become meanwhile.
            let latest = ours.time().unwrap_or_default().before(2);
            let time = due
                .time
                .min(latest)
                .max(timeline::chunk(oldest, Chunk::default()));
            self.inbound.set_progress(Progress::Reached, time);
            return Some(timeline::frame(time).min(ours.frame));
        }
        if due.progress != Progress::Ahead {
            return None;
        }
        let last = self.inbound.judged().previous();
        let last = last.and_then(|last| self.inbound.judgement(last));
        let moment = timeline::frame(due.time.next());
        let frame = moment.max(last.map_or(moment, |last| last.frame));
        if frame >= self.frame() {
            return None;
        }
        if frame < oldest.max(self.frame().before(self.reach())) {
            self.counters.transfers.late += 1;
            self.inbound.set_late();
            return None;
        }
        self.inbound.set_progress(Progress::Reached, due.time);
        Some(frame)
    }
}
