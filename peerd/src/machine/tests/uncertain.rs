//! An interface that may be a phone or a modem: left alone until a game waits or a peer is heard, and taken
//! only when a peer answers.

use crate::identity::{Identity, Instance, Mac, Name, Nonce};
use crate::machine::cable::{Cable, Config, Input, Output};
use crate::machine::carrier::LinkState;
use crate::machine::custody::Usage;
use crate::machine::diagnostic::Diagnostic;
use crate::machine::mac_repair::Seed;
use crate::machine::trust::{MachineId, Public};
use gamelink_core::time::LocalTime;

fn cable(n: u8) -> Cable {
    let config = Config {
        identity: Identity {
            instance: Instance([n; 16]),
            nonce: Nonce(n.into()),
            box_id: n.into(),
            started_ms: 5,
            name: Name::new("peer"),
            machine: MachineId::default(),
            public: Public::default(),
        },
        seed: Seed::default(),
        is_certain: false,
        is_taken: false,
        may_raise: true,
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

/// Runs a cable from one second to another while somebody uses the interface, or nobody; returns its outputs
/// but looks.
fn run(cable: &mut Cable, from_s: u64, to_s: u64, usage: Option<Usage>) -> Vec<Output> {
    let mut outputs = vec![];
    for ms in from_s * 1000..to_s * 1000 {
        let now = LocalTime(ms * 1_000_000);
        cable.handle_input(now, Input::Timeout);
        while let Some(output) = cable.poll_output() {
            match output {
                Output::Look => cable.handle_input(now, Input::Usage(usage)),
                output => outputs.push(output),
            }
        }
    }
    outputs
}

fn game(waits: bool) -> Input<'static> {
    Input::Game {
        waiting: waits.then(Name::default),
        holds: false,
    }
}

#[test]
fn without_a_game_it_is_neither_set_up_nor_spoken_to() {
    let mut cable = cable(1);
    assert_eq!(run(&mut cable, 0, 60, None), []);
    set(&mut cable, LocalTime(60_000_000_000), true);
    assert_eq!(run(&mut cable, 60, 120, None), []);
    // The owner takes it down again.
    set(&mut cable, LocalTime(120_000_000_000), false);
    assert_eq!(run(&mut cable, 120, 180, None), []);
    cable.handle_input(LocalTime(180_000_000_000), Input::Stop { leaves_path: false });
    assert_eq!(cable.poll_output(), None);
}

#[test]
fn while_a_game_waits_it_is_spoken_to_once_a_second() {
    let mut cable = cable(1);
    set(&mut cable, LocalTime(0), true);
    cable.handle_input(LocalTime(0), game(true));
    let outputs = run(&mut cable, 0, 60, None);
    assert!(outputs.iter().all(|output| matches!(output, Output::Send(_))));
    assert!((55..=59).contains(&outputs.len()), "{}", outputs.len());
    cable.handle_input(LocalTime(60_000_000_000), game(false));
    assert_eq!(run(&mut cable, 61, 120, None), []);
}

#[test]
fn what_somebody_uses_hears_nothing_from_us_though_a_peer_answers_there() {
    let mut cable = cable(1);
    set(&mut cable, LocalTime(0), true);
    cable.handle_input(LocalTime(0), game(true));
    let lease = Usage::Address("192.168.42.17".parse().unwrap());
    assert_eq!(run(&mut cable, 0, 10, Some(lease)), []);
    // Such a frame as a peer sends.
    let mut other = self::cable(2);
    set(&mut other, LocalTime(0), true);
    other.handle_input(LocalTime(0), game(true));
    let frame = run(&mut other, 0, 10, None)
        .into_iter()
        .find_map(|output| match output {
            Output::Send(frame) => Some(frame),
            _ => None,
        });
    cable.handle_input(LocalTime(10_000_000_000), Input::Frame(&frame.unwrap(), None));
    let name = Name::new("peer");
    let told = Output::Report(Diagnostic::InUse { name, usage: lease });
    assert_eq!(run(&mut cable, 10, 20, Some(lease)), [told]);
    let in_use = cable.status(LocalTime(20_000_000_000)).in_use;
    assert_eq!(in_use.as_deref(), Some("it has the address 192.168.42.17"));
}

#[test]
fn one_game_is_enough_for_two_such_ends_to_take_them_and_to_link() {
    let mut ends = [cable(1), cable(2)];
    for end in &mut ends {
        set(end, LocalTime(0), true);
    }
    ends[0].handle_input(LocalTime(0), game(true));
    let (mut is_told, mut is_taken) = ([false; 2], [false; 2]);
    for ms in 0..6000 {
        let now = LocalTime(ms * 1_000_000);
        for n in 0..2 {
            ends[n].handle_input(now, Input::Timeout);
            while let Some(output) = ends[n].poll_output() {
                match output {
                    Output::Look => ends[n].handle_input(now, Input::Usage(None)),
                    Output::Send(frame) => ends[1 - n].handle_input(now, Input::Frame(&frame, None)),
                    Output::Take => {
                        assert!(ms >= 3000);
                        is_taken[n] = true;
                        ends[n].handle_input(now, Input::Taken(Ok(())));
                    }
                    Output::Install(_) => {
                        assert!(is_taken[n], "an address before it was taken");
                        ends[n].handle_input(now, Input::Installed(Ok(())));
                    }
                    Output::PeerUp(..) => is_told[n] = true,
                    Output::SetMac(_) => assert!(is_taken[n]),
                    Output::Carrier(_) => panic!("{output:?}"),
                    _ => {}
                }
            }
        }
    }
    assert_eq!(is_told, [true; 2]);
    assert!(ends.iter().all(Cable::is_ours));
}
