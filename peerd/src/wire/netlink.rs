//! The dozen rtnetlink messages that the daemon speaks.
//!
//! Own code rather than a crate of all of rtnetlink: an attribute that a newer kernel lengthens must not make the whole
//! message unreadable, one buffer serves all requests, and the marks by which a later start knows what is ours (`IFA_PROTO`,
//! `NDA_PROTOCOL`) are written and read in the same place. Integers are in the machine's own order, as the kernel wants them.

use crate::machine::identity::{Mac, Name};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Marks addresses and neighbours as ours, for the start after a crash: `G`. The kernel only keeps it.
pub(crate) const OURS: u8 = 0x47;

// linux/netlink.h
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;
const REPLACE: u16 = 0x100;
const CREATE: u16 = 0x400;
const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;
// linux/rtnetlink.h
const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDR: u16 = 20;
const DEL_ADDR: u16 = 21;
const GET_ADDR: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const NEW_NEIGH: u16 = 28;
const DEL_NEIGH: u16 = 29;
const GET_NEIGH: u16 = 30;
// linux/if_link.h
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_CARRIER: u16 = 33;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
// linux/if_addr.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_NODAD: u32 = 0x02;
const IFA_F_PERMANENT: u32 = 0x80;
const SCOPE_LINK: u8 = 253;
// linux/neighbour.h
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_PROTOCOL: u16 = 12;
const NUD_PERMANENT: u16 = 0x80;
// sys/socket.h, linux/if.h, linux/if_arp.h
const INET: u8 = 2;
const INET6: u8 = 10;
const IFF_UP: u32 = 1;
const ETHERNET: u16 = 1;
/// A nested attribute.
const NESTED: u16 = 0x8000;

/// How the kernel makes an interface's own link-local address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddrGenMode(pub(crate) u8);

impl AddrGenMode {
    /// Not at all: with two equal MACs it would make two equal addresses and find fault with both.
    pub(crate) const NONE: AddrGenMode = AddrGenMode(1);
}

/// One request, ready to send.
pub(crate) struct Request {
    bytes: Vec<u8>,
    open: Vec<usize>,
}

