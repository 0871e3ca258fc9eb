//! UDP between the two daemons of a cable: shows whether the layers above Ethernet let anything through.

use super::poll_for_input;
use crate::identity::IfIndex;
use mio::{Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The daemons' UDP port, the same at both ends.
pub(crate) const PORT: u16 = 56_401;

/// A socket on one cable's address, connected to the peer's: nobody else's datagrams arrive.
#[derive(Debug)]
pub(crate) struct ProbeSocket(Socket);

impl ProbeSocket {
    pub(crate) fn open(
        index: IfIndex,
        (local, peer): (IpAddr, IpAddr),
        (registry, token): (&Registry, Token),
    ) -> io::Result<ProbeSocket> {
        let at = |ip| match ip {
            IpAddr::V4(_) => SocketAddr::new(ip, PORT),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, PORT, 0, index.0).into(),
        };
        let local = at(local);
        let socket = Socket::new(
            Domain::for_address(local),
            Type::DGRAM.cloexec().nonblocking(),
            Some(Protocol::UDP),
        )?;
        socket.set_reuse_address(true)?;
        socket.bind(&SockAddr::from(local))?;
        socket.connect(&SockAddr::from(at(peer)))?;
        poll_for_input(registry, &socket, token)?;
        Ok(ProbeSocket(socket))
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes)
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }
}
