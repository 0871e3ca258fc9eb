//! Packets of a frontend's netplay, over wires of the test.

use super::{IDLE, frame, until};
use gamelink_core::control::LinkState;
use gamelink_driver::{Link, MAX_DATAGRAM, PacketExchange, Transport};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One way.
pub(crate) const DELAY: Duration = Duration::from_millis(1);

/// A packet, and the moment at which it arrives.
type Packet = (Instant, Vec<u8>);

/// One direction of a wire, which a frontend would have.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<VecDeque<Packet>>>);

impl Wire {
    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut packets = self.0.lock().unwrap();
        packets.push_back((Instant::now() + DELAY, bytes.to_vec()));
    }

    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        let mut packets = self.0.lock().unwrap();
        let is_due = packets.front().is_some_and(|(due, _)| *due <= Instant::now());
        is_due.then(|| packets.pop_front())?.map(|(_, bytes)| bytes)
    }
}

/// A frontend that sends into one wire and receives from the other.
pub(crate) fn frontend(out: &Wire, back: &Wire) -> PacketExchange {
    let (out, back) = (out.clone(), back.clone());
    Arc::new(move |link| {
        let mut buffer = [0; MAX_DATAGRAM];
        while let Some(len) = link.poll_packet(&mut buffer) {
            out.send(&buffer[..len]);
        }
        while let Some(bytes) = back.receive() {
            link.handle_packet(&bytes);
        }
    })
}

/// Two wires, there and back.
#[derive(Default)]
pub(crate) struct Wires(pub(crate) [Wire; 2]);

impl Wires {
    pub(crate) fn join(&self, a: &Link, b: &Link) {
        let [there, back] = &self.0;
        a.join_netplay(frontend(there, back));
        b.join_netplay(frontend(back, there));
    }
}

/// Runs frames on both sides until they are linked in this way.
pub(crate) fn until_linked_by(transport: Transport, a: &Link, b: &Link) {
    until("linked in this way", || {
        frame(a, IDLE, || {});
        frame(b, IDLE, || {});
        [a, b]
            .iter()
            .all(|link| link.transport() == transport && link.report().state == LinkState::Linked)
    });
}
