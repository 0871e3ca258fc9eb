//! Links between machines on a LAN: games, wishes, and machines that meet by a code.

use super::lan_world::{World, beacon, identity, played, v4, v6};
use super::random::Random;
use crate::identity::{Instance, Name};
use crate::machine::lan::{Lan, Output, PairError, Partner, Playing};
use crate::machine::trust::{MachineId, Trust};
use crate::wire::meeting::{Datagram, Step};
use gamelink_core::control::{BRIDGE_PORT, Code, PairingStatus};
use gamelink_core::time::LocalTime;
use std::net::SocketAddr;

/// A game of this family and edition that asks for a key, or not.
fn game(family: u32, digest: u32, is_open: bool) -> Option<Playing> {
    let mut playing = played(true)?;
    playing.game.family = family;
    playing.game.digest = digest;
    playing.game.is_open = is_open;
    Some(playing)
}

fn play(world: &mut World, n: u8, playing: Option<Playing>) {
    let now = world.now();
    world.lan_mut(n).set_game(now, playing);
}

/// Wishes to play with this machine.
fn wish(playing: Option<Playing>, partner: u8) -> Option<Playing> {
    let partner = Partner::Named(identity(partner).name);
    Some(Playing { partner, ..playing? })
}

/// A world of machines whose games ask for keys.
fn closed(count: u8) -> World {
    let mut world = World::of(count);
    (1..=count).for_each(|n| play(&mut world, n, game(1, 1, false)));
    world
}

/// The code that machine `n` shows.
pub(super) fn shown(world: &World, n: u8) -> Option<Code> {
    match world.lan(n).pairing() {
        PairingStatus::ShowsCode { code, .. } => Code::parse(&code),
        _ => None,
    }
}

fn enter(world: &mut World, n: u8, code: Option<Code>) {
    play(
        world,
        n,
        game(1, 1, false).map(|playing| Playing { code, ..playing }),
    );
}

/// Two machines of three, 1 and 2, of which 1 shows 2 a code.
fn invited() -> (World, Code) {
    let mut world = closed(3);
    world.run(3000);
    assert_eq!(world.pairs(), 0, "strangers are not linked");
    play(&mut world, 1, wish(game(1, 1, false), 2));
    world.run(1500);
    let code = shown(&world, 1).expect("a code is shown");
    let wants = PairingStatus::WantsCode {
        name: identity(1).name.to_string(),
        was_wrong: false,
    };
    assert_eq!(world.lan(2).pairing(), wants);
    assert_eq!(world.lan(3).pairing(), PairingStatus::Idle);
    (world, code)
}

#[test]
fn games_are_linked_with_their_like_within_three_seconds() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let mut world = World::default();
        (1..=8).for_each(|n| world.add(n, false));
        // Two games, two editions each; all at once, and one after the other.
        let mut kinds: Vec<u8> = (0..8).collect();
        for place in (1..8).rev() {
            kinds.swap(place, random.below(place as u64 + 1) as usize);
        }
        let spread = random.below(3) * 100;
        for (n, kind) in (1u8..).zip(&kinds) {
            play(
                &mut world,
                n,
                game(u32::from(kind / 4) + 1, u32::from(kind / 2) + 1, true),
            );
            world.run(random.below(spread + 1));
        }
        world.run(3000);
        assert_eq!(world.pairs(), 4, "seed {seed}: everybody is linked");
        for n in 1..=8u8 {
            let with = world.linked(n).unwrap();
            let other = (1..=8u8).find(|of| identity(*of).instance == with).unwrap();
            let family = |n: u8| kinds[usize::from(n) - 1] / 4;
            assert_eq!(family(n), family(other), "seed {seed}: nobody is crossed");
            let [a, b] = [n, other].map(|n| world.lan(n).assignment().unwrap().2.to_owned());
            assert_eq!(a, b, "both ends have one key");
        }
    }
}

#[test]
fn the_same_edition_comes_first() {
    for seed in 0..30u32 {
        let mut world = World::default();
        (1..=4).for_each(|n| world.add(n, false));
        world.run(u64::from(seed) * 130 + 5000);
        for n in 1..=4u8 {
            play(&mut world, n, game(1, u32::from(n) % 2, true));
        }
        world.run(20_000);
        for n in 1..=4u8 {
            let other = identity((n + 1) % 4 + 1).instance;
            assert_eq!(world.linked(n), Some(other), "seed {seed}, machine {n}");
        }
    }
}

