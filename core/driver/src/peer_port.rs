//! The UDP port to the peer.

use super::address::{BindAddress, PeerAddresses};
use super::deferred_log::DeferredLog;
use super::flood_guard::FloodGuard;
use super::peer_path::{Heard, PeerPath};
use super::udp_socket::PeerSocket;
use super::{StartError, thread};
use gamelink_core::protocol::{MAX_DATAGRAM, Nonce};
use gamelink_core::time::LocalTime;
use mio::net::UdpSocket;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use nix::net::if_::if_nametoindex;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

/// A socket that hears one peer: at its addresses, or, where datagrams are sealed, wherever it is.
pub(super) struct PeerPort {
    socket: PeerSocket,
    /// The helper thread's poll watches the socket.
    is_watched: bool,
    peer: PeerAddresses,
    bind: Option<BindAddress>,
    /// Where datagrams are sealed, what the peer sends can be told from all else, and it may move.
    moves: bool,
    /// The socket is connected to the current address, and hears nobody else.
    is_connected: bool,
    /// The interfaces of the addresses are to be looked for before anything is sent.
    is_stale: bool,
    /// None as long as no address has its interface.
    path: Option<PeerPath>,
    guard: FloodGuard,
}

/// Outcome of one attempt to receive.
pub(super) enum Received {
    /// Length of the peer's datagram in the buffer, when it arrived, and from where, if that is an address.
    Datagram(usize, LocalTime, Option<SocketAddr>),
    /// A datagram of somebody else.
    Foreign,
    /// Nothing more now.
    Nothing,
}

/// Room for the longest datagram and one byte more, which shows that it was too long.
pub(super) type Buffer = [u8; MAX_DATAGRAM + 1];

impl PeerPort {
    /// Opens the port, for which the helper thread is woken; `moves`: what the peer sends can be told from
    /// all else, wherever it comes from.
    pub(super) fn open(
        peer: PeerAddresses,
        bind: Option<BindAddress>,
        moves: bool,
        registry: &Registry,
        log: &mut DeferredLog,
    ) -> Result<PeerPort, StartError> {
        let socket = open_socket(&peer, bind.as_ref(), moves, log)?;
        for address in peer.iter().filter(|address| !socket.reaches(address.ip)) {
            log.warn(format_args!(
                "the peer's address is not of the port's family address={address}"
            ));
        }
        let mut port = PeerPort {
            socket,
            is_watched: true,
            peer,
            bind,
            moves,
            is_connected: false,
            is_stale: true,
            path: None,
            guard: FloodGuard::default(),
        };
        port.register(registry).map_err(StartError::Thread)?;
        port.resolve();
        Ok(port)
    }

