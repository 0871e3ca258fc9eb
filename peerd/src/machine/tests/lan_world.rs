//! Machines on one LAN in virtual time.

use super::random::Random;
use crate::identity::{Identity, Instance, Name, Nonce};
use crate::machine::lan::{Lan, Output, Partner, Playing};
use crate::machine::trust::{MachineId, Pairing, Public, Trust};
use crate::wire::beacon::{Beacon, Game};
use crate::wire::meeting::Datagram;
use gamelink_core::control::BRIDGE_PORT;
use gamelink_core::time::LocalTime;
use std::collections::BTreeMap;
use std::net::SocketAddr;

pub(super) fn identity(n: u8) -> Identity {
    Identity {
        instance: Instance([n.wrapping_mul(57); 16]),
        nonce: Nonce(u64::from(n) * 7_919),
        box_id: n.into(),
        started_ms: 0,
        name: Name::new(&format!("lan{n}")),
        machine: MachineId::default(),
        public: Public::default(),
    }
}

pub(super) fn v4(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 56_401))
}

pub(super) fn v6(host: u8) -> SocketAddr {
    SocketAddr::from(([0xfe80, 0, 0, 0, 0, 0, 0, host.into()], 56_401))
}

/// A game that is linked with any other, if there is one.
pub(super) fn played(is_there: bool) -> Option<Playing> {
    is_there.then_some(Playing {
        game: Game {
            title: Name::new("GAME"),
            family: 1,
            digest: 1,
            is_open: true,
        },
        partner: Partner::Anyone,
        code: None,
    })
}

/// The trust of machine `n`, which has met nobody.
pub(super) fn trust(n: u8) -> Trust {
    Trust::new(MachineId([n; 16]), [n.wrapping_add(1); 32], vec![])
}

/// A beacon as `identity(n)` would send it.
pub(super) fn beacon(n: u8, now: LocalTime, has_game: bool, chosen: Instance) -> Beacon {
    Beacon {
        sender: identity(n).instance,
        name: identity(n).name,
        box_id: n.into(),
        game: played(has_game).map(|of| of.game),
        asks: false,
        port: BRIDGE_PORT,
        chosen,
        invites: Instance::NONE,
        is_by_v6: false,
        stamp: now.0,
        echo: 0,
        echo_to: Instance::NONE,
        public: trust(n).public(),
        tags: Default::default(),
    }
}

/// One machine: its daemon, and the addresses that it has now, at most one a family.
pub(super) struct Host {
    pub(super) lan: Lan,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Content of a datagram.
#[derive(Clone)]
enum Content {
    Beacon(Box<Beacon>),
    Meeting(Datagram),
}

/// A LAN with a delay of 1 ms one way.
#[derive(Default)]
pub(super) struct World {
    now_ms: u64,
    pub(super) hosts: BTreeMap<u8, Host>,
    /// Datagrams in flight: time, sender, receiver, content.
    flying: Vec<(u64, SocketAddr, SocketAddr, Content)>,
    sent: usize,
    /// IPv6 carries multicast only.
    has_half_v6: bool,
    /// Random loss, and the datagrams it applies to.
    loss_percent: u64,
    random: u64,
    /// Outputs about peers, by machine.
    told: Vec<(u8, Output)>,
}

impl World {
    pub(super) fn now(&self) -> LocalTime {
        LocalTime((self.now_ms + 1) * 1_000_000)
    }

    pub(super) fn add(&mut self, n: u8, has_game: bool) {
        let mut lan = Lan::new(self.now(), identity(n), trust(n), [n; 32]);
        lan.set_game(self.now(), played(has_game));
        let addresses = vec![v4(n)];
        self.hosts.insert(n, Host { lan, addresses });
    }

    /// A machine without a game that knows others.
    pub(super) fn add_known(&mut self, n: u8, trust: Trust) {
        let lan = Lan::new(self.now(), identity(n), trust, [n; 32]);
        let addresses = vec![v4(n)];
        self.hosts.insert(n, Host { lan, addresses });
    }

