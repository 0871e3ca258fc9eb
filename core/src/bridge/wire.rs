//! The bridge's side towards the peer: reads its datagrams and writes our own.

use super::session::Standing;
use super::transfer::{Arrival, Judgement};
use super::{Bridge, HEARTBEAT, Notice};
use crate::clock::Sample;
use crate::protocol::{
    self, DecodeError, Event, Flags, Header, MAX_DATAGRAM, Offer, VERSION, Verdict, Writer,
};
use crate::serial::UNPLUGGED;
use crate::time::{LocalTime, PeerTime};
use std::time::Duration;

/// A hello is answered at most once in so long: a stranger's flood of them costs no more than a game's own datagrams.
const GREET_EVERY: Duration = Duration::from_millis(20);

/// Whom a datagram goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recipient {
    /// The peer of this session, or whoever may become it.
    Peer,
    /// The sender of a hello, beside the session.
    Stranger(u64),
    /// The peer of a session that is over.
    Former(u64),
}

/// A pause is told to the player when it has lasted so long: loading a game takes shorter ones.
const TOLD_AFTER: Duration = Duration::from_millis(750);

impl Bridge {
    pub(super) fn handle_datagram(&mut self, now: LocalTime, bytes: &[u8], received: LocalTime) {
        if !self.is_plugged {
            self.stats.counters.dropped_session += 1;
            return;
        }
        let (header, events) = match protocol::decode(bytes) {
            Ok(decoded) => decoded,
            Err(DecodeError::Malformed) => {
                self.stats.counters.dropped_malformed += 1;
                return;
            }
            Err(DecodeError::Version(theirs)) => {
                self.stats.counters.dropped_version += 1;
                // Told once: the number comes from outside and may change with every datagram.
                if !self.is_linked() && !std::mem::replace(&mut self.has_told_version, true) {
                    self.notify(Notice::VersionMismatch {
                        ours: VERSION,
                        theirs,
                    });
                }
                return;
            }
        };
        match self.session.handle_header(received, &header) {
            Standing::Current => {}
            Standing::Linked { is_new_peer } => {
                if is_new_peer {
                    self.interrupt();
                    self.forget_peer();
                }
                self.plug_timeline(&header, is_new_peer);
                self.stats.counters.links += 1;
                self.notify(Notice::Linked);
                self.must_transmit = true;
            }
            Standing::Hello => {
                self.greet(now);
                return;
            }
            Standing::Unlinked => {
                if self.session.may_acknowledge(received) {
                    self.note_header(received, &header);
                    self.greet(now);
                }
                return;
            }
            Standing::Foreign => {
                self.stats.counters.dropped_session += 1;
                return;
            }
            Standing::Reflected => {
                self.stats.counters.dropped_reflected += 1;
                return;
            }
        }
        self.stats.counters.received += 1;
        self.handle_header(received, &header);
        if header.flags.contains(Flags::GOODBYE) {
            self.session.handle_goodbye();
            self.lose(now, Notice::PeerGone);
            return;
        }
        if self.mend_datagram(&header, &events) {
            return;
        }
        if self.transfer.handle_settled(header.settled) {
            self.stats.counters.peer_withdrawn += 1;
        }
        // Offers come before verdicts: a verdict that is this side's half of a crossing pair must find the pair made.
        for event in events.clone() {
            if let Event::Offers(run) = event {
                run.for_each(|offer| self.handle_offer(now, offer));
            }
        }
        for event in events {
            if let Event::Verdicts(run) = event {
                run.for_each(|verdict| self.handle_verdict(now, verdict));
            }
        }
        self.check_wait(now);
    }

    /// Answers a datagram that is not of a linked session, unless another has just been answered.
    fn greet(&mut self, now: LocalTime) {
        if now < self.greeting_due {
            return;
        }
        self.greeting_due = now.after(GREET_EVERY);
        self.greeting = self.session.take_greeting();
        self.must_transmit |= self.greeting.is_none();
    }

    /// Whom the next datagram goes to, if one is due.
    pub(super) fn next_recipient(&mut self) -> Option<Recipient> {
        if let Some(stranger) = self.greeting.take() {
            return Some(Recipient::Stranger(stranger));
        }
        if !std::mem::take(&mut self.must_transmit) {
            return None;
        }
        let goodbye = self.goodbye.take().map(Recipient::Former);
        goodbye.or(self.is_plugged.then_some(Recipient::Peer))
    }