#[test]
fn a_player_plays_with_whom_he_names_and_not_with_a_nearer_one() {
    let mut world = World::of(4);
    world.run(10_000);
    assert_eq!(world.pairs(), 2);
    let all: Vec<u8> = (1..=4).collect();
    let with = |world: &World, n| {
        all.iter()
            .copied()
            .find(|of| Some(identity(*of).instance) == world.linked(n))
    };
    let partner = with(&world, 1).unwrap();
    let other = all.iter().copied().find(|n| *n != 1 && *n != partner).unwrap();
    for (n, to) in [(1, other), (other, 1)] {
        play(&mut world, n, wish(played(true), to));
    }
    world.run(3000);
    assert_eq!(with(&world, 1), Some(other));
    // One's own wish alone takes nobody away from a partner.
    play(&mut world, partner, wish(played(true), 1));
    world.run(10_000);
    assert_eq!(with(&world, 1), Some(other));
    assert_eq!(world.lan(partner).waits_for(), Some(identity(1).name));
}

#[test]
fn different_games_are_linked_by_both_players_word_only() {
    let mut world = World::of(2);
    play(&mut world, 2, game(2, 2, true));
    world.run(10_000);
    assert_eq!(world.pairs(), 0);
    play(&mut world, 1, wish(played(true), 2));
    world.run(10_000);
    assert_eq!(world.pairs(), 0);
    play(&mut world, 2, wish(game(2, 2, true), 1));
    world.run(10_000);
    assert_eq!(world.pairs(), 1);
}

#[test]
fn a_game_that_says_nothing_of_itself_is_linked_with_any_but_last() {
    let mut world = World::default();
    (1..=3).for_each(|n| world.add(n, false));
    world.run(7000);
    for (n, family) in [(1, 0), (2, 5), (3, 5)] {
        play(&mut world, n, game(family, family, true));
    }
    world.run(15_000);
    assert_eq!(world.linked(2), Some(identity(3).instance));
    play(&mut world, 3, None);
    world.run(15_000);
    assert_eq!(world.linked(2), Some(identity(1).instance));
}

#[test]
fn the_code_makes_a_key_that_lasts() {
    let (mut world, code) = invited();
    enter(&mut world, 2, Some(code));
    world.run(3000);
    let [a, b] = [1, 2].map(|n| world.lan(n).assignment().expect("linked").2.to_owned());
    assert_eq!(a, b);
    assert_eq!(world.linked(3), None);
    let met: Vec<Trust> = [1, 2]
        .map(|n| {
            let pairing = world.met(n).expect("a pairing to keep");
            Trust::new(MachineId([n; 16]), [n + 100; 32], vec![pairing])
        })
        .to_vec();
    // Other processes, another day, no code.
    let mut world = World::default();
    for (n, trust) in (1..).zip(met) {
        world.add_known(n, trust);
        play(&mut world, n, game(1, 1, false));
    }
    world.add(3, false);
    play(&mut world, 3, game(1, 1, false));
    world.run(2000);
    assert_eq!(world.linked(1), Some(identity(2).instance));
    let [a_later, b_later] = [1, 2].map(|n| world.lan(n).assignment().unwrap().2.to_owned());
    assert_eq!(a_later, b_later);
    assert_ne!(a, a_later, "each process has keys of its own");
    // Forgotten on one side, they are strangers.
    let (now, trust) = (world.now(), Trust::new(MachineId([1; 16]), [101; 32], vec![]));
    world.lan_mut(1).set_trust(now, trust);
    world.run(15_000);
    assert_eq!(world.pairs(), 0);
}

#[test]
fn a_code_is_entered_over_a_network_that_loses_one_in_three() {
    for seed in 0..40 {
        let (mut world, code) = invited();
        world.lose(33, seed * 1_000_000);
        enter(&mut world, 2, Some(code));
        world.run(8000);
        world.lose(0, 0);
        world.run(8000);
        // Where a whole run was lost the code is another one; nobody is stuck.
        if world.linked(1).is_none() {
            enter(&mut world, 2, None);
            let code = shown(&world, 1).expect("another code");
            enter(&mut world, 2, Some(code));
            world.run(5000);
        }
        assert_eq!(world.linked(1), Some(identity(2).instance), "seed {seed}");
    }
}

