//! The machines on a LAN, and which addresses speak for them.
//!
//! Anybody on a LAN can send a beacon in any name, so a beacon is only a hint. A machine belongs to the
//! address from which it was first heard, and its statements count only in an answer to a question: the
//! question goes to that address alone, and the answer returns its unguessable stamp. Another address, of
//! either family, takes its place only when the old one is silent and leaves questions unanswered, and the
//! new one answers. Two partners must know each other by one family, or neither game hears the other: the one
//! with the lower number says by which it knows its partner, and the partner takes that address of it which
//! answers by the same. Who can receive traffic to a machine's address can speak for it, but for one that this
//! machine has met: its answers bear a tag (see [`trust`](crate::machine::trust)).

use crate::identity::{Instance, Name, hash64};
use crate::machine::trust::{MachineId, Public, Trust};
use crate::wire::beacon::{Beacon, Game};
use gamelink_core::time::LocalTime;
use std::net::SocketAddr;
use std::time::Duration;

/// Machines known at once: more than any player has, and a bound on a flood of beacons.
const MAX_MACHINES: usize = 32;
/// Machines at one address: a restarted daemon, and some room.
const MAX_AT_ADDRESS: usize = 4;
/// New machines in a second: bounds the questions that a flood of names causes.
const MAX_NEW: u32 = 200;
/// Silence after which a machine with a game is gone: three beacons.
const GONE_AFTER: Duration = Duration::from_millis(3500);
/// Silence after which one without a game is gone: its beacons come every five seconds.
const IDLE_GONE_AFTER: Duration = Duration::from_secs(16);
/// Time for which a silent machine is kept after another address used its name: two beacons and a margin.
const MOVE_WINDOW: Duration = Duration::from_millis(2500);
/// Silence after which a machine is questioned when another address uses its name.
const DOUBT_AFTER: Duration = Duration::from_millis(1500);
/// Questions an address may leave unanswered before another one may take its place.
const MAX_UNANSWERED: u8 = 2;
/// Interval of round trip measurements.
const MEASURE_INTERVAL: Duration = Duration::from_secs(4);
/// Time before a question is repeated: far longer than any round trip on a LAN.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(300);
/// Repetitions of a question to a machine that has answered before.
const MAX_RETRIES: u8 = 3;
/// Time for which answers without a tag do not count for a machine that last answered with one.
const TAGGED_FOR: Duration = Duration::from_secs(10);
/// Questions to, and answers for, one machine in a second: forged beacons must not cause a flood.
const MAX_PER_SECOND: u32 = 20;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) instance: Instance,
    pub(crate) name: Name,
    /// Its address, the only one that speaks for it.
    pub(crate) address: SocketAddr,
    /// The game that waits there.
    pub(crate) game: Option<Game>,
    /// The machine, where this one has met it.
    pub(crate) met: Option<MachineId>,
    /// Key of its process.
    pub(super) public: Public,
    /// Machine to which it shows a code.
    pub(super) invites: Instance,
    /// The shortest round trip so far.
    pub(crate) round_trip: Option<Duration>,
    pub(super) chosen: Instance,
    /// It has chosen us, its number is the lower one, and it knows us by IPv6, or not.
    leads_by_v6: Option<bool>,
    /// Ranked last until then: it did not return our choice.
    pub(super) avoided_until: LocalTime,
    pub(super) box_id: u64,
    /// Time its address was last heard.
    heard: LocalTime,
    /// Time another address last used its name.
    heard_elsewhere: Option<LocalTime>,
    question: Option<Question>,
    retries: u8,
    /// Questions to its address since that was last heard, or first seen where it never answers.
    unanswered: u8,
    budgets: Budgets,
    /// Time of its last answer; `None` for a rumoured machine.
    confirmed: Option<LocalTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    to: SocketAddr,
    stamp: u64,
    sent: LocalTime,
}

#[derive(Clone, Copy, Debug, Default)]
struct Budget {
    since: LocalTime,
    used: u32,
}

