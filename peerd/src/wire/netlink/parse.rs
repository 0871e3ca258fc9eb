//! Messages of the kernel.

use super::{
    AddrGenMode, IFA_FLAGS, IFA_PROTO, IFLA_INET6_ADDR_GEN_MODE, INET, INET6, Link, Message, NDA_PROTOCOL,
    OURS,
};
use crate::identity::{IfIndex, Mac, Name};
use libc::{
    ARPHRD_ETHER, IFA_ADDRESS, IFA_F_NODAD, IFA_LOCAL, IFF_UP, IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_CARRIER,
    IFLA_IFNAME, IFLA_MASTER, NDA_DST, RTA_DST, RTA_OIF, RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK,
    RTM_NEWNEIGH, RTM_NEWROUTE,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const ERROR: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;

/// Hands each message of a datagram, with its sequence number, to `take`; stops at damage.
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
    match kind {
        ERROR => Some(Message::Outcome(u32_at(body, 0)?.cast_signed().saturating_neg())),
        DONE => Some(Message::Done),
        RTM_NEWLINK => parse_link(body).map(Message::Link),
        RTM_DELLINK => index_at(body, 4).map(Message::LinkGone),
        RTM_NEWADDR | RTM_DELADDR => parse_address(body, kind == RTM_DELADDR),
        RTM_NEWNEIGH => parse_neighbour(body),
        RTM_NEWROUTE => parse_route(body),
        _ => None,
    }
}

fn parse_address(body: &[u8], is_gone: bool) -> Option<Message> {
    let (family, index) = (*body.first()?, index_at(body, 4)?);
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
    Some(Message::Address {
        index,
        local,
        partner,
        is_ours,
        is_like_ours: is_like_ours(local, partner, flags),
        is_gone,
    })
}

fn parse_neighbour(body: &[u8]) -> Option<Message> {
    let (family, index) = (*body.first()?, index_at(body, 4)?);
    let (mut to, mut is_ours) = (None, false);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            NDA_DST => to = ip(family, value),
            NDA_PROTOCOL => is_ours = value.first() == Some(&OURS),
            _ => {}
        }
    }
    let ip = to?;
    Some(Message::Neighbour { index, ip, is_ours })
}

fn parse_route(body: &[u8]) -> Option<Message> {
    let (family, prefix) = (*body.first()?, *body.get(1)?);
    let (mut to, mut index) = (None, IfIndex::default());
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            RTA_DST => to = ip(family, value),
            RTA_OIF => index = index_at(value, 0)?,
            _ => {}
        }
    }
    let to = to.filter(|to| prefix == if to.is_ipv4() { 32 } else { 128 })?;
    Some(Message::HostRoute { index, to })
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

fn parse_link(body: &[u8]) -> Option<Link> {
    let flags = u32_at(body, 8)?;
    let mut link = Link {
        index: index_at(body, 4)?,
        name: Name::default(),
        is_ethernet: u16_at(body, 2)? == ARPHRD_ETHER,
        is_up: flags & IFF_UP as u32 != 0,
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

/// Splits off one piece of its own length, at least `least`, with padding.
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

fn index_at(bytes: &[u8], at: usize) -> Option<IfIndex> {
    u32_at(bytes, at).map(IfIndex)
}
