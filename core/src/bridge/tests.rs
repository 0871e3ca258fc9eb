//! Two bridges joined by a perfect wire, in virtual time.

mod sessions;

use super::*;
use crate::protocol::Nonce;
use crate::serial::{GamePort, Look, Speed, UNPLUGGED};
use crate::time::{Chunk, FrameTime};

const MS: Duration = Duration::from_millis(1);

struct End {
    bridge: Bridge,
    read: Vec<u8>,
    delivered: Vec<u8>,
    notices: Vec<Notice>,
    sent: Vec<Vec<u8>>,
}

struct Pair {
    now: LocalTime,
    ends: [End; 2],
    /// Sides whose datagrams are lost.
    cuts: [bool; 2],
}

impl Pair {
    fn new() -> Pair {
        let end = || End {
            bridge: Bridge::default(),
            read: vec![],
            delivered: vec![],
            notices: vec![],
            sent: vec![],
        };
        Pair {
            now: LocalTime(1_000_000_000),
            ends: [end(), end()],
            cuts: [false; 2],
        }
    }

    fn linked() -> Pair {
        let mut pair = Pair::new();
        pair.input(0, Input::Plug { nonce: Nonce(11) });
        pair.input(1, Input::Plug { nonce: Nonce(22) });
        for _ in 0..20 {
            pair.frames();
            pair.pass(16 * MS);
        }
        assert!(pair.ends.iter().all(|end| end.bridge.is_linked()));
        pair
    }

    fn input(&mut self, side: usize, input: Input<'_>) {
        self.ends[side].bridge.handle_input(self.now, input);
        self.settle();
    }

    fn request(&mut self, side: usize, byte: u8) {
        self.input(
            side,
            Input::Request {
                byte,
                speed: Speed::Normal,
                is_enabled: false,
                time: None,
            },
        );
    }

    /// A frame boundary on both sides; nobody listens.
    fn frames(&mut self) {
        for side in 0..2 {
            self.frame(side, false);
        }
    }

    fn frame(&mut self, side: usize, is_armed: bool) {
        self.input(side, Input::FrameEnd { has_advanced: true });
        self.input(
            side,
            Input::FrameStart {
                is_armed: Some(is_armed),
                port: GamePort::Loopback,
            },
        );
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.now < end {
            self.now = self.now.after(MS).min(end);
            for side in 0..2 {
                self.ends[side].bridge.handle_timeout(self.now);
            }
            self.settle();
        }
    }

    fn settle(&mut self) {
        loop {
            let mut moved = vec![];
            for (side, end) in self.ends.iter_mut().enumerate() {
                let mut buffer = [0; MAX_DATAGRAM];
                while let Some(output) = end.bridge.poll_output(self.now, &mut buffer) {
                    match output {
                        Output::Complete { byte } => end.read.push(byte),
                        Output::Deliver { byte, .. } => end.delivered.push(byte),
                        Output::Notify(notice) => end.notices.push(notice),
                        Output::Transmit { len } => {
                            end.sent.push(buffer[..len].to_vec());
                            if !self.cuts[side] {
                                moved.push((1 - side, buffer[..len].to_vec()));
                            }
                        }
                    }
                }
            }
            if moved.is_empty() {
                return;
            }
            for (side, bytes) in moved {
                let input = Input::Datagram {
                    bytes: &bytes,
                    received: self.now,
                };
                self.ends[side].bridge.handle_input(self.now, input);
            }
        }
    }
}

#[test]
fn a_byte_goes_there_and_its_answer_comes_back() {
    let mut pair = Pair::linked();
    pair.request(0, 0x29);
    assert!(pair.ends[0].read.is_empty());
    pair.frame(1, true);
    assert_eq!(pair.ends[1].delivered, [0x29]);
    pair.input(1, Input::Reply { byte: 0x55 });
    assert_eq!(pair.ends[0].read, [0x55]);
    assert_eq!(pair.ends[0].bridge.stats().wait.summary().count, 1);
}

#[test]
fn without_a_peer_a_request_reads_ff_at_once() {
    let mut pair = Pair::new();
    pair.request(0, 1);
    assert_eq!(pair.ends[0].read, [UNPLUGGED]);
    assert!(pair.ends[0].sent.is_empty(), "an unplugged cable is silent");
}