    /// Loses this part of all datagrams from now on.
    pub(super) fn lose(&mut self, percent: u64, seed: u64) {
        (self.loss_percent, self.random) = (percent, seed);
    }

    /// A world of machines with games, numbered from 1.
    pub(super) fn of(count: u8) -> World {
        let mut world = World::default();
        (1..=count).for_each(|n| world.add(n, true));
        world
    }

    pub(super) fn announce(&mut self, n: u8, sent: &Beacon) {
        let from = self.hosts[&n].addresses.clone();
        for from in from {
            self.multicast(n, from, sent);
        }
    }

    /// Sends to all others, with any sender address.
    pub(super) fn multicast(&mut self, n: u8, from: SocketAddr, beacon: &Beacon) {
        let others = self.hosts.iter().filter(|(of, _)| **of != n);
        let to = others.filter_map(|(_, host)| {
            let same = |to: &&SocketAddr| to.is_ipv4() == from.is_ipv4();
            host.addresses.iter().find(same).copied()
        });
        let at = self.now_ms + 1;
        let content = Content::Beacon(Box::new(*beacon));
        let copies: Vec<_> = to.map(|to| (at, from, to, content.clone())).collect();
        self.flying.extend(copies);
        self.sent += 1;
    }

    pub(super) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            let at = self.now_ms;
            let (arrived, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.flying)
                .into_iter()
                .partition(|(when, ..)| *when <= at);
            self.flying = rest;
            let now = self.now();
            for (_, from, to, content) in arrived {
                self.random += 1;
                if Random(self.random).below(100) < self.loss_percent {
                    continue;
                }
                let at_home = |host: &&mut Host| host.addresses.contains(&to);
                if let Some(host) = self.hosts.values_mut().find(at_home) {
                    match content {
                        Content::Beacon(beacon) => host.lan.handle_beacon(now, from, &beacon),
                        Content::Meeting(datagram) => host.lan.handle_meeting(now, from, &datagram),
                    }
                }
            }
            for n in self.hosts.keys().copied().collect::<Vec<_>>() {
                self.turn(n);
            }
            self.now_ms += 1;
        }
    }

    pub(super) fn turn(&mut self, n: u8) {
        let now = self.now();
        let host = self.hosts.get_mut(&n).unwrap();
        if host.lan.poll_timeout() <= now {
            host.lan.handle_timeout(now);
        }
        while let Some(output) = self.hosts.get_mut(&n).unwrap().lan.poll_output() {
            match output {
                Output::Announce(beacon) => self.announce(n, &beacon),
                Output::Tell(to, beacon) => self.tell(n, to, Content::Beacon(beacon)),
                Output::Meet(to, datagram) => self.tell(n, to, Content::Meeting(datagram)),
                told => self.told.push((n, told)),
            }
        }
    }

    fn tell(&mut self, n: u8, to: SocketAddr, content: Content) {
        let same = |from: &&SocketAddr| from.is_ipv4() == to.is_ipv4();
        let is_lost = self.has_half_v6 && to.is_ipv6();
        if let Some(from) = self.hosts[&n].addresses.iter().find(same).filter(|_| !is_lost) {
            self.flying.push((self.now_ms + 1, *from, to, content));
        }
        self.sent += 1;
    }

    pub(super) fn lan_mut(&mut self, n: u8) -> &mut Lan {
        &mut self.hosts.get_mut(&n).unwrap().lan
    }

    pub(super) fn lan(&self, n: u8) -> &Lan {
        &self.hosts[&n].lan
    }

    pub(super) fn linked(&self, n: u8) -> Option<Instance> {
        self.lan(n).linked().map(|machine| machine.instance)
    }

    pub(super) fn pairs(&self) -> usize {
        let mut linked = 0;
        for (n, host) in &self.hosts {
            let Some(with) = host.lan.linked().map(|machine| machine.instance) else {
                continue;
            };
            let other = self
                .hosts
                .keys()
                .find(|n| identity(**n).instance == with)
                .unwrap();
            let back = self.linked(*other);
            assert_eq!(back, Some(identity(*n).instance), "a link has two ends");
            linked += 1;
        }
        linked / 2
    }

    /// The key that `n` was last given to keep.
    pub(super) fn met(&self, n: u8) -> Option<Pairing> {
        self.told.iter().rev().find_map(|told| match told {
            (of, Output::Met(pairing)) if *of == n => Some(pairing.clone()),
            _ => None,
        })
    }

    /// Outputs of `n` since the last call.
    pub(super) fn news(&mut self, n: u8) -> Vec<Output> {
        let told = std::mem::take(&mut self.told);
        told.into_iter()
            .filter(|(of, _)| *of == n)
            .map(|(_, output)| output)
            .collect()
    }
}

