//! Synchronisation of the two histories, over a path that loses, doubles and reorders.
//!
//! Each datagram tells the whole state of its sender that the receiver may lack: offers that it has not
//! acknowledged, verdicts that it has not settled, replacements that it has not followed. Only a datagram
//! newer than all before is looked at, so what is received is a sequence of moments of the other side, some
//! left out: a lost one costs nothing but its time, and no two of them can be mixed up.

use super::history::History;
use super::inbound::Theirs;
use super::incarnation::Heard;
use super::misprediction;
use crate::protocol::{
    Event, Events, Flags, Header, MAX_DATAGRAM, Offer, Outcome, Position, Sequence, Verdict, Writer,
};
use crate::sequence_numbers::{Number, OwnEpoch, OwnOffer, PeerEpoch, PeerFrame, PeerOffer};
use crate::time::FrameTime;

/// Calls after the last news in which something is still said without need; then heartbeats suffice.
const NEWS_CALLS: u32 = 16;

/// Verdicts in one datagram: all that can be open. Offers that find no room behind them go into the next one.
const VERDICTS_PER_DATAGRAM: usize = 400;

/// Activity of the core while a datagram is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// None: the core stands between two calls.
    Between,
    /// A frame for the player, which will stay.
    Live,
    /// Another: the history is half of one and half of another.
    Busy,
}

/// One side of the synchronisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct PeerSync {
    is_plugged: bool,
    /// Number of the newest datagram that was looked at.
    newest: Sequence,
    /// Header of the newest datagram that came while a frame ran.
    waiting: Option<Header>,
    /// Its events, checked on arrival.
    events: Vec<u8>,
    /// The first offer that did not fit into the last datagram.
    unsent_from: Option<OwnOffer>,
}

/// Error of a datagram that contradicts itself or what is known.
struct Nonsense;

impl PeerSync {
    pub(super) fn new() -> PeerSync {
        PeerSync {
            events: Vec::with_capacity(MAX_DATAGRAM),
            ..PeerSync::default()
        }
    }

    pub(super) fn plug(&mut self, is_new_peer: bool, is_keeper: bool, history: &mut History) {
        if is_new_peer {
            history.end();
            history.link.forget_peer();
            (self.newest, self.waiting) = (Sequence::NONE, None);
        }
        self.is_plugged = true;
        history.timeline.plug(is_keeper);
        history.note_news();
    }

    pub(super) fn unplug(&mut self, history: &mut History) {
        self.is_plugged = false;
        history.end();
    }

    pub(super) fn handle_datagram(
        &mut self,
        header: &Header,
        events: Events<'_>,
        moment: Moment,
        history: &mut History,
    ) {
        if !self.is_plugged {
            return;
        }
        let may_read = match moment {
            Moment::Between => true,
            Moment::Live => takes_nothing_back(header, &events, history),
            Moment::Busy => false,
        };
        if may_read {
            self.read(header, events, history);
        } else {
            self.keep(header, events.as_bytes());
        }
    }

    fn keep(&mut self, header: &Header, events: &[u8]) {
        if self.waiting.is_none_or(|other| other.sequence < header.sequence) {
            self.waiting = Some(*header);
            self.events.clear();
            self.events.extend_from_slice(events);
        }
    }

    /// Reads what came while a frame ran.
    pub(super) fn read_kept(&mut self, history: &mut History) {
        let mut bytes = std::mem::take(&mut self.events);
        if let Some(header) = self.waiting.take()
            && self.is_plugged
            && let Ok(events) = Events::check(&bytes)
        {
            self.read(&header, events, history);
        }
        bytes.clear();
        self.events = bytes;
    }

    fn read(&mut self, header: &Header, events: Events<'_>, history: &mut History) {
        if header.sequence <= self.newest {
            history.counters.outdated += 1;
            return;
        }
        let position = events.clone().find_map(|event| match event {
            Event::Position(position) => Some(position),
            _ => None,
        });
        let Some(position) = position else { return };
        self.newest = header.sequence;
        let (theirs, ours) = (position.incarnation, position.peer_incarnation);
        match history.link.handle_numbers(theirs, ours) {
            Heard::Joined if !history.link.is_closing() => {
                if follow(header, &position, events, history).is_err() {
                    history.counters.nonsense += 1;
                }
            }
            Heard::Joined => {}
            Heard::Ended => history.end(),
            // It will speak of our incarnation as soon as it has heard its number.
            Heard::Apart => history.note_news(),
        }
    }

