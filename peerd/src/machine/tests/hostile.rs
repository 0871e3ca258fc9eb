//! Frames of strangers: a million random and mutated ones do not affect the peer, and cost no memory.

use super::random::Random;
use crate::identity::{Identity, Instance, Mac, Name, Nonce};
use crate::machine::cable::{Cable, Config, Input, Output};
use crate::machine::carrier::LinkState;
use crate::machine::mac_repair::Seed;
use crate::machine::trust::{MachineId, Public};
use crate::wire::ethernet_frame::{Flags, Frame, Kind, LEN, LEN_UNTITLED, MacMessage, VERSION};
use crate::wire::reader::WireError;
use gamelink_core::time::LocalTime;
use std::time::Duration;

const FRAMES: u32 = 1_000_000;

fn identity(n: u8) -> Identity {
    Identity {
        instance: Instance([n; 16]),
        nonce: Nonce(n.into()),
        box_id: n.into(),
        started_ms: 5,
        name: Name::new("peer"),
        machine: MachineId::default(),
        public: Public::default(),
    }
}

fn hello(sequence: u32) -> Frame {
    Frame {
        kind: Kind::Hello,
        flags: Flags(Flags::V6.0 | Flags::READY.0 | Flags::LINKED.0),
        sender: identity(2),
        heard: Instance([1; 16]),
        sequence,
        mac: Mac([2; 6]),
        mac_message: MacMessage::None,
        title: Name::new("TETRIS"),
    }
}

fn cable() -> Cable {
    let config = Config {
        identity: identity(1),
        seed: Seed::default(),
        is_certain: true,
        is_taken: false,
        may_raise: false,
        is_locked: false,
        recovers: false,
        has_v6: true,
    };
    let mut cable = Cable::new(LocalTime(0), config, Mac([4; 6]));
    let up = LinkState {
        is_up: true,
        has_carrier: true,
    };
    cable.handle_input(LocalTime(0), Input::Link(up, Mac([4; 6])));
    cable
}

fn drain(cable: &mut Cable, now: LocalTime) -> usize {
    let mut count = 0;
    while let Some(output) = cable.poll_output() {
        count += 1;
        assert!(count < 32, "{output:?}");
        match output {
            Output::Install(_) => cable.handle_input(now, Input::Installed(Ok(()))),
            Output::SetMac(mac) => cable.handle_input(now, Input::MacSet(Ok(mac))),
            _ => {}
        }
    }
    count
}

fn feed(cable: &mut Cable, now: LocalTime, bytes: &[u8]) -> usize {
    match Frame::decode(bytes) {
        Ok(frame) => cable.handle_input(now, Input::Frame(&frame, None)),
        Err(error) => cable.handle_input(now, Input::BadFrame(error)),
    }
    drain(cable, now)
}

#[test]
fn frames_survive_the_wire_and_padding() {
    let mut random = Random(3);
    for _ in 0..1000 {
        let mac = Mac([2, 1, random.next() as u8, 4, 5, 6]);
        let word = match random.below(4) {
            0 => MacMessage::None,
            1 => MacMessage::Prepare(random.next() as u8, mac),
            2 => MacMessage::Acknowledge(random.next() as u8, mac),
            _ => MacMessage::Refused,
        };
        let frame = Frame {
            mac_message: word,
            mac,
            sequence: random.next() as u32,
            ..hello(0)
        };
        let mut bytes = frame.encode().to_vec();
        assert_eq!(Frame::decode(&bytes), Ok(frame));
        bytes.resize(LEN + 30, 0xEE);
        assert_eq!(Frame::decode(&bytes), Ok(frame));
        bytes.truncate(LEN_UNTITLED);
        let title = Name::default();
        assert_eq!(
            Frame::decode(&bytes),
            Ok(Frame { title, ..frame }),
            "as an older daemon"
        );
        bytes.resize(LEN, 0xEE);
        assert_eq!(
            Frame::decode(&bytes),
            Ok(Frame { title, ..frame }),
            "padded by a driver"
        );
        bytes.truncate(LEN_UNTITLED - 1);
        assert_eq!(Frame::decode(&bytes), Err(WireError::Malformed));
    }
}

#[test]
fn another_version_is_named() {
    let mut bytes = hello(1).encode();
    bytes[4] = 9;
    // Whatever it put behind the part that all versions share.
    bytes[72..].fill(0xFF);
    assert_eq!(
        Frame::decode(&bytes),
        Err(WireError::Version(9, Name::new("peer")))
    );
}

