//! The peer's datagrams: read in bounded batches, and followed to where they come from.

use super::Hub;
use crate::peer_path::{Heard, PLACES};
use crate::peer_port::{Buffer, Received};
use crate::time;
use gamelink_core::bridge::Input;
use gamelink_core::protocol::{HEADER_LEN, MAX_DATAGRAM};
use gamelink_core::time::LocalTime;
use mio::net::UdpSocket;
use std::net::SocketAddr;
use std::sync::Arc;

/// Datagrams read in one go: a whole receive buffer of small ones, so that silence is judged on what has
/// arrived, and no more, so that a flood cannot keep the lock.
const BATCH: u64 = 512;

impl Hub {
    /// Sets whether the helper thread is woken for the peer.
    pub(super) fn set_watched(&mut self, is_watched: bool) {
        if let Some(port) = self.transport.port() {
            port.set_watched(is_watched, &self.registry, &mut self.log);
        }
    }

    /// The peer's socket, to wait on without the lock.
    pub(crate) fn peer_socket(&mut self) -> Option<Arc<UdpSocket>> {
        self.transport.port().map(|port| port.socket())
    }

    /// Serves the peer on the emulation thread.
    pub(crate) fn look(&mut self, now: LocalTime) {
        self.attend(now);
        self.service_peer();
        self.handle_timeout(now);
    }

    /// Serves the peer on the emulation thread while the core waits for the answer to its byte, up to that
    /// answer: what has come behind it is for the next look.
    pub(crate) fn look_for_answer(&mut self, now: LocalTime) {
        self.attend(now);
        self.serve(|hub| !hub.is_owed);
        self.handle_timeout(now);
    }

    pub(super) fn service_peer(&mut self) {
        self.serve(|_| false);
    }

    /// Takes what has arrived, until that is enough.
    fn serve(&mut self, is_enough: impl Fn(&Hub) -> bool) {
        let used = self.bridge.stats().counters.received;
        let read = self.read_peer(is_enough);
        let useless = read.saturating_sub(self.bridge.stats().counters.received - used);
        let Some(port) = self.transport.port() else { return };
        port.handle_look(time::now, useless, self.bridge.session_numbers(), &mut self.log);
        if read == BATCH {
            port.poll_again(&self.registry, &mut self.log);
        }
    }

    /// Takes what has arrived, until that is enough and a batch at most; says how many datagrams.
    fn read_peer(&mut self, is_enough: impl Fn(&Hub) -> bool) -> u64 {
        let mut buffer: Buffer = [0; MAX_DATAGRAM + 1];
        for read in 0..BATCH {
            if is_enough(self) {
                return read;
            }
            match self.transport.receive(&mut buffer) {
                Received::Nothing => return read,
                Received::Foreign => self.bridge.counters_mut().dropped.foreign += 1,
                Received::Datagram(len, received, from) => {
                    let used = self.bridge.stats().counters.received;
                    let bytes = buffer.get(..len).unwrap_or_default();
                    self.input(Input::Datagram { bytes, received });
                    let is_used = self.bridge.stats().counters.received > used;
                    let echo = self.bridge.take_authentic();
                    // Packets of netplay come from nowhere else.
                    let Some(from) = from else { continue };
                    if let Some(port) = self.transport.port().filter(|_| is_used) {
                        port.handle_linked(received, from);
                    }
                    if let Some(echo) = echo {
                        self.handle_authentic(received, from, len, echo);
                    }
                }
            }
        }
        BATCH
    }

    /// The peer was heard at this address, beyond doubt.
    fn handle_authentic(&mut self, received: LocalTime, from: SocketAddr, len: usize, echo: LocalTime) {
        let numbers = self.bridge.session_numbers();
        let leads = numbers.is_some_and(|(theirs, ours)| ours.0 > theirs.0);
        let Some(port) = self.transport.port() else { return };
        match port.handle_authentic(received, from, len, echo, leads) {
            Heard::There => return,
            Heard::Elsewhere => {}
            Heard::Moved => {
                self.log
                    .info(format_args!("the other machine has moved address={from}"));
            }
        }
        // It waits for word there.
        self.bridge.transmit();
        self.drain(time::now());
    }

    /// Tries the peer at other addresses, with the datagram that has just left.
    pub(super) fn probe(&mut self, now: LocalTime) {
        let Some(port) = self.transport.port() else { return };
        for number in 0..PLACES {
            let Some((address, stamp)) = port.probe(number, HEADER_LEN, now) else {
                continue;
            };
            if let Some(len) = self.bridge.write_probe(stamp, &mut self.buffer) {
                port.send_probe(self.buffer.get(..len).unwrap_or_default(), address);
            }
        }
    }
}
