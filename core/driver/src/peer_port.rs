//! The UDP port to the peer.

use super::address::{BindAddress, PeerAddress};
use super::{peer_filter, time};
use gamelink_core::protocol::{MAX_DATAGRAM, Nonce};
use gamelink_core::time::LocalTime;
use mio::net::UdpSocket;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{SockFilter, SockRef};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Useless datagrams within [`FLOOD_TIME`] that make a flood; an honest path has a few, when a machine was
/// started again.
const FLOOD: u64 = 32;
/// Little more than a frame.
const FLOOD_TIME: Duration = Duration::from_millis(20);
/// For how long only the session's datagrams pass after that: a frame in sixty then shows whether the flood
/// is over.
const GUARDED: Duration = Duration::from_secs(1);

/// A socket that hears one peer.
pub(super) struct PeerPort {
    /// Shared with the emulation thread while that waits on it without the lock.
    socket: Arc<UdpSocket>,
    peer: PeerAddress,
    bind: Option<BindAddress>,
    /// Number of the peer's interface, once it is there; 0 for an address without one. The socket is
    /// connected then.
    scope: Option<u32>,
    flood: Flood,
    /// Until when only datagrams of one session pass.
    guarded_until: Option<LocalTime>,
    control: Vec<u8>,
}

/// Counts useless datagrams.
#[derive(Clone, Copy, Debug, Default)]
struct Flood {
    since: LocalTime,
    count: u64,
}

impl Flood {
    /// Counts so many more; true where that makes a flood.
    fn handle_useless(&mut self, now: LocalTime, useless: u64) -> bool {
        if now.since(self.since) >= FLOOD_TIME {
            *self = Flood { since: now, count: 0 };
        }
        self.count += useless;
        let is_flood = self.count >= FLOOD;
        if is_flood {
            self.count = 0;
        }
        is_flood
    }
}

/// Outcome of one attempt to receive.
pub(super) enum Received {
    /// Length of the peer's datagram in the buffer, and when it arrived.
    Datagram(usize, LocalTime),
    /// A datagram of somebody else.
    Foreign,
    /// Nothing more now.
    Nothing,
}

/// Room for the longest datagram and one byte more, which shows that it was too long.
pub(super) type Buffer = [u8; MAX_DATAGRAM + 1];

impl PeerPort {
    /// Opens the port; returns the address it failed for with the error.
    pub(super) fn open(
        peer: PeerAddress,
        bind: Option<BindAddress>,
    ) -> Result<PeerPort, (SocketAddr, io::Error)> {
        let local = match &bind {
            None => peer.wildcard(),
            Some(bind) => {
                let scope = bind.interface.as_deref().and_then(interface_number).unwrap_or(0);
                socket_address(bind.ip, bind.port.unwrap_or(peer.port), scope)
            }
        };
        let socket = UdpSocket::bind(local).map_err(|error| (local, error))?;
        // Without stamps, arrival is when we read: still right, only less exact.
        if let Err(error) = setsockopt(&socket, sockopt::ReceiveTimestampns, &true) {
            log::warn!("no kernel receive stamps error={error}");
        }
        let mut port = PeerPort {
            socket: Arc::new(socket),
            peer,
            bind,
            scope: None,
            flood: Flood::default(),
            guarded_until: None,
            control: cmsg_space!(TimeSpec),
        };
        port.resolve();
        Ok(port)
    }

    /// True if [`handle_look`](Self::handle_look) has something to do although all datagrams were of use.
    pub(super) fn is_guarded(&self) -> bool {
        self.guarded_until.is_some()
    }

    /// A look has found so many datagrams that were of no use; `session` has the peer's number and ours while
    /// linked.
    ///
    /// Keeps a flood out of the receive queue, where it would leave the peer no room.
    pub(super) fn handle_look(&mut self, now: LocalTime, useless: u64, session: Option<(Nonce, Nonce)>) {
        let is_flood = self.flood.handle_useless(now, useless);
        let is_over = self.guarded_until.is_some_and(|until| now >= until) || session.is_none();
        if let (Some((theirs, ours)), true) = (session, is_flood) {
            self.set_filter(&peer_filter::program(theirs, ours));
            self.guarded_until = Some(now.after(GUARDED));
        } else if is_over && self.guarded_until.take().is_some() {
            self.set_filter(&peer_filter::pass_all());
        }
    }

