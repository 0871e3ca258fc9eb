//! Serial port of the emulated machine, inside a frame.

use super::due::Progress;
use super::history::History;
use super::inbound::{Poll, Theirs};
use super::misprediction;
use super::outbound::{Own, Source};
use super::timeline;
use crate::bridge::exchange::crossing::Crossing;
use crate::sequence_numbers::{Number, OwnChunk, OwnFrame, OwnOffer, PeerOffer};
use crate::serial::{Look, Request, SerialControl, Shift, Speed, UNPLUGGED};
use crate::time::Chunk;
use std::cmp::Ordering;

/// Frames without a byte after which the next one is an opening: it begins a conversation. Longer than games
/// are silent within one, up to 20 frames in the games that were measured; shorter than a player needs to
/// press START again.
const OPENING_PAUSE_FRAMES: u64 = 30;

/// Age of the newest snapshot, in frames, at which an armed game gets no byte until a boundary is safe: a
/// shift lasts less than a frame, so that is the next one. Some games' shifts would cross every boundary for
/// ever.
const MAX_SNAPSHOT_AGE: u64 = 20;

/// Age of the newest snapshot saved with no transfer in flight, in frames, at which no byte is taken in the
/// last quarter of a frame, counted by the takes of the frame before. It grows in a stream so fast that the
/// game has always armed again when a frame ends. Only such a snapshot is given to the player, who should not
/// lose more than two thirds of a second.
const MAX_WHOLE_SNAPSHOT_AGE: u64 = 24;

/// Purpose of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Run {
    /// One for the player.
    #[default]
    Live,
    /// One that is emulated again, and takes nothing anew before frame `takes_from`.
    Replay { takes_from: OwnFrame },
}

/// Transfer under way at the port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Transfer {
    #[default]
    Nothing,
    /// The core was given a byte and names its own next.
    Handed,
    /// The core took a byte and has not looked for another since: it is being shifted.
    Shifting,
    /// The game has started one with its own clock, the newest offer, and has not been given its byte.
    Offered(Speed),
    /// A transfer of the game's own clock that is no offer: the cable is unplugged, or the frame will be
    /// undone. The game reads this byte.
    Instead(Shift),
}

/// Events at the port in the frame that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    run: Run,
    poll: Poll,
    takes: u64,
    /// The last look, and the chunk of our time in which it was, where the core tells that.
    look: Option<Look>,
    time: Option<OwnChunk>,
    /// The first offer of the peer that could not be known when the frame began; none that is due in it is
    /// refused where one of ours was open then.
    pub(super) known: PeerOffer,
    transfer: Transfer,
    /// Byte that was shifted in last.
    pub(super) incoming: Option<Shift>,
    /// The peer's opening has arrived since the last frame began.
    is_opened: bool,
    /// The frame will be undone: nothing that follows in it counts.
    pub(super) is_spoiled: bool,
    /// True if a byte could have been given when the frame began.
    was_ready: bool,
}

/// The port, with its memory of the live frames before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Port {
    /// `None` while the core runs no frame: it polls while it serialises, too.
    frame: Option<Frame>,
    /// The first frame since which the game has not listened, or could not have been given a byte.
    unarmed_since: OwnFrame,
    /// Bytes that were taken in the last live frame.
    last_takes: u64,
}

impl Port {
    /// The core runs a frame from here on.
    pub(super) fn begin(&mut self, run: Run, history: &History) {
        let was_ready = history.link.is_open() && history.outbound.are_all_answered();
        self.frame = Some(Frame {
            run,
            was_ready,
            known: match run {
                Run::Live if !was_ready => PeerOffer::default(),
                Run::Live | Run::Replay { .. } => history.inbound.received(),
            },
            ..Frame::default()
        });
    }

    /// The core runs no frame from here on; the one that ran.
    pub(super) fn close(&mut self) -> Option<Frame> {
        self.frame.take()
    }

    /// True if a frame for the player runs, and will stay.
    pub(super) fn is_live(&self) -> bool {
        self.frame
            .is_some_and(|frame| frame.run == Run::Live && !frame.is_spoiled)
    }

    /// A live frame has been emulated, and stays.
    pub(super) fn end_live(&mut self, frame: &Frame, history: &mut History) {
        self.last_takes = frame.takes;
        history.refuse_passed(frame.known);
        let is_ready = history.link.is_linked() && history.outbound.are_all_answered();
        if frame.poll.in_frame > 0 || !is_ready || !frame.was_ready {
            self.unarmed_since = history.frame().next();
        }
        if is_ready {
            history.refuse(self.unarmed_since);
        }
    }

    pub(super) fn poll(
        &mut self,
        look: Look,
        chunk: Option<Chunk>,
        history: &mut History,
    ) -> Option<(u8, Speed)> {
        let frame = self.frame.as_mut()?;
        let time = history.time(chunk);
        frame.poll = Poll {
            in_frame: frame.poll.in_frame.saturating_add(1),
            in_chunk: match time {
                Some(time) if frame.time == Some(time) => {
                    frame.poll.in_chunk.map(|poll| poll.saturating_add(1))
                }
                time => time.map(|_| 1),
            },
        };
        history.timeline.handle_listening();
        frame.look = Some(look);
        frame.time = time;
        frame.is_opened |= frame.is_first_look() && is_opened(history);
        self.poll_again(history)
    }

