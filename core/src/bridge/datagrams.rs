//! The bridge's side towards the peer: reads its datagrams and writes our own.

use super::outbox::Recipient;
use super::session::Standing;
use super::{Bridge, Mode, Notice, Policy};
use crate::clock::Sample;
use crate::protocol::{self, DecodeError, Events, Flags, Header, MAX_DATAGRAM, Writer};
use crate::time::{LocalTime, PeerTime};
use std::time::Duration;

impl Bridge {
    pub(super) fn handle_datagram(&mut self, now: LocalTime, bytes: &[u8], received: LocalTime) {
        if !self.is_plugged {
            self.stats.counters.dropped.session += 1;
            return;
        }
        let mut opened = [0; MAX_DATAGRAM];
        let bytes = match &self.key {
            None => bytes,
            Some(key) => {
                let Some(opened) = opened.get_mut(..bytes.len()) else {
                    self.stats.counters.dropped.malformed += 1;
                    return;
                };
                opened.copy_from_slice(bytes);
                if key.open(opened).is_none() {
                    return self.refuse(bytes);
                }
                opened
            }
        };
        match protocol::decode(bytes) {
            Ok((header, _)) if header.flags.contains(Flags::SEALED) && self.key.is_none() => {
                self.refuse(bytes);
            }
            Ok((header, events)) => self.handle_decoded(now, received, &header, &events),
            Err(DecodeError::Malformed) => self.stats.counters.dropped.malformed += 1,
            Err(DecodeError::Version(theirs)) => {
                self.stats.counters.dropped.version += 1;
                self.tell_version(theirs);
            }
        }
    }

    /// Drops what this side has no key for.
    fn refuse(&mut self, bytes: &[u8]) {
        self.stats.counters.dropped.unauthentic += 1;
        if self.is_linked() {
            return;
        }
        // Another version may seal in another way: then the key is not what is wrong.
        if let Err(DecodeError::Version(theirs)) = protocol::decode(bytes) {
            return self.tell_version(theirs);
        }
        let is_ours_set = self.key.is_some();
        self.notices
            .handle_unauthentic(is_ours_set, &mut self.stats.counters);
    }

    /// Tells the player of another version, while there is no link.
    fn tell_version(&mut self, theirs: u16) {
        if !self.is_linked() {
            self.notices.handle_version(theirs, &mut self.stats.counters);
        }
    }

    /// True for a sealed datagram of the session that has been used before.
    fn is_replayed(&mut self, header: &Header) -> bool {
        let is_sealed = self.key.is_some();
        let is_of_session = header.to == self.session.ours() && self.session.knows(header.from);
        is_sealed && is_of_session && !self.replays.admit(header.sequence)
    }

    fn handle_decoded(&mut self, now: LocalTime, received: LocalTime, header: &Header, events: &Events<'_>) {
        if self.is_replayed(header) {
            self.stats.counters.dropped.replayed += 1;
            return;
        }
        let was_excused = self.is_peer_excused(now);
        let is_newest = header.sequence > self.liveness.newest() || !self.session.knows(header.from);
        let standing = self.session.handle_header(received, header);
        let is_alive = !matches!(standing, Standing::Foreign | Standing::Reflected);
        // One of another session may have been kept for years, with any stamp.
        let is_of_session = header.to == self.session.ours() && self.session.knows(header.from);
        let echo = if is_of_session { header.echo } else { 0 };
        self.authentic = (self.key.is_some() && is_alive && is_newest).then_some(LocalTime(echo));
        match standing {
            Standing::Current => {}
            Standing::Linked { is_new_peer } => {
                if is_new_peer {
                    self.interrupt();
                    self.forget_peer();
                }
                self.game.exchange.plug(header, is_new_peer);
                self.stats.counters.links += 1;
                self.notify(Notice::Linked);
                self.outbox.transmit();
            }
            Standing::Hello => return self.outbox.greet(now, &mut self.session),
            Standing::Unlinked => {
                if self.session.may_acknowledge(received) {
                    self.note_header(received, header);
                    self.outbox.greet(now, &mut self.session);
                }
                return;
            }
            Standing::Foreign => {
                self.stats.counters.dropped.session += 1;
                return;
            }
            Standing::Reflected => {
                self.stats.counters.dropped.reflected += 1;
                return;
            }
        }
        self.stats.counters.received += 1;
        self.handle_header(received, header);
        if header.flags.contains(Flags::GOODBYE) {
            self.session.handle_goodbye();
            self.lose(now, Notice::PeerGone);
            return;
        }
        let (game, mut link) = self.game(now);
        // Until this datagram came no verdict could.
        link.is_excused |= was_excused;
        game.handle_datagram(&mut link, header, events);
    }

