//! Datagrams on their way between the hub and a frontend that carries packets itself, as its netplay does.
//!
//! Such a frontend may be called on its emulation thread alone, and only inside its own calls, while the
//! helper thread makes datagrams at any time. So they wait here, a bounded number in either direction, and
//! the emulation thread [exchanges](PacketExchange) them.

use super::{Link, time};
use gamelink_core::control::Transport;
use gamelink_core::protocol::MAX_DATAGRAM;
use gamelink_core::time::LocalTime;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Datagrams that wait in one direction: several for each frame of the longest stall that is taken for a
/// pause would be too many, and of no use, as each repeats what the other side has not settled.
const CAPACITY: usize = 64;

/// The frontend is asked for packets inside a frame at most so often: it asks the system each time.
pub(super) const EXCHANGE_EVERY: Duration = Duration::from_micros(200);

/// Hands the datagrams that [`Link::poll_packet`] gives to the frontend, and has it hand over what has
/// arrived by [`Link::handle_packet`].
///
/// Called on the emulation thread, inside one of the link's methods, which hold no lock then. It may also end
/// netplay.
pub type PacketExchange = Arc<dyn Fn(&Link) + Send + Sync>;

/// Room for the longest datagram and one byte more, which shows that it was too long.
const ROOM: usize = MAX_DATAGRAM + 1;

/// A datagram, and when it came here.
struct Packet {
    bytes: [u8; ROOM],
    len: usize,
    at: LocalTime,
}

/// Datagrams in one direction; where more come than there is room for, the oldest go.
struct Queue(VecDeque<Packet>);

impl Queue {
    fn new() -> Queue {
        Queue(VecDeque::with_capacity(CAPACITY))
    }

    /// Takes a datagram; one that is too long loses its end, and so shows that it was.
    fn push(&mut self, datagram: &[u8], at: LocalTime) {
        if self.0.len() >= CAPACITY {
            self.0.pop_front();
        }
        let mut bytes = [0; ROOM];
        let len = datagram.len().min(ROOM);
        for (to, from) in bytes.iter_mut().zip(datagram) {
            *to = *from;
        }
        self.0.push_back(Packet { bytes, len, at });
    }

    /// Gives the oldest datagram: its length, and when it came.
    fn pop(&mut self, buffer: &mut [u8]) -> Option<(usize, LocalTime)> {
        let packet = self.0.pop_front()?;
        let bytes = packet.bytes.get(..packet.len)?;
        buffer.get_mut(..packet.len)?.copy_from_slice(bytes);
        Some((packet.len, packet.at))
    }
}

/// Both directions of one netplay.
pub(super) struct Packets {
    inbound: Queue,
    outbound: Queue,
    exchange: PacketExchange,
    exchanged: LocalTime,
}

impl Packets {
    pub(super) fn new(exchange: PacketExchange) -> Packets {
        Packets {
            inbound: Queue::new(),
            outbound: Queue::new(),
            exchange,
            exchanged: LocalTime::default(),
        }
    }

    /// Takes a datagram of the peer, as the frontend hands it over.
    pub(super) fn handle_packet(&mut self, datagram: &[u8], at: LocalTime) {
        self.inbound.push(datagram, at);
    }

    /// Gives the next datagram of the peer.
    pub(super) fn receive(&mut self, buffer: &mut [u8; ROOM]) -> Option<(usize, LocalTime)> {
        self.inbound.pop(buffer)
    }

    /// True if a datagram of the peer waits.
    pub(super) fn has_received(&self) -> bool {
        !self.inbound.0.is_empty()
    }

    /// Takes a datagram for the peer.
    pub(super) fn send(&mut self, datagram: &[u8], at: LocalTime) {
        self.outbound.push(datagram, at);
    }

    /// Gives the next datagram for the frontend.
    pub(super) fn poll_packet(&mut self, buffer: &mut [u8; MAX_DATAGRAM]) -> Option<usize> {
        Some(self.outbound.pop(buffer)?.0)
    }

