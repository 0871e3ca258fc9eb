//! The rtnetlink messages that the daemon uses.
//!
//! Own code instead of a crate: an attribute that a newer kernel lengthens must not make the message
//! unreadable, and the marks of our addresses and neighbours (`IFA_PROTO`, `NDA_PROTOCOL`) are written and
//! read in one place. Integers are in native order, as the kernel requires.

mod parse;
mod request;

pub(crate) use parse::parse;
pub(crate) use request::Request;

use crate::identity::{IfIndex, Mac, Name};
use std::net::IpAddr;

/// Mark of our addresses and neighbours, for the start after a crash: `G`. The kernel only stores it.
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

/// Mode by which the kernel makes an interface's link-local address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddrGenMode(pub(crate) u8);

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
}

/// A message of the kernel.
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
    /// Result of a request: 0, or the error number.
    Outcome(i32),
    /// End of a list.
    Done,
    /// Any other message.
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
