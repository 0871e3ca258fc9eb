//! Where a player says that a peer is: addresses, and names of which the addresses are looked up.

use super::address::{BindAddress, ParseAddressError, PeerAddress, PeerAddresses};
use super::address::{parse, parse_list, parse_port, write_list};
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

/// Port of the link where none is written: the stock core's own.
const DEFAULT_PORT: u16 = 56400;

/// Length of a name, and of a part of it, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// One place where the peer may be: `192.0.2.1:56400`, `raspi.local`, or `player.example.org:56400`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PeerHost {
    Address(PeerAddress),
    Name(HostName),
}

/// A name and a UDP port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct HostName {
    name: String,
    port: u16,
}

/// Places where one peer may be, in the order in which they are tried: from one to eight addresses and names,
/// no two the same.
///
/// As text with commas between them: `192.0.2.1:56400,raspi.local`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerHosts(Vec<PeerHost>);

/// A name without an address that can be used, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot resolve {name}: {reason}")]
pub struct LookupError {
    /// The name.
    pub name: String,
    /// Words of the resolver.
    pub reason: String,
}

impl PeerHosts {
    /// The addresses that need no lookup, if there are any.
    #[must_use]
    pub fn addresses(&self) -> Option<PeerAddresses> {
        let addresses = self.0.iter().filter_map(|host| match host {
            PeerHost::Address(address) => Some(vec![address.clone()]),
            PeerHost::Name(_) => None,
        });
        PeerAddresses::interleaved(&addresses.collect::<Vec<_>>())
    }

    /// True if there is something to be looked up.
    pub(super) fn has_names(&self) -> bool {
        self.0.iter().any(|host| matches!(host, PeerHost::Name(_)))
    }

    /// Looks up the names, which may block for many seconds: what was found at each place, in order.
    pub(super) fn look_up(&self) -> Vec<Result<Vec<PeerAddress>, LookupError>> {
        let look_up = |host: &PeerHost| match host {
            PeerHost::Address(address) => Ok(vec![address.clone()]),
            PeerHost::Name(name) => name.look_up(),
        };
        self.0.iter().map(look_up).collect()
    }
}

impl HostName {
    fn look_up(&self) -> Result<Vec<PeerAddress>, LookupError> {
        let found = (self.name.as_str(), self.port).to_socket_addrs();
        let addresses: Vec<_> = found
            .map_err(|error| self.error(reason(&error)))?
            .filter_map(usable)
            .collect();
        match addresses.is_empty() {
            true => Err(self.error("it has no address that can be used".to_owned())),
            false => Ok(addresses),
        }
    }

    fn error(&self, reason: String) -> LookupError {
        let name = self.name.clone();
        LookupError { name, reason }
    }
}

/// Words of the resolver, without what the standard library puts before it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let bare = text.strip_prefix("failed to lookup address information: ");
    bare.unwrap_or(&text).to_owned()
}

/// The address as a peer's, where one peer can have it.
fn usable(address: SocketAddr) -> Option<PeerAddress> {
    let ip = address.ip();
    let interface = match address {
        SocketAddr::V6(address) if address.scope_id() != 0 => Some(address.scope_id().to_string()),
        _ => None,
    };
    let address = PeerAddress {
        ip,
        port: address.port(),
        interface,
    };
    address.check().is_ok().then_some(address)
}

impl From<PeerAddresses> for PeerHosts {
    fn from(addresses: PeerAddresses) -> Self {
        PeerHosts(addresses.iter().cloned().map(PeerHost::Address).collect())
    }
}

impl FromStr for PeerHosts {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_list(text).map(PeerHosts)
    }
}

impl FromStr for PeerHost {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(name) = HostName::parse(text) {
            return name.map(PeerHost::Name);
        }
        let with_port = |BindAddress { ip, port, interface }| {
            let port = port.unwrap_or(DEFAULT_PORT);
            let address = PeerAddress { ip, port, interface };
            address.check().map(|()| address)
        };
        parse(text, with_port).map(PeerHost::Address)
    }
}

impl HostName {
    /// The name and port that this is; `None` where it looks like an address.
    fn parse(text: &str) -> Option<Result<HostName, ParseAddressError>> {
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        };
        // More than one `:` is an IPv6 address.
        if !is_name(name) || port.is_some_and(|port| port.contains(':')) {
            return None;
        }
        let port = match port {
            None => Ok(DEFAULT_PORT),
            Some(port) => parse_port(port),
        };
        let of = |port| HostName {
            name: name.to_owned(),
            port,
        };
        Some(
            port.map(of)
                .map_err(|reason| ParseAddressError::new(text, reason)),
        )
    }
}

/// True for what a resolver may know: labels of letters, digits, `-` and `_`, the last one not a number, as
/// those of an address are.
fn is_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(is_part)
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= MAX_NAME && text.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for PeerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerHost::Address(address) => address.fmt(f),
            PeerHost::Name(HostName { name, port }) => write!(f, "{name}:{port}"),
        }
    }
}

impl fmt::Display for PeerHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> PeerHosts {
        text.parse().unwrap()
    }

    #[test]
    fn names_and_addresses_are_told_apart_and_a_port_may_be_left_out() {
        for (text, read) in [
            ("raspi.local", "raspi.local:56400"),
            ("Player-1.example.org.:7", "Player-1.example.org.:7"),
            ("gameboy", "gameboy:56400"),
            ("192.0.2.1", "192.0.2.1:56400"),
            ("[fe80::1%usb0]", "[fe80::1%usb0]:56400"),
            ("fe80::1%usb0", "[fe80::1%usb0]:56400"),
            ("2001:db8::7", "[2001:db8::7]:56400"),
            (
                "192.0.2.1:5, raspi.local,raspi.local:56400",
                "192.0.2.1:5,raspi.local:56400",
            ),
        ] {
            assert_eq!(hosts(text).to_string(), read, "{text}");
            assert_eq!(hosts(read), hosts(text));
        }
    }

    #[test]
    fn what_is_neither_says_what_to_write() {
        for (text, hint) in [
            ("", "neither"),
            ("10.0.0", "neither"),
            ("300.1.1.1:5", "neither"),
            ("a..b", "neither"),
            ("some where:5", "neither"),
            ("raspi.local:0", "1 to 65535"),
            ("raspi.local:", "1 to 65535"),
            ("a,b,c,d,e,f,g,h,i", "at most eight"),
        ] {
            let error = text.parse::<PeerHosts>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn a_name_of_this_machine_is_found_and_one_that_does_not_exist_is_named() {
        let found = hosts("name.invalid,localhost:7").look_up();
        let [Err(error), Ok(addresses)] = &found[..] else {
            panic!("{found:?}");
        };
        let is_own = |address: &PeerAddress| address.ip.is_loopback() && address.port == 7;
        assert!(addresses.iter().all(is_own), "{addresses:?}");
        let error = error.to_string();
        assert!(error.starts_with("cannot resolve name.invalid: "), "{error}");
        assert!(!error.contains("failed to lookup"), "{error}");
    }

    #[test]
    fn addresses_that_no_peer_can_have_are_left_out() {
        for useless in ["0.0.0.0:7", "224.0.0.1:7", "[fe80::1]:7", "192.0.2.1:0"] {
            assert_eq!(usable(useless.parse().unwrap()), None, "{useless}");
        }
        let scoped = usable("[fe80::1%3]:7".parse().unwrap()).unwrap();
        assert_eq!(scoped.to_string(), "[fe80::1%3]:7");
    }
}
