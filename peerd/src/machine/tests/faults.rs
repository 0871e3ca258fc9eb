//! Properties under faults: random steps, faults after every single step of a plug, and the promised times.

use super::world::World;
use crate::machine::cable::Input;
use gamelink_core::time::LocalTime;
use std::time::Duration;

const STEPS: u32 = 1000;
const SEEDS: u64 = 64;

/// Faults that can strike at any moment.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The interface is set down.
    Down,
    /// The end is unplugged: the interface is deleted.
    Delete,
    /// From now on the driver refuses to change the MAC (EBUSY).
    Busy,
    /// The next requests fail (ENODEV, ENOBUFS).
    Failing,
    /// Another manager flushes the addresses.
    Flush,
    /// The daemon is killed and started again.
    Kill,
    /// All frames in flight are lost.
    Lost,
}

const FAULTS: [Fault; 7] = [
    Fault::Down,
    Fault::Delete,
    Fault::Busy,
    Fault::Failing,
    Fault::Flush,
    Fault::Kill,
    Fault::Lost,
];

fn strike(world: &mut World, end: usize, fault: Fault) {
    match fault {
        Fault::Down => {
            world.set_up(end, false);
            world.refresh();
        }
        Fault::Delete => world.unplug(end),
        Fault::Busy => world.ends[end].kernel.refuses_mac = true,
        Fault::Failing => world.ends[end].kernel.failing = 3,
        Fault::Flush => {
            for address in std::mem::take(&mut world.ends[end].kernel.addresses) {
                world.input(end, Input::AddressRemoved(address));
            }
        }
        Fault::Kill => {
            world.kill(end);
            world.start_daemon(end);
        }
        Fault::Lost => world.wire.clear(),
    }
}

#[test]
fn a_fault_after_any_step_of_a_plug_is_got_over() {
    let mut struck = 0;
    for fault in FAULTS {
        for end in 0..2 {
            for seed in 0..4 {
                for at in 1.. {
                    let mut world = linked(seed);
                    let limit = world.now.after(Duration::from_millis(400));
                    while world.outputs < at && world.now < limit {
                        world.run(Duration::from_micros(20));
                    }
                    if world.outputs < at {
                        break;
                    }
                    strike(&mut world, end, fault);
                    world.run(Duration::from_millis(50));
                    world
                        .log
                        .push(format!("{fault:?} at end {end} after output {at}, seed {seed}"));
                    world.converge();
                    struck += 1;
                }
            }
        }
    }
    assert!(struck > 500, "{struck}");
}

