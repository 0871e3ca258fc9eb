//! Use of an interface by others than the daemon: routes, addresses, connections, and managers' profiles.

use super::netlink::Route;
use super::{environment, sysctl};
use crate::identity::IfIndex;
use crate::machine::custody::Usage;
use crate::wire::netlink::{Link, Message, Request};
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::{fs, thread};

/// The use of an interface, as far as it can be read at once.
pub(crate) fn read(link: &Link, route: &mut Route) -> Option<Usage> {
    let name = link.name.as_str();
    if link.master.is_some() {
        return Some(Usage::Bridged);
    }
    if !sysctl::default_routes(name).is_empty() {
        return Some(Usage::DefaultRoute);
    }
    let addresses = addresses(link.index, route);
    if let Some(&address) = addresses.iter().find(|address| !is_unasked(address)) {
        return Some(Usage::Address(address));
    }
    profile(link.index, name).or_else(|| is_connected(&addresses).then_some(Usage::Connection))
}

fn addresses(index: IfIndex, route: &mut Route) -> Vec<IpAddr> {
    let mut found = vec![];
    // A list that cannot be read is empty.
    let _ = route.ask(Request::all_addresses(), |message| {
        if let Message::Address { index: of, local, .. } = message
            && of == index
        {
            found.push(local);
        }
    });
    found
}

/// True for an address that a kernel or a manager gives unasked.
fn is_unasked(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// A profile of the owner's that can be read at once.
fn profile(index: IfIndex, name: &str) -> Option<Usage> {
    let ifupdown = [
        "/run/network/ifstate".into(),
        format!("/run/network/ifstate.{name}"),
    ];
    let mut states = ifupdown.iter().filter_map(environment::read);
    if states.any(|state| is_up_by_ifupdown(&state, name)) {
        return Some(Usage::Profile("ifupdown (/etc/network/interfaces)"));
    }
    let networkd = environment::read(format!("/run/systemd/netif/links/{}", index.0))?;
    is_owners_by_networkd(&networkd).then_some(Usage::Profile("systemd-networkd (/etc/systemd/network)"))
}

/// Lines `usb0=usb0`: an interface, and the stanza that set it up.
fn is_up_by_ifupdown(state: &str, name: &str) -> bool {
    let mut lines = state.lines();
    lines.any(|line| line.split('=').next() == Some(name))
}

/// The state of a link has the file that it was set up by; those in other folders are not the owner's.
fn is_owners_by_networkd(state: &str) -> bool {
    let mut lines = state.lines();
    lines.any(|line| line.starts_with("NETWORK_FILE=/etc/") || line.starts_with("NETWORK_FILE=/run/"))
}

/// True if an open TCP connection has one of these addresses here.
fn is_connected(addresses: &[IpAddr]) -> bool {
    let is_open = |table| fs::read_to_string(table).is_ok_and(|table| has_connection(&table, addresses));
    !addresses.is_empty() && ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().any(is_open)
}

/// `/proc/net/tcp`: number, local address and port, remote ones, state (`01` is established).
fn has_connection(table: &str, addresses: &[IpAddr]) -> bool {
    let wanted: Vec<String> = addresses.iter().map(in_proc).collect();
    table.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, "01", ..] = words[..] else {
            return false;
        };
        let local = local.split(':').next().unwrap_or_default();
        wanted.iter().any(|address| address == local)
    })
}