    /// Counts polls that could find nothing and were left out.
    pub(super) fn skip(&mut self, polls: u32, history: &mut History) {
        if let Some(frame) = &mut self.frame
            && polls > 0
        {
            frame.poll = Poll {
                in_frame: frame.poll.in_frame.saturating_add(polls),
                in_chunk: None,
            };
            frame.transfer = Transfer::Nothing;
            history.timeline.handle_listening();
        }
    }

    pub(super) fn may_find(&self, history: &History) -> bool {
        self.frame.is_some() && history.link.is_open() && history.inbound.upcoming().is_some()
    }

    pub(super) fn poll_again(&mut self, history: &mut History) -> Option<(u8, Speed)> {
        let frame = self.frame.as_mut()?;
        frame.transfer = Transfer::Nothing;
        if !history.link.is_open() || frame.is_spoiled {
            return None;
        }
        let repeat = history
            .inbound
            .repeat_take(history.frame(), frame.poll, frame.time);
        history.counters.late_takes += u64::from(repeat == Some(Ordering::Greater));
        let is_due = match repeat {
            Some(order) => order.is_ge(),
            None if frame.may_take(history) && frame.is_moment(history) && !frame.leaves_turn(history) => {
                let may_undo = frame.may_undo(self.last_takes, history);
                if !may_undo {
                    // Not the game's fault: it is given the byte as soon as that is possible.
                    history.inbound.set_late();
                }
                may_undo
            }
            None => false,
        };
        let offer = is_due.then(|| history.inbound.upcoming()).flatten()?;
        let (byte, speed) = (offer.byte, offer.speed);
        frame.transfer = Transfer::Handed;
        frame.incoming = Some(Shift { byte, speed });
        Some((byte, speed))
    }

    pub(super) fn taken(&mut self, byte: u8, history: &mut History) {
        if let Some(frame) = &mut self.frame
            && frame.transfer == Transfer::Handed
        {
            history.take(frame.poll, frame.time, byte);
            frame.takes += 1;
            frame.transfer = Transfer::Shifting;
        }
    }

    pub(super) fn offer(&mut self, request: Request, history: &mut History) {
        let Request { speed, time, .. } = request;
        if let Some(frame) = &mut self.frame {
            frame.time = history.time(time.map(|time| time.chunk));
            frame.transfer = match frame.clock(request, history) {
                None => Transfer::Offered(speed),
                Some(byte) => Transfer::Instead(Shift { byte, speed }),
            };
        }
    }

    pub(super) fn is_answered(&self, history: &History) -> bool {
        let is_offered = |frame: Frame| matches!(frame.transfer, Transfer::Offered(_));
        !self.frame.is_some_and(is_offered)
            || history.link.is_closing()
            || history.outbound.answered() >= history.outbound.next()
    }

    pub(super) fn answer(&mut self, history: &mut History) -> u8 {
        let Some(frame) = &mut self.frame else {
            return UNPLUGGED;
        };
        let shift = match std::mem::take(&mut frame.transfer) {
            Transfer::Offered(speed) => Shift {
                byte: frame.read_newest(history),
                speed,
            },
            Transfer::Instead(shift) => shift,
            Transfer::Nothing | Transfer::Handed | Transfer::Shifting => return UNPLUGGED,
        };
        frame.incoming = Some(shift);
        shift.byte
    }
}

impl Frame {
    /// True if a transfer is in flight at the frame's end, where FF02 is this.
    pub(super) fn is_in_flight(&self, control: SerialControl) -> bool {
        control.is_clocking() || (self.transfer == Transfer::Shifting && control.0 & 0x80 != 0)
    }

    /// Makes the next offer, or makes it again in a replay. `Some`: there can be none, and the game reads
    /// this byte.
    fn clock(&mut self, request: Request, history: &mut History) -> Option<u8> {
        if !history.link.is_open() {
            return Some(UNPLUGGED);
        }
        let next = history.outbound.next();
        if !self.is_spoiled {
            // The game was listening, and the peer's opening came first.
            let yields = self.yields(history);
            // Unplugged: what has no verdict never gets one.
            if yields || (history.link.is_closing() && next >= history.outbound.answered()) {
                return Some(UNPLUGGED);
            }
            if let Some(now) = self.time {
                history.refuse_earlier(now, self.known);
            }
            self.is_spoiled = !history.send(request);
        }
        self.is_spoiled.then(|| history.outbound.best(next).0.reads())
    }

