//! What the two timelines say to each other, over a path that loses, doubles and reorders.
//!
//! Each datagram tells the whole state of its sender that the receiver may lack: offers that it has not acknowledged,
//! verdicts that it has not settled, replacements that it has not followed. Only a datagram newer than all before is
//! looked at, so what is received is a sequence of moments of the other side, some left out: a lost one costs nothing
//! but its time, and no two of them can be mixed up.

use super::joint::Heard;
use super::judging::Theirs;
use super::offers::{Answer, Kind};
use super::{Phase, Timeline};
use crate::protocol::{Ending, Event, Events, Header, Line, MAX_DATAGRAM, Offer, Writer};
use crate::serial::UNPLUGGED;

/// Slots without news after which only heartbeats speak.
const QUIET: u32 = 16;

/// Verdicts in one datagram: all that can be open. Offers that find no room behind them go into the next one.
const VERDICTS_A_DATAGRAM: usize = 400;

/// The newest datagram that came while a frame ran, and which was the newest of all.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    newest: u64,
    header: Header,
    /// Events, checked when they arrived; none for an empty inbox.
    len: Option<usize>,
    bytes: Box<[u8; MAX_DATAGRAM]>,
}

impl Default for Inbox {
    fn default() -> Self {
        Inbox {
            newest: 0,
            header: Header::default(),
            len: None,
            bytes: Box::new([0; MAX_DATAGRAM]),
        }
    }
}

impl Inbox {
    /// Forgets everything, as with another peer.
    pub(super) fn reset(&mut self) {
        self.newest = 0;
        self.len = None;
    }

    /// Number of the newest datagram that was looked at.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    fn put(&mut self, header: &Header, events: &[u8]) {
        if self.len.is_some() && header.sequence <= self.header.sequence {
            return;
        }
        if let Some(place) = self.bytes.get_mut(..events.len()) {
            place.copy_from_slice(events);
            self.header = *header;
            self.len = Some(events.len());
        }
    }
}

/// Why a datagram was not followed to its end.
struct Nonsense;

impl Timeline {
    /// A datagram of the session, older ones too.
    pub fn handle_datagram(&mut self, header: &Header, events: Events<'_>) {
        if !self.is_plugged {
            return;
        }
        if self.phase == Phase::Between || self.may_read_now(header, &events) {
            self.read(header, events);
        } else {
            self.inbox.put(header, events.as_bytes());
        }
    }

    /// Whether a word that comes while a frame runs for the player can be followed at once: it takes nothing back.
    fn may_read_now(&self, header: &Header, events: &Events<'_>) -> bool {
        let is_same_line = |line: Line| (line.peer_line, line.line) == self.joint.numbers();
        let takes_nothing_back = events.clone().all(|event| match event {
            Event::Line(line) => is_same_line(line),
            Event::Replaces(mut run) => run.all(|(epoch, _)| epoch <= self.judging.epoch),
            _ => true,
        });
        self.phase == Phase::Running
            && self.is_linked()
            && self.back_to.is_none()
            && !self.port.is_spoiled
            && header.epoch == self.judging.epoch
            && takes_nothing_back
    }

    /// Reads what came while a frame ran.
    pub(super) fn read_inbox(&mut self) {
        let Some(len) = self.inbox.len.take() else { return };
        let (header, bytes) = (self.inbox.header, *self.inbox.bytes);
        if self.is_plugged
            && let Some(Ok(events)) = bytes.get(..len).map(Events::check)
        {
            self.read(&header, events);
        }
    }

    fn read(&mut self, header: &Header, events: Events<'_>) {
        if header.sequence <= self.inbox.newest {
            self.counters.outdated += 1;
            return;
        }
        let line = events.clone().find_map(|event| match event {
            Event::Line(line) => Some(line),
            _ => None,
        });
        let Some(line) = line else { return };
        self.inbox.newest = header.sequence;
        match self.joint.handle_numbers(line.line, line.peer_line) {
            Heard::Joined if !self.is_closing => {
                if self.follow(header, &line, events).is_err() {
                    self.counters.nonsense += 1;
                }
            }
            Heard::Joined => {}
            Heard::Ended => self.end_stretch(),
            // It will speak of our stretch as soon as it has heard its number.
            Heard::Apart => self.quiet = 0,
        }
    }

    /// Follows the peer to the moment of which it speaks.
    fn follow(&mut self, header: &Header, line: &Line, events: Events<'_>) -> Result<(), Nonsense> {
        for event in events.clone() {
            if let Event::Replaces(run) = event {
                for (epoch, from) in run {
                    self.follow_replace(epoch, from)?;
                }
            }
        }
        if header.epoch != self.judging.epoch || line.their_epoch > self.offers.epoch() {
            return Err(Nonsense);
        }
        self.counters.confirmed += self.judging.handle_settled(header.settled);
        self.judging.sent = line.sent;
        for event in events.clone() {
            if let Event::Offers(run) = event {
                run.for_each(|offer| self.follow_offer(offer));
            }
        }
        for event in events {
            if let Event::Endings(run) = event {
                for (number, ending) in run {
                    self.follow_ending(line.their_epoch, number, ending)?;
                }
            }
        }
        self.offers
            .handle_acknowledgement(line.their_epoch, line.received);
        if let Some(byte) = line.announced
            && header.judged >= self.offers.answered()
        {
            let kind = Kind::Taken;
            self.offers.suppose(header.judged, Answer { byte, kind });
        }
        self.pair();
        Ok(())
    }