#[test]
fn machines_with_games_pair_up_and_those_without_are_left_alone() {
    for count in 2..=9u8 {
        let mut world = World::default();
        (1..=count).for_each(|n| world.add(n, false));
        world.run(3000);
        assert_eq!(world.pairs(), 0);
        let now = world.now();
        world
            .hosts
            .values_mut()
            .for_each(|host| host.lan.set_game(now, played(true)));
        world.run(37_000);
        assert_eq!(world.pairs(), usize::from(count / 2), "{count} machines");
    }
}

#[test]
fn two_games_are_linked_within_a_second() {
    for n in 2..40 {
        let mut world = World::default();
        world.add(1, true);
        world.run(u64::from(n) * 137);
        world.add(n, true);
        world.run(1000);
        assert_eq!(world.pairs(), 1);
    }
}

#[test]
fn a_game_that_comes_back_at_once_is_told_of_one_link() {
    for pause in 1..60 {
        let mut world = World::of(2);
        world.run(5000);
        assert_eq!(world.pairs(), 1);
        let now = world.now();
        world.hosts.get_mut(&2).unwrap().lan.set_game(now, played(false));
        // Until the other side has been told.
        while world.linked(1).is_some() {
            world.run(1);
        }
        world.run(pause);
        world.news(2);
        let now = world.now();
        world.hosts.get_mut(&2).unwrap().lan.set_game(now, played(true));
        world.run(1000);
        let news = world.news(2);
        assert!(matches!(news[..], [Output::PeerUp(..)]), "{pause} {news:?}");
    }
}

#[test]
fn a_network_that_loses_one_in_five_links_most_of_the_time() {
    let (mut linked_ms, mut downs) = (0, 0);
    for seed in 0..50 {
        let mut world = World::of(2);
        (world.loss_percent, world.random) = (20, seed * 1_000_000);
        for _ in 0..600 {
            world.run(100);
            let is_linked = world.linked(1).is_some() && world.linked(2).is_some();
            linked_ms += if is_linked { 100 } else { 0 };
        }
        let news = world.news(1);
        downs += news.iter().filter(|of| matches!(of, Output::PeerDown(_))).count();
    }
    // Of a minute each.
    assert!(linked_ms / 50 > 54_000, "{linked_ms}");
    assert!(downs <= 15, "{downs}");
}

#[test]
fn a_quiet_lan_stays_quiet() {
    let mut world = World::default();
    world.add(1, false);
    world.add(2, false);
    world.run(10_000);
    world.sent = 0;
    world.run(60_000);
    assert!(world.sent < 80, "{}", world.sent);
}

#[test]
fn a_beacon_that_is_read_late_undoes_nothing() {
    let mut world = World::of(2);
    world.run(5000);
    assert_eq!(world.pairs(), 1);
    world.news(1);
    let early = beacon(2, LocalTime(1_000_000), true, Instance::NONE);
    world.multicast(2, v4(2), &early);
    world.run(5000);
    assert_eq!(world.news(1), []);
}

