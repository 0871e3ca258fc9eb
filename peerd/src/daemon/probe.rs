//! The UDP probe of one cable.

use crate::identity::IfIndex;
use crate::machine::address::Plan;
use crate::sys::udp::ProbeSocket;
use gamelink_core::time::LocalTime;
use mio::{Registry, Token};
use std::io;
use std::time::Duration;

/// How often the layers above Ethernet are tried while linked.
const PROBE: Duration = Duration::from_millis(1500);
/// Datagrams read at once.
const BATCH: usize = 16;
/// What a probe says; its sender is known by the connected socket.
const PROBE_BYTES: &[u8] = b"GLNKprobe";

/// Open while there are addresses.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) token: Token,
    socket: Option<ProbeSocket>,
    due: Option<LocalTime>,
}

impl Probe {
    pub(super) fn new(token: Token) -> Probe {
        Probe {
            token,
            socket: None,
            due: None,
        }
    }

    /// # Errors
    /// Why there is none between these addresses.
    pub(super) fn open(&mut self, index: IfIndex, plan: &Plan, registry: &Registry) -> io::Result<()> {
        self.close();
        let addresses = (plan.local, plan.peer);
        self.socket = Some(ProbeSocket::open(index, addresses, (registry, self.token))?);
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.due = None;
        self.socket = None;
    }

    /// Sends one; whether this system refused to.
    pub(super) fn send(&mut self, now: LocalTime) -> Option<bool> {
        let socket = self.socket.as_ref()?;
        self.due = Some(now.after(PROBE));
        // EPERM: a rule on OUTPUT dropped it. Anything else passes.
        let is_blocked = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        Some(socket.send(PROBE_BYTES).is_err_and(is_blocked))
    }

    /// Whether a probe of the peer has come.
    pub(super) fn receive(&self) -> bool {
        let Some(socket) = &self.socket else { return false };
        let (mut bytes, mut has_heard) = ([0; 64], false);
        for _ in 0..BATCH {
            match socket.receive(&mut bytes) {
                Ok(len) => has_heard |= bytes.get(..len) == Some(PROBE_BYTES),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // ECONNREFUSED is an answer too, of a peer whose socket is not open yet.
                Err(_) => {}
            }
        }
        has_heard
    }

    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        self.due
    }

    pub(super) fn is_due(&self, now: LocalTime) -> bool {
        self.due.is_some_and(|at| at <= now)
    }
}