    /// True if a datagram for the frontend waits.
    pub(super) fn has_outbound(&self) -> bool {
        !self.outbound.0.is_empty()
    }

    /// The exchange with the frontend, where it is due now.
    pub(super) fn poll_exchange(&mut self, now: LocalTime) -> Option<PacketExchange> {
        let is_due = self.has_outbound() || now >= self.exchanged.after(EXCHANGE_EVERY);
        is_due.then(|| {
            self.exchanged = now;
            Arc::clone(&self.exchange)
        })
    }

    /// Forgets what waits: it is of a link that is over.
    pub(super) fn clear(&mut self) {
        self.inbound.0.clear();
        self.outbound.0.clear();
    }
}

/// Netplay of the frontend in the place of the cable.
impl Link {
    /// A partner is there by netplay: the cable is set aside and its packets are the link, until netplay ends
    /// or the player plugs in another cable. The core's port must be [direct](Link::is_direct): else nothing
    /// exchanges packets while the core waits.
    pub fn join_netplay(&self, exchange: PacketExchange) {
        self.shared.lock().join_netplay(exchange);
        self.wake();
    }

    /// The partner, or netplay itself, is gone: the cable is used again, where there is one.
    pub fn leave_netplay(&self) {
        self.shared.lock().leave_netplay();
        self.wake();
    }

    /// Takes a packet of the partner.
    pub fn handle_packet(&self, bytes: &[u8]) {
        self.shared.lock().handle_packet(bytes, time::now());
    }

    /// Gives the next packet for the partner, to be sent at once: its length.
    #[must_use]
    pub fn poll_packet(&self, buffer: &mut [u8; MAX_DATAGRAM]) -> Option<usize> {
        self.shared.lock().poll_packet(buffer)
    }

    /// Transport of the link's datagrams at this moment.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.shared.lock().transport()
    }

    /// Exchanges packets with the frontend where that is due; call it on the emulation thread.
    pub(super) fn exchange_packets(&self) {
        let exchange = self.shared.lock().poll_exchange(time::now());
        if let Some(exchange) = exchange {
            exchange(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_where_nobody_takes_them() {
        let mut queue = Queue::new();
        for number in 0..=CAPACITY as u8 {
            queue.push(&[number], LocalTime(number.into()));
        }
        let mut buffer = [0; MAX_DATAGRAM];
        assert_eq!(queue.pop(&mut buffer), Some((1, LocalTime(1))));
        assert_eq!(buffer[0], 1);
        let left = std::iter::from_fn(|| queue.pop(&mut buffer)).count();
        assert_eq!((left, buffer[0]), (CAPACITY - 1, CAPACITY as u8));
    }

    #[test]
    fn a_packet_that_is_too_long_is_seen_to_be() {
        let mut packets = Packets::new(Arc::new(|_| ()));
        let mut buffer = [0; ROOM];
        for (sent, len) in [(0, 0), (MAX_DATAGRAM, MAX_DATAGRAM), (65_535, ROOM)] {
            packets.handle_packet(&vec![7; sent], LocalTime(1));
            assert_eq!(packets.receive(&mut buffer), Some((len, LocalTime(1))));
        }
        assert!(!packets.has_received());
    }

    #[test]
    fn the_frontend_is_asked_now_and_then_and_told_at_once() {
        let mut packets = Packets::new(Arc::new(|_| ()));
        let now = LocalTime(1_000_000_000);
        assert!(packets.poll_exchange(now).is_some());
        assert!(packets.poll_exchange(now).is_none());
        packets.send(&[1], now);
        assert!(packets.poll_exchange(now).is_some());
        packets.clear();
        assert!(packets.poll_exchange(now).is_none());
        assert!(packets.poll_exchange(now.after(EXCHANGE_EVERY)).is_some());
    }
}
