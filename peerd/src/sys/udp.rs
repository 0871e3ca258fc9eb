//! UDP between the two daemons of a cable: shows whether the layers above Ethernet let anything through.

use crate::identity::IfIndex;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;

/// The daemons' UDP port, the same at both ends.
pub(crate) const PORT: u16 = 56_401;

/// A socket on one cable's address, connected to the peer's: nobody else's datagrams arrive.
#[derive(Debug)]
pub(crate) struct ProbeSocket(Socket);

impl ProbeSocket {
    pub(crate) fn open(index: IfIndex, local: IpAddr, peer: IpAddr) -> io::Result<ProbeSocket> {
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
        Ok(ProbeSocket(socket))
    }

    pub(crate) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.0.as_raw_fd()), token, Interest::READABLE)
    }

    pub(crate) fn deregister(&self, registry: &Registry) {
        let _ = registry.deregister(&mut SourceFd(&self.0.as_raw_fd()));
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes)
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }
}
