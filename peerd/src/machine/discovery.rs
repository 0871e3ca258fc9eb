//! Who else is on a LAN, and with whom to play.
//!
//! A LAN has many machines and no cable that says who belongs together. Each announces itself; of those with a game that waits and
//! that have not chosen somebody else, the nearest is chosen. Two that choose each other are linked. Near means by round trip, in
//! steps of four, and within a step by a number that both ends compute alike, so that choices do not run in circles.

use super::identity::{Identity, Instance, Name};
use crate::wire::beacon::Beacon;
use gamelink_core::control::DownCause;
use gamelink_core::time::LocalTime;
use std::net::SocketAddr;
use std::time::Duration;

/// Between two beacons while a game waits, and while none does.
const EAGER: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(5);
/// Silence after which a machine is gone: three beacons.
const GONE: Duration = Duration::from_millis(3500);
const GONE_IDLE: Duration = Duration::from_secs(16);
/// How often one machine's beacon is answered, for its round trip.
const ANSWER: Duration = Duration::from_secs(4);
/// Machines remembered at once: more than anybody plays with, and all that a flood of beacons can cost.
pub(crate) const MAX_PEERS: usize = 32;
/// How long a choice that is not returned stands, and then is avoided.
const UNRETURNED: Duration = Duration::from_secs(6);

/// A machine on the LAN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) instance: Instance,
    pub(crate) name: Name,
    pub(crate) address: SocketAddr,
    pub(crate) has_game: bool,
    /// The shortest round trip so far.
    pub(crate) round_trip: Option<Duration>,
    chosen: Instance,
    port: u16,
    heard: LocalTime,
    /// When it sent the newest beacon that was heard, by its own clock.
    stamp: u64,
    answered: Option<LocalTime>,
    avoided_until: LocalTime,
}

impl Machine {
    fn new(now: LocalTime, from: SocketAddr, beacon: &Beacon) -> Machine {
        Machine {
            instance: beacon.sender,
            name: beacon.name,
            address: from,
            has_game: false,
            round_trip: None,
            chosen: Instance::NONE,
            port: beacon.port,
            heard: now,
            stamp: 0,
            answered: None,
            avoided_until: LocalTime(0),
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send this to everybody.
    Announce(Beacon),
    /// Send this to one.
    Answer(SocketAddr, Beacon),
    /// This machine and ours have chosen each other; its bridge is at this address.
    PeerUp(Name, SocketAddr),
    /// They have not any more.
    PeerDown(Loss),
}

/// Why a machine is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// No beacon for long.
    Silent,
    /// It plays with another, or not at all; or this side does not.
    Left,
}

impl Loss {
    /// The same for a person.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Loss::Silent => "it is not on this network any more",
            Loss::Left => "it plays with another, or not any more",
        }
    }

    /// The same for a program.
    pub(crate) fn cause(self) -> DownCause {
        match self {
            Loss::Silent => DownCause::Silent,
            Loss::Left => DownCause::Replaced,
        }
    }
}

/// The machines on one LAN.
#[derive(Debug)]
pub(crate) struct Lan {
    me: Identity,
    port: u16,
    has_game: bool,
    machines: Vec<Machine>,
    chosen: Option<(Instance, LocalTime)>,
    linked: Option<Instance>,
    due: LocalTime,
    outputs: Vec<Output>,
}

impl Lan {
    pub(crate) fn new(now: LocalTime, me: Identity, port: u16) -> Lan {
        Lan {
            me,
            port,
            has_game: false,
            machines: Vec::with_capacity(MAX_PEERS),
            chosen: None,
            linked: None,
            due: now,
            outputs: vec![],
        }
    }