    fn handle_header(&mut self, received: LocalTime, header: &Header) {
        if header.echo != 0 {
            self.clock.handle_sample(Sample {
                sent: LocalTime(header.echo),
                peer_sent: PeerTime(header.sent),
                held: Duration::from_nanos(header.held),
                received,
            });
            if let Some(delay) = self.clock.latest_delay() {
                self.stats.round_trip.record(delay);
                if let Some(offset) = self.clock.offset() {
                    let own = (PeerTime(header.sent) - PeerTime(received.0)).0;
                    let half = i64::try_from(delay.as_nanos() / 2).unwrap_or(i64::MAX);
                    let deviation = own.saturating_add(half).abs_diff(offset.0);
                    self.stats
                        .offset_deviation
                        .record(Duration::from_nanos(deviation));
                }
            }
        }
        self.note_header(received, header);
        let pause = self
            .peer
            .is_paused()
            .then(|| self.peer_paused_since.unwrap_or(received));
        self.peer_paused_since = pause;
        let is_told = pause.is_some_and(|since| received.since(since) >= TOLD_AFTER);
        match (std::mem::replace(&mut self.has_told_pause, is_told), is_told) {
            (false, true) => self.notify(Notice::PeerPaused {
                is_waited_for: self.is_mending,
            }),
            (true, false) => self.notify(Notice::PeerResumed),
            _ => {}
        }
    }

    /// Remembers what the next datagram acknowledges.
    fn note_header(&mut self, received: LocalTime, header: &Header) {
        if header.sequence > self.peer.newest() {
            self.echo = Some((header.sent, received));
        }
        self.peer.handle_header(received, header);
    }

    fn handle_offer(&mut self, now: LocalTime, offer: Offer) {
        let arrival = self.transfer.handle_offer(offer);
        if arrival != Arrival::Nonsense {
            self.peer.handle_clocking(now);
        }
        match arrival {
            Arrival::Waiting => {}
            Arrival::Repeated => self.must_transmit = true,
            Arrival::Paired(byte) => {
                self.stats.counters.paired += 1;
                self.stats.counters.peer_paired += 1;
                self.peer.handle_verdict();
                self.must_transmit = true;
                self.finish(now, byte);
            }
            Arrival::Nonsense => self.stats.counters.nonsense += 1,
        }
    }

    fn handle_verdict(&mut self, now: LocalTime, verdict: Verdict) {
        match self.transfer.handle_verdict(verdict) {
            Judgement::Completed(byte) => {
                self.stats.counters.taken += 1;
                self.peer.handle_verdict();
                self.finish(now, byte);
            }
            Judgement::Refused => {
                self.stats.counters.refused += 1;
                self.peer.handle_verdict();
                self.peer.handle_refusal();
                self.finish(now, UNPLUGGED);
            }
            Judgement::Repeated => {}
            Judgement::TooLate => {
                self.peer.handle_verdict();
                self.tell_too_late();
            }
            Judgement::Nonsense => self.stats.counters.nonsense += 1,
        }
    }

    pub(super) fn write_datagram(
        &mut self,
        now: LocalTime,
        recipient: Recipient,
        buffer: &mut [u8; MAX_DATAGRAM],
    ) -> Option<usize> {
        self.sequence = self.sequence.saturating_add(1);
        let to = match recipient {
            Recipient::Peer => {
                self.heartbeat = now.after(HEARTBEAT);
                self.session.addressee()
            }
            Recipient::Stranger(number) | Recipient::Former(number) => number,
        };
        let flags = Flags::default()
            .with(Flags::ARMED, self.is_armed)
            .with(Flags::PAUSED, self.is_paused)
            .with(Flags::MENDS, self.can_mend())
            .with(Flags::MEETS, self.meets())
            .with(Flags::GOODBYE, matches!(recipient, Recipient::Former(_)));
        let mut header = Header {
            flags,
            from: self.session.ours(),
            to,
            sequence: self.sequence,
            sent: now.0,
            frames: self.turns,
            rest: if self.is_resting { self.meet.rest(now) } else { 0 },
            ..Header::default()
        };
        let is_hello = !self.session.knows(header.to);
        if !is_hello {
            self.session.handle_sent(now, self.sequence);
            if self.session.may_acknowledge(now) {
                header.acknowledged = self.peer.newest();
            }
            header.judged = self.transfer.judged();
            header.settled = self.transfer.settled();
            self.write_timeline_header(&mut header);
            if let Some((stamp, received)) = self.echo {
                header.echo = stamp;
                header.held = u64::try_from(now.since(received).as_nanos()).unwrap_or(u64::MAX);
            }
        }
        let mut writer = Writer::new(buffer, &header)?;
        // To a peer that may be another one than before, nothing is said of this session, and never more than it asked.
        if !is_hello && !self.write_timeline(&mut writer) {
            writer.verdicts(self.transfer.verdict().into_iter());
            writer.offers(self.transfer.pending().into_iter());
        }
        self.stats.counters.sent += 1;
        Some(writer.finish())
    }
}
