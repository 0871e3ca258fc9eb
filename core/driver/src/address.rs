//! The addresses that a player or the daemon may write.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;

/// Where the peer receives: `192.0.2.1:56400` or `[fe80::1%usb0]:56400`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddress {
    /// The peer's address.
    pub ip: IpAddr,
    /// The peer's UDP port.
    pub port: u16,
    /// The interface of a link-local address, by name or number.
    pub interface: Option<String>,
}

/// Addresses of one peer that are tried; more than a machine has in two families, on two networks.
pub const MOST_ADDRESSES: usize = 8;

/// Where one peer may be: from one to [`MOST_ADDRESSES`] addresses, no two the same.
///
/// As text with commas between them: `192.0.2.1:56400,[2001:db8::1]:56400`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddresses(Vec<PeerAddress>);

/// Where to receive: `127.0.0.2` or `127.0.0.2:56400`; the peer's port where none is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BindAddress {
    /// The local address.
    pub ip: IpAddr,
    /// The local UDP port.
    pub port: Option<u16>,
    /// The interface of a link-local address, by name or number.
    pub interface: Option<String>,
}

/// An address that cannot be used, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address: {reason}")]
pub struct ParseAddressError {
    text: String,
    reason: &'static str,
}

impl FromStr for PeerAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text, |BindAddress { ip, port, interface }| {
            let port = port.ok_or("write ADDRESS:PORT, or [ADDRESS%INTERFACE]:PORT for IPv6")?;
            let address = PeerAddress { ip, port, interface };
            address.check().map(|()| address)
        })
    }
}

impl PeerAddress {
    /// Checks that one peer can have this address; else says why not.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let is_link_local = matches!(self.ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        if self.ip.is_unspecified() || self.ip.is_multicast() || self.port == 0 {
            Err("the peer needs an address of its own")
        } else if is_link_local && self.interface.is_none() {
            Err("a link-local address needs its interface, as in [fe80::1%usb0]:56400")
        } else {
            Ok(())
        }
    }
}

impl PeerAddresses {
    /// The addresses, the first of them first.
    pub fn iter(&self) -> std::slice::Iter<'_, PeerAddress> {
        self.0.iter()
    }

    /// The first address.
    #[must_use]
    pub fn first(&self) -> &PeerAddress {
        self.0.first().expect("there is at least one")
    }

    /// True if there is no other than the first.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.0.len() == 1
    }

    /// The first of each list, then the second of each, as many as there may be; `None` of nothing.
    pub(super) fn interleaved(lists: &[Vec<PeerAddress>]) -> Option<PeerAddresses> {
        let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
        let all = (0..longest).flat_map(|place| lists.iter().filter_map(move |list| list.get(place)));
        let mut addresses = Vec::new();
        for address in all {
            if addresses.len() < MOST_ADDRESSES && !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        (!addresses.is_empty()).then_some(PeerAddresses(addresses))
    }

    /// True if both have the same addresses, in any order.
    pub(super) fn has_same(&self, other: &PeerAddresses) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|address| other.0.contains(address))
    }
}

impl From<PeerAddress> for PeerAddresses {
    fn from(address: PeerAddress) -> Self {
        PeerAddresses(vec![address])
    }
}

impl<'a> IntoIterator for &'a PeerAddresses {
    type Item = &'a PeerAddress;
    type IntoIter = std::slice::Iter<'a, PeerAddress>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromStr for PeerAddresses {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_list(text).map(PeerAddresses)
    }
}

/// Reads a list with commas, in which nothing is there twice.
pub(super) fn parse_list<T>(text: &str) -> Result<Vec<T>, ParseAddressError>
where
    T: FromStr<Err = ParseAddressError> + PartialEq,
{
    let mut list = Vec::new();
    for part in text.split(',') {
        let one = part.trim().parse()?;
        if !list.contains(&one) {
            list.push(one);
        }
        if list.len() > MOST_ADDRESSES {
            return Err(ParseAddressError::new(text, "a peer has at most eight"));
        }
    }
    Ok(list)
}

/// Writes a list with commas.
pub(super) fn write_list<T: fmt::Display>(list: &[T], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut gap = "";
    for one in list {
        write!(f, "{gap}{one}")?;
        gap = ",";
    }
    Ok(())
}

impl ParseAddressError {
    pub(super) fn new(text: &str, reason: &'static str) -> ParseAddressError {
        let text = text.to_owned();
        ParseAddressError { text, reason }
    }
}

impl FromStr for BindAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text, Ok)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ip, &self.interface) {
            (IpAddr::V6(ip), Some(interface)) => write!(f, "[{ip}%{interface}]:{}", self.port),
            (ip, _) => SocketAddr::new(ip, self.port).fmt(f),
        }
    }
}