    /// The machines known, those with a game first, the nearest first.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        let mut machines = self.machines.clone();
        machines.sort_by_key(|machine| (!machine.has_game, self.rank(machine)));
        machines
    }

    /// With whom ours plays.
    pub(crate) fn linked(&self) -> Option<&Machine> {
        self.machines
            .iter()
            .find(|machine| Some(machine.instance) == self.linked)
    }

    /// Where the linked machine's bridge receives.
    pub(crate) fn linked_address(&self) -> Option<(Name, SocketAddr)> {
        self.linked().map(|machine| (machine.name, bridge(machine)))
    }

    pub(crate) fn set_game(&mut self, now: LocalTime, has_game: bool) {
        if self.has_game != has_game {
            self.has_game = has_game;
            self.due = now;
            self.choose(now);
        }
    }

    pub(crate) fn handle_beacon(&mut self, now: LocalTime, from: SocketAddr, beacon: &Beacon) {
        // Ourselves, by any interface, or another daemon of this box.
        if beacon.sender == self.me.instance || beacon.box_id == self.me.box_id {
            return;
        }
        let place = self
            .machines
            .iter()
            .position(|machine| machine.instance == beacon.sender);
        if place.is_none() {
            if self.machines.len() >= MAX_PEERS {
                return;
            }
            self.machines.push(Machine::new(now, from, beacon));
            // A newcomer should hear of us before our next turn.
            self.due = now;
        }
        let answer = Beacon {
            echo: beacon.stamp,
            echo_to: beacon.sender,
            ..self.beacon(now)
        };
        let place = place.unwrap_or(self.machines.len() - 1);
        let Some(machine) = self.machines.get_mut(place) else {
            return;
        };
        // The family by which it was heard first stays, as long as it is heard at all.
        if machine.address.is_ipv4() == from.is_ipv4() {
            machine.address = from;
        }
        machine.heard = now;
        // Each goes out over v6 and v4, so one that says how things were may be read after one that says how they are.
        if beacon.stamp >= machine.stamp {
            machine.stamp = beacon.stamp;
            machine.has_game = beacon.has_game;
            machine.chosen = beacon.chosen;
            machine.port = beacon.port;
        }
        if beacon.echo_to == self.me.instance {
            let trip = now.since(LocalTime(beacon.echo));
            machine.round_trip = Some(machine.round_trip.map_or(trip, |best| best.min(trip)));
        } else if machine.answered.is_none_or(|at| now.since(at) >= ANSWER) {
            machine.answered = Some(now);
            self.outputs.push(Output::Answer(machine.address, answer));
        }
        self.choose(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: LocalTime) {
        self.machines
            .retain(|machine| now.since(machine.heard) < if machine.has_game { GONE } else { GONE_IDLE });
        if let Some((chosen, since)) = self.chosen
            && self.linked.is_none()
            && now.since(since) >= UNRETURNED
        {
            if let Some(machine) = self
                .machines
                .iter_mut()
                .find(|machine| machine.instance == chosen)
            {
                machine.avoided_until = now.after(UNRETURNED);
            }
            self.chosen = None;
        }
        self.choose(now);
        if now >= self.due {
            // Apart from the others, who may have started at the same moment.
            let jitter = Duration::from_millis((self.me.nonce ^ now.0) % 200);
            self.due = now.after(if self.has_game { EAGER } else { IDLE } - jitter);
            let beacon = self.beacon(now);
            self.outputs.push(Output::Announce(beacon));
        }
    }

    pub(crate) fn poll_timeout(&self) -> LocalTime {
        self.due
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        (!self.outputs.is_empty()).then(|| self.outputs.remove(0))
    }

    fn beacon(&self, now: LocalTime) -> Beacon {
        Beacon {
            sender: self.me.instance,
            name: self.me.name,
            box_id: self.me.box_id,
            has_game: self.has_game,
            port: self.port,
            chosen: self.chosen.map_or(Instance::NONE, |(chosen, _)| chosen),
            stamp: now.0,
            echo: 0,
            echo_to: Instance::NONE,
        }
    }

    fn rank(&self, machine: &Machine) -> (u32, [u8; 16]) {
        let trip = machine
            .round_trip
            .map_or(u64::MAX, |trip| trip.as_micros() as u64);
        (
            trip.checked_ilog(4).unwrap_or(0),
            machine.instance.pair_key(self.me.instance),
        )
    }

    fn choose(&mut self, now: LocalTime) {
        let me = self.me.instance;
        let may = |machine: &&Machine| {
            machine.has_game
                && (machine.chosen == Instance::NONE || machine.chosen == me)
                && now >= machine.avoided_until
        };
        let best = if self.has_game {
            let candidates = self.machines.iter().filter(may);
            // Who has chosen us comes first, and a link that stands is not left for a nearer one.
            candidates.min_by_key(|machine| {
                (
                    Some(machine.instance) != self.linked,
                    machine.chosen != me,
                    self.rank(machine),
                )
            })
        } else {
            None
        };
        let best = best.copied();
        let chosen = best.map(|machine| machine.instance);
        if self.chosen.map(|(chosen, _)| chosen) != chosen {
            self.chosen = chosen.map(|chosen| (chosen, now));
            // It should know soon.
            self.due = now;
        }
        let mutual = best.filter(|machine| machine.chosen == me);
        let linked = mutual.map(|machine| machine.instance);
        if linked != self.linked {
            if self.linked.is_some() {
                // One that is silent has been taken off the list.
                let loss = match self.linked() {
                    None => Loss::Silent,
                    Some(_) => Loss::Left,
                };
                self.outputs.push(Output::PeerDown(loss));
            }
            self.linked = linked;
            if let Some(machine) = mutual {
                self.outputs.push(Output::PeerUp(machine.name, bridge(&machine)));
            }
        }
    }
}

