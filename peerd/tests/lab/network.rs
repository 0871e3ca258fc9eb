//! Sockets of the tests themselves, in the machines' networks.

use super::Lab;
use gamelink_driver::PeerAddress;
use socket2::{Domain, Protocol, Socket, Type};
use std::fs::File;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

impl Lab {
    /// Says to everybody on a cable that this machine is a router (RFC 4861, 4.2), for everywhere and with a
    /// prefix.
    pub(crate) fn advertise_router(&self, end: usize, interface: &str) {
        let interface = interface.to_owned();
        self.inside(end, move || {
            let index = nix::net::if_::if_nametoindex(interface.as_str()).unwrap();
            let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
            socket.set_multicast_if_v6(index).unwrap();
            socket.set_multicast_hops_v6(255).unwrap();
            // Half an hour; the prefix is on link and makes addresses.
            let mut advertisement = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
            advertisement.extend([3, 4, 64, 0xC0, 0, 0, 0x0E, 0x10, 0, 0, 0x0E, 0x10, 0, 0, 0, 0]);
            advertisement.extend([0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            let all_nodes = SocketAddrV6::new(Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 1), 0, 0, index);
            socket.send_to(&advertisement, &all_nodes.into()).unwrap();
        });
    }

    /// Does something in a machine's network.
    fn inside<T: Send + 'static>(&self, end: usize, action: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.namespaces[end])).unwrap();
        let there = move || {
            // The call moves this thread alone.
            nix::sched::setns(&namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            action()
        };
        std::thread::spawn(there).join().unwrap()
    }

    /// Tells if a datagram of the second machine's reaches an address of the first one's.
    pub(crate) fn lets_in(&self, to: &str) -> bool {
        let to: SocketAddr = to.parse().unwrap();
        let receiver = self.inside(0, move || UdpSocket::bind(to)).unwrap();
        receiver
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let send = move || UdpSocket::bind("0.0.0.0:0")?.send_to(b"a byte", to);
        self.inside(1, send).unwrap();
        receiver.recv(&mut [0; 16]).is_ok()
    }

    /// Tells if a datagram of the first machine's reaches an address of the second one's on a cable, both as
    /// games are told them.
    pub(crate) fn carries(&self, from: &str, to: &str) -> bool {
        let numbered = |end, address: &str| {
            let address: PeerAddress = address.parse().unwrap();
            self.inside(end, move || {
                let interface = address.interface.unwrap_or_default();
                let scope = nix::net::if_::if_nametoindex(interface.as_str()).unwrap_or(0);
                match address.ip {
                    IpAddr::V6(ip) => SocketAddr::from(SocketAddrV6::new(ip, address.port, 0, scope)),
                    ip @ IpAddr::V4(_) => (ip, address.port).into(),
                }
            })
        };
        let there = numbered(1, to);
        let receiver = self.inside(1, move || UdpSocket::bind(there));
        let (here, there) = (numbered(0, from), numbered(0, to));
        let sender = self.inside(0, move || UdpSocket::bind(here));
        let (Ok(receiver), Ok(sender)) = (receiver, sender) else {
            return false;
        };
        receiver.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        sender.send_to(b"a byte", there).is_ok() && receiver.recv(&mut [0; 16]).is_ok()
    }
}