#[test]
fn a_silent_peer_costs_one_wait_and_then_nothing() {
    let mut pair = Pair::linked();
    pair.cuts = [true; 2];
    pair.request(0, 1);
    pair.pass(WAIT_LIMIT - 50 * MS);
    assert!(pair.ends[0].read.is_empty());
    pair.pass(60 * MS);
    assert_eq!(pair.ends[0].read, [UNPLUGGED]);
    pair.request(0, 2);
    pair.pass(60 * MS);
    assert_eq!(pair.ends[0].read, [UNPLUGGED; 2], "no second wait");
    pair.pass(SILENCE_LIMIT);
    assert!(pair.ends[0].notices.contains(&Notice::PeerGone));
    pair.cuts = [false; 2];
    for _ in 0..10 {
        pair.frames();
        pair.pass(16 * MS);
    }
    pair.request(0, 3);
    pair.frame(1, true);
    assert_eq!(
        pair.ends[1].delivered,
        [3],
        "neither of the bytes given up arrives late"
    );
}

#[test]
fn a_peer_that_lets_a_wait_run_out_costs_no_second_long_one() {
    let mut pair = Pair::linked();
    let mut waited = vec![];
    for byte in 0..90 {
        pair.request(0, byte);
        let since = pair.now;
        // The peer's frames go on, and its game listens by its own word, but never takes the byte.
        while pair.ends[0].bridge.game.wait().is_some() {
            let peer = &mut pair.ends[1].bridge;
            peer.game.emulation.pass_turn();
            peer.game
                .emulation
                .handle_frame_start(pair.now, Some(true), GamePort::Direct);
            peer.outbox.transmit();
            pair.pass(16 * MS);
        }
        waited.push(pair.now.since(since));
        pair.frame(0, false);
        pair.pass(16 * MS);
    }
    assert!(waited[0] > Duration::from_millis(1900), "{waited:?}");
    assert!(waited[1..].iter().all(|wait| *wait <= 64 * MS), "{waited:?}");
    let long = waited.iter().filter(|wait| !wait.is_zero()).count();
    assert!(long <= 4, "{waited:?}");
}

#[test]
fn a_restarted_peer_ends_the_wait_and_links_at_once() {
    let mut pair = Pair::linked();
    pair.request(0, 1);
    pair.ends[1].bridge = Bridge::default();
    pair.input(1, Input::Plug { nonce: Nonce(33) });
    assert_eq!(pair.ends[0].read, [UNPLUGGED]);
    assert!(pair.ends.iter().all(|end| end.bridge.is_linked()));
    pair.frames();
    pair.request(0, 2);
    pair.frame(1, true);
    assert_eq!(pair.ends[1].delivered, [2]);
}

#[test]
fn a_peer_without_frames_is_paused_and_not_waited_for() {
    let mut pair = Pair::linked();
    for _ in 0..80 {
        pair.frame(0, false);
        pair.pass(16 * MS);
    }
    assert!(
        pair.ends[0]
            .notices
            .contains(&Notice::PeerPaused { is_waited_for: false })
    );
    pair.request(0, 1);
    assert_eq!(pair.ends[0].read, [UNPLUGGED]);
    pair.frame(1, true);
    assert!(pair.ends[0].notices.contains(&Notice::PeerResumed));
    pair.request(0, 2);
    pair.frame(1, true);
    assert_eq!(pair.ends[1].delivered, [2]);
}

#[test]
fn a_peer_that_does_not_listen_refuses_after_two_frames() {
    let mut pair = Pair::linked();
    pair.request(0, 1);
    for _ in 0..2 {
        pair.frame(1, false);
        assert!(pair.ends[0].read.is_empty());
    }
    pair.frame(1, false);
    assert_eq!(pair.ends[0].read, [UNPLUGGED]);
    pair.request(0, 2);
    assert_eq!(
        pair.ends[0].read, [UNPLUGGED; 2],
        "refused: no wait until it listens"
    );
    pair.frame(1, true);
    pair.request(0, 3);
    pair.frame(1, true);
    assert_eq!(pair.ends[1].delivered, [3]);
}

#[test]
fn a_lost_verdict_is_asked_for_again() {
    let mut pair = Pair::linked();
    pair.request(0, 1);
    pair.frame(1, true);
    pair.cuts = [true; 2];
    pair.input(1, Input::Reply { byte: 2 });
    pair.cuts = [false; 2];
    pair.pass(20 * MS);
    assert_eq!(pair.ends[0].read, [2]);
    assert_eq!(pair.ends[0].bridge.stats().counters.retransmits, 1);
}

#[test]
fn both_clocking_at_once_read_each_other() {
    let mut pair = Pair::linked();
    pair.cuts = [true; 2];
    pair.request(0, 1);
    pair.request(1, 2);
    pair.cuts = [false; 2];
    pair.pass(20 * MS);
    assert_eq!(
        (&pair.ends[0].read[..], &pair.ends[1].read[..]),
        (&[2][..], &[1][..])
    );
}

