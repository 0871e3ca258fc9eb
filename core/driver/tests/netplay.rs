//! Two links whose datagrams are packets of a frontend's netplay, over a wire of this test.

mod parts;

use gamelink_core::control::LinkState;
use gamelink_core::protocol::VERSION;
use gamelink_core::serial::Look;
use gamelink_driver::{Config, Link, MAX_DATAGRAM, Notice, PacketExchange, Patience, Transport};
use parts::wires::{DELAY, Wire, Wires, frontend, until_linked_by};
use parts::{ARMED, IDLE, addresses, config, frame, link_up, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn link(config: &Config) -> Link {
    let link = Link::start(config).unwrap();
    link.game_connect();
    link
}

/// Two without any cable, linked by netplay.
fn linked() -> (Link, Link, Wires) {
    let (a, b, wires) = (
        link(&Config::default()),
        link(&Config::default()),
        Wires::default(),
    );
    wires.join(&a, &b);
    link_up(&a, &b);
    (a, b, wires)
}

/// Asks once: what the game reads.
fn ask(link: &Link, byte: u8) -> u8 {
    link.game_write([byte, 0], None);
    let [answer, kind] = link.game_read(|| Patience::GoesOn);
    assert_eq!(kind, 0x80, "a reply");
    answer
}

/// Takes whatever is there and answers with its complement.
fn take(link: &Link) {
    if link.game_poll(Look::EventLoop, || None) {
        let [byte, kind] = link.game_read(|| Patience::GoesOn);
        assert_eq!(kind, 0, "a request");
        link.game_write([!byte, 0x80], None);
    }
}

#[test]
fn bytes_cross_and_the_clock_is_known() {
    let (a, b, _wires) = linked();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                frame(&b, ARMED, || (0..17).for_each(|_| take(&b)));
            }
        });
        for byte in 1..200 {
            until("an answer", || {
                let mut answer = 0xFF;
                frame(&a, IDLE, || answer = ask(&a, byte));
                // A machine that does other things for a quarter of a second makes the peer look paused.
                assert!([!byte, 0xFF].contains(&answer));
                answer == !byte
            });
        }
        is_done.store(true, Ordering::Relaxed);
    });
    let report = a.report();
    assert!(report.counters.transfers.taken >= 199 && report.counters.too_late == 0);
    assert_eq!(report.transport, Transport::Netplay);
    // Both sides have one clock.
    let offset = report.clock.offset_us.unwrap();
    assert!(offset.abs() < 100_000.0, "{offset}");
    let trip = report.times.round_trip_us.p50;
    assert!(trip >= 2000.0, "{trip}");
}

#[test]
fn a_wait_for_a_partner_who_is_silent_ends() {
    let (a, b, _wires) = linked();
    let start = Instant::now();
    // The partner's frontend runs nothing any more.
    frame(&a, IDLE, || assert_eq!(ask(&a, 7), 0xFF));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert!(a.is_linked(), "silence of seconds is a pause");
    drop(b);
}

#[test]
fn netplay_that_ends_while_the_game_waits_ends_the_wait() {
    let (a, b, wires) = linked();
    let is_over = Arc::new(AtomicBool::new(false));
    let [there, back] = &wires.0;
    let exchange = frontend(there, back);
    let ends = Arc::clone(&is_over);
    // A frontend that finds its connection closed says so where it is asked for packets.
    a.join_netplay(Arc::new(move |link| match ends.load(Ordering::Relaxed) {
        true => link.leave_netplay(),
        false => exchange(link),
    }));
    link_up(&a, &b);
    let start = Instant::now();
    frame(&a, IDLE, || {
        a.game_write([7, 0], None);
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(a.game_read(|| Patience::GoesOn), [0xFF, 0x80]);
    });
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(a.report().state, LinkState::Unplugged);
}

#[test]
fn garbage_is_counted_and_changes_nothing() {
    let (a, b, wires) = linked();
    let before = a.report().counters;
    for len in [0, 1, 47, MAX_DATAGRAM, MAX_DATAGRAM + 1, 65_535] {
        wires.0[1].send(&vec![0x5A; len]);
    }
    std::thread::sleep(2 * DELAY);
    frame(&a, IDLE, || {});
    let after = a.report().counters;
    assert_eq!(after.dropped.malformed - before.dropped.malformed, 6);
    // More than there is room for between two frames: the oldest go, and nothing grows.
    for _ in 0..10_000 {
        wires.0[1].send(&[0x5A; 300]);
    }
    std::thread::sleep(2 * DELAY);
    frame(&a, IDLE, || {});
    let flood = a.report().counters.dropped.malformed - after.dropped.malformed;
    assert!((1..=1000).contains(&flood), "{flood}");
    link_up(&a, &b);
    assert_eq!(a.report().counters.losses, 0);
}

