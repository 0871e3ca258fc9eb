//! Discovery of machines on a LAN, and the choice of a partner.
//!
//! A LAN has many machines and no cable that says who belongs together. Each sends beacons; of those with a
//! game that waits and that have chosen nobody else, the nearest is chosen. Two that choose each other are
//! linked. Distance is the round trip in steps of four, and within a step a number that both ends compute
//! alike, so that choices do not run in circles.
//!
//! [`Roster`] decides which statements count: a beacon is a hint, an answer is believed.

mod roster;

pub(crate) use roster::Machine;

use super::peer_loss::Loss;
use crate::identity::{Identity, Instance, Name};
use crate::wire::beacon::Beacon;
use gamelink_core::control::BRIDGE_PORT;
use gamelink_core::time::LocalTime;
use roster::Roster;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Beacon interval while a game waits, and while none does.
const GAME_INTERVAL: Duration = Duration::from_secs(1);
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// Least distance of two beacons: strangers cannot cause more.
const MIN_SPACING: Duration = Duration::from_millis(20);
/// Time a choice may stay unreturned; then it is avoided for as long.
const CHOICE_TIMEOUT: Duration = Duration::from_secs(6);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Announce(Beacon),
    Tell(SocketAddr, Beacon),
    /// This machine and ours have chosen each other; its bridge is at this address. Repeated when it moves.
    PeerUp(Name, SocketAddr),
    PeerDown(Loss),
}

/// Time for which a partner that fell silent keeps its place: nobody plays on with a stranger because a radio was
/// off for a moment.
const KEPT: Duration = Duration::from_secs(60);

/// The machines on one LAN.
#[derive(Debug)]
pub(crate) struct Lan {
    me: Identity,
    has_game: bool,
    roster: Roster,
    chosen: Option<(Instance, LocalTime)>,
    /// The partner, and its bridge's address as assigned.
    linked: Option<(Instance, SocketAddr)>,
    /// Machine of the last partner, which fell silent, and the time up to which no other is chosen.
    kept: Option<(u64, LocalTime)>,
    announced: Option<LocalTime>,
    due: LocalTime,
    outputs: VecDeque<Output>,
}

impl Lan {
    pub(crate) fn new(now: LocalTime, me: Identity) -> Lan {
        Lan {
            // The nonce of a LAN is never sent.
            roster: Roster::new(me.instance, me.nonce.0),
            me,
            has_game: false,
            chosen: None,
            linked: None,
            kept: None,
            announced: None,
            due: now,
            outputs: VecDeque::new(),
        }
    }

