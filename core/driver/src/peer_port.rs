//! The UDP port to the peer.

use super::address::{BindAddress, PeerAddress};
use super::deferred_log::DeferredLog;
use super::flood_guard::FloodGuard;
use super::peer_path::PeerPath;
use super::{StartError, thread, time};
use gamelink_core::protocol::{MAX_DATAGRAM, Nonce};
use gamelink_core::time::LocalTime;
use log::Level;
use mio::net::UdpSocket;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::SockRef;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// A socket that hears one peer: at its address, or, where datagrams are sealed, wherever it is.
pub(super) struct PeerPort {
    /// Shared with the emulation thread while that waits on it without the lock.
    socket: Arc<UdpSocket>,
    /// The helper thread's poll watches the socket.
    is_watched: bool,
    peer: PeerAddress,
    bind: Option<BindAddress>,
    /// Number of the peer's interface, once it is there; 0 for an address without one. The socket is
    /// connected then.
    scope: Option<u32>,
    /// The peer may move: the socket is not connected, and hears everybody.
    moves: bool,
    path: Option<PeerPath>,
    guard: FloodGuard,
    control: Vec<u8>,
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
    /// Opens the port, for which the helper thread is woken; `moves`: what the peer sends can be told from all
    /// else, wherever it comes from.
    pub(super) fn open(
        peer: PeerAddress,
        bind: Option<BindAddress>,
        moves: bool,
        registry: &Registry,
        log: &mut DeferredLog,
    ) -> Result<PeerPort, StartError> {
        let local = match &bind {
            Some(BindAddress { ip, port, interface }) => {
                socket_address(*ip, port.unwrap_or(peer.port), scope(interface).unwrap_or(0))
            }
            None if peer.ip.is_ipv4() => (Ipv4Addr::UNSPECIFIED, peer.port).into(),
            None => (Ipv6Addr::UNSPECIFIED, peer.port).into(),
        };
        let socket = UdpSocket::bind(local).map_err(|error| StartError::PeerPort(local, error))?;
        // Without stamps, arrival is when we read: still right, only less exact.
        if let Err(error) = setsockopt(&socket, sockopt::ReceiveTimestampns, &true) {
            log.warn(format_args!("no kernel receive stamps error={error}"));
        }
        let mut port = PeerPort {
            socket: Arc::new(socket),
            is_watched: true,
            peer,
            bind,
            scope: None,
            moves,
            path: None,
            guard: FloodGuard::default(),
            control: cmsg_space!(TimeSpec),
        };
        port.register(registry).map_err(StartError::Thread)?;
        port.resolve();
        Ok(port)
    }