#[test]
fn of_a_cable_and_netplay_the_last_act_counts() {
    let [one, two, ..] = addresses();
    let (a, b) = (link(&config(one, two)), link(&config(two, one)));
    until_linked_by(Transport::Udp, &a, &b);
    let wires = Wires::default();
    wires.join(&a, &b);
    until_linked_by(Transport::Netplay, &a, &b);
    // The port is set aside and still held: nobody else takes it meanwhile.
    assert!(std::net::UdpSocket::bind(one).is_err());
    for (link, [own, peer]) in [(&a, [one, two]), (&b, [two, one])] {
        let config = config(own, peer);
        link.set_peer(config.peer, config.bind).unwrap();
    }
    until_linked_by(Transport::Udp, &a, &b);
    // The cable is pulled, and netplay is still there.
    for link in [&a, &b] {
        link.set_peer(None, None).unwrap();
    }
    until_linked_by(Transport::Netplay, &a, &b);
    let config = config(one, two);
    let taken = std::net::UdpSocket::bind(one).unwrap();
    assert!(a.set_peer(config.peer, config.bind).is_err());
    drop(taken);
    until_linked_by(Transport::Netplay, &a, &b);
    assert_eq!(a.report().counters.losses, 3, "one for each change");
    for link in [&a, &b] {
        link.leave_netplay();
    }
    assert_eq!(a.report().state, LinkState::Unplugged);
}

#[test]
fn the_cable_is_there_again_when_netplay_ends() {
    let [one, two, ..] = addresses();
    let (a, b) = (link(&config(one, two)), link(&config(two, one)));
    let wires = Wires::default();
    for _ in 0..3 {
        wires.join(&a, &b);
        until_linked_by(Transport::Netplay, &a, &b);
        a.leave_netplay();
        b.leave_netplay();
        until_linked_by(Transport::Udp, &a, &b);
    }
}

#[test]
fn datagrams_that_nobody_takes_do_not_grow() {
    let a = link(&Config::default());
    a.join_netplay(Arc::new(|_| ()));
    for _ in 0..1000 {
        frame(&a, IDLE, || {});
    }
    // The helper thread's hellos, a few a second, are bounded as well.
    let mut buffer = [0; MAX_DATAGRAM];
    let waiting = std::iter::from_fn(|| a.poll_packet(&mut buffer)).count();
    assert!((1..=64).contains(&waiting), "{waiting}");
}

/// A frontend whose core speaks this version, as far as its partner can tell.
fn frontend_of(version: u16, out: &Wire, back: &Wire) -> PacketExchange {
    let (out, back) = (out.clone(), back.clone());
    Arc::new(move |link| {
        let mut buffer = [0; MAX_DATAGRAM];
        while let Some(len) = link.poll_packet(&mut buffer) {
            buffer[4..6].copy_from_slice(&version.to_le_bytes());
            out.send(&buffer[..len]);
        }
        while let Some(bytes) = back.receive() {
            link.handle_packet(&bytes);
        }
    })
}

#[test]
fn two_versions_are_told_apart_on_both_sides_with_a_key_and_without() {
    for key in [None, Some(gamelink_driver::Key::new([3; 16]))] {
        let config = Config {
            key,
            ..Config::default()
        };
        let (a, b) = (link(&config), link(&config));
        let [there, back] = Wires::default().0;
        a.join_netplay(frontend_of(VERSION - 1, &there, &back));
        b.join_netplay(frontend_of(VERSION + 1, &back, &there));
        for (link, theirs) in [(&a, VERSION + 1), (&b, VERSION - 1)] {
            let mut notice = None;
            until("word of the other version", || {
                frame(&a, IDLE, || {});
                frame(&b, IDLE, || {});
                notice = link.poll_notice();
                notice.is_some()
            });
            let ours = VERSION;
            assert_eq!(notice, Some(Notice::VersionMismatch { ours, theirs }));
        }
        assert!(!a.is_linked() && !b.is_linked());
    }
}