fn bridge(machine: &Machine) -> SocketAddr {
    let mut address = machine.address;
    address.set_port(machine.port);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(n: u8) -> Identity {
        Identity {
            instance: Instance([n.wrapping_mul(57); 16]),
            nonce: u64::from(n) * 7_919,
            box_id: n.into(),
            started_ms: 0,
            name: Name::new("lan"),
        }
    }

    /// Runs machines on one LAN with 1 ms one way; gives who is linked with whom.
    fn run(lans: &mut [Lan], from_ms: u64, to_ms: u64) -> usize {
        let mut flying: Vec<(u64, usize, usize, Beacon)> = vec![];
        let mut sent = 0;
        for ms in from_ms..to_ms {
            let now = LocalTime((ms + 1) * 1_000_000);
            let address = |n: usize| SocketAddr::from(([10, 0, 0, n as u8], 56_401));
            let (arrived, rest): (Vec<_>, Vec<_>) = flying.into_iter().partition(|(at, ..)| *at <= ms);
            flying = rest;
            for (_, from, to, beacon) in arrived {
                lans[to].handle_beacon(now, address(from), &beacon);
            }
            for n in 0..lans.len() {
                if lans[n].poll_timeout() <= now {
                    lans[n].handle_timeout(now);
                }
                while let Some(output) = lans[n].poll_output() {
                    match output {
                        Output::Announce(beacon) => {
                            let others = (0..lans.len()).filter(|&to| to != n);
                            flying.extend(others.map(|to| (ms + 1, n, to, beacon)));
                            sent += 1;
                        }
                        Output::Answer(to, beacon) => {
                            let SocketAddr::V4(to) = to else { panic!() };
                            flying.push((ms + 1, n, usize::from(to.ip().octets()[3]), beacon));
                            sent += 1;
                        }
                        _ => {}
                    }
                }
            }
        }
        sent
    }

    #[test]
    fn a_beacon_that_is_read_late_undoes_nothing() {
        let mut lan = Lan::new(LocalTime(0), identity(1), 56_400);
        lan.set_game(LocalTime(0), true);
        let from = SocketAddr::from(([10, 0, 0, 2], 56_401));
        let beacon = |ms: u64, chosen| Beacon {
            sender: identity(2).instance,
            box_id: 2,
            has_game: true,
            port: 56_400,
            chosen,
            stamp: ms * 1_000_000,
            echo: 0,
            echo_to: Instance::NONE,
            name: Name::new("lan"),
        };
        let now = LocalTime(2_000_000_000);
        lan.handle_beacon(now, from, &beacon(1, Instance::NONE));
        lan.handle_beacon(now, from, &beacon(2, identity(1).instance));
        assert!(lan.linked().is_some());
        lan.handle_beacon(now, from, &beacon(1, Instance::NONE));
        assert!(lan.linked().is_some());
        lan.handle_beacon(now, from, &beacon(3, Instance::NONE));
        assert!(lan.linked().is_none());
    }

    fn pairs(lans: &[Lan]) -> usize {
        for lan in lans {
            if let Some(linked) = lan.linked {
                let other = lans.iter().find(|other| other.me.instance == linked).unwrap();
                assert_eq!(other.linked, Some(lan.me.instance), "a link has two ends");
            }
        }
        lans.iter().filter(|lan| lan.linked.is_some()).count() / 2
    }

    #[test]
    fn machines_with_games_pair_up_and_those_without_are_left_alone() {
        for count in 2..=9u8 {
            let mut lans: Vec<Lan> = (0..count)
                .map(|n| Lan::new(LocalTime(0), identity(n + 1), 56_400))
                .collect();
            run(&mut lans, 0, 3000);
            assert_eq!(pairs(&lans), 0);
            for lan in &mut lans {
                lan.set_game(LocalTime(3_000_000_000), true);
            }
            run(&mut lans, 3000, 40_000);
            assert_eq!(pairs(&lans), usize::from(count / 2), "{count} machines");
        }
    }

    #[test]
    fn a_machine_that_goes_is_noticed_and_replaced() {
        let mut lans: Vec<Lan> = (0..3)
            .map(|n| Lan::new(LocalTime(0), identity(n + 1), 56_400))
            .collect();
        lans.iter_mut().for_each(|lan| lan.set_game(LocalTime(0), true));
        run(&mut lans, 0, 20_000);
        assert_eq!(pairs(&lans), 1);
        let gone = lans.iter().position(|lan| lan.linked.is_some()).unwrap();
        lans.remove(gone);
        run(&mut lans, 20_000, 40_000);
        assert_eq!(pairs(&lans), 1);
    }

    #[test]
    fn a_quiet_lan_stays_quiet() {
        let mut lans: Vec<Lan> = (0..2)
            .map(|n| Lan::new(LocalTime(0), identity(n + 1), 56_400))
            .collect();
        run(&mut lans, 0, 10_000);
        assert!(run(&mut lans, 10_000, 70_000) < 60);
    }

    #[test]
    fn a_flood_of_strangers_costs_no_more_than_the_list() {
        let mut lan = Lan::new(LocalTime(0), identity(1), 56_400);
        let mut answers = 0;
        for n in 0..100_000u32 {
            let mut instance = [9; 16];
            instance[..4].copy_from_slice(&n.to_be_bytes());
            let beacon = Beacon {
                sender: Instance(instance),
                box_id: 77,
                ..lan.beacon(LocalTime(1))
            };
            lan.handle_beacon(LocalTime(1), SocketAddr::from(([10, 0, 0, 9], 1)), &beacon);
            while lan.poll_output().is_some() {
                answers += 1;
            }
        }
        assert_eq!((lan.machines.len(), answers), (MAX_PEERS, MAX_PEERS));
    }

    #[test]
    fn beacons_survive_the_wire_and_mutations_do_no_harm() {
        let lan = Lan::new(LocalTime(0), identity(1), 56_400);
        let beacon = lan.beacon(LocalTime(5));
        let bytes = beacon.encode();
        assert_eq!(Beacon::decode(&bytes), Ok(beacon));
        let mut random = crate::machine::world::Random(5);
        let mut lan = Lan::new(LocalTime(0), identity(2), 56_400);
        for _ in 0..1_000_000 {
            let mut bytes = bytes;
            for _ in 0..random.below(6) {
                let at = random.below(bytes.len() as u64) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
            let len = if random.below(5) == 0 {
                random.below(120) as usize
            } else {
                bytes.len()
            };
            if let Ok(beacon) = Beacon::decode(bytes.get(..len).unwrap_or(&bytes)) {
                lan.handle_beacon(LocalTime(1), SocketAddr::from(([10, 0, 0, 9], 1)), &beacon);
            }
            while lan.poll_output().is_some() {}
        }
        assert!(lan.machines.len() <= MAX_PEERS);
    }
}