impl Budget {
    /// Takes one; false when the budget is used up.
    fn take(&mut self, now: LocalTime, most: u32) -> bool {
        if now.since(self.since) >= Duration::from_secs(1) {
            *self = Budget { since: now, used: 0 };
        }
        let is_left = self.used < most;
        self.used += u32::from(is_left);
        is_left
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Budgets {
    questions: Budget,
    answers: Budget,
}

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

impl Machine {
    fn new(now: LocalTime, from: SocketAddr, beacon: &Beacon) -> Machine {
        Machine {
            instance: beacon.sender,
            name: beacon.name,
            address: from,
            game: None,
            met: None,
            public: beacon.public,
            invites: Instance::NONE,
            round_trip: None,
            chosen: Instance::NONE,
            leads_by_v6: None,
            avoided_until: LocalTime(0),
            box_id: beacon.box_id,
            heard: now,
            heard_elsewhere: None,
            question: None,
            retries: 0,
            unanswered: 0,
            budgets: Budgets::default(),
            confirmed: None,
        }
    }

    /// True if it is to be forgotten.
    fn is_gone(&self, now: LocalTime) -> bool {
        // One that is heard elsewhere may be about to answer from there.
        let may_move = self.heard_elsewhere.is_some_and(|at| now.since(at) < MOVE_WINDOW);
        let is_kept_longer = self.confirmed.is_some() && (may_move || self.game.is_none());
        now.since(self.heard)
            >= if is_kept_longer {
                IDLE_GONE_AFTER
            } else {
                GONE_AFTER
            }
    }

    /// True if another address may answer in its place.
    fn has_left(&self, now: LocalTime) -> bool {
        // Before its first answer a machine may be out of reach by a family that only carries beacons.
        let is_out_of_reach = self.confirmed.is_none() || now.since(self.heard) >= GONE_AFTER;
        is_out_of_reach && self.unanswered >= MAX_UNANSWERED
    }

    /// True if it knows us by the family of `from`, and we know it by the other one.
    fn is_led_to(&self, from: SocketAddr) -> bool {
        let by_v6 = self.leads_by_v6;
        by_v6 == Some(from.is_ipv6()) && by_v6 != Some(self.address.is_ipv6())
    }

    /// Order of eviction: unconfirmed machines, those without a game, the longest silent.
    fn worth(&self) -> (bool, bool, LocalTime) {
        (self.confirmed.is_some(), self.game.is_some(), self.heard)
    }

    /// Time to repeat a lost question.
    fn retry_due(&self) -> Option<LocalTime> {
        let question = self.question?;
        let may_retry = self.confirmed.is_some() && question.to == self.address && self.retries < MAX_RETRIES;
        may_retry.then(|| question.sent.after(ANSWER_TIMEOUT))
    }

    /// Takes the answer to the last question; false for anything else. The sender's clock is never compared:
    /// the answer to the newest question is newest.
    fn handle_answer(
        &mut self,
        now: LocalTime,
        (me, trust): (Instance, &Trust),
        from: SocketAddr,
        beacon: &Beacon,
    ) -> bool {
        let is_answer = |of: &mut Question| (of.to, of.stamp, me) == (from, beacon.echo, beacon.echo_to);
        let Some(question) = self.question.take_if(is_answer) else {
            return false;
        };
        let trip = now.since(question.sent);
        let met = trust.recognise(&beacon.body(), &beacon.tags);
        let is_tagged = |of: &Machine| of.confirmed.is_some_and(|at| now.since(at) < TAGGED_FOR);
        if met.is_none() && self.met.is_some_and(|of| trust.find(of).is_some()) && is_tagged(self) {
            return false;
        }
        if self.confirmed.is_none() {
            self.name = beacon.name;
            self.box_id = beacon.box_id;
        }
        if self.confirmed.is_none() || met.is_some() {
            self.public = beacon.public;
        }
        self.met = met;
        if self.address != from {
            self.address = from;
            self.round_trip = None;
        }
        self.heard = now;
        self.unanswered = 0;
        self.confirmed = Some(now);
        self.round_trip = Some(self.round_trip.map_or(trip, |best| best.min(trip)));
        self.game = beacon.game;
        self.chosen = beacon.chosen;
        self.invites = beacon.invites;
        let leads = beacon.chosen == me && self.instance < me;
        self.leads_by_v6 = leads.then_some(beacon.is_by_v6);
        true
    }

    /// True if it has chosen another machine than this one.
    pub(crate) fn plays_with_other_than(&self, me: Instance) -> bool {
        self.chosen != Instance::NONE && self.chosen != me
    }

    /// True once it has answered.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed.is_some()
    }

    /// True if it has answered since this moment.
    fn has_answered(&self, since: LocalTime) -> bool {
        self.confirmed.is_some_and(|at| at >= since)
    }

    /// True if `from` is to be questioned after this beacon; answers before `renewed` are out of date.
    fn wants_question(&self, now: LocalTime, renewed: LocalTime, from: SocketAddr, beacon: &Beacon) -> bool {
        let is_asked = self
            .question
            .is_some_and(|of| now.since(of.sent) < ANSWER_TIMEOUT);
        let known = (self.game, self.chosen, self.invites);
        let is_known = known == (beacon.game, beacon.chosen, beacon.invites);
        let is_due = self.confirmed.is_none_or(|at| now.since(at) >= MEASURE_INTERVAL);
        !is_asked && (from != self.address || !is_known || is_due || !self.has_answered(renewed))
    }

    /// Sends a question; returns its address and stamp: a time whose lowest bits, a millisecond, are
    /// unguessable.
    fn ask(&mut self, now: LocalTime, secret: u64, to: SocketAddr) -> Option<(SocketAddr, u64)> {
        if !self.budgets.questions.take(now, MAX_PER_SECOND) {
            return None;
        }
        let parts = [&secret.to_be_bytes(), &self.instance.0[..], &now.0.to_be_bytes()];
        let stamp = now.0 & !0xF_FFFF | hash64("gamelink question", &parts) & 0xF_FFFF;
        self.question = Some(Question { to, stamp, sent: now });
        // A question to another address resets the count.
        self.unanswered = match to == self.address {
            true => self.unanswered.saturating_add(1),
            false => 0,
        };
        Some((to, stamp))
    }
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
        let is_player = |of: &&Machine| of.game.is_some() && of.has_answered(self.renewed);
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
        let was_confirmed = machine.confirmed.is_some();
        if machine.handle_answer(now, (me, trust), from, beacon) {
            if !was_confirmed {
                outcome.has_replaced = self.replace(beacon.sender, from, beacon.box_id);
            }
            return outcome;
        }
        outcome.may_answer = beacon.asks && machine.budgets.answers.take(now, MAX_PER_SECOND);
        if from == machine.address {
            machine.heard = now;
            // It is in reach again.
            if was_confirmed {
                machine.unanswered = 0;
            }
            machine.retries = 0;
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

    /// Forgets earlier processes of a restarted machine, of the same address and machine.
    fn replace(&mut self, instance: Instance, address: SocketAddr, box_id: u64) -> bool {
        let before = self.machines.len();
        self.machines
            .retain(|of| of.instance == instance || of.address.ip() != address.ip() || of.box_id != box_id);
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
            machine.retries += 1;
            machine.ask(now, secret, machine.address)
        })
        .collect()
    }
}