fn shake(seed: u64) {
    let mut world = World::new(seed);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for step in 1..=STEPS {
            world.step();
            if step % 40 == 0 {
                world.log.push("converge".into());
                world.converge();
            }
        }
        for end in 0..2 {
            world.input(end, Input::Stop { leaves_path: false });
            assert!(
                world.ends[end].kernel.addresses.is_empty() && world.ends[end].kernel.neighbours.is_empty()
            );
        }
    }));
    if let Err(panic) = result {
        let log = world.log;
        eprintln!(
            "seed {seed}, last steps: {:#?}",
            &log[log.len().saturating_sub(45)..]
        );
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_shaken_pair_always_comes_to_a_link_and_leaves_nothing() {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    match number("GAMELINK_SEED") {
        Some(seed) => shake(seed),
        None => (0..number("GAMELINK_SEEDS").unwrap_or(SEEDS)).for_each(shake),
    }
}

fn linked(seed: u64) -> World {
    let mut world = World::new(seed);
    world.loss_percent = 0;
    world.has_carrier_sense = true;
    for end in &mut world.ends {
        end.kernel.refuses_mac = false;
        end.kernel.no_v6 = false;
        end.is_uncertain = false;
    }
    world.plug();
    world
}

#[test]
fn a_plugged_cable_is_linked_within_the_round_trips_of_the_handshake() {
    for seed in 100..200 {
        let mut world = linked(seed);
        world.run(Duration::from_millis(60));
        assert!(world.is_linked(), "seed {seed}");
        world.run(Duration::from_secs(5));
        assert_eq!(world.mac_changes, 1, "seed {seed}");
    }
}

#[test]
fn a_far_end_that_goes_without_a_trace_is_noticed_in_time() {
    for seed in 0..50 {
        let mut world = linked(seed);
        world.has_carrier_sense = false;
        world.run(Duration::from_secs(5));
        assert!(world.is_linked());
        world.unplug(1);
        world.run(Duration::from_millis(1400));
        assert!(!world.ends[0].is_told, "seed {seed}");
    }
}

#[test]
fn a_daemon_that_dies_leaves_two_games_their_path_until_they_let_go() {
    for seed in 0..50 {
        let mut world = linked(seed);
        world.run(Duration::from_secs(5));
        let path = [0, 1].map(|end| world.ends[end].kernel.addresses.clone());
        assert_eq!(path.each_ref().map(std::collections::BTreeSet::len), [1, 1]);
        world.kill(1);
        world.run(Duration::from_secs(60));
        let left = [0, 1].map(|end| world.ends[end].kernel.addresses.clone());
        assert!(!world.ends[0].is_told, "seed {seed}");
        if world.ends[0].is_held {
            assert_eq!(left, path, "seed {seed}");
            world.let_go(0);
        }
        assert!(world.ends[0].kernel.addresses.is_empty(), "seed {seed}");
    }
}

#[test]
fn a_cable_pulled_after_the_other_daemon_has_died_is_told_at_once() {
    let mut told = 0;
    for seed in 0..20 {
        let mut world = linked(seed);
        world.run(Duration::from_secs(5));
        world.kill(1);
        world.run(Duration::from_secs(3));
        if world.ends[0].is_held {
            world.unplug(1);
            assert!(!world.ends[0].is_held, "seed {seed}");
            told += 1;
        }
    }
    assert!(told > 0);
}

#[test]
fn a_restart_within_the_heartbeat_is_a_new_link_before_the_old_one_would_be_lost() {
    for seed in 0..50 {
        let mut world = linked(seed);
        world.run(Duration::from_secs(5));
        world.kill(1);
        world.run(Duration::from_millis(200));
        world.start_daemon(1);
        world.run(Duration::from_millis(400));
        assert!(world.is_linked(), "seed {seed}");
    }
}

/// Links reported by each end.
fn links(world: &World) -> [u64; 2] {
    world
        .ends
        .each_ref()
        .map(|end| end.daemon.as_ref().unwrap().status(LocalTime(0)).links)
}

#[test]
fn two_machines_that_sleep_keep_their_link() {
    for seed in 0..20 {
        for hours in [1, 100] {
            let mut world = linked(seed);
            world.run(Duration::from_secs(5));
            // Even where a clock has counted the sleep, and what was on the wire is lost.
            world.now = world.now.after(Duration::from_secs(hours * 3600));
            world.wire.clear();
            for end in 0..2 {
                world.input(end, Input::Resumed);
            }
            world.run(Duration::from_secs(3));
            assert!(world.is_linked(), "seed {seed}");
            assert_eq!(links(&world), [1, 1], "seed {seed}");
        }
    }
}

#[test]
fn a_stop_under_a_game_leaves_both_ends_their_path_and_the_next_start_takes_it_over() {
    for (seed, pause_ms) in (0..50).flat_map(|seed| [(seed, 20), (seed, 5000)]) {
        let mut world = linked(seed);
        world.run(Duration::from_secs(5));
        let path = [0, 1].map(|end| world.ends[end].kernel.addresses.clone());
        world.input(1, Input::Stop { leaves_path: true });
        world.kill(1);
        world.ends[0].never_lets_go = true;
        world.run(Duration::from_millis(pause_ms));
        let left = [0, 1].map(|end| world.ends[end].kernel.addresses.clone());
        assert_eq!(left, path, "seed {seed}");
        world.start_daemon(1);
        world.run(Duration::from_millis(500));
        assert!(world.is_linked(), "seed {seed}");
    }
}

#[test]
fn a_machine_that_slept_alone_is_linked_again_when_it_wakes() {
    for seed in 0..20 {
        let mut world = linked(seed);
        world.run(Duration::from_secs(5));
        let sleeper = world.ends[0].daemon.take();
        // Its clock stands; the other one gives it up.
        let fell_asleep = world.now;
        world.run(Duration::from_secs(30));
        assert!(!world.ends[1].is_told, "seed {seed}");
        world.let_go(1);
        let slept = world.now.since(fell_asleep);
        world.ends[0].daemon = sleeper;
        assert!(slept >= Duration::from_secs(30));
        world.input(0, Input::Resumed);
        world.run(Duration::from_secs(2));
        assert!(world.is_linked(), "seed {seed}");
    }
}

#[test]
fn a_linked_pair_sends_four_frames_a_second_each() {
    let mut world = linked(1);
    world.run(Duration::from_secs(5));
    let sent = |world: &World| {
        world.ends[0]
            .daemon
            .as_ref()
            .unwrap()
            .status(LocalTime(0))
            .frames
            .sent
    };
    let before = sent(&world);
    world.run(Duration::from_secs(10));
    assert!(sent(&world) - before <= 40, "{}", sent(&world) - before);
}