    /// True if the transfer that the game starts is an opening that the peer's has forestalled: on a cable
    /// the game would have heard that before. It reads what an unplugged cable reads, and takes the peer's
    /// when it listens again.
    ///
    /// An offer that was made here all the same, before the peer's was known, is made again.
    fn yields(&self, history: &History) -> bool {
        let made = history.outbound.get(history.outbound.next());
        let is_repeated = made.is_some_and(|own| own.frame == history.frame());
        self.is_opened && self.takes == 0 && !is_repeated
    }

    /// Reads the best outcome that is known of the newest offer.
    fn read_newest(&mut self, history: &mut History) -> u8 {
        // A game that clocks while an offer waits takes it in the same act: the two will be found to be each
        // other's.
        let made = history.outbound.next().before(1);
        let crossing = history
            .inbound
            .upcoming()
            .filter(|theirs| theirs.judged == made && is_paired(history, made, theirs))
            .map(|theirs| theirs.byte);
        let (answer, source) = history.outbound.answer(crossing);
        if self.run == Run::Live {
            let counters = &mut history.counters.predictions;
            counters.requests += 1;
            match source {
                Source::Known => counters.known += 1,
                Source::Hint => counters.hinted += 1,
                Source::Last => counters.repeated += 1,
            }
        }
        if answer.is_paired() {
            history.inbound.pass_pair();
        }
        answer.reads()
    }

    fn is_first_look(&self) -> bool {
        self.poll.in_frame == 1 && self.look == Some(Look::EventLoop)
    }

    /// True if the peer's next offer may be taken now, by its moment where it has one, else with pauses; and
    /// not before the game's own code of a frame if it opens a conversation and no moment tells when it is due.
    fn is_moment(&self, history: &History) -> bool {
        !self.is_before_opening()
            && match (self.time, history.inbound.window()) {
                (Some(now), Some(window)) => window.contains(now),
                _ => self.is_taken_on_arrival(history),
            }
    }

    /// True at the first look of a frame in which the peer's opening waits: the game's own code of the frame
    /// comes first.
    fn is_before_opening(&self) -> bool {
        self.is_first_look() && self.is_opened
    }

    /// True if this frame of a replay lies too far in the past for the peer's next offer, where the games
    /// take turns: that is left to a later one.
    fn leaves_turn(&self, history: &mut History) -> bool {
        matches!(self.run, Run::Replay { takes_from } if history.leaves_turn(takes_from))
    }

    fn is_taken_on_arrival(&self, history: &History) -> bool {
        let has_begun = match self.run {
            Run::Live => true,
            Run::Replay { takes_from } => history.frame() >= takes_from,
        };
        has_begun && history.inbound.is_spaced(self.takes)
    }

    /// True if a take could be undone later, and the snapshots for it are not kept away by takes.
    fn may_undo(&self, last_takes: u64, history: &History) -> bool {
        let whole = history.snapshots.newest_whole(history.frame());
        history.age(history.snapshots.newest()) < MAX_SNAPSHOT_AGE
            && (history.age(whole) < MAX_WHOLE_SNAPSHOT_AGE || self.takes < last_takes * 3 / 4)
            && history.inbound.has_room()
    }

    /// True if the peer's next offer may be taken anew, here in this history.
    ///
    /// Only where all own bytes are confirmed: what is taken then depends on nothing that may still change.
    /// And only an offer whose maker had judged exactly these: one that had judged more was made after bytes
    /// that this history has not sent, and one that had judged fewer is void, since nobody judges while an
    /// own byte is open.
    fn may_take(&self, history: &mut History) -> bool {
        self.look == Some(Look::EventLoop)
            && history.back_to().is_none()
            && !history.link.is_closing()
            && history.outbound.are_all_answered()
            // A live frame in which the game has read what is known to be false by now will be emulated
            // again.
            && (self.run != Run::Live || misprediction::check(history).is_none())
            && history.inbound.head().is_some_and(|head| head.judged == history.outbound.next())
    }
}

/// True if this offer of the peer and ours of that number were made at the same instant.
fn is_paired(history: &History, number: OwnOffer, theirs: &Theirs) -> bool {
    let own = history.outbound.get(number).and_then(Own::shared);
    timeline::crossing(own, theirs.due.map(|due| due.shared)) == Crossing::Pair
}

/// True if the peer's opening, its first byte after a pause, has arrived since the last frame began, without a
/// moment or too late for it: it may have come after that frame's last poll.
fn is_opened(history: &History) -> bool {
    let frame = history.frame();
    let is_long_ago = |other: OwnFrame| frame.since(other) >= OPENING_PAUSE_FRAMES;
    let made = history.outbound.next();
    let last_of_ours = made.previous().and_then(|last| history.outbound.get(last));
    let is_new = |opening: &Theirs| {
        let is_awaited = opening.due.is_none_or(|due| due.progress == Progress::Late);
        is_awaited && frame.since(opening.arrived) <= 1 && opening.judged == made
    };
    history.inbound.upcoming().is_some_and(is_new)
        && last_of_ours.is_none_or(|own| is_long_ago(own.frame))
        && history
            .inbound
            .previous()
            .is_none_or(|theirs| is_long_ago(theirs.arrived))
}
