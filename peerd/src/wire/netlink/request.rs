//! Requests to the kernel.

use super::{
    AddrGenMode, IFA_FLAGS, IFA_PROTO, IFLA_INET6_ADDR_GEN_MODE, INET, INET6, NDA_PROTOCOL, NESTED, OURS,
};
use crate::identity::{IfIndex, Mac};
use libc::{
    IFA_ADDRESS, IFA_F_NODAD, IFA_F_PERMANENT, IFA_LOCAL, IFF_UP, IFLA_ADDRESS, IFLA_AF_SPEC, NDA_DST,
    NDA_LLADDR, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST, NUD_PERMANENT,
    RT_SCOPE_LINK, RTM_DELADDR, RTM_DELNEIGH, RTM_GETADDR, RTM_GETLINK, RTM_GETNEIGH, RTM_GETROUTE,
    RTM_NEWADDR, RTM_NEWNEIGH, RTM_SETLINK, c_int,
};
use std::net::IpAddr;

const UP: u32 = IFF_UP.cast_unsigned();

/// A request.
pub(crate) struct Request {
    bytes: Vec<u8>,
    open: Vec<usize>,
}

impl Request {
    fn new(kind: u16, flags: c_int) -> Request {
        let mut request = Request {
            bytes: Vec::with_capacity(128),
            open: vec![],
        };
        request.put(&0u32.to_ne_bytes());
        request.put(&kind.to_ne_bytes());
        request.put(&((flags | NLM_F_REQUEST) as u16).to_ne_bytes());
        request.put(&[0; 8]);
        request
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn open(mut self, kind: u16) -> Request {
        self.open.push(self.bytes.len());
        self.put(&0u16.to_ne_bytes());
        self.put(&kind.to_ne_bytes());
        self
    }

    fn close(mut self) -> Request {
        if let Some(start) = self.open.pop() {
            let len = self.bytes.len() - start;
            if let Some(room) = self.bytes.get_mut(start..start + 2) {
                // Our own attributes are short.
                room.copy_from_slice(&(len as u16).to_ne_bytes());
            }
            let padded = self.bytes.len().next_multiple_of(4);
            self.bytes.resize(padded, 0);
        }
        self
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Request {
        self = self.open(kind);
        self.put(value);
        self.close()
    }

    fn ip(self, kind: u16, ip: IpAddr) -> Request {
        match ip {
            IpAddr::V4(ip) => self.attribute(kind, &ip.octets()),
            IpAddr::V6(ip) => self.attribute(kind, &ip.octets()),
        }
    }

    fn link(kind: u16, flags: c_int, index: IfIndex, set: u32, change: u32) -> Request {
        let mut request = Request::new(kind, flags);
        request.put(&[0; 4]);
        request.put(&index.0.to_ne_bytes());
        request.put(&set.to_ne_bytes());
        request.put(&change.to_ne_bytes());
        request
    }

    /// All interfaces.
    pub(crate) fn all_links() -> Request {
        Request::link(RTM_GETLINK, NLM_F_DUMP, IfIndex(0), 0, 0)
    }

    /// One interface.
    pub(crate) fn one_link(index: IfIndex) -> Request {
        Request::link(RTM_GETLINK, 0, index, 0, 0)
    }

    /// Sets an interface up or down.
    pub(crate) fn set_up(index: IfIndex, is_up: bool) -> Request {
        Request::link(RTM_SETLINK, NLM_F_ACK, index, if is_up { UP } else { 0 }, UP)
    }

    /// Sets the MAC of an interface.
    pub(crate) fn set_mac(index: IfIndex, mac: Mac) -> Request {
        Request::link(RTM_SETLINK, NLM_F_ACK, index, 0, 0).attribute(IFLA_ADDRESS, &mac.0)
    }

    /// Sets the mode of the link-local address; by netlink, as a sandbox may forbid `/proc/sys`.
    pub(crate) fn set_addr_gen_mode(index: IfIndex, mode: AddrGenMode) -> Request {
        Request::link(RTM_SETLINK, NLM_F_ACK, index, 0, 0)
            .open(IFLA_AF_SPEC | NESTED)
            .open(u16::from(INET6) | NESTED)
            .attribute(IFLA_INET6_ADDR_GEN_MODE, &[mode.0])
            .close()
            .close()
    }

    fn address(kind: u16, flags: c_int, index: IfIndex, local: IpAddr, peer: IpAddr) -> Request {
        let mut request = Request::new(kind, flags);
        let (family, prefix) = match local {
            IpAddr::V4(_) => (INET, 32),
            IpAddr::V6(_) => (INET6, 64),
        };
        request.put(&[family, prefix, 0, RT_SCOPE_LINK]);
        request.put(&index.0.to_ne_bytes());
        let partner = if local.is_ipv4() { peer } else { local };
        request.ip(IFA_LOCAL, local).ip(IFA_ADDRESS, partner)
    }

    /// Adds an address without duplicate address detection; IPv4 with `peer` as its partner.
    pub(crate) fn add_address(index: IfIndex, local: IpAddr, peer: IpAddr) -> Request {
        Request::address(
            RTM_NEWADDR,
            NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
            index,
            local,
            peer,
        )
        .attribute(IFA_FLAGS, &(IFA_F_NODAD | IFA_F_PERMANENT).to_ne_bytes())
        .attribute(IFA_PROTO, &[OURS])
    }

    /// Removes an address.
    pub(crate) fn remove_address(index: IfIndex, local: IpAddr, peer: IpAddr) -> Request {
        Request::address(RTM_DELADDR, NLM_F_ACK, index, local, peer)
    }

    fn neighbour(kind: u16, flags: c_int, index: IfIndex, ip: IpAddr) -> Request {
        let mut request = Request::new(kind, flags);
        request.put(&[if ip.is_ipv4() { INET } else { INET6 }, 0, 0, 0]);
        request.put(&index.0.to_ne_bytes());
        request.put(&NUD_PERMANENT.to_ne_bytes());
        request.put(&[0; 2]);
        request.ip(NDA_DST, ip)
    }

    /// Adds a permanent neighbour entry.
    pub(crate) fn add_neighbour(index: IfIndex, ip: IpAddr, mac: Mac) -> Request {
        Request::neighbour(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, index, ip)
            .attribute(NDA_LLADDR, &mac.0)
            .attribute(NDA_PROTOCOL, &[OURS])
    }

    /// Removes a neighbour entry.
    pub(crate) fn remove_neighbour(index: IfIndex, ip: IpAddr) -> Request {
        Request::neighbour(RTM_DELNEIGH, NLM_F_ACK, index, ip)
    }

    /// All addresses, of all interfaces.
    pub(crate) fn all_addresses() -> Request {
        let mut request = Request::new(RTM_GETADDR, NLM_F_DUMP);
        request.put(&[0; 8]);
        request
    }

    /// All neighbours, of all interfaces.
    pub(crate) fn all_neighbours() -> Request {
        let mut request = Request::new(RTM_GETNEIGH, NLM_F_DUMP);
        request.put(&[0; 12]);
        request
    }

    /// All routes of IPv4.
    pub(crate) fn all_routes() -> Request {
        let mut request = Request::new(RTM_GETROUTE, NLM_F_DUMP);
        request.put(&[INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        request
    }

    /// The bytes to send, numbered.
    pub(crate) fn finish(mut self, sequence: u32) -> Vec<u8> {
        let len = self.bytes.len() as u32;
        for (at, value) in [(0, len), (8, sequence)] {
            if let Some(room) = self.bytes.get_mut(at..at + 4) {
                room.copy_from_slice(&value.to_ne_bytes());
            }
        }
        self.bytes
    }
}
