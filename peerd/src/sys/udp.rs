//! UDP between the two daemons of a cable: shows whether the layers above Ethernet let anything through.

use super::poll_for_input;
use crate::identity::IfIndex;
use gamelink_core::time::LocalTime;
use mio::{Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// The daemons' UDP port, the same at both ends.
pub(crate) const PORT: u16 = 56_401;
/// How often the layers above Ethernet are tried while linked.
const PROBE_INTERVAL: Duration = Duration::from_millis(1500);
/// Datagrams read at once.
const BATCH: usize = 16;
/// What a probe says; its sender is known by the connected socket.
const PROBE: &[u8] = b"GLNKprobe";

/// A socket on one cable's address, connected to the peer's: nobody else's datagrams arrive.
#[derive(Debug)]
pub(crate) struct Prober {
    socket: Socket,
    due: LocalTime,
}

impl Prober {
    pub(crate) fn open(
        now: LocalTime,
        index: IfIndex,
        (local, peer): (IpAddr, IpAddr),
        (registry, token): (&Registry, Token),
    ) -> io::Result<Prober> {
        let at = |ip| match ip {
            IpAddr::V4(_) => SocketAddr::new(ip, PORT),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, PORT, 0, index.0).into(),
        };
        let kind = Type::DGRAM.cloexec().nonblocking();
        let socket = Socket::new(Domain::for_address(at(local)), kind, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&SockAddr::from(at(local)))?;
        socket.connect(&SockAddr::from(at(peer)))?;
        poll_for_input(registry, &socket, token)?;
        Ok(Prober { socket, due: now })
    }

    /// When [`send`](Self::send) is due.
    pub(crate) fn poll_timeout(&self) -> LocalTime {
        self.due
    }

    /// Sends one; true if this system refused to.
    pub(crate) fn send(&mut self, now: LocalTime) -> bool {
        self.due = now.after(PROBE_INTERVAL);
        // EPERM: a rule on OUTPUT dropped it. Anything else passes.
        let is_blocked = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        self.socket.send(PROBE).is_err_and(is_blocked)
    }

    /// True if a probe of the peer has come.
    pub(crate) fn receive(&self) -> bool {
        let (mut bytes, mut has_heard) = ([0; 64], false);
        for _ in 0..BATCH {
            match (&self.socket).read(&mut bytes) {
                Ok(len) => has_heard |= bytes.get(..len) == Some(PROBE),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // ECONNREFUSED is an answer too, of a peer whose socket is not open yet.
                Err(_) => {}
            }
        }
        has_heard
    }
}
