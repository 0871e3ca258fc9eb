//! The dozen rtnetlink messages that the daemon speaks.
//!
//! Own code rather than a crate of all of rtnetlink: an attribute that a newer kernel lengthens must not make the whole
//! message unreadable, one buffer serves all requests, and the marks by which a later start knows what is ours (`IFA_PROTO`,
//! `NDA_PROTOCOL`) are written and read in the same place. Integers are in the machine's own order, as the kernel wants them.

mod parse;
mod request;

pub(crate) use parse::parse;
pub(crate) use request::Request;

use crate::identity::{IfIndex, Mac, Name};
use std::net::IpAddr;

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
}

/// Something the kernel said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// An interface is there, or has changed.
    Link(Link),
    /// An interface is gone.
    LinkGone(IfIndex),
    /// An address is there, or gone.
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
    /// A route to a single address is there, by this interface where it has one.
    HostRoute { index: IfIndex, to: IpAddr },
    /// A request was carried out (0), or not (the error number).
    Outcome(i32),
    /// A list is at its end.
    Done,
    /// Anything else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_we_write_is_read_as_ours() {
        let local: IpAddr = "fe80::17".parse().unwrap();
        let bytes = Request::add_address(IfIndex(5), local, local).finish(9);
        let mut seen = vec![];
        parse(&bytes, |sequence, message| seen.push((sequence, message)));
        let expected = Message::Address {
            index: IfIndex(5),
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
        let whole = Request::add_neighbour(IfIndex(5), "169.254.1.2".parse().unwrap(), Mac([2; 6])).finish(1);
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