    fn handle_header(&mut self, received: LocalTime, header: &Header) {
        if header.echo != 0 {
            let measured = self.clock.handle_sample(Sample {
                sent: LocalTime(header.echo),
                peer_sent: PeerTime(header.sent),
                held: Duration::from_nanos(header.held),
                received,
            });
            if let Some((delay, deviation)) = measured {
                self.stats.round_trip.record(delay);
                self.stats.offset_deviation.record(deviation);
            }
        }
        self.note_header(received, header);
        let is_waited_for = self.mode() == Mode::Rollback || self.liveness.is_patient();
        let is_paused = self.liveness.is_paused();
        self.notices
            .handle_pause(received, is_paused, is_waited_for, &mut self.stats.counters);
    }

    /// Remembers what the next datagram acknowledges.
    fn note_header(&mut self, received: LocalTime, header: &Header) {
        if header.sequence > self.liveness.newest() {
            self.outbox.handle_stamp(header.sent, received);
        }
        self.liveness.handle_header(received, header);
    }

    /// Writes the next datagram to `recipient`, with what the peer may lack unless it is a header alone;
    /// gives its length.
    pub(super) fn write_datagram(
        &mut self,
        now: LocalTime,
        recipient: Recipient,
        has_events: bool,
        buffer: &mut [u8; MAX_DATAGRAM],
    ) -> Option<usize> {
        let to = match recipient {
            Recipient::Peer => self.session.addressee(),
            Recipient::Stranger(number) | Recipient::Former(number) => number,
        };
        let game = &self.game;
        let flags = Flags::default()
            .with(Flags::ARMED, game.emulation.is_armed())
            .with(Flags::PAUSED, game.emulation.is_paused())
            .with(Flags::ROLLBACK, self.setting() == Mode::Rollback)
            .with(Flags::RENDEZVOUS, self.policy() == Policy::Rendezvous)
            .with(Flags::SEALED, self.key.is_some())
            .with(Flags::GOODBYE, matches!(recipient, Recipient::Former(_)));
        let mut header = Header {
            flags,
            from: self.session.ours(),
            to,
            sequence: self.outbox.next_sequence(now, recipient),
            sent: now.0,
            frames: game.emulation.turns(),
            rest: game.next_frame_in(now),
            ..Header::default()
        };
        let is_hello = !self.session.knows(to);
        if !is_hello {
            self.session.handle_sent(now, header.sequence);
            if self.session.may_acknowledge(now) {
                header.acknowledged = self.liveness.newest();
            }
            self.game.exchange.write_header(&mut header);
            (header.echo, header.held) = self.outbox.echo(now);
        }
        let mut writer = Writer::new(buffer, &header)?;
        // A hello is answered statelessly, and with no more bytes than it has: no amplification (RFC 9000,
        // section 8).
        if has_events && !is_hello && self.game.exchange.write_events(&mut writer) {
            // What does not fit goes into another datagram at once.
            self.outbox.transmit();
        }
        let len = writer.finish();
        if let Some(key) = &self.key {
            key.seal(buffer.get_mut(..len)?)?;
        }
        self.stats.counters.sent += 1;
        Some(len)
    }
}