    fn register(&self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.socket.fd()), thread::PEER, Interest::READABLE)
    }

    /// Sets whether the helper thread is woken for this port. Call it before the port is dropped, too: while
    /// another thread holds the socket, closing does not end the watch.
    pub(super) fn set_watched(&mut self, is_watched: bool, registry: &Registry, log: &mut DeferredLog) {
        if self.is_watched == is_watched {
            return;
        }
        let (result, failure) = if is_watched {
            (self.register(registry), "not")
        } else {
            (registry.deregister(&mut SourceFd(&self.socket.fd())), "still")
        };
        self.is_watched = is_watched && result.is_ok();
        if let Err(error) = result {
            log.warn(format_args!("peer socket {failure} polled error={error}"));
        }
    }

    /// More may be waiting on the socket, and an edge-triggered poll would not say so again.
    pub(super) fn poll_again(&self, registry: &Registry, log: &mut DeferredLog) {
        let fd = self.socket.fd();
        if self.is_watched
            && let Err(error) = registry.reregister(&mut SourceFd(&fd), thread::PEER, Interest::READABLE)
        {
            log.warn(format_args!("peer socket not polled again error={error}"));
        }
    }

    /// Lets the guard know that a look found so many useless datagrams.
    pub(super) fn handle_look(
        &mut self,
        now: impl FnOnce() -> LocalTime,
        useless: u64,
        session: Option<(Nonce, Nonce)>,
        log: &mut DeferredLog,
    ) {
        if let Some(filter) = self.guard.handle_look(now, useless, session) {
            self.socket.filter(&filter, log);
        }
    }

    /// The link is down: the peer may be at any of its addresses, and its interface or our own address may
    /// have changed.
    pub(super) fn refresh(&mut self) {
        self.is_stale = true;
    }

    /// True if it was opened for this peer, its addresses in any order, at this address of ours.
    pub(super) fn is_for(&self, peer: &PeerAddresses, bind: &Option<BindAddress>) -> bool {
        self.peer.has_same(peer) && self.bind == *bind
    }

    /// True if these are other ports of a machine that it was opened for.
    pub(super) fn is_for_machine(&self, peer: &PeerAddresses) -> bool {
        peer.iter()
            .any(|address| self.peer.iter().any(|own| own.ip == address.ip))
    }

    pub(super) fn socket(&self) -> Arc<UdpSocket> {
        self.socket.share()
    }

    /// Sends one datagram to where the peer is; false where the system does not take it. An unplugged
    /// interface is the common case, and nothing is lost that the next datagram would not repeat.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        if self.is_stale {
            self.resolve();
        }
        if self.is_connected {
            return self.send_connected(bytes);
        }
        let Some(path) = &mut self.path else { return false };
        let is_sent = self.socket.send_to(bytes, path.current()).is_ok();
        if !is_sent {
            path.handle_failure();
        }
        is_sent
    }

    /// A datagram has left; true where the peer is to be tried at other addresses as well.
    pub(super) fn handle_sent(&mut self, now: LocalTime) -> bool {
        let path = self.path.as_mut().filter(|_| !self.is_connected);
        path.is_some_and(|path| path.handle_sent(now))
    }

    /// Where a probe of so many bytes is to be sent now, of the addresses by their numbers below [`PLACES`],
    /// and its stamp: see [`PeerPath::probe`].
    pub(super) fn probe(
        &mut self,
        number: usize,
        len: usize,
        now: LocalTime,
    ) -> Option<(SocketAddr, LocalTime)> {
        self.path.as_mut()?.probe(number, len, now)
    }

    /// Sends a probe, which may get lost.
    pub(super) fn send_probe(&self, bytes: &[u8], address: SocketAddr) {
        let _ = self.socket.send_to(bytes, address);
    }

    fn send_connected(&mut self, bytes: &[u8]) -> bool {
        let result = self.socket.send(bytes).or_else(|error| match error.kind() {
            // The answer to an earlier datagram: nothing listened there. This one has not been sent.
            io::ErrorKind::ConnectionRefused => self.socket.send(bytes),
            _ => Err(error),
        });
        // The interface may have gone and come back under another number, and our address may be another one.
        self.is_stale = result.is_err();
        result.is_ok()
    }

    /// Receives one datagram into `buffer`.
    pub(super) fn receive(&mut self, buffer: &mut Buffer) -> Received {
        let Some((len, received, from)) = self.socket.receive(buffer) else {
            return Received::Nothing;
        };
        let is_given = |from| self.path.as_ref().is_some_and(|path| path.is_given(from));
        match from.filter(|from| self.moves || is_given(*from)) {
            from @ Some(_) => Received::Datagram(len, received, from),
            None => Received::Foreign,
        }
    }

    /// A sealed datagram of so many bytes, the newest of the peer, came from this address; `echo` is our
    /// newest stamp that the peer has seen; of two sides one `leads`.
    pub(super) fn handle_authentic(
        &mut self,
        received: LocalTime,
        from: SocketAddr,
        len: usize,
        echo: LocalTime,
        leads: bool,
    ) -> Heard {
        let path = self.path.as_mut().filter(|_| self.moves);
        path.map_or(Heard::There, |path| {
            path.handle_authentic(received, from, len, echo, leads)
        })
    }

    /// The link stands, and the peer was heard at this address: without a key no other is heard from now on.
    pub(super) fn handle_linked(&mut self, received: LocalTime, from: SocketAddr) {
        if self.moves || self.is_connected {
            return;
        }
        if let Some(path) = &mut self.path {
            path.settle(received, from);
            self.is_connected = self.socket.connect(from).is_ok();
        }
    }

    /// Looks for the interfaces of the peer's addresses, which is looked for at all of them. The only address
    /// of a peer that does not move is connected: the kernel then keeps what others send out of the receive
    /// queue.
    fn resolve(&mut self) {
        let given = self.peer.iter().filter(|peer| self.socket.reaches(peer.ip));
        let given =
            given.filter_map(|peer| Some(socket_address(peer.ip, peer.port, scope(&peer.interface)?)));
        match &mut self.path {
            Some(path) => path.look(given.clone()),
            None => self.path = PeerPath::new(given.clone()),
        }
        self.is_stale = self.path.is_none();
        if self.moves {
            return;
        }
        let only = given.take(1).next().filter(|_| self.peer.is_single());
        match only {
            Some(address) => {
                self.is_connected = self.socket.connect(address).is_ok();
                self.is_stale = !self.is_connected;
            }
            None => {
                self.socket.disconnect();
                self.is_connected = false;
            }
        }
    }
}

