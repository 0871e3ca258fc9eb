//! The packet socket of one cable, for the frames of the handshake, with a bound on floods.

use crate::identity::{IfIndex, Instance, Name};
use crate::sys::packet::PacketSocket;
use crate::wire::bpf;
use crate::wire::ethernet_frame::Frame;
use crate::wire::reader::WireError;
use gamelink_core::time::LocalTime;
use mio::{Registry, Token};
use std::io;
use std::time::Duration;

const BATCH: usize = 16;
/// Pause after a full batch: bounds a flood to 16 frames in 10 ms.
const FLOOD_PAUSE: Duration = Duration::from_millis(10);
/// Full batches in a row that count as a flood.
const FLOOD_BATCHES: u8 = 3;
/// Time for which the kernel then passes only the peer's frames and a sample of others.
const STRICT_TIME: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct HandshakeSocket {
    pub(super) token: Token,
    socket: PacketSocket,
    /// Frames were left in the socket until then.
    paused: Option<LocalTime>,
    full_batches: u8,
    /// The only sender that passes in a flood.
    followed: Option<Instance>,
    /// Until when the filter is strict.
    strict: Option<LocalTime>,
}

impl HandshakeSocket {
    pub(super) fn open(index: IfIndex, registry: &Registry, token: Token) -> io::Result<HandshakeSocket> {
        Ok(HandshakeSocket {
            token,
            socket: PacketSocket::open(index, &bpf::program(None), (registry, token))?,
            paused: None,
            full_batches: 0,
            followed: None,
            strict: None,
        })
    }

    pub(super) fn send(&self, name: Name, frame: &Frame) {
        if let Err(error) = self.socket.send(&frame.encode()) {
            log::trace!("frame not sent interface={name} error={error}");
        }
    }

    /// Reads a batch of frames.
    pub(super) fn receive(
        &mut self,
        now: LocalTime,
        name: Name,
        mut take: impl FnMut(Result<Frame, WireError>),
    ) {
        let mut bytes = [0; 256];
        self.paused = None;
        for _ in 0..BATCH {
            match self.socket.receive(&mut bytes) {
                Ok(len) => take(Frame::decode(bytes.get(..len).unwrap_or_default())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.full_batches = 0;
                    return;
                }
                // ENETDOWN comes once after each down; ENXIO for good after a delete, which the monitor
                // reports as well.
                Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
                Err(_) => return,
            }
        }
        self.paused = Some(now.after(FLOOD_PAUSE));
        self.full_batches = self.full_batches.saturating_add(1);
        if self.full_batches >= FLOOD_BATCHES && self.followed.is_some() && self.strict.is_none() {
            log::warn!("frame flood, accepting only the peer's frames interface={name}");
            self.strict = Some(now.after(STRICT_TIME));
            self.apply_filter(name);
        }
    }

    /// Without a flood all senders pass, such as a restarted peer or a second claimant.
    fn apply_filter(&self, name: Name) {
        let peer = self.followed.filter(|_| self.strict.is_some());
        if let Err(error) = self.socket.set_filter(&bpf::program(peer)) {
            log::warn!("socket filter not set interface={name} error={error}");
        }
    }

    /// Sets the sender whose frames pass in a flood, if there is one.
    pub(super) fn follow(&mut self, name: Name, peer: Option<Instance>) {
        let has_changed = self.followed != peer;
        self.followed = peer;
        if has_changed && self.strict.take().is_some() {
            self.apply_filter(name);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        self.paused.into_iter().chain(self.strict).min()
    }

    /// Lifts the strict filter when it is due; true when the pause is over.
    pub(super) fn handle_timeout(&mut self, now: LocalTime, name: Name) -> bool {
        if self.strict.is_some_and(|at| at <= now) {
            self.strict = None;
            self.full_batches = 0;
            self.apply_filter(name);
        }
        self.paused.is_some_and(|at| at <= now)
    }
}
