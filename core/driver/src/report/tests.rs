//! Two bridges joined by a perfect wire, in virtual time: one game clocks a byte a frame, the other listens.

use super::*;
use gamelink_core::bridge::rollback::{Boundary, Rollback, Step};
use gamelink_core::bridge::{Input, Output};
use gamelink_core::control::LinkState;
use gamelink_core::protocol::{MAX_DATAGRAM, Nonce};
use gamelink_core::serial::{GamePort, Look, SerialControl, Speed};
use gamelink_core::time::LocalTime;
use std::time::Duration;

const FRAME: Duration = Duration::from_millis(16);
const TRANSFERS: u64 = 50;
const CABLE: Route<'_> = Route::Cable {
    interface: Some("usb0"),
    machine: None,
};

struct Pair {
    now: LocalTime,
    bridges: [Bridge; 2],
    frames: u64,
    /// Bytes that the first game clocked in each of its frames, so that a replay does the same.
    clocked: Vec<u64>,
}

impl Pair {
    fn linked(mode: Mode) -> Pair {
        let mut pair = Pair {
            now: LocalTime(1_000_000_000),
            bridges: [Bridge::default(), Bridge::default()],
            frames: 0,
            clocked: vec![],
        };
        for (side, nonce) in [(0, Nonce(11)), (1, Nonce(22))] {
            pair.bridges[side].set_rollback(mode == Mode::Rollback);
            pair.input(side, Input::Plug { nonce });
        }
        for _ in 0..20 {
            pair.slots(0);
        }
        pair
    }

    fn input(&mut self, side: usize, input: Input<'_>) {
        self.bridges[side].handle_input(self.now, input);
        self.settle();
    }

    /// Does all that either bridge wants, until neither wants more.
    fn settle(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM];
        for side in [0, 1, 0, 1, 0, 1] {
            while let Some(output) = self.bridges[side].poll_output(self.now, &mut buffer) {
                match output {
                    Output::Transmit { len } => {
                        let (bytes, received) = (&buffer[..len], self.now);
                        self.bridges[1 - side].handle_input(self.now, Input::Datagram { bytes, received });
                    }
                    Output::Deliver { byte, .. } => {
                        self.bridges[side].handle_input(self.now, Input::Reply { byte: !byte });
                    }
                    Output::Complete { .. } | Output::Notify(_) => {}
                }
            }
        }
    }

    /// One call of `retro_run` on both sides; in it the first game clocks so many bytes, and the second looks
    /// for them.
    fn slots(&mut self, clocked: u64) {
        self.now = self.now.after(FRAME);
        self.frames += 1;
        for side in [0, 1] {
            self.bridges[side].handle_timeout(self.now);
            self.start_frame(side);
            if self.bridges[side].setting() == Mode::Rollback {
                self.roll(side, clocked);
            } else if side == 0 {
                (0..clocked).for_each(|_| self.request(self.frames.to_le_bytes()[0]));
            }
            self.input(side, Input::FrameEnd { has_advanced: true });
        }
    }

    fn start_frame(&mut self, side: usize) {
        let start = Input::FrameStart {
            is_armed: Some(side == 1),
            port: GamePort::Loopback,
        };
        self.input(side, start);
    }

    fn roll(&mut self, side: usize, clocked: u64) {
        loop {
            match self.bridges[side].step() {
                Step::Load { .. } | Step::Stall => {}
                Step::Save { token, .. } => self.history(side).saved(token, true),
                Step::Replay { frame } | Step::Live { frame } => {
                    self.frame(side, frame, clocked);
                    self.history(side).frame_end(Boundary {
                        has_advanced: true,
                        serial_control: SerialControl(0),
                        serial_byte: 0,
                    });
                }
                Step::Done => break,
            }
        }
        self.settle();
    }

    fn history(&mut self, side: usize) -> &mut Rollback {
        self.bridges[side].rollback_mut().unwrap()
    }

    fn frame(&mut self, side: usize, frame: u64, clocked: u64) {
        if side == 0 {
            let place = usize::try_from(frame).unwrap();
            if place == self.clocked.len() {
                self.clocked.push(clocked);
            }
            for n in 0..self.clocked[place] {
                self.request((frame + n).to_le_bytes()[0]);
            }
            return;
        }
        let (now, look) = (self.now, Look::EventLoop);
        let bridge = &mut self.bridges[side];
        for _ in 0..3 {
            bridge.handle_input(now, Input::Poll { look, time: None });
            let mut buffer = [0; MAX_DATAGRAM];
            if let Some(Output::Deliver { .. }) = bridge.poll_output(now, &mut buffer) {
                // Another byte each time: the other side predicts wrong, and goes back.
                let byte = frame.to_le_bytes()[0];
                return bridge.handle_input(now, Input::Reply { byte });
            }
        }
    }

    fn request(&mut self, byte: u8) {
        let request = Input::Request {
            byte,
            speed: Speed::Normal,
            is_enabled: false,
            time: None,
        };
        self.input(0, request);
    }

    fn play(&mut self) {
        for _ in 0..TRANSFERS {
            self.slots(1);
        }
        for _ in 0..10 {
            self.slots(0);
        }
    }

    fn reports(&self) -> [LinkReport; 2] {
        [0, 1].map(|side| link_report(&self.bridges[side], CABLE))
    }

    fn mode(&self, side: usize) -> Mode {
        Report::new(
            &self.bridges[side],
            GamePort::Direct,
            Transport::Udp,
            Summary::default(),
        )
        .mode
    }
}