#[test]
fn a_wrong_code_is_told_on_both_sides_and_used_up() {
    let (mut world, code) = invited();
    let number: u64 = code.to_string().replace(' ', "").parse().unwrap();
    for turn in 1.. {
        let wrong = Code::new(number + turn);
        enter(&mut world, 2, Some(wrong));
        world.run(1000);
        assert_eq!(world.pairs(), 0);
        match world.lan(1).pairing() {
            PairingStatus::ShowsCode { was_wrong, .. } => assert!(was_wrong),
            PairingStatus::TooMany { .. } => {
                assert_eq!(turn, 4);
                break;
            }
            other => panic!("{other:?}"),
        }
        let PairingStatus::WantsCode { was_wrong, .. } = world.lan(2).pairing() else {
            panic!("{:?}", world.lan(2).pairing());
        };
        assert!(was_wrong);
    }
    // A minute later the two may try again.
    world.run(62_000);
    let code = shown(&world, 1).expect("a code");
    enter(&mut world, 2, Some(code));
    world.run(3000);
    assert_eq!(world.pairs(), 1);
}

/// Whoever is asked to meet, and sees all that is sent, learns and changes nothing without the code.
#[test]
fn guesses_are_few_whoever_makes_them() {
    let (mut world, _) = invited();
    let mut random = Random(11);
    let mut codes = std::collections::BTreeSet::new();
    for n in 0..100_000u64 {
        let mut message = [0; 33];
        message.iter_mut().for_each(|byte| *byte = random.next() as u8);
        message[0] = b'S';
        let proof = std::array::from_fn(|_| random.next() as u8);
        let step = match random.below(4) {
            0 => Step::Ask(message),
            1 => Step::Offer(message, proof, MachineId([9; 16])),
            2 => Step::Confirm(proof, MachineId([9; 16])),
            _ => Step::Done,
        };
        let datagram = Datagram {
            // In the name of the one that is invited, and from its address.
            sender: identity([2, 3][random.below(2) as usize]).instance,
            receiver: identity(1).instance,
            step,
        };
        let now = world.now();
        let from = v4([2, 3, 9][random.below(3) as usize]);
        world.lan_mut(1).handle_meeting(now, from, &datagram);
        if let Some(code) = shown(&world, 1) {
            codes.insert(code.to_string());
        }
        if n % 100 == 0 {
            world.run(1);
        }
    }
    assert!(world.met(1).is_none());
    assert!(codes.len() <= 4, "{} codes in a second", codes.len());
    assert_eq!(world.pairs(), 0);
}

#[test]
fn a_stranger_in_a_friends_name_is_neither_linked_nor_shown_as_met() {
    let mut world = World::default();
    let keys = [1u8, 2].map(|n| Trust::new(MachineId([n; 16]), [n + 1; 32], vec![]));
    let ends = [identity(1).instance, identity(2).instance];
    for (n, other) in [(1u8, 2u8), (2, 1)] {
        let [own, theirs] = [n, other].map(|n| &keys[usize::from(n) - 1]);
        let who = (theirs.machine(), identity(other).name);
        let mut trust = own.clone();
        trust.keep(own.meet_by_cable(&theirs.public(), who, ends).unwrap());
        world.add_known(n, trust);
    }
    // The stranger has the friend's name, and is there alone at first.
    let friend = world.hosts.remove(&2).unwrap();
    let stranger = crate::identity::Identity {
        name: identity(2).name,
        ..identity(3)
    };
    let mut lan = Lan::new(
        world.now(),
        stranger,
        Trust::new(MachineId([2; 16]), [9; 32], vec![]),
        [3; 32],
    );
    lan.set_game(LocalTime(0), wish(game(1, 1, true), 1));
    world.hosts.insert(
        3,
        super::lan_world::Host {
            lan,
            addresses: vec![v4(3)],
        },
    );
    play(&mut world, 1, wish(game(1, 1, true), 2));
    world.run(10_000);
    assert_eq!(world.linked(1), None, "not even where both are open");
    assert!(world.lan(1).machines().iter().all(|of| of.met.is_none()));
    world.hosts.insert(2, friend);
    play(&mut world, 2, game(1, 1, true));
    world.run(5000);
    assert_eq!(world.linked(1), Some(identity(2).instance));
}

/// A world of three in which two are linked: one of these, its partner, and the third.
fn two_of_three() -> (World, [u8; 3]) {
    let mut world = World::of(3);
    world.run(20_000);
    assert_eq!(world.pairs(), 1);
    let mut linked = (1..=3).filter(|n| world.linked(*n).is_some());
    let pair = [linked.next().unwrap(), linked.next().unwrap()];
    (world, [pair[0], pair[1], 6 - pair[0] - pair[1]])
}

