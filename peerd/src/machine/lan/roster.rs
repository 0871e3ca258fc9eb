//! The machines on a LAN, and which addresses speak for them.
//!
//! Anybody on a LAN can send a beacon in any name, so a beacon is only a hint. A machine belongs to the
//! address from which it was first heard, and its statements count only in an answer to a question: the
//! question goes to that address alone, and the answer returns its unguessable stamp. Another address, of
//! either family, takes its place only when the old one is silent and leaves questions unanswered, and the
//! new one answers. Two partners must know each other by one family, or neither game hears the other: the one
//! with the lower number says by which it knows its partner, and the partner takes that address of it which
//! answers by the same. Who can receive traffic to a machine's address can speak for it, but for one that
//! this machine has met: its answers bear a tag (see [`trust`](crate::machine::trust)).

mod machine;

pub(crate) use machine::Machine;

use crate::identity::Instance;
use crate::machine::trust::{MachineId, Trust};
use crate::wire::beacon::Beacon;
use gamelink_core::time::LocalTime;
use machine::Budget;
use std::net::SocketAddr;
use std::time::Duration;

/// Machines known at once: more than any player has, and a bound on a flood of beacons.
const MAX_MACHINES: usize = 32;
/// Machines at one address: a restarted daemon, and some room.
const MAX_AT_ADDRESS: usize = 4;
/// New machines in a second: bounds the questions that a flood of names causes.
const MAX_NEW: u32 = 200;
/// Silence after which a machine is questioned when another address uses its name.
const DOUBT_AFTER: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) is_new: bool,
    /// A question to send: address and stamp.
    pub(super) question: Option<(SocketAddr, u64)>,
    /// The beacon's question may be answered.
    pub(super) may_answer: bool,
    /// It replaced an earlier process of the same machine.
    pub(super) has_replaced: bool,
}

#[derive(Debug)]
pub(super) struct Roster {
    me: Instance,
    /// Key of the stamps.
    secret: u64,
    machines: Vec<Machine>,
    /// Answers before this moment are out of date.
    renewed: LocalTime,
    /// New ones in this second.
    admitted: Budget,
}

impl Roster {
    pub(super) fn new(me: Instance, secret: u64) -> Roster {
        Roster {
            me,
            secret,
            machines: Vec::with_capacity(MAX_MACHINES),
            renewed: LocalTime(0),
            admitted: Budget::default(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter()
    }

    pub(super) fn find(&self, instance: Instance) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.instance == instance)
    }

    /// Candidates for a game, by answers that are up to date.
    pub(super) fn players(&self) -> impl Iterator<Item = &Machine> {
        let is_player = |of: &&Machine| of.said.game.is_some() && of.has_answered(self.renewed);
        self.machines.iter().filter(is_player)
    }

    /// Questions all machines: their answers may be out of date.
    pub(super) fn renew(&mut self, now: LocalTime) -> Vec<(SocketAddr, u64)> {
        self.renewed = now;
        let (secret, known) = (self.secret, self.machines.iter_mut());
        known
            .filter_map(|machine| machine.ask(now, secret, machine.address))
            .collect()
    }

    /// Takes machines for strangers that are known no more.
    pub(super) fn forget_met(&mut self, is_known: impl Fn(&MachineId) -> bool) {
        for machine in &mut self.machines {
            machine.met = machine.met.filter(&is_known);
        }
    }

    /// Ranks a machine last for a while.
    pub(super) fn avoid(&mut self, instance: Instance, until: LocalTime) {
        if let Some(machine) = self.machines.iter_mut().find(|of| of.instance == instance) {
            machine.avoided_until = until;
        }
    }

