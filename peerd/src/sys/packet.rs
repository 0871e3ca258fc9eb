//! Raw frames on one interface, below firewalls and IP.
#![allow(unsafe_code)]

use super::poll_for_input;
use crate::identity::IfIndex;
use crate::wire::ethernet_frame::ETHERTYPE;
use libc::sock_filter;
use mio::{Registry, Token};
use nix::errno::Errno;
use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};
use socket2::{Domain, SockAddr, SockAddrStorage, SockFilter, Socket, Type};
use std::io::{self, Read};
use std::mem::size_of;

sockopt_impl!(
    /// Frames that we send are not given back to us.
    IgnoreOutgoing,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_IGNORE_OUTGOING,
    bool
);

/// A quarter of a second of frames at the rate of reading; the kernel drops the rest of a flood.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// A packet socket of our `EtherType`, bound to one interface by its index: it survives renaming, down and
/// up.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    socket: Socket,
    broadcast: SockAddr,
}

impl PacketSocket {
    /// # Errors
    /// `PermissionDenied` without `CAP_NET_RAW`; else when the interface is gone.
    pub(crate) fn open(
        index: IfIndex,
        filter: &[sock_filter],
        (registry, token): (&Registry, Token),
    ) -> io::Result<PacketSocket> {
        // Protocol 0 receives nothing until the filter stands and the socket is bound.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM.cloexec().nonblocking(), None)?;
        let socket = PacketSocket {
            socket,
            broadcast: address(index, [0xFF; 6]),
        };
        socket.set_filter(filter)?;
        socket.socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        match setsockopt(&socket.socket, IgnoreOutgoing, &true) {
            // Before Linux 4.20 own frames are recognised by their nonce.
            Ok(()) | Err(Errno::ENOPROTOOPT) => {}
            Err(error) => return Err(error.into()),
        }
        socket.socket.bind(&address(index, [0; 6]))?;
        poll_for_input(registry, &socket.socket, token)?;
        Ok(socket)
    }

    /// Replaces the filter that the kernel runs on each frame.
    pub(crate) fn set_filter(&self, filter: &[sock_filter]) -> io::Result<()> {
        let op = |op: &sock_filter| SockFilter::new(op.code, op.jt, op.jf, op.k);
        let filter: Vec<SockFilter> = filter.iter().map(op).collect();
        self.socket.attach_filter(&filter)
    }

    /// Broadcasts: with equal MACs a unicast frame could be taken for one's own.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<usize> {
        self.socket.send_to(frame, &self.broadcast)
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.socket).read(buffer)
    }
}

fn address(index: IfIndex, mac: [u8; 6]) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is one of the address types, and all its bit patterns are valid.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = libc::AF_PACKET as libc::c_ushort;
    link.sll_protocol = ETHERTYPE.to_be();
    link.sll_ifindex = index.0.cast_signed();
    link.sll_halen = 6;
    if let Some(room) = link.sll_addr.get_mut(..6) {
        room.copy_from_slice(&mac);
    }
    // SAFETY: the storage was filled in as a sockaddr_ll, and this is its length.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}