fn open_socket(
    peer: &PeerAddresses,
    bind: Option<&BindAddress>,
    moves: bool,
    log: &mut DeferredLog,
) -> Result<PeerSocket, StartError> {
    let first = peer.first();
    let port = bind.and_then(|bind| bind.port).unwrap_or(first.port);
    let local = match bind {
        Some(BindAddress { ip, interface, .. }) => {
            socket_address(*ip, port, scope(interface).unwrap_or_default())
        }
        None if first.ip.is_ipv4() => (Ipv4Addr::UNSPECIFIED, port).into(),
        None => (Ipv6Addr::UNSPECIFIED, port).into(),
    };
    let is_mixed = peer
        .iter()
        .any(|address| address.ip.is_ipv4() != first.ip.is_ipv4());
    let is_of_both = match bind {
        Some(bind) => bind.ip == Ipv6Addr::UNSPECIFIED,
        None => moves || is_mixed,
    };
    let socket = if is_of_both {
        PeerSocket::bind_both(port, log)
    } else {
        PeerSocket::bind(local, log)
    };
    socket.map_err(|error| StartError::PeerPort(local, error))
}

fn socket_address(ip: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match ip {
        IpAddr::V4(ip) => (ip, port).into(),
        // As the kernel writes them: others have none.
        IpAddr::V6(ip) if !ip.is_unicast_link_local() => (ip, port).into(),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, scope).into(),
    }
}

/// Number of an interface of this machine; 0 for an address without one.
fn scope(interface: &Option<String>) -> Option<u32> {
    let Some(name) = interface else { return Some(0) };
    if_nametoindex(name.as_str()).ok().or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flood_guard::{FLOOD, GUARDED};
    use gamelink_core::protocol::{Header, Writer};

    /// A port, and its peer's socket.
    fn port() -> (PeerPort, std::net::UdpSocket) {
        let peer = std::net::UdpSocket::bind("127.0.0.62:0").unwrap();
        let address = peer.local_addr().unwrap().to_string().parse().unwrap();
        let bind = BindAddress {
            ip: [127, 0, 0, 61].into(),
            port: Some(0),
            interface: None,
        };
        let poll = mio::Poll::new().unwrap();
        let own = PeerPort::open(
            address,
            Some(bind),
            false,
            poll.registry(),
            &mut DeferredLog::default(),
        )
        .unwrap();
        peer.connect(own.socket().local_addr().unwrap()).unwrap();
        (own, peer)
    }

    fn send(peer: &std::net::UdpSocket, from: Nonce, to: Nonce) {
        let header = Header {
            from,
            to,
            ..Header::default()
        };
        let mut bytes = [0; MAX_DATAGRAM];
        let len = Writer::new(&mut bytes, &header).unwrap().finish();
        peer.send(&bytes[..len]).unwrap();
    }

    /// Counts the datagrams that are there; on loopback they arrive as they are sent.
    fn count(port: &mut PeerPort) -> usize {
        let mut buffer = [0; MAX_DATAGRAM + 1];
        std::iter::from_fn(|| matches!(port.receive(&mut buffer), Received::Datagram(..)).then_some(()))
            .count()
    }

    #[test]
    fn in_a_flood_only_the_datagrams_of_the_session_pass() {
        const THEIRS: Nonce = Nonce(0x1122_3344_5566_7788);
        const OURS: Nonce = Nonce(0x99AA_BBCC_DDEE_FF00);
        let (mut own, peer) = port();
        let say_all = || {
            send(&peer, THEIRS, OURS);
            send(&peer, THEIRS, Nonce::NONE);
            send(&peer, Nonce(THEIRS.0 ^ 1), OURS);
            send(&peer, THEIRS, Nonce(OURS.0 ^ (1 << 63)));
            peer.send(b"GBLC").unwrap();
        };
        say_all();
        assert_eq!(count(&mut own), 5);
        let now = LocalTime(1_000_000_000);
        let look = |own: &mut PeerPort, now, useless, session| {
            own.handle_look(|| now, useless, session, &mut DeferredLog::default());
        };
        look(&mut own, now, FLOOD, Some((THEIRS, OURS)));
        say_all();
        assert_eq!(count(&mut own), 1);
        look(&mut own, now.after(GUARDED), 0, Some((THEIRS, OURS)));
        say_all();
        assert_eq!(count(&mut own), 5, "the flood is over");
        look(&mut own, now.after(GUARDED), FLOOD, Some((THEIRS, OURS)));
        look(&mut own, now.after(GUARDED), 0, None);
        say_all();
        assert_eq!(count(&mut own), 5, "without a link every hello may be the peer's");
    }
}