    /// The known machines, those with a game first, the nearest first.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        let mut machines: Vec<Machine> = self.roster.iter().copied().collect();
        machines.sort_by_key(|machine| (!machine.has_game, self.rank(machine)));
        machines
    }

    pub(crate) fn linked(&self) -> Option<&Machine> {
        self.roster.find(self.linked?.0)
    }

    /// Name and bridge address of the partner.
    pub(crate) fn linked_address(&self) -> Option<(Name, SocketAddr)> {
        let (instance, address) = self.linked?;
        Some((self.roster.find(instance)?.name, address))
    }

    pub(crate) fn set_game(&mut self, now: LocalTime, has_game: bool) {
        if self.has_game != has_game {
            self.has_game = has_game;
            self.kept = None;
            self.hurry(now);
            if has_game {
                let questions = self.roster.renew(now);
                self.ask(now, questions);
            }
            self.choose(now, Loss::LeftLan);
        }
    }

    pub(crate) fn handle_beacon(&mut self, now: LocalTime, from: SocketAddr, beacon: &Beacon) {
        // Our own, by any interface, or of another daemon of this machine.
        let is_own = beacon.sender == self.me.instance || beacon.box_id == self.me.box_id;
        // All bridges have the same port; a stranger must not choose the one that our game binds.
        if is_own || beacon.port != BRIDGE_PORT {
            return;
        }
        let kept = [self.chosen.map(|(of, _)| of), self.linked.map(|(of, _)| of)];
        let outcome = self.roster.handle_beacon(now, from, beacon, kept);
        if outcome.is_new {
            // A newcomer is answered before our next turn.
            self.hurry(now);
        }
        let loss = match outcome.has_replaced {
            true => Loss::PeerRestarted,
            false => Loss::LeftLan,
        };
        self.choose(now, loss);
        if outcome.may_answer {
            let answer = Beacon {
                echo: beacon.stamp,
                echo_to: beacon.sender,
                ..self.beacon(now)
            };
            self.outputs.push_back(Output::Tell(from, answer));
        }
        self.ask(now, outcome.question);
    }

    pub(crate) fn handle_timeout(&mut self, now: LocalTime) {
        let partner = self.linked().map(|machine| machine.box_id);
        let questions = self.roster.handle_timeout(now);
        if let Some(partner) = partner.filter(|_| self.linked().is_none()) {
            self.kept = Some((partner, now.after(KEPT)));
        }
        self.ask(now, questions);
        if let Some((chosen, since)) = self.chosen
            && self.linked.is_none()
            && now.since(since) >= CHOICE_TIMEOUT
        {
            self.roster.avoid(chosen, now.after(CHOICE_TIMEOUT));
            self.chosen = None;
        }
        self.choose(now, Loss::LeftLan);
        if now >= self.due {
            // Jitter: others may have started at the same moment.
            let jitter = Duration::from_millis((self.me.nonce.0 ^ now.0) % 200);
            let interval = match self.has_game {
                true => GAME_INTERVAL,
                false => IDLE_INTERVAL,
            };
            self.due = now.after(interval - jitter);
            self.announced = Some(now);
            let beacon = self.beacon(now);
            self.outputs.push_back(Output::Announce(beacon));
        }
    }

    pub(crate) fn poll_timeout(&self) -> LocalTime {
        self.roster.poll_timeout().map_or(self.due, |at| at.min(self.due))
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn ask(&mut self, now: LocalTime, questions: impl IntoIterator<Item = (SocketAddr, u64)>) {
        for (to, stamp) in questions {
            let question = Beacon {
                asks: true,
                stamp,
                ..self.beacon(now)
            };
            self.outputs.push_back(Output::Tell(to, question));
        }
    }

    /// Moves the next beacon forward.
    fn hurry(&mut self, now: LocalTime) {
        let soonest = self.announced.map_or(now, |at| at.after(MIN_SPACING).max(now));
        self.due = self.due.min(soonest);
    }

    fn beacon(&self, now: LocalTime) -> Beacon {
        let chosen = self.chosen.and_then(|(chosen, _)| self.roster.find(chosen));
        Beacon {
            sender: self.me.instance,
            name: self.me.name,
            box_id: self.me.box_id,
            has_game: self.has_game,
            asks: false,
            port: BRIDGE_PORT,
            chosen: self.chosen.map_or(Instance::NONE, |(chosen, _)| chosen),
            is_by_v6: chosen.is_some_and(|machine| machine.address.is_ipv6()),
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

    /// Chooses a partner. `loss` is why the last one is unknown, if it is.
    fn choose(&mut self, now: LocalTime, loss: Loss) {
        let me = self.me.instance;
        let linked = self.linked.map(|(linked, _)| linked);
        let may = |machine: &&Machine| {
            (machine.chosen == Instance::NONE || machine.chosen == me) && now >= machine.avoided_until
        };
        let kept = self.kept.filter(|(_, until)| now < *until);
        let is_kept = |of: &&Machine| kept.is_none_or(|(partner, _)| partner == of.box_id);
        let candidates = self
            .roster
            .players()
            .filter(|of| self.has_game && may(of) && is_kept(of));
        // Machines that have chosen us come first, and a link is not left for a nearer one.
        let order = |of: &&Machine| (Some(of.instance) != linked, of.chosen != me, self.rank(of));
        let best = candidates.min_by_key(order).copied();
        let chosen = best.map(|machine| machine.instance);
        if self.chosen.map(|(chosen, _)| chosen) != chosen {
            self.chosen = chosen.map(|chosen| (chosen, now));
            // The chosen machine is to learn of it soon.
            self.hurry(now);
        }
        let mutual = best.filter(|machine| machine.chosen == me);
        let now_linked = mutual.map(|machine| {
            let mut address = machine.address;
            address.set_port(BRIDGE_PORT);
            (machine.instance, address)
        });
        if now_linked == self.linked {
            return;
        }
        if linked.is_some() && now_linked.map(|(of, _)| of) != linked {
            let loss = match self.linked() {
                None => loss,
                Some(_) => Loss::Unchosen,
            };
            self.outputs.push_back(Output::PeerDown(loss));
        }
        self.linked = now_linked;
        self.kept = self.kept.filter(|_| now_linked.is_none());
        if let (Some(machine), Some((_, address))) = (mutual, now_linked) {
            self.outputs.push_back(Output::PeerUp(machine.name, address));
        }
    }
}