#[test]
fn a_new_address_of_the_friend_is_told_to_the_game() {
    for has_v6 in [false, true] {
        let mut world = World::of(2);
        world.run(10_000);
        assert_eq!(world.pairs(), 1);
        if has_v6 {
            // Both families, of which the first one stays the friend's place.
            world.hosts.get_mut(&2).unwrap().addresses.push(v6(2));
            world.hosts.get_mut(&1).unwrap().addresses.push(v6(1));
            world.run(10_000);
        }
        let before = world.lan(1).assignment().unwrap().1[0];
        assert_eq!(before.ip(), v4(2).ip());
        world.news(1);
        // DHCP gives it another one.
        world.hosts.get_mut(&2).unwrap().addresses[0] = v4(22);
        world.run(6000);
        let after = world.lan(1).assignment().unwrap().1[0];
        assert_ne!(after.ip(), before.ip());
        assert_eq!(after.port(), BRIDGE_PORT);
        let news = world.news(1);
        assert!(
            matches!(&news[..], [Output::PeerUp(_, to)] if to[0] == after),
            "{news:?}"
        );
        assert_eq!(world.pairs(), 1);
        world.run(20_000);
        assert_eq!(world.news(1), []);
    }
}

#[test]
fn two_families_of_one_friend_do_not_flap() {
    let mut world = World::of(2);
    for n in [1, 2] {
        world.hosts.get_mut(&n).unwrap().addresses.push(v6(n));
    }
    world.run(60_000);
    let news = world.news(1);
    assert!(matches!(news[..], [Output::PeerUp(..)]), "{news:?}");
    // One family alone goes on, in whichever place the friend was.
    for n in [1, 2] {
        world.hosts.get_mut(&n).unwrap().addresses.remove(0);
    }
    world.run(60_000);
    assert_eq!(world.pairs(), 1);
    let news = world.news(1);
    // That the other one is first, and that the first one is forgotten.
    assert!(
        !news.iter().any(|of| matches!(of, Output::PeerDown(_))) && news.len() <= 2,
        "{news:?}"
    );
}

#[test]
fn partners_who_first_heard_each_other_by_different_families_come_to_one() {
    for first in [1, 2] {
        let mut world = World::of(2);
        for n in [1, 2] {
            world.hosts.get_mut(&n).unwrap().addresses = vec![v6(n), v4(n)];
        }
        // Each has heard the other once, by the family that came first there.
        let (a, b) = (first, 3 - first);
        let now = world.now();
        for (to, from, address) in [(a, b, v4(b)), (b, a, v6(a))] {
            let heard = beacon(from, now, true, Instance::NONE);
            world
                .hosts
                .get_mut(&to)
                .unwrap()
                .lan
                .handle_beacon(now, address, &heard);
        }
        world.run(6_000);
        let families = [1, 2].map(|n| world.lan(n).assignment().unwrap().1[0].is_ipv6());
        assert_eq!(families[0], families[1], "first {first}");
        let told = world
            .told
            .iter()
            .filter(|(_, told)| matches!(told, Output::PeerDown(_)));
        assert_eq!(told.count(), 0, "first {first}: {:?}", world.told);
        // And it stays so.
        world.told.clear();
        world.run(30_000);
        assert_eq!(world.told, [], "first {first}");
    }
}

#[test]
fn a_family_that_carries_no_answers_keeps_nobody_apart() {
    let mut world = World::of(2);
    world.has_half_v6 = true;
    for n in [1, 2] {
        world.hosts.get_mut(&n).unwrap().addresses.insert(0, v6(n));
    }
    world.run(4000);
    assert_eq!(world.pairs(), 1);
}

#[test]
fn a_daemon_that_is_started_again_takes_its_own_place() {
    let mut world = World::of(2);
    world.run(10_000);
    assert_eq!(world.pairs(), 1);
    let host = world.hosts.remove(&2).unwrap();
    world.run(500);
    let again = Identity {
        instance: Instance([0x42; 16]),
        ..identity(2)
    };
    let mut lan = Lan::new(world.now(), again, trust(2), [0x42; 32]);
    lan.set_game(world.now(), played(true));
    let addresses = host.addresses;
    world.hosts.insert(2, Host { lan, addresses });
    world.run(1000);
    assert_eq!(world.linked(1), Some(again.instance));
    assert_eq!(world.lan(1).machines().len(), 1);
}