#[test]
fn a_replaced_core_connection_gets_the_byte_again() {
    let mut pair = Pair::linked();
    pair.request(0, 1);
    pair.frame(1, true);
    assert!(!pair.ends[1].bridge.is_quiet());
    pair.input(1, Input::CoreReconnected);
    pair.frame(1, true);
    assert_eq!(pair.ends[1].delivered, [1, 1]);
    pair.input(1, Input::Reply { byte: 2 });
    assert_eq!(pair.ends[0].read, [2]);
}

#[test]
fn a_byte_of_a_session_that_is_over_is_answered_to_nobody() {
    for clocks in [false, true] {
        let mut pair = Pair::linked();
        pair.request(0, 1);
        pair.frame(1, true);
        pair.ends[0].bridge = Bridge::default();
        pair.input(0, Input::Plug { nonce: Nonce(33) });
        pair.frames();
        pair.request(0, 2);
        pair.frame(1, true);
        assert_eq!(
            pair.ends[1].delivered,
            [1],
            "not before the core has answered the old byte"
        );
        assert!(!pair.ends[1].bridge.is_quiet());
        if clocks {
            pair.request(1, 9);
        } else {
            pair.input(1, Input::Reply { byte: 9 });
        }
        assert!(pair.ends[1].read.is_empty() && pair.ends[1].bridge.is_quiet());
        pair.frame(1, true);
        assert_eq!(pair.ends[1].delivered, [1, 2]);
        pair.input(1, Input::Reply { byte: 3 });
        assert_eq!(pair.ends[0].read.last(), Some(&3));
    }
}

#[test]
fn an_orphan_does_not_keep_the_peer_from_being_refused() {
    let mut pair = Pair::linked();
    pair.request(0, 1);
    pair.frame(1, true);
    pair.ends[0].bridge = Bridge::default();
    pair.input(0, Input::Plug { nonce: Nonce(33) });
    pair.frames();
    pair.request(0, 2);
    for _ in 0..3 {
        pair.frame(1, true);
    }
    assert_eq!(pair.ends[0].read.last(), Some(&UNPLUGGED));
}

#[test]
fn only_a_byte_just_taken_can_be_torn() {
    let mut pair = Pair::linked();
    let clock = Input::Request {
        byte: 5,
        speed: Speed::Normal,
        is_enabled: true,
        time: None,
    };
    pair.request(0, 1);
    pair.frame(1, true);
    pair.input(1, Input::Reply { byte: 2 });
    pair.input(1, clock);
    assert_eq!(pair.ends[1].bridge.stats().counters.transfers.torn, 1);
    pair.frame(1, true);
    pair.input(1, clock);
    assert_eq!(
        pair.ends[1].bridge.stats().counters.transfers.torn,
        1,
        "armed, but nothing was taken"
    );
}

#[test]
fn a_poll_does_not_last_for_a_byte_that_has_come_and_is_not_due_yet() {
    let mut pair = Pair::linked();
    let at = |place| Some(FrameTime::of_chunk(Chunk::new(place)));
    let request = |pair: &mut Pair, place| {
        let time = at(place);
        let (speed, is_enabled) = (Speed::Normal, false);
        pair.input(
            0,
            Input::Request {
                byte: 7,
                speed,
                is_enabled,
                time,
            },
        );
    };
    let poll = |pair: &mut Pair, place| {
        let (look, time) = (Look::EventLoop, at(place));
        pair.input(1, Input::Poll { look, time });
        pair.ends[1].delivered.len()
    };
    let start = Input::FrameStart {
        is_armed: Some(false),
        port: GamePort::Direct,
    };
    for _ in 0..60 {
        // It has nearly all of a frame's time to give.
        (0..2).for_each(|side| pair.input(side, Input::FrameEnd { has_advanced: true }));
        pair.pass(16 * MS);
        (0..2).for_each(|side| pair.input(side, start));
    }
    request(&mut pair, 2);
    assert_eq!(poll(&mut pair, 4), 1);
    pair.input(1, Input::Reply { byte: 8 });
    assert!(pair.ends[1].bridge.rendezvous().is_some(), "for the next one");
    request(&mut pair, 8);
    assert_eq!(poll(&mut pair, 6), 1, "two chunks later, where its maker had six");
    assert_eq!(pair.ends[1].bridge.rendezvous(), None);
    assert_eq!(poll(&mut pair, 11), 2);
}
