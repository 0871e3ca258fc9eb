//! Two links on real sockets whose cores call them directly; each core is a thread of this test.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use gamelink_core::control::LinkState;
use gamelink_core::driver::{Config, FrameEnd, FrameStart, Link};
use gamelink_core::serial::{Look, SerialControl};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ARMED: SerialControl = SerialControl(0x80);
const IDLE: SerialControl = SerialControl(0x00);
const PERIOD: Duration = Duration::from_nanos(16_742_706);

/// A link whose core has connected directly.
fn link(own: &str, peer: &str) -> Link {
    let link = Link::start(&Config {
        peer: Some(peer.parse().unwrap()),
        bind: Some(own.parse().unwrap()),
        ..Config::default()
    })
    .unwrap();
    assert!(!link.is_direct());
    link.game_connect();
    assert!(link.is_direct());
    link
}

fn frame(link: &Link, serial_control: SerialControl, run: impl FnOnce()) {
    link.frame_start(FrameStart {
        serial_control: Some(serial_control),
    });
    run();
    link.frame_end(FrameEnd {
        has_advanced: true,
        hook_time: Duration::ZERO,
    });
}

fn link_up(a: &Link, b: &Link) {
    let start = Instant::now();
    // Not "peer paused": each has heard of a frame of the other.
    while [a, b].iter().any(|link| link.report().state != LinkState::Linked) {
        assert!(start.elapsed() < Duration::from_secs(20), "not linked");
        frame(a, IDLE, || {});
        frame(b, IDLE, || {});
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Takes whatever is there and answers with its complement; gives the byte.
fn take(link: &Link) -> Option<u8> {
    if !link.game_poll(Look::EventLoop) {
        return None;
    }
    let [byte, kind] = link.game_read();
    assert_eq!(kind, 0, "a request");
    link.game_write([!byte, 0x80]);
    Some(byte)
}

#[test]
fn bytes_cross_and_meet_in_the_poll() {
    let a = link("127.0.0.51:56451", "127.0.0.52:56451");
    let b = link("127.0.0.52:56451", "127.0.0.51:56451");
    link_up(&a, &b);
    let is_over = AtomicBool::new(false);
    let mut taken = std::thread::scope(|scope| {
        let answers = scope.spawn(|| {
            let mut taken = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let start = Instant::now();
                frame(&b, ARMED, || {
                    for _ in 0..17 {
                        taken.extend(take(&b));
                    }
                });
                std::thread::sleep(PERIOD.saturating_sub(start.elapsed()));
            }
            taken
        });
        // Not 0: its answer is what an unplugged cable reads.
        for first in (1..241_u8).step_by(8) {
            let start = Instant::now();
            frame(&a, IDLE, || {
                for byte in first..first + 8 {
                    // A machine that does other things for a quarter of a second makes the peer look paused: once more.
                    let start = Instant::now();
                    let mut reply = [0xFF, 0x80];
                    while reply == [0xFF, 0x80] && start.elapsed() < Duration::from_secs(20) {
                        a.game_write([byte, 0]);
                        reply = a.game_read();
                    }
                    assert_eq!(reply, [!byte, 0x80]);
                }
            });
            std::thread::sleep(PERIOD.saturating_sub(start.elapsed()));
        }
        is_over.store(true, Ordering::Relaxed);
        answers.join().unwrap()
    });
    taken.dedup();
    assert_eq!(taken, (1..241).collect::<Vec<u8>>());
    let (a, b) = (a.report(), b.report());
    assert!(a.counters.transfers.taken == 240 && b.counters.transfers.peer_taken >= 240);
    assert!(b.rendezvous_us.count > 0, "the game that answers waited: {b:?}");
}

#[test]
fn a_byte_that_waits_is_not_taken_inside_an_access() {
    let a = link("127.0.0.61:56461", "127.0.0.62:56461");
    let b = link("127.0.0.62:56461", "127.0.0.61:56461");
    link_up(&a, &b);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            a.game_write([7, 0]);
            assert_eq!(a.game_read(), [!7, 0x80]);
        });
        let start = Instant::now();
        let mut taken = None;
        while taken.is_none() {
            assert!(start.elapsed() < Duration::from_secs(20));
            frame(&b, ARMED, || {
                assert!(!b.game_poll(Look::Access));
                std::thread::sleep(Duration::from_millis(1));
                assert!(!b.game_poll(Look::Access));
                taken = take(&b);
            });
        }
        assert_eq!(taken, Some(7));
    });
}