/// An address as `/proc/net` has it: words of 32 bits, in the order of this machine.
fn in_proc(address: &IpAddr) -> String {
    let bytes = match address {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().fold(String::new(), |mut text, word| {
        // Writing to a string does not fail.
        let _ = write!(text, "{:08X}", u32::from_ne_bytes(*word));
        text
    })
}

/// A question to `NetworkManager`, which takes a moment: has the owner a profile for an interface?
#[derive(Debug)]
pub(crate) struct Inquiry(Receiver<Option<Usage>>);

impl Inquiry {
    /// Asks by `nmcli`, which any user may.
    pub(crate) fn start(name: &str) -> Inquiry {
        let (sender, receiver) = channel();
        let name = name.to_owned();
        let ask = move || {
            let is_profile = Path::new("/run/NetworkManager").exists() && has_networkmanager_profile(&name);
            // Nobody listens where the interface is gone.
            let _ = sender.send(is_profile.then_some(Usage::Profile("NetworkManager")));
        };
        // Without a thread the sender is gone, and the answer is that it is not known.
        let _ = thread::Builder::new().name("nmcli".into()).spawn(ask);
        Inquiry(receiver)
    }

    /// The answer, when it is there.
    pub(crate) fn poll(&self) -> Option<Result<(), Usage>> {
        match self.0.try_recv() {
            Ok(usage) => Some(usage.map_or(Ok(()), Err)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Ok(())),
        }
    }
}

fn has_networkmanager_profile(name: &str) -> bool {
    let output = Command::new("nmcli")
        .args(["-t", "-f", "FILENAME,DEVICE", "connection", "show", "--active"])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    // Without the program, or without its daemon, there is no profile.
    output.is_ok_and(|output| is_owners_by_networkmanager(&String::from_utf8_lossy(&output.stdout), name))
}

/// Lines `FILE:DEVICE`. The profile that `NetworkManager` makes for an interface without one is in `/run`.
fn is_owners_by_networkmanager(active: &str, name: &str) -> bool {
    active.lines().any(|line| {
        let (file, device) = line.rsplit_once(':').unwrap_or_default();
        device == name && !file.starts_with("/run/")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_nobody_asked_for_are_no_use() {
        for (address, is_use) in [
            ("192.168.42.17", true),
            ("10.1.1.1", true),
            ("fd00::1", true),
            ("2001:db8::17", true),
            ("169.254.9.1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(!is_unasked(&address.parse().unwrap()), is_use, "{address}");
        }
    }

    #[test]
    fn an_open_connection_is_told_from_listeners_and_from_others() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
             0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n\
             1: 0109FEA9:0016 0209FEA9:D431 01 00000000:00000000 02:000AFF33 00000000     0\n\
             2: 0209FEA9:0016 0309FEA9:D431 06 00000000:00000000 02:000AFF33 00000000     0\n";
        let has = |address: &str| has_connection(table, &[address.parse().unwrap()]);
        assert!(has("169.254.9.1"));
        assert!(!has("169.254.9.2") && !has("0.0.0.0") && !has("fe80::1"));
        let v6 = "0: 000080FE00000000FFCA5578 3FEFD2FE:0016 0 01";
        assert!(!has_connection(v6, &["fe80::1".parse().unwrap()]));
        let v6 =
            "   1: 000080FE00000000FFCA55783FEFD2FE:0016 000080FE000000000100000002000000:C1 01 00000000:0";
        assert!(has_connection(
            v6,
            &["fe80::7855:caff:fed2:ef3f".parse().unwrap()]
        ));
    }

    #[test]
    fn profiles_of_the_owners_are_told_from_those_that_managers_make() {
        assert!(is_up_by_ifupdown("lo=lo\nusb0=usb0\n", "usb0"));
        assert!(!is_up_by_ifupdown("lo=lo\nusb01=usb01\n", "usb0"));
        assert!(is_owners_by_networkd(
            "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/usb.network\n"
        ));
        assert!(!is_owners_by_networkd(
            "NETWORK_FILE=/usr/lib/systemd/network/80-auto-link-local.network\n"
        ));
        assert!(!is_owners_by_networkd("ADMIN_STATE=unmanaged\n"));
        let active = "/run/NetworkManager/system-connections/Wired connection 1.nmconnection:enx52bedfac1066\n\
             /etc/NetworkManager/system-connections/Board\\: ssh.nmconnection:usb0\n";
        assert!(is_owners_by_networkmanager(active, "usb0"));
        assert!(!is_owners_by_networkmanager(active, "enx52bedfac1066"));
        assert!(!is_owners_by_networkmanager(active, "usb1"));
    }
}
