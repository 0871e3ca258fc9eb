//! The rtnetlink messages that the daemon uses.
//!
//! Own code instead of a crate: netlink-packet-route decodes every attribute, and one that a newer kernel
//! lengthens makes the whole message unreadable. Integers are in native order, as the kernel requires.

use crate::identity::{IfIndex, Mac, Name};
use libc::{
    ARPHRD_ETHER, IFA_ADDRESS, IFA_F_NODAD, IFA_F_PERMANENT, IFA_LOCAL, IFF_UP, IFLA_ADDRESS, IFLA_AF_SPEC,
    IFLA_CARRIER, IFLA_IFALIAS, IFLA_IFNAME, IFLA_MASTER, NDA_DST, NDA_LLADDR, NLM_F_ACK, NLM_F_CREATE,
    NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST, NUD_PERMANENT, RT_SCOPE_LINK, RTA_DST, RTA_OIF, RTM_DELADDR,
    RTM_DELLINK, RTM_DELNEIGH, RTM_GETADDR, RTM_GETLINK, RTM_GETNEIGH, RTM_GETROUTE, RTM_NEWADDR,
    RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE, RTM_SETLINK, c_int,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Mark of our addresses and neighbours, for the start after a crash: `G`. The kernel only stores it.
const OURS: u8 = 0x47;

// linux/if_link.h, linux/if_addr.h, linux/neighbour.h: those that libc does not have.
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const NDA_PROTOCOL: u16 = 12;
// In the types of the messages.
const ERROR: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;
const NESTED: u16 = libc::NLA_F_NESTED as u16;
const TYPE_MASK: u16 = libc::NLA_TYPE_MASK as u16;
const INET: u8 = libc::AF_INET as u8;
const INET6: u8 = libc::AF_INET6 as u8;
const UP: u32 = IFF_UP.cast_unsigned();
/// Alias of an interface that was taken, before its former name: the kernel keeps it for a daemon that is
/// started again.
const TAKEN: &str = "gamelink, was ";
/// Adds an object, or changes it if it is there.
const SET: c_int = NLM_F_CREATE | NLM_F_REPLACE;

/// Mode by which the kernel makes an interface's link-local address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddrGenMode(u8);

impl AddrGenMode {
    /// None: with two equal MACs it would make two equal addresses, and reject both.
    pub(crate) const NONE: AddrGenMode = AddrGenMode(1);
}

/// An interface as the kernel describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: IfIndex,
    pub(crate) name: Name,
    pub(crate) is_ethernet: bool,
    pub(crate) is_up: bool,
    pub(crate) has_carrier: bool,
    pub(crate) mac: Mac,
    pub(crate) master: Option<u32>,
    pub(crate) addr_gen_mode: Option<AddrGenMode>,
    /// The name before it was taken, by the alias that [`Request::take`] gives.
    pub(crate) former: Option<Name>,
}

/// A message of the kernel that the daemon uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// An interface appeared or changed.
    Link(Link),
    /// An interface is gone.
    LinkGone(IfIndex),
    /// An address appeared or is gone.
    Address {
        index: IfIndex,
        local: IpAddr,
        partner: IpAddr,
        is_ours: bool,
        is_like_ours: bool,
        is_gone: bool,
    },
    /// A neighbour is there.
    Neighbour {
        index: IfIndex,
        ip: IpAddr,
        is_ours: bool,
    },
    /// A route to a single address, by this interface where it has one.
    HostRoute { index: IfIndex, to: IpAddr },
    /// End of the answer to a request: 0, or the error number.
    Outcome(i32),
}

/// Hands each such message of a datagram, with its sequence number, to `take`; stops at damage.
pub(crate) fn parse(mut bytes: &[u8], mut take: impl FnMut(u32, Message)) {
    while let Some((message, rest)) = u32_at(bytes, 0).and_then(|len| cut(bytes, len as usize))
        && let (Some(kind), Some(sequence)) = (u16_at(message, 4), u32_at(message, 8))
        && let Some(body) = message.get(16..)
    {
        if let Some(message) = parse_body(kind, body) {
            take(sequence, message);
        }
        bytes = rest;
    }
}

