//! Addresses, frames and waits of the test programs.
#![allow(dead_code, reason = "each test program uses its own part of this")]

pub(crate) mod followed;
pub(crate) mod wires;

use gamelink_core::control::LinkState;
use gamelink_core::serial::SerialControl;
use gamelink_driver::{Config, Link};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub(crate) const ARMED: SerialControl = SerialControl(0x80);
pub(crate) const IDLE: SerialControl = SerialControl(0x00);

/// Four loopback addresses with one port that is free on all of them, no two calls the same.
///
/// The process number is in the addresses and the port is below those that the kernel gives out, so that
/// nobody takes it between this call and its use.
pub(crate) fn addresses() -> [SocketAddrV4; 4] {
    static NEXT_PORT: AtomicU16 = AtomicU16::new(10_000);
    let process = std::process::id() & 0x3F_FFFF;
    let ips = [0, 1, 2, 3].map(|end| Ipv4Addr::from_bits(127 << 24 | process << 2 | end));
    loop {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        if ips.iter().all(|ip| UdpSocket::bind((*ip, port)).is_ok()) {
            return ips.map(|ip| SocketAddrV4::new(ip, port));
        }
    }
}

/// A link between two of these addresses.
pub(crate) fn config(own: SocketAddrV4, peer: SocketAddrV4) -> Config {
    Config {
        peer: Some(peer.to_string().parse().unwrap()),
        bind: Some(own.to_string().parse().unwrap()),
        ..Config::default()
    }
}

/// Waits for a fact; the limit is for what never comes.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "not within a minute: {what}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for as long as a silent peer is believed in, and then until all are heard once more.
pub(crate) fn until_still_heard(links: [&Link; 2]) {
    let start = Instant::now();
    until("the silence limit", || {
        start.elapsed() > Duration::from_millis(1500)
    });
    let received = links.map(|link| link.report().counters.received);
    for (link, received) in links.iter().zip(received) {
        until("more of the peer", || link.report().counters.received > received);
    }
}

/// One frame of a core that does this in it.
pub(crate) fn frame(link: &Link, serial_control: SerialControl, run: impl FnOnce()) {
    link.frame_start(Some(serial_control));
    run();
    link.frame_end(true, Duration::ZERO);
}

/// Frames without a transfer on both sides until each has heard of one of the other.
pub(crate) fn link_up(a: &Link, b: &Link) {
    until("both sides are linked and running", || {
        frame(a, IDLE, || {});
        frame(b, IDLE, || {});
        [a, b].iter().all(|link| link.report().state == LinkState::Linked)
    });
}