#[test]
fn bytes_are_reported_in_both_modes() {
    for mode in [Mode::Strict, Mode::Rollback] {
        let mut pair = Pair::linked(mode);
        assert_eq!(pair.bridges[0].mode(), mode);
        pair.play();
        let [a, b] = pair.reports();
        assert_eq!((a.state, a.cable.as_deref()), (LinkState::Linked, Some("usb0")));
        assert_eq!((a.taken, a.peer_taken), (TRANSFERS, 0), "{mode}");
        assert_eq!((b.taken, b.peer_taken), (0, TRANSFERS), "{mode}");
    }
}

#[test]
fn a_side_that_just_used_the_cable_knows_when_in_both_modes() {
    for mode in [Mode::Strict, Mode::Rollback] {
        let mut pair = Pair::linked(mode);
        assert_eq!(pair.bridges.each_ref().map(Bridge::last_byte), [None; 2]);
        let before = pair.now;
        pair.play();
        for bridge in &pair.bridges {
            assert!(bridge.last_byte() > Some(before), "{mode}");
        }
    }
}

#[test]
fn a_game_that_stands_still_for_its_peer_is_reported() {
    let mut pair = Pair::linked(Mode::Rollback);
    pair.play();
    let before = pair.reports()[0].stalls;
    // The other machine's frames stand still, and this one clocks on.
    for _ in 0..60 {
        pair.now = pair.now.after(FRAME);
        pair.start_frame(0);
        pair.roll(0, 1);
        pair.input(0, Input::FrameEnd { has_advanced: true });
    }
    assert!(pair.reports()[0].stalls > before);
}

#[test]
fn the_mode_is_what_this_side_is_set_to_when_the_link_is_gone_too() {
    for mode in [Mode::Strict, Mode::Rollback] {
        let mut pair = Pair::linked(mode);
        assert_eq!(pair.mode(0), mode);
        pair.input(1, Input::Unplug);
        assert!(!pair.bridges[0].is_linked());
        assert_eq!(pair.mode(0), mode);
    }
}

#[test]
fn the_file_is_written_through_no_link_and_replaces_what_was_left() {
    let folder = std::env::temp_dir().join(format!("gamelink-stats-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (path, theirs) = (folder.join("stats.json"), folder.join("theirs"));
    let unfinished = folder.join(format!("stats.json.{}", std::process::id()));
    fs::write(&theirs, "precious").unwrap();
    std::os::unix::fs::symlink(&theirs, &unfinished).unwrap();
    replace(&path, b"{}").unwrap();
    assert_eq!(fs::read(&theirs).unwrap(), b"precious");
    assert_eq!(fs::read(&path).unwrap(), b"{}");
    fs::write(&unfinished, "left").unwrap();
    replace(&path, b"[]").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"[]");
    assert!(!unfinished.exists());
    fs::remove_dir_all(folder).unwrap();
}
