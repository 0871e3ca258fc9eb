//! A UDP socket of one address family, or of both.
//!
//! One of both is of IPv6 and has IPv4 addresses mapped into it (RFC 4291, section 2.5.5.2); no mapped
//! address gets out of here.

use super::deferred_log::DeferredLog;
use super::peer_port::Buffer;
use super::time;
use gamelink_core::time::LocalTime;
use log::Level;
use mio::net::UdpSocket;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, SockFilter, SockRef, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

pub(super) struct PeerSocket {
    /// Shared with the emulation thread while that waits on it without the lock.
    socket: Arc<UdpSocket>,
    families: Families,
    control: Vec<u8>,
}

/// Families of the addresses that a socket reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Families {
    V4,
    V6,
    Both,
}

impl PeerSocket {
    /// Opens a socket of the family of this address.
    pub(super) fn bind(local: SocketAddr, log: &mut DeferredLog) -> io::Result<PeerSocket> {
        let families = if local.is_ipv4() {
            Families::V4
        } else {
            Families::V6
        };
        UdpSocket::bind(local).map(|socket| PeerSocket::new(socket, families, log))
    }

    /// Opens a socket of both families at this port; where the machine has no IPv6, of IPv4 alone.
    pub(super) fn bind_both(port: u16, log: &mut DeferredLog) -> io::Result<PeerSocket> {
        let open = || {
            let socket = Socket::new(Domain::IPV6, Type::DGRAM.nonblocking().cloexec(), None)?;
            socket.set_only_v6(false)?;
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
            Ok(UdpSocket::from_std(socket.into()))
        };
        match open() {
            Ok(socket) => Ok(PeerSocket::new(socket, Families::Both, log)),
            Err(error) if is_without_v6(&error) => {
                log.info(format_args!("no IPv6 on this machine error={error}"));
                PeerSocket::bind((Ipv4Addr::UNSPECIFIED, port).into(), log)
            }
            Err(error) => Err(error),
        }
    }

    fn new(socket: UdpSocket, families: Families, log: &mut DeferredLog) -> PeerSocket {
        // Without stamps, arrival is when we read: still right, only less exact.
        if let Err(error) = setsockopt(&socket, sockopt::ReceiveTimestampns, &true) {
            log.warn(format_args!("no kernel receive stamps error={error}"));
        }
        PeerSocket {
            socket: Arc::new(socket),
            families,
            control: cmsg_space!(TimeSpec),
        }
    }

    pub(super) fn share(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.socket)
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// True if something can be sent to such an address.
    pub(super) fn reaches(&self, ip: IpAddr) -> bool {
        match self.families {
            Families::Both => true,
            Families::V4 => ip.is_ipv4(),
            Families::V6 => ip.is_ipv6(),
        }
    }

    pub(super) fn send_to(&self, bytes: &[u8], address: SocketAddr) -> io::Result<usize> {
        self.socket.send_to(bytes, self.outwards(address))
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send(bytes)
    }

    pub(super) fn connect(&self, address: SocketAddr) -> io::Result<()> {
        self.disconnect();
        self.socket.connect(self.outwards(address))
    }

    /// Lets the peer go, and the own address: a connected socket keeps the one that it was given, also when
    /// the machine has another by now.
    pub(super) fn disconnect(&self) {
        // It fails only where there is nothing to let go.
        let _ = rustix::net::connect_unspec(&*self.socket);
    }

    /// Sets what the kernel passes of all that arrives.
    pub(super) fn filter(&self, filter: &[SockFilter], log: &mut DeferredLog) {
        // Without a filter the queue is as it was: nothing else depends on it.
        if let Err(error) = SockRef::from(&*self.socket).attach_filter(filter) {
            let line = format_args!("no filter on the peer socket error={error}");
            log.note(Level::Debug, line);
        }
    }

    /// Receives one datagram into `buffer`: its length, when it arrived, and from where, where that can be
    /// told.
    pub(super) fn receive(&mut self, buffer: &mut Buffer) -> Option<(usize, LocalTime, Option<SocketAddr>)> {
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
                Err(_) => return None,
            };
            let mut controls = message.cmsgs().into_iter().flatten();
            let stamp = controls.find_map(|control| match control {
                ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                _ => None,
            });
            let from = message.address.as_ref().and_then(sender);
            return Some((message.bytes, time::received_at(stamp), from));
        }
    }

    /// The address as this socket's family writes it.
    fn outwards(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.families != Families::V4 => {
                (v4.ip().to_ipv6_mapped(), v4.port()).into()
            }
            _ => address,
        }
    }
}

/// True for what a kernel says that was built or started without IPv6.
fn is_without_v6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error
            .raw_os_error()
            .is_some_and(|number| Errno::from_raw(number) == Errno::EAFNOSUPPORT)
}

/// The address as its own family writes it.
fn sender(from: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = from.as_sockaddr_in() {
        return Some((v4.ip(), v4.port()).into());
    }
    let v6 = from.as_sockaddr_in6()?;
    Some(match v6.ip().to_ipv4_mapped() {
        Some(v4) => (v4, v6.port()).into(),
        None => SocketAddrV6::new(v6.ip(), v6.port(), 0, v6.scope_id()).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_core::protocol::MAX_DATAGRAM;

    #[test]
    fn a_socket_of_both_families_hears_both_and_names_each_in_its_own_way() {
        let mut socket = PeerSocket::bind_both(0, &mut DeferredLog::default()).unwrap();
        let port = socket.socket.local_addr().unwrap().port();
        let mut buffer = [0; MAX_DATAGRAM + 1];
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let peer = std::net::UdpSocket::bind(local).unwrap();
            let address = peer.local_addr().unwrap();
            assert!(socket.reaches(address.ip()));
            peer.send_to(b"hello", (address.ip(), port)).unwrap();
            let (len, _, from) = socket.receive(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from), (&b"hello"[..], Some(address)));
            socket.send_to(b"answer", address).unwrap();
            let (len, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!(
                (&buffer[..len], from),
                (&b"answer"[..], (address.ip(), port).into())
            );
        }
        assert!(socket.receive(&mut buffer).is_none());
    }

    #[test]
    fn a_kernel_without_v6_is_known_by_its_errors() {
        let is_without = |error: Errno| is_without_v6(&error.into());
        assert!(is_without(Errno::EAFNOSUPPORT) && is_without(Errno::EADDRNOTAVAIL));
        assert!(!is_without(Errno::EADDRINUSE));
    }

    #[test]
    fn a_socket_of_one_family_does_not_reach_the_other() {
        let log = &mut DeferredLog::default();
        let v4 = PeerSocket::bind(([127, 0, 0, 1], 0).into(), log).unwrap();
        assert!(v4.reaches(Ipv4Addr::LOCALHOST.into()) && !v4.reaches(Ipv6Addr::LOCALHOST.into()));
    }
}