fn parse_body(kind: u16, body: &[u8]) -> Option<Message> {
    match kind {
        ERROR => Some(Message::Outcome(u32_at(body, 0)?.cast_signed().saturating_neg())),
        DONE => Some(Message::Outcome(0)),
        RTM_NEWLINK => parse_link(body).map(Message::Link),
        RTM_DELLINK => index_at(body, 4).map(Message::LinkGone),
        RTM_NEWADDR | RTM_DELADDR => parse_address(body, kind == RTM_DELADDR),
        RTM_NEWNEIGH => parse_neighbour(body),
        RTM_NEWROUTE => parse_route(body),
        _ => None,
    }
}

fn parse_link(body: &[u8]) -> Option<Link> {
    let attributes = body.get(16..)?;
    let find = |kind| attribute(attributes, kind);
    let name = find(IFLA_IFNAME).unwrap_or_default();
    let inet6 = || attribute(find(IFLA_AF_SPEC)?, INET6.into());
    let gen_mode = || {
        Some(AddrGenMode(
            *attribute(inet6()?, IFLA_INET6_ADDR_GEN_MODE)?.first()?,
        ))
    };
    Some(Link {
        index: index_at(body, 4)?,
        name: Name::from_wire(name.split(|byte| *byte == 0).next().unwrap_or_default()),
        is_ethernet: u16_at(body, 2)? == ARPHRD_ETHER,
        is_up: u32_at(body, 8)? & UP != 0,
        has_carrier: find(IFLA_CARRIER).is_some_and(|value| value.first() == Some(&1)),
        mac: find(IFLA_ADDRESS)
            .and_then(|mac| mac.first_chunk())
            .map_or(Mac::default(), |mac| Mac(*mac)),
        master: find(IFLA_MASTER).and_then(|value| u32_at(value, 0)),
        addr_gen_mode: gen_mode(),
        former: find(IFLA_IFALIAS).and_then(former),
    })
}

fn former(alias: &[u8]) -> Option<Name> {
    let alias = alias.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = Name::from_wire(alias.strip_prefix(TAKEN.as_bytes())?);
    // In the place of a name, the kernel would fill a number into it.
    (!name.as_str().is_empty() && !name.as_str().contains('%')).then_some(name)
}

fn parse_address(body: &[u8], is_gone: bool) -> Option<Message> {
    let (family, attributes) = (*body.first()?, body.get(8..)?);
    let find = |kind| attribute(attributes, kind);
    let partner = find(IFA_ADDRESS).and_then(|value| ip(family, value));
    let local = find(IFA_LOCAL).and_then(|value| ip(family, value)).or(partner)?;
    let partner = partner.unwrap_or(local);
    let flags = find(IFA_FLAGS).map_or(Some(0), |value| u32_at(value, 0))?;
    Some(Message::Address {
        index: index_at(body, 4)?,
        local,
        partner,
        is_ours: find(IFA_PROTO).is_some_and(|mark| mark.first() == Some(&OURS)),
        is_like_ours: is_like_ours(local, partner, flags),
        is_gone,
    })
}

/// True if it has the form of ours: before Linux 5.18 the kernel stores no mark.
fn is_like_ours(local: IpAddr, partner: IpAddr, flags: u32) -> bool {
    match (local, partner) {
        (IpAddr::V4(local), IpAddr::V4(partner)) => {
            local != partner && local.is_link_local() && partner.is_link_local()
        }
        (IpAddr::V6(local), _) => local.is_unicast_link_local() && flags & IFA_F_NODAD != 0,
        _ => false,
    }
}

fn parse_neighbour(body: &[u8]) -> Option<Message> {
    let attributes = body.get(12..)?;
    Some(Message::Neighbour {
        index: index_at(body, 4)?,
        ip: ip(*body.first()?, attribute(attributes, NDA_DST)?)?,
        is_ours: attribute(attributes, NDA_PROTOCOL).is_some_and(|mark| mark.first() == Some(&OURS)),
    })
}

