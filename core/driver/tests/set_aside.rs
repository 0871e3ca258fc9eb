//! Finds of a daemon while netplay is used: two links that follow daemons and are joined by packets.

mod parts;

use gamelink_core::control::LinkState;
use gamelink_driver::{Key, Transport};
use parts::followed::Followed;
use parts::wires::{Wires, until_linked_by};
use parts::{addresses, until};
use std::net::{SocketAddrV4, UdpSocket};

const LAN: &str = "wlan0";
const CABLE: &str = "usb0";

/// Two ends, their addresses and the wires of their netplay.
struct Table {
    ends: [Followed; 2],
    addresses: [SocketAddrV4; 2],
    wires: Wires,
}

impl Table {
    fn new(name: &str) -> Table {
        let [a, b, ..] = addresses();
        let ends = ["a", "b"].map(|end| Followed::new(&format!("{name}-{end}")));
        ends.iter().for_each(|end| end.link.game_connect());
        Table {
            ends,
            addresses: [a, b],
            wires: Wires::default(),
        }
    }

    fn join_netplay(&self) {
        let [a, b] = &self.ends;
        self.wires.join(&a.link, &b.link);
        self.until_linked_by(Transport::Netplay);
    }

    fn leave_netplay(&self) {
        self.ends.iter().for_each(|end| end.link.leave_netplay());
    }

    fn until_linked_by(&self, transport: Transport) {
        let [a, b] = &self.ends;
        until_linked_by(transport, &a.link, &b.link);
    }

    /// Both daemons find the other end, on a LAN or at a cable.
    fn peer_up(&mut self, interface: &str) {
        let [a, b] = self.addresses;
        for (end, [own, peer]) in self.ends.iter_mut().zip([[a, b], [b, a]]) {
            match interface {
                LAN => end.peer_up_with_key(LAN, peer, own, &Key::new([3; 16]).reveal()),
                cable => end.peer_up_on(cable, peer, own),
            }
        }
    }

    fn peer_down(&mut self, interface: &str, cause: &str) {
        let ends = self.ends.iter_mut();
        ends.for_each(|end| end.peer_down_on(interface, cause));
    }

    /// Waits until both ends hold their port, or neither does.
    fn until_ports_are(&self, is_held: bool) {
        until("ports as the daemons want them", || {
            let mut addresses = self.addresses.iter();
            addresses.all(|own| UdpSocket::bind(own).is_err() == is_held)
        });
    }

    /// Asserts that netplay was used all the time since it was joined.
    fn assert_undisturbed(&self, losses: u64) {
        self.until_linked_by(Transport::Netplay);
        for end in &self.ends {
            assert_eq!(end.link.report().counters.losses, losses);
        }
    }
}

#[test]
fn a_partner_on_a_lan_is_set_aside_until_netplay_ends() {
    let mut table = Table::new("lan");
    table.join_netplay();
    table.peer_up(LAN);
    table.until_ports_are(true);
    table.assert_undisturbed(0);
    // They lose sight of each other, for whatever cause, and are back.
    for cause in ["silent", "replaced", "restarted", "unplugged"] {
        table.peer_down(LAN, cause);
        table.until_ports_are(false);
        table.assert_undisturbed(0);
        table.peer_up(LAN);
        table.until_ports_are(true);
        table.assert_undisturbed(0);
    }
    table.leave_netplay();
    table.until_linked_by(Transport::Udp);
    assert_eq!(table.ends[0].link.peer_name().as_deref(), Some("den"));
}

#[test]
fn a_partner_who_was_lost_is_not_there_when_netplay_ends() {
    let mut table = Table::new("gone");
    table.join_netplay();
    table.peer_up(LAN);
    table.until_ports_are(true);
    table.peer_down(LAN, "silent");
    table.until_ports_are(false);
    table.leave_netplay();
    for end in &table.ends {
        assert_eq!(end.link.report().state, LinkState::Unplugged);
        assert_eq!(end.link.peer_name(), None);
    }
    table.peer_up(LAN);
    table.until_linked_by(Transport::Udp);
}

#[test]
fn a_cable_that_is_back_without_having_been_unplugged_is_set_aside() {
    let mut table = Table::new("back");
    table.peer_up(CABLE);
    table.until_linked_by(Transport::Udp);
    table.join_netplay();
    // A daemon was restarted, on either side, or another player's game had the cable for a while.
    for cause in ["stopped", "silent", "replaced"] {
        table.peer_down(CABLE, cause);
        table.until_ports_are(false);
        table.peer_up(CABLE);
        table.until_ports_are(true);
        table.assert_undisturbed(1);
    }
    table.peer_down(CABLE, "unplugged");
    table.until_ports_are(false);
    table.assert_undisturbed(1);
    table.peer_up(CABLE);
    table.until_linked_by(Transport::Udp);
}

#[test]
fn a_cable_takes_over_once_its_port_can_be_opened() {
    let mut table = Table::new("late");
    table.join_netplay();
    // As an address that is not there for a moment.
    let taken = table.addresses.map(|own| UdpSocket::bind(own).unwrap());
    table.peer_up(CABLE);
    table.assert_undisturbed(0);
    drop(taken);
    table.until_linked_by(Transport::Udp);
    // It is given other addresses, which are not there yet: netplay is used meanwhile.
    let [.., c, d] = addresses();
    table.addresses = [c, d];
    let taken = table.addresses.map(|own| UdpSocket::bind(own).unwrap());
    table.peer_up(CABLE);
    table.until_linked_by(Transport::Netplay);
    drop(taken);
    table.until_linked_by(Transport::Udp);
}