impl fmt::Display for PeerAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(&self.0, f)
    }
}

/// Reads an address, of which `check` makes what is wanted.
pub(super) fn parse<T>(
    text: &str,
    check: impl FnOnce(BindAddress) -> Result<T, &'static str>,
) -> Result<T, ParseAddressError> {
    let read = split(text).and_then(check);
    read.map_err(|reason| ParseAddressError::new(text, reason))
}

/// Reads a port that a peer can have.
pub(super) fn parse_port(text: &str) -> Result<u16, &'static str> {
    let port = text.parse().map(NonZeroU16::get);
    port.map_err(|_| "the port is a number from 1 to 65535")
}

fn split(text: &str) -> Result<BindAddress, &'static str> {
    const BAD_IP: &str = "this is neither an IPv4 nor an IPv6 address";
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("a `]` is missing")?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err("after `]` comes `:PORT`"),
        }
    } else if text.matches(':').count() == 1 {
        let (host, port) = text.split_once(':').ok_or(BAD_IP)?;
        (host, Some(port))
    } else {
        (text, None)
    };
    let port = port.map(parse_port).transpose()?;
    let (ip, interface) = match host.split_once('%') {
        Some((_, "")) => return Err("after `%` comes the interface's name"),
        // IFNAMSIZ is 16 with its final zero.
        Some((_, name)) if name.len() > 15 => return Err("an interface's name has at most 15 characters"),
        Some((ip, name)) => (ip, Some(name.to_owned())),
        None => (host, None),
    };
    let ip = ip.parse().map_err(|_| BAD_IP)?;
    if interface.is_some() && matches!(ip, IpAddr::V4(_)) {
        return Err("an IPv4 address takes no interface");
    }
    Ok(BindAddress { ip, port, interface })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses_round_trip() {
        for text in ["127.0.0.2:56400", "[fe80::1%usb0]:56400", "[2001:db8::7]:1"] {
            assert_eq!(text.parse::<PeerAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn bad_addresses_say_what_to_write() {
        for (text, hint) in [
            ("", "neither"),
            ("gameboy:56400", "neither"),
            ("10.0.0.1", "ADDRESS:PORT"),
            ("10.0.0.1:0", "1 to 65535"),
            ("10.0.0.1:99999", "1 to 65535"),
            ("[fe80::1]:5", "needs its interface"),
            ("[fe80::1%]:5", "interface's name"),
            ("[fe80::1%usb0:5", "`]` is missing"),
            ("0.0.0.0:5", "an address of its own"),
        ] {
            let error = text.parse::<PeerAddress>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn a_peer_may_have_several_addresses() {
        let text = "192.0.2.1:56400,[2001:db8::1]:56400";
        let addresses: PeerAddresses = text.parse().unwrap();
        assert_eq!(addresses.to_string(), text);
        assert!(!addresses.is_single() && addresses.first().ip.is_ipv4());
        let spaced: PeerAddresses = " 192.0.2.1:56400, [2001:db8::1]:56400,192.0.2.1:56400"
            .parse()
            .unwrap();
        assert_eq!(spaced, addresses, "blanks do not count, nor what is there twice");
        assert!("192.0.2.1:56400,".parse::<PeerAddresses>().is_err());
        let many = |count| {
            (1..=count)
                .map(|port| format!("192.0.2.1:{port}"))
                .collect::<Vec<_>>()
        };
        assert!(many(8).join(",").parse::<PeerAddresses>().is_ok());
        let error = many(9)
            .join(",")
            .parse::<PeerAddresses>()
            .unwrap_err()
            .to_string();
        assert!(error.contains("at most eight"), "{error}");
    }

    #[test]
    fn of_too_many_addresses_each_place_keeps_its_first() {
        let list = |ip: &str, count: u16| -> Vec<PeerAddress> {
            let one = |port| format!("{ip}:{port}").parse().unwrap();
            (1..=count).map(one).collect()
        };
        let lists = [list("192.0.2.1", 20), list("198.51.100.1", 2)];
        let found = PeerAddresses::interleaved(&lists).unwrap();
        assert_eq!(found.iter().count(), MOST_ADDRESSES);
        assert!(
            lists[1]
                .iter()
                .all(|address| found.iter().any(|one| one == address))
        );
        assert_eq!(found.first(), &lists[0][0]);
        assert_eq!(PeerAddresses::interleaved(&[vec![], vec![]]), None);
    }

    #[test]
    fn a_bind_address_may_leave_out_the_port() {
        let bind: BindAddress = "127.0.0.2".parse().unwrap();
        assert_eq!((bind.ip, bind.port), ("127.0.0.2".parse().unwrap(), None));
        assert_eq!("[::1]:7".parse::<BindAddress>().unwrap().port, Some(7));
    }
}