    /// Takes a beacon of another machine. Machines in `kept` are never evicted.
    pub(super) fn handle_beacon(
        &mut self,
        now: LocalTime,
        from: SocketAddr,
        beacon: &Beacon,
        trust: &Trust,
        kept: [Option<Instance>; 2],
    ) -> Outcome {
        let known = self.machines.iter().position(|of| of.instance == beacon.sender);
        let mut outcome = Outcome {
            is_new: known.is_none(),
            ..Outcome::default()
        };
        let (me, secret, renewed) = (self.me, self.secret, self.renewed);
        let place = known.or_else(|| self.admit(now, from, beacon, kept));
        let Some(machine) = place.and_then(|place| self.machines.get_mut(place)) else {
            return Outcome::default();
        };
        machine.handle_sighting(now, from);
        let was_confirmed = machine.confirmed.is_some();
        if machine.handle_answer(now, (me, trust), from, beacon) {
            if !was_confirmed {
                outcome.has_replaced = self.replace(beacon.sender, from, beacon.box_id);
            }
            return outcome;
        }
        outcome.may_answer = beacon.asks && machine.may_answer(now);
        if from == machine.address {
            machine.heard = now;
            // It is in reach again.
            if was_confirmed {
                machine.asking.unanswered = 0;
            }
            machine.asking.retries = 0;
            let is_others_turn = machine.has_left(now) && machine.heard_elsewhere.is_some();
            // The sender may be forged: changes are questioned.
            if !is_others_turn && machine.wants_question(now, renewed, from, beacon) {
                outcome.question = machine.ask(now, secret, from);
            }
            return outcome;
        }
        machine.heard_elsewhere = Some(now);
        let is_led = machine.is_led_to(from);
        let to = if machine.has_left(now) || is_led {
            from
        } else {
            machine.address
        };
        let is_doubtful = now.since(machine.heard) >= DOUBT_AFTER || !was_confirmed || is_led;
        if is_doubtful && machine.wants_question(now, renewed, from, beacon) {
            outcome.question = machine.ask(now, secret, to);
        }
        outcome
    }

    /// Adds a new machine, evicting another if needed; its place, if there is room.
    fn admit(
        &mut self,
        now: LocalTime,
        from: SocketAddr,
        beacon: &Beacon,
        kept: [Option<Instance>; 2],
    ) -> Option<usize> {
        if !self.admitted.take(now, MAX_NEW) {
            return None;
        }
        let at_address = |of: &Machine| of.address.ip() == from.ip();
        let neighbours = self.machines.iter().filter(|of| at_address(of)).count();
        if neighbours >= MAX_AT_ADDRESS || self.machines.len() >= MAX_MACHINES {
            let is_free = |of: &Machine| {
                (neighbours < MAX_AT_ADDRESS || at_address(of)) && !kept.contains(&Some(of.instance))
            };
            let candidates = self.machines.iter().enumerate().filter(|(_, of)| is_free(of));
            let (place, _) = candidates.min_by_key(|(_, of)| of.worth())?;
            self.machines.swap_remove(place);
        }
        self.machines.push(Machine::new(now, from, beacon));
        Some(self.machines.len() - 1)
    }

    /// Forgets earlier processes of a restarted machine: of one that was met, wherever it is heard now, and of
    /// a stranger at its address.
    fn replace(&mut self, instance: Instance, address: SocketAddr, box_id: u64) -> bool {
        let (before, met) = (self.machines.len(), self.find(instance).and_then(|of| of.met));
        let is_earlier = |of: &Machine| {
            of.instance != instance
                && of.box_id == box_id
                && match of.met {
                    Some(_) => of.met == met,
                    None => of.address.ip() == address.ip(),
                }
        };
        self.machines.retain(|of| !is_earlier(of));
        self.machines.len() < before
    }

    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        self.machines.iter().filter_map(Machine::retry_due).min()
    }

    /// Forgets machines that are gone; returns questions to repeat.
    pub(super) fn handle_timeout(&mut self, now: LocalTime) -> Vec<(SocketAddr, u64)> {
        self.machines.retain(|machine| !machine.is_gone(now));
        let (secret, known) = (self.secret, self.machines.iter_mut());
        let late = known.filter(|machine| machine.retry_due().is_some_and(|at| at <= now));
        late.filter_map(|machine| {
            machine.asking.retries += 1;
            machine.ask(now, secret, machine.address)
        })
        .collect()
    }
}
