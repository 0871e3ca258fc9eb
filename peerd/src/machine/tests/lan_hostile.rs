//! A LAN with a forger: beacons in any name and from any address neither move nor hide a machine.

use super::lan_world::{World, beacon, identity, played, trust, v4, v6};
use super::random::Random;
use crate::identity::Instance;
use crate::machine::lan::{Lan, Output};
use crate::wire::beacon::Beacon;
use gamelink_core::time::LocalTime;
use std::net::SocketAddr;

#[test]
fn two_packets_in_a_friends_name_change_nothing() {
    // From an address of the attacker's own, of either family, and with the friend's as the sender.
    for from in [v4(9), v6(9), v4(2)] {
        let mut world = World::of(2);
        world.run(10_000);
        assert_eq!(world.pairs(), 1);
        let address = world.lan(1).assignment().unwrap().1[0];
        world.news(1);
        let (now, alice) = (world.now(), identity(1).instance);
        let stamp = u64::MAX;
        let lie = beacon(2, now, false, Instance::NONE);
        world.multicast(9, from, &Beacon { stamp, ..lie });
        world.run(300);
        let lie = beacon(2, now, true, alice);
        world.multicast(9, from, &Beacon { stamp, ..lie });
        world.run(60_000);
        assert_eq!(world.news(1), [], "{from}");
        assert_eq!(world.lan(1).assignment().unwrap().1[0], address);
        // And what the friend itself says goes on to count.
        let now = world.now();
        world.hosts.get_mut(&2).unwrap().lan.set_game(now, played(false));
        world.run(1100);
        assert_eq!(world.pairs(), 0);
    }
}

/// A persistent forger has no more effect, as long as the friend is there.
#[test]
fn a_flood_in_a_friends_name_moves_nobody() {
    let mut world = World::of(2);
    world.run(10_000);
    let address = world.lan(1).assignment().unwrap().1[0];
    world.news(1);
    let mut random = Random(3);
    for _ in 0..20_000 {
        let (now, alice) = (world.now(), identity(1).instance);
        let chosen = [Instance::NONE, alice, identity(5).instance][random.below(3) as usize];
        let lie = Beacon {
            stamp: random.next(),
            echo: now.0 - random.below(3_000_000),
            echo_to: [Instance::NONE, alice][random.below(2) as usize],
            asks: random.below(2) == 0,
            ..beacon(2, now, random.below(2) == 0, chosen)
        };
        world.multicast(9, [v4(9), v6(9), v4(2)][random.below(3) as usize], &lie);
        world.run(1);
    }
    assert_eq!(world.news(1), []);
    assert_eq!(world.lan(1).assignment().unwrap().1[0], address);
}

#[test]
fn a_lost_question_gives_nobody_else_the_friends_place() {
    let mut lan = Lan::new(LocalTime(0), identity(1), trust(1), [1; 32]);
    let mut asked = vec![];
    // The friend and the liar speak by turns, ten times a second, and our words to the friend are lost at
    // first.
    for n in 0..100 {
        let now = LocalTime(n * 100_000_000);
        let from = [v4(2), v4(9)][n as usize % 2];
        lan.handle_beacon(now, from, &beacon(2, now, true, identity(1).instance));
        while let Some(output) = lan.poll_output() {
            if let Output::Tell(to, _) = output {
                asked.push(to);
            }
        }
    }
    assert_eq!(asked[..2], [v4(2); 2]);
    // Nor for ever.
    let count = |of| asked.iter().filter(|to| **to == of).count();
    assert!(count(v4(2)) >= 2 * count(v4(9)), "{asked:?}");
}

#[test]
fn empty_names_from_one_address_lock_nobody_out() {
    let mut world = World::of(1);
    let mut strange = [9; 16];
    for n in 0..64u8 {
        strange[0] = n;
        let empty = Beacon {
            sender: Instance(strange),
            ..beacon(9, world.now(), false, Instance::NONE)
        };
        world.multicast(9, v4(9), &empty);
        world.run(150);
    }
    assert!(world.lan(1).machines().len() <= 4);
    world.add(2, true);
    world.run(1000);
    assert_eq!(world.pairs(), 1);
}

/// Not even where each has an address of its own and goes on for ever.
#[test]
fn empty_names_from_everywhere_lock_nobody_out() {
    let mut world = World::of(1);
    let mut random = Random(4);
    let mut flood = |world: &mut World, ms| {
        for _ in 0..ms {
            let mut strange = [0xEE; 16];
            strange[0] = random.next() as u8;
            let empty = Beacon {
                sender: Instance(strange),
                ..beacon(99, world.now(), random.below(2) == 0, Instance::NONE)
            };
            world.multicast(9, v6(random.below(250) as u8 + 3), &empty);
            world.run(1);
        }
    };
    flood(&mut world, 3000);
    world.add(2, true);
    flood(&mut world, 10_000);
    assert_eq!(world.pairs(), 1);
    assert!(world.lan(1).machines().len() <= 32);
}

#[test]
fn a_flood_of_strangers_costs_no_more_than_a_few_questions() {
    let mut lan = Lan::new(LocalTime(0), identity(1), trust(1), [1; 32]);
    let mut sent = 0;
    for n in 0..100_000u32 {
        let mut instance = [9; 16];
        instance[..4].copy_from_slice(&n.to_be_bytes());
        // A second long, from everywhere.
        let now = LocalTime(u64::from(n) * 10_000);
        let beacon = Beacon {
            sender: Instance(instance),
            asks: true,
            ..beacon(77, now, true, Instance::NONE)
        };
        let [_, a, b, c] = n.to_be_bytes();
        lan.handle_beacon(now, SocketAddr::from(([10, a, b, c], 1)), &beacon);
        if lan.poll_timeout() <= now {
            lan.handle_timeout(now);
        }
        while lan.poll_output().is_some() {
            sent += 1;
        }
    }
    assert_eq!(lan.machines().len(), 32);
    // A question and an answer for each of 200, and announcements with 20 ms between them.
    assert!(sent <= 460, "{sent}");
}

#[test]
fn another_port_is_not_believed() {
    let mut world = World::of(1);
    for _ in 0..20 {
        let odd = Beacon {
            port: 22,
            ..beacon(2, world.now(), true, identity(1).instance)
        };
        world.multicast(2, v4(2), &odd);
        world.run(100);
    }
    assert!(world.lan(1).machines().is_empty());
}

#[test]
fn beacons_survive_the_wire_and_mutations_do_no_harm() {
    let beacon = Beacon {
        asks: true,
        ..beacon(1, LocalTime(5), true, Instance([3; 16]))
    };
    let bytes = beacon.encode();
    assert_eq!(Beacon::decode(&bytes), Ok(beacon));
    let mut random = Random(5);
    let mut lan = Lan::new(LocalTime(0), identity(2), trust(2), [2; 32]);
    for n in 0..1_000_000u64 {
        let now = LocalTime(n * 10_000);
        let mut bytes = bytes.clone();
        for _ in 0..random.below(6) {
            let at = random.below(bytes.len() as u64) as usize;
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
        let len = if random.below(5) == 0 {
            random.below(330) as usize
        } else {
            bytes.len()
        };
        if let Ok(beacon) = Beacon::decode(bytes.get(..len).unwrap_or(&bytes)) {
            lan.handle_beacon(now, v4(random.below(250) as u8), &beacon);
        }
        while lan.poll_output().is_some() {}
    }
    assert!(lan.machines().len() <= 32);
}