#[test]
fn a_game_that_is_called_in_the_frame_of_its_own_call_answers() {
    let a = link("127.0.0.63:56463", "127.0.0.64:56463");
    let b = link("127.0.0.64:56463", "127.0.0.63:56463");
    link_up(&a, &b);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            a.game_write([0x29, 0]);
            assert_eq!(a.game_read(), [0x55, 0x80]);
        });
        let start = Instant::now();
        while a.report().counters.transfers.offered == 0 {
            assert!(start.elapsed() < Duration::from_secs(20));
            std::thread::yield_now();
        }
        frame(&b, ARMED, || {
            assert!(!b.game_poll(Look::EventLoop), "its own code comes first");
            b.game_write([0x29, 0]);
            assert_eq!(b.game_read(), [0xFF, 0x80]);
        });
        frame(&b, ARMED, || {
            assert!(b.game_poll(Look::EventLoop));
            assert_eq!(b.game_read(), [0x29, 0]);
            b.game_write([0x55, 0x80]);
        });
    });
}

#[test]
fn without_a_peer_a_request_reads_ff_at_once() {
    let link = Link::start(&Config::default()).unwrap();
    link.game_connect();
    for byte in 0..100 {
        frame(&link, IDLE, || {
            link.game_write([byte, 0]);
            assert_eq!(link.game_read(), [0xFF, 0x80]);
        });
        frame(&link, ARMED, || assert!(!link.game_poll(Look::EventLoop)));
    }
}

#[test]
fn a_game_that_is_asked_and_does_not_listen_refuses() {
    let a = link("127.0.0.53:56453", "127.0.0.54:56453");
    let b = link("127.0.0.54:56453", "127.0.0.53:56453");
    link_up(&a, &b);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                frame(&b, IDLE, || {});
                std::thread::sleep(PERIOD);
            }
        });
        a.game_write([7, 0]);
        assert_eq!(a.game_read(), [0xFF, 0x80]);
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(a.report().counters.transfers.refused, 1);
}

#[test]
fn a_cable_pulled_while_the_game_waits_ends_the_wait() {
    let a = link("127.0.0.55:56455", "127.0.0.56:56455");
    let b = link("127.0.0.56:56455", "127.0.0.55:56455");
    link_up(&a, &b);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            a.set_enabled(false);
        });
        a.game_write([7, 0]);
        assert_eq!(a.game_read(), [0xFF, 0x80]);
    });
    assert!(!a.is_linked());
}

#[test]
fn a_byte_just_taken_is_not_a_safe_moment_until_the_next_look() {
    let a = link("127.0.0.57:56457", "127.0.0.58:56457");
    let b = link("127.0.0.58:56457", "127.0.0.57:56457");
    b.set_serial_probe(Some(Box::new(|| ARMED)));
    link_up(&a, &b);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            a.game_write([7, 0]);
            assert_eq!(a.game_read(), [!7, 0x80]);
        });
        let start = Instant::now();
        while take(&b).is_none() {
            assert!(start.elapsed() < Duration::from_secs(20));
            frame(&b, ARMED, || {});
        }
        assert!(!b.is_quiet(), "its shift runs");
        assert!(!b.game_poll(Look::EventLoop));
        assert!(b.is_quiet());
    });
}

#[test]
fn in_a_menu_the_link_stays_up_without_frames() {
    let a = link("127.0.0.59:56459", "127.0.0.60:56459");
    let b = link("127.0.0.60:56459", "127.0.0.59:56459");
    link_up(&a, &b);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(a.is_linked() && b.is_linked());
    assert_eq!(
        (a.report().state, a.report().counters.losses),
        (LinkState::PeerPaused, 0)
    );
}