    fn set_filter(&self, filter: &[SockFilter]) {
        // Without a filter the queue is as it was: nothing else depends on it.
        if let Err(error) = SockRef::from(&*self.socket).attach_filter(filter) {
            log::debug!("no filter on the peer socket error={error}");
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

    pub(super) fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// When the system does not take it; an unplugged interface is the common case, and nothing is lost that
    /// the next datagram would not repeat.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.scope.is_none() {
            self.resolve();
        }
        self.scope.ok_or_else(|| io::Error::from(Errno::ENODEV))?;
        let mut result = self.socket.send(bytes);
        if result
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        {
            // The answer to an earlier datagram: nothing listened there. This one has not been sent.
            result = self.socket.send(bytes);
        }
        // The interface may have gone and come back under another number, and our address may be another one.
        result.map(drop).inspect_err(|_| self.scope = None)
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
                Err(Errno::EINTR) => continue,
                // An error that belongs to an earlier datagram, as port unreachable; the next read gives the
                // next one.
                Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => continue,
                Err(_) => return Received::Nothing,
            };
            let stamp = message
                .cmsgs()
                .ok()
                .into_iter()
                .flatten()
                .find_map(|control| match control {
                    ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                    _ => None,
                });
            let is_peer = message
                .address
                .is_some_and(|from| is_from(&from, &self.peer, self.scope));
            if !is_peer {
                return Received::Foreign;
            }
            return Received::Datagram(message.bytes, time::received_at(stamp));
        }
    }

    /// Looks for the peer's interface and connects: the kernel then keeps what others send out of the receive
    /// queue.
    fn resolve(&mut self) {
        let scope = match &self.peer.interface {
            None => Some(0),
            Some(name) => interface_number(name),
        };
        // A connected socket keeps the own address that it was given, also when the machine has another by
        // now; one that is let go is given one anew. That fails only where there was nothing to let go.
        let _ = rustix::net::connect_unspec(&*self.socket);
        let address = |scope| socket_address(self.peer.ip, self.peer.port, scope);
        self.scope = scope.filter(|scope| self.socket.connect(address(*scope)).is_ok());
    }
}

fn is_from(from: &SockaddrStorage, peer: &PeerAddress, scope: Option<u32>) -> bool {
    match (peer.ip, from.as_sockaddr_in(), from.as_sockaddr_in6()) {
        (IpAddr::V4(ip), Some(from), _) => from.ip() == ip && from.port() == peer.port,
        (IpAddr::V6(ip), _, Some(from)) => {
            from.ip() == ip
                && from.port() == peer.port
                && (peer.interface.is_none() || scope.is_none_or(|scope| scope == from.scope_id()))
        }
        _ => false,
    }
}

fn socket_address(ip: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match ip {
        IpAddr::V4(ip) => (ip, port).into(),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, scope).into(),
    }
}

fn interface_number(name: &str) -> Option<u32> {
    if_nametoindex(name).ok().or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_core::protocol::{Header, Writer};

    #[test]
    fn a_few_useless_datagrams_a_frame_are_no_flood() {
        let mut flood = Flood::default();
        let at = |ms: u64| LocalTime(1_000_000_000 + ms * 1_000_000);
        assert!((0..600).all(|n| !flood.handle_useless(at(n * 16), 10)));
        assert!((0..31).all(|_| !flood.handle_useless(at(10_000), 1)));
        assert!(flood.handle_useless(at(10_000), 1));
        assert!(!flood.handle_useless(at(10_000), 1), "it begins to count anew");
    }

    /// A port, and its peer's socket.
    fn port() -> (PeerPort, std::net::UdpSocket) {
        let peer = std::net::UdpSocket::bind("127.0.0.62:0").unwrap();
        let address = peer.local_addr().unwrap().to_string().parse().unwrap();
        let bind = BindAddress {
            ip: [127, 0, 0, 61].into(),
            port: Some(0),
            interface: None,
        };
        let own = PeerPort::open(address, Some(bind)).unwrap();
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

    /// How many datagrams are there; on loopback they arrive as they are sent.
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
        own.handle_look(now, FLOOD, Some((THEIRS, OURS)));
        say_all();
        assert_eq!(count(&mut own), 1);
        own.handle_look(now.after(GUARDED), 0, Some((THEIRS, OURS)));
        say_all();
        assert_eq!(count(&mut own), 5, "the flood is over");
        own.handle_look(now.after(GUARDED), FLOOD, Some((THEIRS, OURS)));
        own.handle_look(now.after(GUARDED), 0, None);
        say_all();
        assert_eq!(count(&mut own), 5, "without a link every hello may be the peer's");
    }
}