    fn register(&self, registry: &Registry) -> io::Result<()> {
        let fd = self.socket.as_raw_fd();
        registry.register(&mut SourceFd(&fd), thread::PEER, Interest::READABLE)
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
            let fd = self.socket.as_raw_fd();
            (registry.deregister(&mut SourceFd(&fd)), "still")
        };
        self.is_watched = is_watched && result.is_ok();
        if let Err(error) = result {
            log.warn(format_args!("peer socket {failure} polled error={error}"));
        }
    }

    /// More may be waiting on the socket, and an edge-triggered poll would not say so again.
    pub(super) fn poll_again(&self, registry: &Registry, log: &mut DeferredLog) {
        let fd = self.socket.as_raw_fd();
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
        let filter = self.guard.handle_look(now, useless, session);
        // Without a filter the queue is as it was: nothing else depends on it.
        if let Some(filter) = filter
            && let Err(error) = SockRef::from(&*self.socket).attach_filter(&filter)
        {
            let line = format_args!("no filter on the peer socket error={error}");
            log.note(Level::Debug, line);
        }
    }

    /// The link is down: the peer's interface or our own address may have changed.
    pub(super) fn refresh(&mut self) {
        self.scope = None;
    }

    /// True if it was opened for this peer at this address of ours.
    pub(super) fn is_for(&self, peer: &PeerAddress, bind: &Option<BindAddress>) -> bool {
        (&self.peer, &self.bind) == (peer, bind)
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.peer.ip
    }

    pub(super) fn socket(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.socket)
    }

    /// Sends one datagram that bears this stamp; false where the system does not take it. An unplugged
    /// interface is the common case, and nothing is lost that the next datagram would not repeat.
    pub(super) fn send(&mut self, bytes: &[u8], stamp: LocalTime) -> bool {
        if self.scope.is_none() {
            self.resolve();
        }
        if let Some(path) = self.path.as_mut().filter(|_| self.moves) {
            let is_sent = self.socket.send_to(bytes, path.current()).is_ok();
            let is_probed = path
                .probe(bytes.len(), stamp)
                .is_some_and(|address| self.socket.send_to(bytes, address).is_ok());
            return is_sent || is_probed;
        }
        let result = self.socket.send(bytes).or_else(|error| match error.kind() {
            // The answer to an earlier datagram: nothing listened there. This one has not been sent.
            io::ErrorKind::ConnectionRefused => self.socket.send(bytes),
            _ => Err(error),
        });
        // The interface may have gone and come back under another number, and our address may be another one.
        self.scope = self.scope.filter(|_| result.is_ok());
        self.scope.is_some()
    }

    /// Receives one datagram into `buffer`.
    pub(super) fn receive(&mut self, buffer: &mut Buffer) -> Received {
        loop {
            let fd = self.socket.as_raw_fd();
            let mut slices = [IoSliceMut::new(buffer)];
            let result =
                recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut self.control), MsgFlags::empty());
            let message = match result {
                Ok(message) => message,
                // An error that belongs to an earlier datagram, as port unreachable; the next read gives the
                // next one.
                Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EINTR) => {
                    continue;
                }
                Err(_) => return Received::Nothing,
            };
            let mut controls = message.cmsgs().into_iter().flatten();
            let stamp = controls.find_map(|control| match control {
                ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                _ => None,
            });
            let is_heard = |from: &SockaddrStorage| self.moves || is_from(from, &self.peer, self.scope);
            let from = message.address.filter(is_heard);
            return match from.as_ref().and_then(sender) {
                from @ Some(_) => Received::Datagram(message.bytes, time::received_at(stamp), from),
                None => Received::Foreign,
            };
        }
    }

    /// A sealed datagram of so many bytes, the newest of the peer, came from this address; `echo` is our newest
    /// stamp that the peer has seen. Gives the peer's new address, where it has moved.
    pub(super) fn handle_authentic(
        &mut self,
        from: SocketAddr,
        len: usize,
        echo: LocalTime,
    ) -> Option<SocketAddr> {
        let path = self.path.as_mut().filter(|_| self.moves)?;
        path.handle_authentic(from, len, echo).then_some(from)
    }

    /// Looks for the peer's interface and connects: the kernel then keeps what others send out of the receive
    /// queue. Where the peer may move, looks for the interface alone.
    fn resolve(&mut self) {
        if self.moves {
            self.scope = scope(&self.peer.interface);
            let address = self
                .scope
                .map(|scope| socket_address(self.peer.ip, self.peer.port, scope));
            match (&mut self.path, address) {
                (Some(path), Some(address)) => path.go_home(address),
                (path, address) => *path = path.take().or(address.map(PeerPath::new)),
            }
            return;
        }
        // A connected socket keeps the own address that it was given, also when the machine has another by
        // now; one that is let go is given one anew. That fails only where there was nothing to let go.
        let _ = rustix::net::connect_unspec(&*self.socket);
        let address = |scope| socket_address(self.peer.ip, self.peer.port, scope);
        self.scope = scope(&self.peer.interface).filter(|scope| self.socket.connect(address(*scope)).is_ok());
    }
}

fn is_from(from: &SockaddrStorage, peer: &PeerAddress, scope: Option<u32>) -> bool {
    if let Some(from) = from.as_sockaddr_in() {
        return (IpAddr::V4(from.ip()), from.port()) == (peer.ip, peer.port);
    }
    let is_there = |at| peer.interface.is_none() || scope.is_none_or(|scope| scope == at);
    from.as_sockaddr_in6().is_some_and(|from| {
        (IpAddr::V6(from.ip()), from.port()) == (peer.ip, peer.port) && is_there(from.scope_id())
    })
}

/// The address as the standard library has it.
fn sender(from: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = from.as_sockaddr_in().map(|from| (from.ip(), from.port()).into());
    v4.or_else(|| {
        let from = from.as_sockaddr_in6()?;
        Some(SocketAddrV6::new(from.ip(), from.port(), 0, from.scope_id()).into())
    })
}

fn socket_address(ip: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match ip {
        IpAddr::V4(ip) => (ip, port).into(),
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
        peer.connect(own.socket.local_addr().unwrap()).unwrap();
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