#[test]
fn two_daemons_of_different_versions_say_which_side_to_update() {
    for (version, mend) in [
        (VERSION + 1, "update Gamelink on this side"),
        (VERSION - 1, "update Gamelink there"),
    ] {
        let mut cable = cable();
        let mut bytes = hello(1).encode();
        bytes[4] = version;
        let mut said = vec![];
        for n in 0..500u64 {
            let now = LocalTime(n * 20_000_000);
            match Frame::decode(&bytes) {
                Ok(frame) => panic!("{frame:?}"),
                Err(error) => cable.handle_input(now, Input::BadFrame(error)),
            }
            while let Some(output) = cable.poll_output() {
                match output {
                    Output::Report(diagnostic) => said.push(diagnostic.to_string()),
                    Output::PeerUp(..) => panic!("linked across versions"),
                    _ => {}
                }
            }
        }
        // Once, and in the status as long as it goes on.
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("peer speaks version") && said[0].ends_with(mend),
            "{said:?}"
        );
        let now = LocalTime(500 * 20_000_000);
        assert_eq!(cable.status(now).diagnostics.len(), 1);
    }
}

/// A million frames of a stranger between the peer's own: the peer stays, and little is logged.
#[test]
fn a_million_hostile_frames_do_not_lose_the_peer() {
    let mut random = Random(11);
    let (mut cable, mut sequence) = (cable(), 0);
    let (mut reactions, mut losses) = (0, 0);
    for n in 0..FRAMES {
        let now = LocalTime(u64::from(n) * 10_000);
        if n % 20_000 == 0 {
            sequence += 1;
            feed(&mut cable, now, &hello(sequence).encode());
        }
        let mut bytes = Frame { sequence, ..hello(0) }.encode();
        if n % 4 == 0 {
            bytes.iter_mut().for_each(|byte| *byte = random.next() as u8);
        } else {
            // A stranger with an instance of its own, mutated; the peer's own instance is its own to ruin.
            bytes[8..24].fill(3 + (random.next() % 200) as u8);
            bytes[84..92].fill(random.next() as u8);
            for _ in 0..random.below(6) {
                let at = random.below(LEN as u64) as usize;
                if !(8..24).contains(&at) {
                    bytes[at] ^= 1 << random.below(8);
                }
            }
        }
        let len = if n % 7 == 0 {
            random.below(LEN as u64 + 1) as usize
        } else {
            LEN
        };
        reactions += feed(&mut cable, now, &bytes[..len]);
        losses += u32::from(n > 100 && cable.assignment().is_none());
    }
    assert_eq!(losses, 0);
    // Ten virtual seconds: heartbeats, and a line now and then.
    assert!(reactions < 200, "{reactions}");
    let frames = cable.status(LocalTime(0)).frames;
    assert!(frames.malformed + frames.foreign > 900_000);
}

/// Input of clients of the control socket: read or refused, nothing else.
#[test]
fn a_million_hostile_control_lines_are_read_or_refused() {
    use gamelink_core::control::{self, LinkReport, Role, ToDaemon, VERSION};
    let mut random = Random(13);
    let seeds: Vec<Vec<u8>> = [
        ToDaemon::Hello {
            version: VERSION,
            role: Role::Game,
        },
        ToDaemon::Report(LinkReport::default()),
        ToDaemon::Status,
    ]
    .iter()
    .map(|message| control::encode(message).unwrap())
    .collect();
    let mut read = 0;
    for n in 0..FRAMES {
        let mut line = seeds[n as usize % seeds.len()].clone();
        line.pop();
        for _ in 0..random.below(4) {
            let at = random.below(line.len() as u64) as usize;
            line[at] = random.next() as u8;
        }
        read += u32::from(control::decode::<ToDaemon>(&line).is_ok());
    }
    assert!((FRAMES / 5..FRAMES).contains(&read), "{read}");
}

/// Mutated frames in the peer's own name cost the link at most.
#[test]
fn spoofed_frames_never_panic_or_pile_up() {
    let mut random = Random(12);
    let mut cable = cable();
    for n in 0..200_000u32 {
        let now = LocalTime(0).after(Duration::from_micros(u64::from(n) * 50));
        let mut bytes = hello(n).encode();
        for _ in 0..random.below(5) {
            let at = random.below(LEN as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        feed(&mut cable, now, &bytes);
    }
}
