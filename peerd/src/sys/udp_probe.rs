//! UDP probes between the two daemons of a cable: they show whether firewalls pass traffic.

use super::poll_for_input;
use crate::identity::IfIndex;
use gamelink_core::time::LocalTime;
use mio::{Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// UDP port of the daemons, the same at both ends.
pub(crate) const PORT: u16 = 56_401;
/// Interval of probes while linked.
const PROBE_INTERVAL: Duration = Duration::from_millis(1500);
/// Datagrams read in one batch.
const BATCH: usize = 16;
/// Content of a probe; the connected socket identifies its sender.
const PROBE: &[u8] = b"GLNKprobe";

/// A socket between the two addresses of a cable: nobody else's datagrams arrive.
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

    /// Time of the next probe.
    pub(crate) fn poll_timeout(&self) -> LocalTime {
        self.due
    }

    /// Sends a probe; true if this system refused to.
    pub(crate) fn send(&mut self, now: LocalTime) -> bool {
        self.due = now.after(PROBE_INTERVAL);
        // EPERM: a rule on OUTPUT dropped it. Other errors are temporary.
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
                // ECONNREFUSED comes from a peer whose socket is not open yet.
                Err(_) => {}
            }
        }
        has_heard
    }
}