impl Request {
    fn new(kind: u16, flags: u16) -> Request {
        let mut request = Request {
            bytes: Vec::with_capacity(128),
            open: vec![],
        };
        request.put(&0u32.to_ne_bytes());
        request.put(&kind.to_ne_bytes());
        request.put(&(flags | REQUEST).to_ne_bytes());
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

    fn link(kind: u16, flags: u16, index: u32, set: u32, change: u32) -> Request {
        let mut request = Request::new(kind, flags);
        request.put(&[0; 4]);
        request.put(&index.to_ne_bytes());
        request.put(&set.to_ne_bytes());
        request.put(&change.to_ne_bytes());
        request
    }

    /// All interfaces.
    pub(crate) fn all_links() -> Request {
        Request::link(GET_LINK, DUMP, 0, 0, 0)
    }

    /// One interface.
    pub(crate) fn one_link(index: u32) -> Request {
        Request::link(GET_LINK, 0, index, 0, 0)
    }

    /// Sets it up or down.
    pub(crate) fn set_up(index: u32, is_up: bool) -> Request {
        Request::link(SET_LINK, ACK, index, if is_up { IFF_UP } else { 0 }, IFF_UP)
    }

    /// Sets its MAC.
    pub(crate) fn set_mac(index: u32, mac: Mac) -> Request {
        Request::link(SET_LINK, ACK, index, 0, 0).attribute(IFLA_ADDRESS, &mac.0)
    }

    /// Sets how the kernel makes its link-local address; through netlink, as a sandbox may forbid `/proc/sys`.
    pub(crate) fn set_addr_gen_mode(index: u32, mode: AddrGenMode) -> Request {
        Request::link(SET_LINK, ACK, index, 0, 0)
            .open(IFLA_AF_SPEC | NESTED)
            .open(u16::from(INET6) | NESTED)
            .attribute(IFLA_INET6_ADDR_GEN_MODE, &[mode.0])
            .close()
            .close()
    }

    fn address(kind: u16, flags: u16, index: u32, local: IpAddr, peer: IpAddr) -> Request {
        let mut request = Request::new(kind, flags);
        let (family, prefix) = match local {
            IpAddr::V4(_) => (INET, 32),
            IpAddr::V6(_) => (INET6, 64),
        };
        request.put(&[family, prefix, 0, SCOPE_LINK]);
        request.put(&index.to_ne_bytes());
        let partner = if local.is_ipv4() { peer } else { local };
        request.ip(IFA_LOCAL, local).ip(IFA_ADDRESS, partner)
    }

    /// Gives the interface an address at once, with no duplicate detection; IPv4 with `peer` as its partner.
    pub(crate) fn add_address(index: u32, local: IpAddr, peer: IpAddr) -> Request {
        Request::address(NEW_ADDR, ACK | CREATE | REPLACE, index, local, peer)
            .attribute(IFA_FLAGS, &(IFA_F_NODAD | IFA_F_PERMANENT).to_ne_bytes())
            .attribute(IFA_PROTO, &[OURS])
    }

    /// Takes it away.
    pub(crate) fn remove_address(index: u32, local: IpAddr, peer: IpAddr) -> Request {
        Request::address(DEL_ADDR, ACK, index, local, peer)
    }

    fn neighbour(kind: u16, flags: u16, index: u32, ip: IpAddr) -> Request {
        let mut request = Request::new(kind, flags);
        request.put(&[if ip.is_ipv4() { INET } else { INET6 }, 0, 0, 0]);
        request.put(&index.to_ne_bytes());
        request.put(&NUD_PERMANENT.to_ne_bytes());
        request.put(&[0; 2]);
        request.ip(NDA_DST, ip)
    }

    /// Tells the kernel for good which MAC an address has.
    pub(crate) fn add_neighbour(index: u32, ip: IpAddr, mac: Mac) -> Request {
        Request::neighbour(NEW_NEIGH, ACK | CREATE | REPLACE, index, ip)
            .attribute(NDA_LLADDR, &mac.0)
            .attribute(NDA_PROTOCOL, &[OURS])
    }

    /// Takes that away.
    pub(crate) fn remove_neighbour(index: u32, ip: IpAddr) -> Request {
        Request::neighbour(DEL_NEIGH, ACK, index, ip)
    }

    /// All addresses, of all interfaces.
    pub(crate) fn all_addresses() -> Request {
        let mut request = Request::new(GET_ADDR, DUMP);
        request.put(&[0; 8]);
        request
    }

    /// All neighbours, of all interfaces.
    pub(crate) fn all_neighbours() -> Request {
        let mut request = Request::new(GET_NEIGH, DUMP);
        request.put(&[0; 12]);
        request
    }

    /// All routes of IPv4.
    pub(crate) fn all_routes() -> Request {
        let mut request = Request::new(GET_ROUTE, DUMP);
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

/// An interface as the kernel describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: Name,
    pub(crate) is_ethernet: bool,
    pub(crate) is_up: bool,
    pub(crate) has_carrier: bool,
    pub(crate) mac: Mac,
    pub(crate) master: Option<u32>,
    pub(crate) addr_gen_mode: Option<AddrGenMode>,
}

/// Something the kernel said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// An interface is there, or has changed.
    Link(Link),
    /// An interface is gone.
    LinkGone(u32),
    /// An address is there, or gone.
    Address {
        index: u32,
        local: IpAddr,
        partner: IpAddr,
        is_ours: bool,
        is_like_ours: bool,
        is_gone: bool,
    },
    /// A neighbour is there.
    Neighbour { index: u32, ip: IpAddr, is_ours: bool },
    /// A route to a single address is there, by this interface where it has one.
    HostRoute { index: u32, to: IpAddr },
    /// A request was carried out (0), or not (the error number).
    Outcome(i32),
    /// A list is at its end.
    Done,
    /// Anything else.
    Other,
}

/// Hands each message of a datagram, with its sequence number, to `take`; stops at what is damaged.
pub(crate) fn parse(mut bytes: &[u8], mut take: impl FnMut(u32, Message)) {
    while let Some((message, rest)) = cut(bytes, |bytes| Some(u32_at(bytes, 0)? as usize), 16) {
        let (Some(kind), Some(sequence)) = (u16_at(message, 4), u32_at(message, 8)) else {
            return;
        };
        let body = message.get(16..).unwrap_or_default();
        take(sequence, parse_body(kind, body).unwrap_or(Message::Other));
        bytes = rest;
    }
}

fn parse_body(kind: u16, body: &[u8]) -> Option<Message> {
    Some(match kind {
        TYPE_ERROR => Message::Outcome(u32_at(body, 0)?.cast_signed().saturating_neg()),
        TYPE_DONE => Message::Done,
        NEW_LINK => Message::Link(parse_link(body)?),
        DEL_LINK => Message::LinkGone(u32_at(body, 4)?),
        NEW_ADDR | DEL_ADDR => {
            let (family, index) = (*body.first()?, u32_at(body, 4)?);
            let (mut local, mut partner, mut is_ours, mut flags) = (None, None, false, 0);
            for (kind, value) in attributes(body.get(8..)?) {
                match kind {
                    IFA_FLAGS => flags = u32_at(value, 0)?,
                    IFA_LOCAL => local = ip(family, value),
                    IFA_ADDRESS => partner = ip(family, value),
                    IFA_PROTO => is_ours = value.first() == Some(&OURS),
                    _ => {}
                }
            }
            let local = local.or(partner)?;
            let partner = partner.unwrap_or(local);
            Message::Address {
                index,
                local,
                partner,
                is_ours,
                is_like_ours: is_like_ours(local, partner, flags),
                is_gone: kind == DEL_ADDR,
            }
        }
        NEW_NEIGH => {
            let (family, index) = (*body.first()?, u32_at(body, 4)?);
            let (mut to, mut is_ours) = (None, false);
            for (kind, value) in attributes(body.get(12..)?) {
                match kind {
                    NDA_DST => to = ip(family, value),
                    NDA_PROTOCOL => is_ours = value.first() == Some(&OURS),
                    _ => {}
                }
            }
            Message::Neighbour {
                index,
                ip: to?,
                is_ours,
            }
        }
        NEW_ROUTE => {
            let (family, prefix) = (*body.first()?, *body.get(1)?);
            let (mut to, mut index) = (None, 0);
            for (kind, value) in attributes(body.get(12..)?) {
                match kind {
                    RTA_DST => to = ip(family, value),
                    RTA_OIF => index = u32_at(value, 0)?,
                    _ => {}
                }
            }
            let to = to.filter(|to| prefix == if to.is_ipv4() { 32 } else { 128 })?;
            Message::HostRoute { index, to }
        }
        _ => Message::Other,
    })
}

/// Whether it has the form of ours: before Linux 5.18 the kernel keeps no mark.
fn is_like_ours(local: IpAddr, partner: IpAddr, flags: u32) -> bool {
    match (local, partner) {
        (IpAddr::V4(local), IpAddr::V4(partner)) => {
            local != partner && local.is_link_local() && partner.is_link_local()
        }
        (IpAddr::V6(local), _) => local.is_unicast_link_local() && flags & IFA_F_NODAD != 0,
        _ => false,
    }
}

fn parse_link(body: &[u8]) -> Option<Link> {
    let flags = u32_at(body, 8)?;
    let mut link = Link {
        index: u32_at(body, 4)?,
        name: Name::default(),
        is_ethernet: u16_at(body, 2)? == ETHERNET,
        is_up: flags & IFF_UP != 0,
        has_carrier: false,
        mac: Mac::default(),
        master: None,
        addr_gen_mode: None,
    };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            IFLA_IFNAME => {
                let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
                link.name = Name::from_wire(value.get(..end).unwrap_or_default());
            }
            IFLA_ADDRESS => link.mac = value.first_chunk().map_or(Mac::default(), |mac| Mac(*mac)),
            IFLA_MASTER => link.master = u32_at(value, 0),
            IFLA_CARRIER => link.has_carrier = value.first() == Some(&1),
            IFLA_AF_SPEC => {
                let inet6 = attributes(value).find(|(family, _)| *family == u16::from(INET6));
                link.addr_gen_mode = inet6.and_then(|(_, of)| {
                    let (_, value) = attributes(of).find(|(kind, _)| *kind == IFLA_INET6_ADDR_GEN_MODE)?;
                    Some(AddrGenMode(*value.first()?))
                });
            }
            _ => {}
        }
    }
    Some(link)
}

fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        INET => Some(Ipv4Addr::from(*value.first_chunk::<4>()?).into()),
        INET6 => Some(Ipv6Addr::from(*value.first_chunk::<16>()?).into()),
        _ => None,
    }
}

fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (attribute, rest) = cut(bytes, |bytes| Some(usize::from(u16_at(bytes, 0)?)), 4)?;
        bytes = rest;
        Some((u16_at(attribute, 2)? & 0x3FFF, attribute.get(4..)?))
    })
}

/// Cuts off one piece of the length that it says, of at least `least`, and the padding after it.
fn cut(bytes: &[u8], len: impl Fn(&[u8]) -> Option<usize>, least: usize) -> Option<(&[u8], &[u8])> {
    let len = len(bytes)?;
    if len < least {
        return None;
    }
    let piece = bytes.get(..len)?;
    Some((piece, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_we_write_is_read_as_ours() {
        let local: IpAddr = "fe80::17".parse().unwrap();
        let bytes = Request::add_address(5, local, local).finish(9);
        let mut seen = vec![];
        parse(&bytes, |sequence, message| seen.push((sequence, message)));
        let expected = Message::Address {
            index: 5,
            local,
            partner: local,
            is_ours: true,
            is_like_ours: true,
            is_gone: false,
        };
        assert_eq!(seen, [(9, expected)]);
    }

    #[test]
    fn damaged_messages_end_the_walk_without_harm() {
        let whole = Request::add_neighbour(5, "169.254.1.2".parse().unwrap(), Mac([2; 6])).finish(1);
        for len in 0..whole.len() {
            parse(&whole[..len], |_, _| panic!("cut at {len}"));
        }
        let mut random = 1u64;
        for _ in 0..100_000 {
            let mut bytes = whole.clone();
            for _ in 0..4 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (random >> 33) as usize % bytes.len();
                bytes[at] = (random >> 24) as u8;
            }
            parse(&bytes, |_, _| {});
        }
    }
}