    pub(super) fn must_transmit(&self, history: &History) -> bool {
        self.is_plugged
            && (history.quiet() < NEWS_CALLS
                || history.outbound.acknowledged() < history.outbound.next()
                || history.outbound.replaces().next().is_some()
                || history.inbound.settled() < history.inbound.judged())
    }

    pub(super) fn write_events(
        &mut self,
        writer: &mut Writer<'_>,
        moment: Moment,
        history: &History,
    ) -> bool {
        let unsent_from = self.unsent_from.take();
        let (outbound, inbound) = (&history.outbound, &history.inbound);
        // While a replay runs, what could be said is half of one history and half of another.
        let is_at_rest = match moment {
            Moment::Between => true,
            Moment::Live => outbound.end() <= outbound.next(),
            Moment::Busy => false,
        };
        if !self.is_plugged || !is_at_rest {
            return false;
        }
        writer.position(position(history));
        if !history.link.is_linked() {
            return false;
        }
        writer.replaces(outbound.replaces().map(|(epoch, from)| (wire(epoch), from.raw())));
        if unsent_from.is_none() {
            let judged = inbound.settled().until(inbound.judged());
            let judged = judged.take(VERDICTS_PER_DATAGRAM);
            writer.verdicts(judged.filter_map(|number| inbound.verdict(number)));
        }
        let sent = outbound.sent();
        let first = unsent_from
            .unwrap_or_default()
            .min(sent)
            .max(outbound.acknowledged());
        let written = writer.offers(first.until(sent).filter_map(|number| outbound.offer(number)));
        let end = first.after(written as u64);
        self.unsent_from = ((written > 0 || unsent_from.is_none()) && end < sent).then_some(end);
        self.unsent_from.is_some()
    }
}

pub(super) fn write_header(header: &mut Header, history: &History) {
    header.flags = header.flags.with(Flags::CLOCK, history.timeline.has_clock());
    if history.link.is_linked() {
        header.epoch = wire(history.outbound.epoch());
        header.judged = history.inbound.judged().raw();
        header.settled = history.outbound.settled().raw();
    }
}

