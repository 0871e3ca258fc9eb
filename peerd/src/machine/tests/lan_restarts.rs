//! Daemons on a LAN that are started again while their games are linked.

use super::lan_meetings::shown;
use super::lan_world::{Host, World, beacon, identity, played, trust, v4, v6};
use crate::identity::{Identity, Instance};
use crate::machine::lan::{Lan, Output, Partner, Playing};
use crate::machine::peer_loss::Loss;
use crate::machine::trust::Trust;
use std::net::SocketAddr;

/// The process of machine `n` after an upgrade.
fn upgraded(n: u8) -> Identity {
    Identity {
        instance: Instance([n + 100; 16]),
        ..identity(n)
    }
}

/// A game that is linked with that of machine `n`, without the daemons.
fn linked_with(n: u8) -> Option<Playing> {
    let partner = Partner::Linked(n.into());
    Some(Playing {
        partner,
        ..played(true)?
    })
}

fn play(world: &mut World, n: u8, playing: Option<Playing>) {
    let now = world.now();
    world.lan_mut(n).set_game(now, playing);
}

/// Starts the daemon of machine `n` again, which knows these machines and is heard at these addresses.
fn start_again(world: &mut World, n: u8, trust: Trust, addresses: Vec<SocketAddr>) {
    let lan = Lan::new(world.now(), upgraded(n), trust, [n; 32]);
    world.hosts.insert(n, Host { lan, addresses });
}

/// Milliseconds until machine `n` loses its partner, for this reason.
fn lost_after(world: &mut World, n: u8) -> (u64, Loss) {
    for ms in 0..10_000 {
        world.run(1);
        for output in world.news(n) {
            if let Output::PeerDown(loss) = output {
                return (ms, loss);
            }
        }
    }
    panic!("{n} keeps its partner");
}

#[test]
fn two_games_that_stay_linked_are_given_each_other_again_and_nobody_else() {
    for pause in [0, 400, 2000, 20_000] {
        let mut world = World::of(2);
        world.run(5000);
        assert_eq!(world.pairs(), 1);
        // Somebody else looks for a partner too.
        world.add(3, true);
        world.run(5000);
        world.news(2);
        world.hosts.remove(&1);
        if pause > 3500 {
            assert_eq!(lost_after(&mut world, 2).1, Loss::LeftLan);
            play(&mut world, 2, linked_with(1));
        }
        world.run(pause);
        start_again(&mut world, 1, trust(1), vec![v4(1)]);
        // Its game has not said yet that it is there.
        world.run(100);
        play(&mut world, 1, linked_with(2));
        if pause < 3500 {
            play(&mut world, 2, linked_with(1));
        }
        world.run(1500);
        assert_eq!(world.linked(2), Some(upgraded(1).instance), "{pause}");
        assert_eq!(world.linked(1), Some(identity(2).instance), "{pause}");
        // They have no wishes of their own any more.
        (1..=2).for_each(|n| play(&mut world, n, played(true)));
        world.run(20_000);
        assert_eq!(world.linked(2), Some(upgraded(1).instance), "{pause}");
        assert_eq!(world.linked(3), None, "{pause}");
    }
}

#[test]
fn two_games_whose_radio_was_off_for_seconds_are_given_each_other_again() {
    let mut world = World::of(2);
    world.run(5000);
    world.add(3, true);
    world.run(5000);
    let away = world.hosts.remove(&1).expect("it is there");
    assert_eq!(lost_after(&mut world, 2).1, Loss::LeftLan);
    play(&mut world, 2, linked_with(1));
    world.run(2000);
    world.hosts.insert(1, away);
    assert_eq!(lost_after(&mut world, 1), (0, Loss::LeftLan));
    play(&mut world, 1, linked_with(2));
    world.run(3000);
    let linked = [1, 2, 3].map(|n| world.linked(n));
    assert_eq!(
        linked,
        [Some(identity(2).instance), Some(identity(1).instance), None]
    );
}

/// A world of two machines that have met by a code, with what each of them knows.
fn acquainted() -> (World, [Trust; 2]) {
    let mut world = World::default();
    (1..=2).for_each(|n| world.add(n, false));
    world.run(7000);
    let now = world.now();
    assert_eq!(world.lan_mut(1).pair(now, identity(2).name, None), Ok(()));
    world.run(2000);
    let (now, code) = (world.now(), shown(&world, 1));
    assert_eq!(world.lan_mut(2).pair(now, identity(1).name, code), Ok(()));
    world.run(2000);
    (1..=2).for_each(|n| play(&mut world, n, played(true)));
    world.run(5000);
    let known = [1, 2].map(|n| {
        let mut trust = trust(n);
        trust.keep(world.met(n).expect("a key"));
        trust
    });
    assert_eq!(world.pairs(), 1);
    (world, known)
}

#[test]
fn a_daemon_that_was_started_again_is_known_by_its_key_wherever_it_is_heard_first() {
    for addresses in [vec![v4(1)], vec![v6(1), v4(1)], vec![v4(7)]] {
        let (mut world, [known, _]) = acquainted();
        world.hosts.get_mut(&2).unwrap().addresses.push(v6(2));
        world.news(2);
        start_again(&mut world, 1, known, addresses.clone());
        let (ms, loss) = lost_after(&mut world, 2);
        assert_eq!(loss, Loss::PeerRestarted, "{addresses:?}");
        assert!(ms < 100, "{addresses:?}: {ms} ms");
    }
}

#[test]
fn a_machine_that_was_met_is_replaced_by_nobody_else() {
    let (mut world, _) = acquainted();
    // Somebody else at its address, who claims to be a later process on that machine, and answers.
    world.news(2);
    let friend = world.hosts.remove(&1).expect("it is there");
    start_again(&mut world, 1, trust(9), vec![v4(1)]);
    world.run(500);
    let now = world.now();
    world.announce(1, &beacon(1, now, true, identity(2).instance));
    world.run(500);
    assert_eq!(world.news(2), []);
    world.hosts.insert(1, friend);
    world.run(5000);
    assert_eq!(world.news(2), []);
    assert_eq!(world.pairs(), 1);
}
