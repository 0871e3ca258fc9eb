//! UDP multicast of beacons on one LAN interface.

use super::poll_for_input;
use super::udp_probe::PORT;
use crate::identity::IfIndex;
use mio::{Registry, Token};
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;

/// Our link-local group: transient, so not to be confused with an assigned one (RFC 4291, 2.7).
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0x474c, 0x4e42);
/// Our IPv4 group, of administrative scope (RFC 2365).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 71, 76);
/// Hop limit that proves a sender on the same link: a router would have decremented it (RFC 5082).
const HOPS: u8 = 255;

/// Socket of one family on one interface.
#[derive(Debug)]
pub(crate) struct LanSocket {
    socket: Socket,
    group: SockAddr,
}

impl LanSocket {
    pub(crate) fn open(
        (index, name): (IfIndex, &str),
        is_v6: bool,
        (registry, token): (&Registry, Token),
    ) -> io::Result<LanSocket> {
        let domain = if is_v6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::DGRAM.cloexec().nonblocking(), Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        // Bound to the device: beacons stay on their interface.
        socket.bind_device(Some(name.as_bytes()))?;
        let group: SocketAddr = if is_v6 {
            socket.set_only_v6(true)?;
            socket.bind(&SockAddr::from(SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT))))?;
            socket.join_multicast_v6(&GROUP_V6, index.0)?;
            socket.set_multicast_if_v6(index.0)?;
            socket.set_multicast_loop_v6(false)?;
            socket.set_multicast_hops_v6(HOPS.into())?;
            socket.set_unicast_hops_v6(HOPS.into())?;
            setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            SocketAddrV6::new(GROUP_V6, PORT, 0, index.0).into()
        } else {
            socket.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT))))?;
            socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index.0))?;
            socket.set_multicast_loop_v4(false)?;
            socket.set_multicast_ttl_v4(HOPS.into())?;
            socket.set_ttl_v4(HOPS.into())?;
            setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
            SocketAddr::from((GROUP_V4, PORT))
        };
        poll_for_input(registry, &socket, token)?;
        Ok(LanSocket {
            socket,
            group: group.into(),
        })
    }

    pub(crate) fn is_v6(&self) -> bool {
        self.group.is_ipv6()
    }

    /// Sends to all on the link.
    pub(crate) fn announce(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send_to(bytes, &self.group)
    }

    pub(crate) fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send_to(bytes, &to.into())
    }

    /// The next datagram from this link with its length and sender; `None` for one from elsewhere.
    ///
    /// # Errors
    /// `WouldBlock` when there is no more.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        let mut slices = [IoSliceMut::new(buffer)];
        let mut space = cmsg_space!(libc::c_int, libc::c_int);
        let fd = self.socket.as_raw_fd();
        let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
        let hops = message.cmsgs()?.find_map(|cmsg| match cmsg {
            ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => Some(hops),
            _ => None,
        });
        let from = message.address.and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
            v4.or_else(|| Some(SocketAddr::V6((*address.as_sockaddr_in6()?).into())))
        });
        let from = from.filter(|_| hops == Some(HOPS.into()));
        Ok(from.map(|from| (message.bytes, from)))
    }
}