#[test]
fn a_partner_that_is_away_for_a_moment_is_not_given_away() {
    let (mut world, [away, partner, third]) = two_of_three();
    let host = world.hosts.remove(&away).unwrap();
    world.run(30_000);
    assert_eq!(
        [world.linked(partner), world.linked(third)],
        [None; 2],
        "it is waited for"
    );
    world.hosts.insert(away, host);
    world.run(10_000);
    assert_eq!(world.linked(partner), Some(identity(away).instance));
    assert_eq!(world.linked(third), None);
}

#[test]
fn a_machine_that_goes_for_good_is_replaced_after_a_minute() {
    let (mut world, [gone, partner, third]) = two_of_three();
    world.hosts.remove(&gone);
    world.run(75_000);
    assert_eq!(world.linked(partner), Some(identity(third).instance));
}

#[test]
fn a_player_who_loads_the_game_anew_waits_for_nobody() {
    let (mut world, [gone, partner, third]) = two_of_three();
    world.hosts.remove(&gone);
    world.run(10_000);
    let now = world.now();
    for has_game in [false, true] {
        world
            .hosts
            .get_mut(&partner)
            .unwrap()
            .lan
            .set_game(now, played(has_game));
    }
    // The third may have chosen it in vain, and avoid it for a while.
    world.run(15_000);
    assert_eq!(world.linked(partner), Some(identity(third).instance));
}

#[test]
fn a_tool_shows_and_enters_codes_without_a_game() {
    let mut world = World::default();
    (1..=2).for_each(|n| world.add(n, false));
    world.run(7000);
    let (now, [one, two]) = (world.now(), [1, 2].map(|n| identity(n).name));
    assert_eq!(
        world.lan_mut(1).pair(now, Name::new("nobody"), None),
        Err(PairError::NotHere)
    );
    assert_eq!(
        world.lan_mut(2).pair(now, one, Code::parse("1234")),
        Err(PairError::ShowsNoCode)
    );
    assert_eq!(world.lan_mut(1).pair(now, two, None), Ok(()));
    world.run(2000);
    let (now, code) = (world.now(), shown(&world, 1));
    assert_eq!(world.lan_mut(2).pair(now, one, code), Ok(()));
    world.run(2000);
    let is_met = |n, of: Instance| {
        world
            .lan(n)
            .machines()
            .iter()
            .any(|at| at.instance == of && at.met.is_some())
    };
    assert!(is_met(1, identity(2).instance) && is_met(2, identity(1).instance));
    let now = world.now();
    assert_eq!(world.lan_mut(1).pair(now, two, None), Err(PairError::AlreadyMet));
}

#[test]
fn a_game_is_given_the_addresses_of_its_partner_that_were_heard_lately() {
    let mut world = World::of(2);
    world.run(5000);
    let bridge = |mut address: SocketAddr| {
        address.set_port(BRIDGE_PORT);
        address
    };
    let given = |world: &World| world.lan(1).assignment().unwrap().1.to_vec();
    assert_eq!(given(&world), [bridge(v4(2))]);
    world.news(1);
    for n in [1, 2] {
        world.hosts.get_mut(&n).unwrap().addresses.push(v6(n));
    }
    world.run(3000);
    let both = [bridge(v4(2)), bridge(v6(2))];
    assert_eq!(given(&world), both);
    let news = world.news(1);
    assert!(
        matches!(&news[..], [Output::PeerUp(_, to)] if *to == both),
        "{news:?}"
    );
    // Another address that uses the name replaces none that is heard.
    for _ in 0..20 {
        let forged = beacon(2, world.now(), true, Instance::NONE);
        world.multicast(2, v6(66), &forged);
        world.run(500);
    }
    assert_eq!(given(&world), both);
    assert_eq!(world.news(1), []);
    // The first family goes, and later is forgotten.
    for n in [1, 2] {
        world.hosts.get_mut(&n).unwrap().addresses.remove(0);
    }
    world.run(8000);
    assert_eq!(given(&world), [bridge(v6(2)), bridge(v4(2))]);
    world.run(20_000);
    assert_eq!(given(&world), [bridge(v6(2))]);
    assert_eq!(world.pairs(), 1);
}
