//! Two links on real sockets whose cores call them directly; each core is a thread of this test.

mod parts;

use gamelink_core::control::LinkState;
use gamelink_core::serial::Look;
use gamelink_driver::conversation::{ClockedBy, End, Entry};
use gamelink_driver::{Config, Link, Patience};
use parts::{ARMED, IDLE, addresses, config, frame, link_up, until, until_still_heard};
use std::cell::Cell;
use std::net::SocketAddrV4;
use std::path::Path;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_nanos(16_742_706);

/// A link whose core has connected directly.
fn link(own: SocketAddrV4, peer: SocketAddrV4) -> Link {
    let link = Link::start(&config(own, peer)).unwrap();
    assert!(!link.is_direct());
    link.game_connect();
    assert!(link.is_direct());
    link
}

/// Two that are linked and have run frames.
fn linked() -> (Link, Link) {
    let [a, b, ..] = addresses();
    let (a, b) = (link(a, b), link(b, a));
    link_up(&a, &b);
    (a, b)
}

/// Asks until the other game answers: a machine that does other things for a quarter of a second makes it
/// look paused.
fn ask(link: &Link, byte: u8) -> u8 {
    let mut answer = 0xFF;
    until("an answer", || {
        link.game_write([byte, 0], None);
        let [reply, kind] = link.game_read(|| Patience::GoesOn);
        assert_eq!(kind, 0x80, "a reply");
        answer = reply;
        // A game on an unplugged cable reads 0xFF.
        answer != 0xFF
    });
    answer
}

/// Takes whatever is there and answers with its complement; gives the byte.
fn take(link: &Link) -> Option<u8> {
    if !link.game_poll(Look::EventLoop, || None) {
        return None;
    }
    let [byte, kind] = link.game_read(|| Patience::GoesOn);
    assert_eq!(kind, 0, "a request");
    link.game_write([!byte, 0x80], None);
    Some(byte)
}

/// Takes as long as a frame does.
fn paced(run: impl FnOnce()) {
    let start = Instant::now();
    run();
    std::thread::sleep(PERIOD.saturating_sub(start.elapsed()));
}

#[test]
fn bytes_cross_and_meet_in_the_poll() {
    let (a, b) = linked();
    let mut taken = Vec::new();
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| {
            // The first byte is not 0: its answer is what an unplugged cable reads.
            for first in (1..241_u8).step_by(8) {
                paced(|| {
                    frame(&a, IDLE, || {
                        for byte in first..first + 8 {
                            assert_eq!(ask(&a, byte), !byte);
                        }
                    });
                });
            }
        });
        while !asks.is_finished() {
            paced(|| {
                frame(&b, ARMED, || {
                    for _ in 0..17 {
                        taken.extend(take(&b));
                    }
                });
            });
        }
        asks.join().unwrap();
    });
    taken.dedup();
    assert_eq!(taken, (1..241).collect::<Vec<u8>>());
    let (a, b) = (a.report(), b.report());
    assert!(a.counters.transfers.taken == 240 && b.counters.transfers.peer_taken >= 240);
    assert!(
        b.times.rendezvous_us.count > 0,
        "the game that answers waited: {b:?}"
    );
}

#[test]
fn an_answer_that_came_between_two_calls_is_read_at_once() {
    let (a, b) = linked();
    a.set_patient(true);
    let resumed = Cell::new(Instant::now());
    let next_call = || {
        until("the byte is taken", || {
            let mut taken = None;
            frame(&b, ARMED, || taken = take(&b));
            taken.is_some()
        });
        std::thread::sleep(Duration::from_millis(5));
        a.frame_resume();
        resumed.set(Instant::now());
        Patience::GoesOn
    };
    // The shortest of some: a busy machine may hold one up.
    let took = (1..=10_u8).map(|byte| {
        frame(&a, IDLE, || {
            a.game_write([byte, 0], None);
            assert_eq!(a.game_read(next_call), [!byte, 0x80]);
        });
        resumed.get().elapsed()
    });
    let shortest = took.min().unwrap();
    assert!(shortest < Duration::from_millis(10), "{shortest:?}");
}

#[test]
fn a_byte_that_waits_is_not_taken_inside_an_access() {
    let (a, b) = linked();
    let mut has_waited = false;
    // A byte that arrives behind the access is taken at once: a few may.
    for _ in 0..20 {
        std::thread::scope(|scope| {
            let answer = scope.spawn(|| ask(&a, 7));
            until("the answer has come", || {
                frame(&b, ARMED, || {
                    has_waited |= !b.is_quiet();
                    assert!(!b.game_poll(Look::Access, || None));
                    assert!(take(&b).is_none_or(|byte| byte == 7));
                });
                answer.is_finished()
            });
            assert_eq!(answer.join().unwrap(), !7);
        });
        if has_waited {
            break;
        }
    }
    assert!(has_waited, "it was there in an access");
}