    fn follow_replace(&mut self, epoch: u32, from: u64) -> Result<(), Nonsense> {
        if epoch <= self.judging.epoch {
            return Ok(());
        }
        if epoch != self.judging.epoch + 1 || !self.judging.is_replaceable(from) {
            return Err(Nonsense);
        }
        self.quiet = 0;
        let void = self.judging.handle_replace(from);
        self.take_back(void);
        Ok(())
    }

    fn follow_offer(&mut self, offer: Offer) {
        let theirs = Theirs {
            byte: offer.byte,
            speed: offer.speed,
            frame: offer.frame,
            judged: offer.judged,
            arrived: self.frame,
        };
        if self.judging.handle_offer(offer.id, theirs) {
            self.quiet = 0;
        }
    }

    fn follow_ending(&mut self, epoch: u32, number: u64, ending: Ending) -> Result<(), Nonsense> {
        if number < self.offers.answered() {
            return Ok(());
        }
        let answer = match ending {
            Ending::Taken { byte } => Answer {
                byte,
                kind: Kind::Taken,
            },
            Ending::Refused => Answer {
                byte: UNPLUGGED,
                kind: Kind::Refused,
            },
            // Both sides find their pairs by themselves.
            Ending::Paired { .. } => {
                self.pair();
                return Ok(());
            }
        };
        if self.offers.is_void(epoch, number) {
            self.offers.suppose(number, answer);
        } else if number >= self.offers.end() {
            return Err(Nonsense);
        } else if number == self.offers.answered() && self.offers.handle_answer(answer) {
            self.count_answer(answer);
        }
        Ok(())
    }

    /// Whether the peer should hear of something now.
    #[must_use]
    pub fn must_transmit(&self) -> bool {
        self.is_plugged
            && (self.quiet < QUIET
                || self.offers.acknowledged < self.offers.next
                || self.offers.replaces().next().is_some()
                || self.judging.settled < self.judging.judged())
    }

    /// Fills in what the header says of the timeline.
    pub fn write_header(&self, header: &mut Header) {
        if self.is_linked() {
            header.epoch = self.offers.epoch();
            header.judged = self.judging.judged();
            header.settled = self.offers.settled();
        } else {
            (header.epoch, header.judged, header.settled) = (0, 0, 0);
        }
    }

    /// Appends what the peer has not acknowledged, as much as fits; call [`write_header`](Self::write_header) for the same
    /// datagram. True if there was more: then another datagram at once goes on with it.
    pub fn write_events(&mut self, writer: &mut Writer<'_>) -> bool {
        let rest = self.rest.take();
        // While a replay runs, what could be said is half of one history and half of another.
        if !self.is_plugged || !self.is_at_rest() {
            return false;
        }
        let (line, peer_line) = self.joint.numbers();
        let mut word = Line {
            line,
            peer_line,
            ..Line::default()
        };
        if !self.is_linked() {
            writer.line(word);
            return false;
        }
        word.their_epoch = self.judging.epoch;
        word.received = self.judging.received();
        word.sent = self.offers.next.min(self.offers.end());
        word.announced = self
            .announced
            .filter(|(number, _)| *number == self.judging.judged())
            .map(|(_, byte)| byte);
        writer.line(word);
        writer.replaces(self.offers.replaces());
        if rest.is_none() {
            let judged = self.judging.settled..self.judging.judged();
            writer.endings(
                judged
                    .take(VERDICTS_A_DATAGRAM)
                    .filter_map(|number| Some((number, self.ending(number)?))),
            );
        }
        let first = rest
            .unwrap_or_default()
            .clamp(self.offers.acknowledged, word.sent.max(self.offers.acknowledged));
        let written = writer.offers((first..word.sent).filter_map(|id| {
            let own = self.offers.get(id)?;
            Some(Offer {
                id,
                byte: own.byte,
                speed: own.speed,
                frame: own.frame,
                judged: own.judged,
            })
        }));
        let end = first + written as u64;
        self.rest = ((written > 0 || rest.is_none()) && end < word.sent).then_some(end);
        self.rest.is_some()
    }

    /// Whether what is known here is one moment of one history.
    fn is_at_rest(&self) -> bool {
        match self.phase {
            Phase::Between => true,
            Phase::Running => self.offers.end() <= self.offers.next && !self.port.is_spoiled,
            _ => false,
        }
    }

    fn ending(&self, number: u64) -> Option<Ending> {
        let judgement = self.judging.judgement(number)?;
        Some(match (judgement.place, judgement.byte) {
            (super::judging::Place::Pair, Some(byte)) => Ending::Paired { byte },
            (_, Some(byte)) => Ending::Taken { byte },
            (_, None) => Ending::Refused,
        })
    }
}