fn parse_route(body: &[u8]) -> Option<Message> {
    let attributes = body.get(12..)?;
    let to = ip(*body.first()?, attribute(attributes, RTA_DST)?)?;
    let index =
        attribute(attributes, RTA_OIF).map_or(Some(IfIndex::default()), |value| index_at(value, 0))?;
    let is_host = *body.get(1)? == if to.is_ipv4() { 32 } else { 128 };
    is_host.then_some(Message::HostRoute { index, to })
}

fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        INET => Some(Ipv4Addr::from(*value.first_chunk::<4>()?).into()),
        INET6 => Some(Ipv6Addr::from(*value.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// Value of the first attribute of this kind.
fn attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let (attribute, rest) = cut(bytes, u16_at(bytes, 0)?.into())?;
        let value = attribute.get(4..)?;
        if u16_at(attribute, 2)? & TYPE_MASK == kind {
            return Some(value);
        }
        bytes = rest;
    }
}

/// Splits off one piece of this length, with its padding.
fn cut(bytes: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let piece = bytes.get(..len)?;
    Some((piece, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn index_at(bytes: &[u8], at: usize) -> Option<IfIndex> {
    u32_at(bytes, at).map(IfIndex)
}

/// A request. Its answer ends with an outcome.
pub(crate) struct Request {
    kind: u16,
    flags: c_int,
    body: Vec<u8>,
}

impl Request {
    /// A request without attributes; `header` is what its kind begins with, such as `ifinfomsg`.
    fn new(kind: u16, flags: c_int, header: &[[u8; 4]]) -> Request {
        Request {
            kind,
            flags: flags | NLM_F_REQUEST | NLM_F_ACK,
            body: header.concat(),
        }
    }

    fn with(mut self, kind: u16, value: &[u8]) -> Request {
        // Our own attributes are short.
        let len = (4 + value.len()) as u16;
        self.body
            .extend([len.to_ne_bytes(), kind.to_ne_bytes()].as_flattened());
        self.body.extend(value);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self
    }

    fn with_ip(self, kind: u16, ip: IpAddr) -> Request {
        match ip {
            IpAddr::V4(ip) => self.with(kind, &ip.octets()),
            IpAddr::V6(ip) => self.with(kind, &ip.octets()),
        }
    }

    fn link(kind: u16, index: IfIndex, set: u32, change: u32) -> Request {
        let [index, set, change] = [index.0, set, change].map(u32::to_ne_bytes);
        Request::new(kind, 0, &[[0; 4], index, set, change])
    }

    pub(crate) fn one_link(index: IfIndex) -> Request {
        Request::link(RTM_GETLINK, index, 0, 0)
    }

    pub(crate) fn set_up(index: IfIndex, is_up: bool) -> Request {
        Request::link(RTM_SETLINK, index, if is_up { UP } else { 0 }, UP)
    }

    pub(crate) fn set_mac(index: IfIndex, mac: Mac) -> Request {
        Request::link(RTM_SETLINK, index, 0, 0).with(IFLA_ADDRESS, &mac.0)
    }

    /// Gives it the first free name of a cable, and keeps the former one in its alias.
    pub(crate) fn take(index: IfIndex, former: Name) -> Request {
        Request::named(index, "gamelink%d", &format!("{TAKEN}{}", former.as_str()))
    }

    /// Gives it back under this name.
    pub(crate) fn give_back(index: IfIndex, name: Name) -> Request {
        Request::named(index, name.as_str(), "")
    }

    fn named(index: IfIndex, name: &str, alias: &str) -> Request {
        Request::link(RTM_SETLINK, index, 0, 0)
            .with(IFLA_IFNAME, &[name.as_bytes(), &[0]].concat())
            .with(IFLA_IFALIAS, alias.as_bytes())
    }

    /// Sets the mode of the link-local address; by netlink, as a sandbox may forbid `/proc/sys`.
    pub(crate) fn set_addr_gen_mode(index: IfIndex, mode: AddrGenMode) -> Request {
        let empty = || Request::new(0, 0, &[]);
        let mode = empty().with(IFLA_INET6_ADDR_GEN_MODE, &[mode.0]);
        let inet6 = empty().with(u16::from(INET6) | NESTED, &mode.body);
        Request::link(RTM_SETLINK, index, 0, 0).with(IFLA_AF_SPEC | NESTED, &inet6.body)
    }

    fn address(kind: u16, flags: c_int, index: IfIndex, local: IpAddr, peer: IpAddr) -> Request {
        let (family, prefix, partner) = match local {
            IpAddr::V4(_) => (INET, 32, peer),
            IpAddr::V6(_) => (INET6, 64, local),
        };
        let header = [[family, prefix, 0, RT_SCOPE_LINK], index.0.to_ne_bytes()];
        Request::new(kind, flags, &header)
            .with_ip(IFA_LOCAL, local)
            .with_ip(IFA_ADDRESS, partner)
    }

    /// Adds an address without duplicate address detection; IPv4 with `peer` as its partner.
    pub(crate) fn add_address(index: IfIndex, local: IpAddr, peer: IpAddr) -> Request {
        Request::address(RTM_NEWADDR, SET, index, local, peer)
            .with(IFA_FLAGS, &(IFA_F_NODAD | IFA_F_PERMANENT).to_ne_bytes())
            .with(IFA_PROTO, &[OURS])
    }

    pub(crate) fn remove_address(index: IfIndex, local: IpAddr, peer: IpAddr) -> Request {
        Request::address(RTM_DELADDR, 0, index, local, peer)
    }

    fn neighbour(kind: u16, flags: c_int, index: IfIndex, ip: IpAddr) -> Request {
        let family = if ip.is_ipv4() { INET } else { INET6 };
        let [low, high] = NUD_PERMANENT.to_ne_bytes();
        let header = [[family, 0, 0, 0], index.0.to_ne_bytes(), [low, high, 0, 0]];
        Request::new(kind, flags, &header).with_ip(NDA_DST, ip)
    }

    /// Adds a permanent entry.
    pub(crate) fn add_neighbour(index: IfIndex, ip: IpAddr, mac: Mac) -> Request {
        Request::neighbour(RTM_NEWNEIGH, SET, index, ip)
            .with(NDA_LLADDR, &mac.0)
            .with(NDA_PROTOCOL, &[OURS])
    }

    pub(crate) fn remove_neighbour(index: IfIndex, ip: IpAddr) -> Request {
        Request::neighbour(RTM_DELNEIGH, 0, index, ip)
    }

    pub(crate) fn all_links() -> Request {
        Request::new(RTM_GETLINK, NLM_F_DUMP, &[[0; 4]; 4])
    }

    /// All addresses, of all interfaces.
    pub(crate) fn all_addresses() -> Request {
        Request::new(RTM_GETADDR, NLM_F_DUMP, &[[0; 4]; 2])
    }

    /// All neighbours, of all interfaces.
    pub(crate) fn all_neighbours() -> Request {
        Request::new(RTM_GETNEIGH, NLM_F_DUMP, &[[0; 4]; 3])
    }

    /// All routes of IPv4.
    pub(crate) fn all_routes() -> Request {
        Request::new(RTM_GETROUTE, NLM_F_DUMP, &[[INET, 0, 0, 0], [0; 4], [0; 4]])
    }

    /// The bytes to send, numbered.
    pub(crate) fn finish(self, sequence: u32) -> Vec<u8> {
        let len = (16 + self.body.len()) as u32;
        let kind = [self.kind, self.flags as u16].map(u16::to_ne_bytes);
        let (len, sequence) = (len.to_ne_bytes(), sequence.to_ne_bytes());
        [&len, kind.as_flattened(), &sequence, &[0; 4], &self.body].concat()
    }
}

#[cfg(test)]
mod tests;
