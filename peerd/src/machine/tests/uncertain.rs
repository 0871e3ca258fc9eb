//! An interface that may be a phone or a modem: left alone until a game waits or a peer is heard.

use crate::identity::{Identity, Instance, Mac, Name, Nonce};
use crate::machine::cable::{Cable, Config, Input, Output};
use crate::machine::carrier::LinkState;
use crate::machine::mac_repair::Seed;
use gamelink_core::time::LocalTime;

fn cable(n: u8) -> Cable {
    let config = Config {
        identity: Identity {
            instance: Instance([n; 16]),
            nonce: Nonce(n.into()),
            box_id: n.into(),
            started_ms: 5,
            name: Name::new("peer"),
        },
        seed: Seed::default(),
        is_certain: false,
        is_locked: false,
        recovers: false,
        has_v6: true,
    };
    Cable::new(LocalTime(0), config, Mac([2; 6]))
}

fn set(cable: &mut Cable, now: LocalTime, is_up: bool) {
    let has_carrier = is_up;
    cable.handle_input(now, Input::Link(LinkState { is_up, has_carrier }, Mac([2; 6])));
}

/// Runs a cable from one second to another; returns its outputs.
fn run(cable: &mut Cable, from_s: u64, to_s: u64) -> Vec<Output> {
    let mut outputs = vec![];
    for ms in from_s * 1000..to_s * 1000 {
        cable.handle_input(LocalTime(ms * 1_000_000), Input::Timeout);
        outputs.extend(std::iter::from_fn(|| cable.poll_output()));
    }
    outputs
}

fn game(waits: bool) -> Input<'static> {
    Input::Game { waits, holds: false }
}

#[test]
fn it_is_neither_set_up_nor_spoken_to() {
    let mut cable = cable(1);
    assert_eq!(run(&mut cable, 0, 60), []);
    set(&mut cable, LocalTime(60_000_000_000), true);
    assert_eq!(run(&mut cable, 60, 120), []);
    // The owner takes it down again.
    set(&mut cable, LocalTime(120_000_000_000), false);
    assert_eq!(run(&mut cable, 120, 180), []);
    cable.handle_input(LocalTime(180_000_000_000), game(true));
    assert_eq!(run(&mut cable, 180, 240), []);
    cable.handle_input(LocalTime(240_000_000_000), Input::Stop { leaves_path: false });
    assert_eq!(cable.poll_output(), None);
}

#[test]
fn while_a_game_waits_it_is_spoken_to_once_a_second() {
    let mut cable = cable(1);
    set(&mut cable, LocalTime(0), true);
    cable.handle_input(LocalTime(0), game(true));
    let outputs = run(&mut cable, 0, 60);
    assert!(outputs.iter().all(|output| matches!(output, Output::Send(_))));
    assert!((59..=62).contains(&outputs.len()), "{}", outputs.len());
    cable.handle_input(LocalTime(60_000_000_000), game(false));
    assert_eq!(run(&mut cable, 61, 120), []);
}

#[test]
fn one_game_is_enough_for_two_such_ends_to_link() {
    let mut ends = [cable(1), cable(2)];
    for end in &mut ends {
        set(end, LocalTime(0), true);
    }
    ends[0].handle_input(LocalTime(0), game(true));
    let mut is_told = [false; 2];
    for ms in 0..1500 {
        let now = LocalTime(ms * 1_000_000);
        for n in 0..2 {
            ends[n].handle_input(now, Input::Timeout);
            while let Some(output) = ends[n].poll_output() {
                match output {
                    Output::Send(frame) => ends[1 - n].handle_input(now, Input::Frame(&frame, None)),
                    Output::Install(_) => ends[n].handle_input(now, Input::Installed(Ok(()))),
                    Output::PeerUp(..) => is_told[n] = true,
                    _ => {}
                }
            }
        }
    }
    assert_eq!(is_told, [true; 2]);
}
