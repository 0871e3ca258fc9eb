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

// linux/if_link.h, linux/if_addr.h, linux/neighbour.h: those that libc does not have.
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const NDA_PROTOCOL: u16 = 12;
const INET: u8 = libc::AF_INET as u8;
const INET6: u8 = libc::AF_INET6 as u8;
/// A nested attribute.
const NESTED: u16 = libc::NLA_F_NESTED as u16;

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
