//! The UDP port to the peer.

use super::address::{BindAddress, PeerAddress};
use super::time;
use crate::protocol::MAX_DATAGRAM;
use crate::time::LocalTime;
use mio::net::UdpSocket;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

/// A socket that hears one peer.
pub(super) struct PeerPort {
    /// Shared with the emulation thread while that waits on it without the lock.
    socket: Arc<UdpSocket>,
    peer: PeerAddress,
    bind: Option<BindAddress>,
    /// Number of the peer's interface, once it is there; 0 for an address without one.
    scope: Option<u32>,
    control: Vec<u8>,
}

/// What one attempt to receive gave.
pub(super) enum Received {
    /// So many bytes of the peer in the buffer, and when they arrived.
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
            control: cmsg_space!(TimeSpec),
        };
        port.resolve();
        Ok(port)
    }

    /// Whether it was opened for this peer at this address of ours.
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
    /// When the system does not take it; an unplugged interface is the common case, and nothing is lost that the next
    /// datagram would not repeat.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.scope.is_none() {
            self.resolve();
        }
        let scope = self.scope.ok_or_else(|| io::Error::from(Errno::ENODEV))?;
        let to = socket_address(self.peer.ip, self.peer.port, scope);
        self.socket.send_to(bytes, to).map(drop).inspect_err(|_| {
            // The interface may have gone and come back under another number.
            if self.peer.interface.is_some() {
                self.scope = None;
            }
        })
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
                // An error that belongs to an earlier datagram, as port unreachable; the next read gives the next one.
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

    fn resolve(&mut self) {
        self.scope = match &self.peer.interface {
            None => Some(0),
            Some(name) => interface_number(name),
        };
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