#[test]
fn a_game_that_is_called_in_the_frame_of_its_own_call_answers() {
    let (a, b) = linked();
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| ask(&a, 0x29));
        until("a call", || a.report().counters.transfers.offered > 0);
        frame(&b, ARMED, || {
            assert!(!b.game_poll(Look::EventLoop, || None), "its own code comes first");
            b.game_write([0x29, 0], None);
            assert_eq!(b.game_read(|| Patience::GoesOn), [0xFF, 0x80]);
        });
        until("the answer has come", || {
            frame(&b, ARMED, || {
                if b.game_poll(Look::EventLoop, || None) {
                    assert_eq!(b.game_read(|| Patience::GoesOn), [0x29, 0]);
                    b.game_write([0x55, 0x80], None);
                }
            });
            answer.is_finished()
        });
        assert_eq!(answer.join().unwrap(), 0x55);
    });
}

#[test]
fn without_a_peer_a_request_reads_ff_at_once() {
    let link = Link::start(&Config::default()).unwrap();
    link.game_connect();
    for byte in 0..100 {
        frame(&link, IDLE, || {
            link.game_write([byte, 0], None);
            assert_eq!(link.game_read(|| Patience::GoesOn), [0xFF, 0x80]);
        });
        frame(&link, ARMED, || {
            assert!(!link.game_poll(Look::EventLoop, || None));
        });
    }
}

#[test]
fn a_game_that_is_asked_and_does_not_listen_refuses() {
    let (a, b) = linked();
    std::thread::scope(|scope| {
        let refusal = scope.spawn(|| {
            // A refusal may not come at once: a machine that does other things makes the peer look paused.
            until("a refusal", || {
                a.game_write([7, 0], None);
                assert_eq!(a.game_read(|| Patience::GoesOn), [0xFF, 0x80]);
                a.report().counters.transfers.refused == 1
            });
        });
        while !refusal.is_finished() {
            paced(|| frame(&b, IDLE, || {}));
        }
        refusal.join().unwrap();
    });
}

#[test]
fn a_cable_pulled_while_the_game_waits_ends_the_wait() {
    let (a, b) = linked();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until("the game waits", || {
                // The peer's game listens, but is slow to look.
                frame(&b, ARMED, || {});
                !a.is_quiet()
            });
            a.set_enabled(false);
        });
        until("the cable is pulled", || {
            a.game_write([7, 0], None);
            assert_eq!(a.game_read(|| Patience::GoesOn), [0xFF, 0x80]);
            !a.is_linked()
        });
    });
    assert_eq!(a.report().counters.transfers.refused, 0);
}

#[test]
fn a_byte_just_taken_is_not_a_safe_moment_until_the_next_look() {
    let (a, b) = linked();
    b.set_serial_probe(Some(Box::new(|| ARMED)));
    let mut has_been_safe = false;
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| ask(&a, 7));
        until("the answer has come", || {
            frame(&b, ARMED, || {
                if take(&b).is_some() {
                    assert!(!b.is_quiet(), "its shift runs");
                    // True only where the answer came too late and the other game has asked again.
                    if !b.game_poll(Look::EventLoop, || None) {
                        assert!(b.is_quiet());
                        has_been_safe = true;
                    }
                }
            });
            answer.is_finished()
        });
        assert_eq!(answer.join().unwrap(), !7);
    });
    assert!(has_been_safe);
}

#[test]
fn in_a_menu_the_link_stays_up_without_frames() {
    let (a, b) = linked();
    until_still_heard([&a, &b]);
    assert!(a.is_linked() && b.is_linked());
    assert_eq!(
        (a.report().state, a.report().counters.losses),
        (LinkState::PeerPaused, 0)
    );
}

/// The trace that this link has written.
fn entries(file: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn what_the_games_say_is_written_to_a_file() {
    let folder = std::env::temp_dir().join(format!("gamelink-conversation-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = ["a", "b"].map(|name| folder.join(name));
    // What another run left.
    std::fs::write(&files[0], "nonsense").unwrap();
    let [own, peer, ..] = addresses();
    let [a, b] = [(own, peer, &files[0]), (peer, own, &files[1])].map(|(own, peer, file)| {
        let link = Link::start(&Config {
            conversation: Some(file.clone()),
            ..config(own, peer)
        })
        .unwrap();
        link.game_connect();
        link
    });
    link_up(&a, &b);
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| ask(&a, 0x29));
        until("the answer has come", || {
            frame(&b, ARMED, || {
                (0..4).find_map(|_| take(&b));
            });
            answer.is_finished()
        });
    });
    until("it is in the file while the link goes on", || {
        entries(&files[1])
            .iter()
            .any(|entry| matches!(entry, Entry::Transfer(_)))
    });
    drop((a, b));
    for (file, clocked_by) in files.iter().zip([ClockedBy::Own, ClockedBy::Peer]) {
        let Some(Entry::Transfer(transfer)) = entries(file).last().copied() else {
            panic!("a transfer");
        };
        assert_eq!((transfer.clocked_by, transfer.end), (clocked_by, End::Taken));
        assert_eq!((transfer.byte, transfer.read), (0x29, !0x29));
    }
    std::fs::remove_dir_all(folder).unwrap();
}