/// An epoch as a datagram has it: its lower half.
fn wire(epoch: impl Number) -> u32 {
    let [a, b, c, d, ..] = epoch.raw().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The epoch with this lower half that is nearest to one that is known (RFC 9000, appendix A.3): a peer knows
/// all but the last few.
fn epoch<E: Number>(lower: u32, known: E) -> E {
    let away = lower.wrapping_sub(wire(known)).cast_signed();
    E::new(known.raw().saturating_add_signed(away.into()))
}

fn position(history: &History) -> Position {
    let (mut position, inbound) = (Position::default(), &history.inbound);
    (position.incarnation, position.peer_incarnation) = history.link.numbers();
    if history.link.is_linked() {
        position.peer_epoch = wire(inbound.epoch());
        position.received = inbound.received().raw();
        position.sent = history.outbound.sent().raw();
        position.frame = history.frame().raw();
        position.settled_frame = history.oldest_open().raw();
        position.lead = history.timeline.lead();
        position.announced = inbound.announced();
    }
    position
}

/// True if a datagram that comes while a live frame runs can be followed at once.
fn takes_nothing_back(header: &Header, events: &Events<'_>, history: &History) -> bool {
    let known = history.inbound.epoch();
    let is_followed = |event| match event {
        Event::Position(position) => {
            (position.peer_incarnation, position.incarnation) == history.link.numbers()
        }
        Event::Replaces(mut run) => run.all(|(replaced, _)| epoch(replaced, known) <= known),
        _ => true,
    };
    history.link.is_linked()
        && history.back_to().is_none()
        && header.epoch == wire(known)
        && events.clone().all(is_followed)
}

/// Follows the peer to the moment at which it wrote this datagram.
fn follow(
    header: &Header,
    position: &Position,
    events: Events<'_>,
    history: &mut History,
) -> Result<(), Nonsense> {
    for event in events.clone() {
        if let Event::Replaces(mut run) = event {
            run.try_for_each(|(lower, from)| {
                let epoch = epoch(lower, history.inbound.epoch());
                follow_replace(epoch, PeerOffer::new(from), history)
            })?;
        }
    }
    let epoch = epoch(position.peer_epoch, history.outbound.epoch());
    if header.epoch != wire(history.inbound.epoch()) || epoch > history.outbound.epoch() {
        return Err(Nonsense);
    }
    history
        .timeline
        .set_peer_clock(header.flags.contains(Flags::CLOCK));
    let (frame, quiet) = (history.frame(), history.quiet());
    history
        .timeline
        .handle_position(PeerFrame::new(position.frame), frame, quiet);
    let settled = PeerOffer::new(header.settled);
    let (inbound, counters) = (&mut history.inbound, &mut history.counters.transfers);
    inbound.handle_progress(PeerOffer::new(position.sent), settled, counters);
    for event in events.clone() {
        if let Event::Offers(run) = event {
            run.for_each(|offer| follow_offer(offer, history));
        }
    }
    if history.inbound.received() >= PeerOffer::new(position.sent) {
        let theirs = PeerFrame::new(position.settled_frame);
        history.timeline.handle_final(theirs, position.lead);
    }
    for event in events {
        if let Event::Verdicts(mut run) = event {
            run.try_for_each(|verdict| follow_verdict(epoch, verdict, history))?;
        }
    }
    let outbound = &mut history.outbound;
    outbound.handle_acknowledgement(epoch, OwnOffer::new(position.received));
    let judged = OwnOffer::new(header.judged);
    if let Some(byte) = position.announced
        && judged >= outbound.answered()
    {
        outbound.predict(judged, Outcome::Taken { byte });
    }
    misprediction::pair(history);
    Ok(())
}

fn follow_replace(epoch: PeerEpoch, from: PeerOffer, history: &mut History) -> Result<(), Nonsense> {
    if epoch <= history.inbound.epoch() {
        return Ok(());
    }
    if epoch != history.inbound.epoch().next() || !history.inbound.is_replaceable(from) {
        return Err(Nonsense);
    }
    history.note_news();
    let (inbound, counters) = (&mut history.inbound, &mut history.counters.transfers);
    let void = inbound.handle_replace(from, counters);
    history.go_back_before(void);
    Ok(())
}

fn follow_offer(offer: Offer, history: &mut History) {
    let frame = PeerFrame::new(offer.frame);
    let time = offer.chunk.map(|chunk| FrameTime {
        chunk,
        part: offer.part,
    });
    let judged = OwnOffer::new(offer.judged);
    let mut due = history.timeline.due(frame, time, offer.lead);
    if let Some(due) = &mut due {
        due.time = due.time.max(history.outbound.behind(judged));
    }
    let theirs = Theirs {
        byte: offer.byte,
        speed: offer.speed,
        frame,
        due,
        judged,
        arrived: history.frame(),
    };
    if history.inbound.handle_offer(PeerOffer::new(offer.id), theirs) {
        history.note_news();
    }
}

fn follow_verdict(epoch: OwnEpoch, verdict: Verdict, history: &mut History) -> Result<(), Nonsense> {
    let (number, outcome) = (OwnOffer::new(verdict.id), verdict.outcome);
    let outbound = &mut history.outbound;
    if number < outbound.answered() {
        return Ok(());
    }
    // Both sides find their pairs by themselves.
    if outcome.is_paired() {
        misprediction::pair(history);
        return Ok(());
    }
    if outbound.first_replaced(epoch).is_some_and(|from| from <= number) {
        outbound.predict(number, outcome);
    } else if number >= outbound.end() {
        return Err(Nonsense);
    } else if number == outbound.answered() {
        history.handle_answer(outcome);
    }
    Ok(())
}
