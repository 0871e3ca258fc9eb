//! One machine on a LAN: what it says of itself, and what it has answered.

use crate::identity::{Instance, Name, hash64};
use crate::machine::trust::{MachineId, Public, Trust};
use crate::wire::beacon::{Beacon, Game};
use gamelink_core::time::LocalTime;
use std::net::SocketAddr;
use std::time::Duration;

/// Silence after which a machine with a game is gone: three beacons.
const GONE_AFTER: Duration = Duration::from_millis(3500);
/// Silence after which one without a game is gone: its beacons come every five seconds.
const IDLE_GONE_AFTER: Duration = Duration::from_secs(16);
/// Time for which a silent machine is kept after another address used its name: two beacons and a margin.
const MOVE_WINDOW: Duration = Duration::from_millis(2500);
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
    /// Content of its last answer.
    pub(crate) said: Statement,
    /// The machine, where this one has met it.
    pub(crate) met: Option<MachineId>,
    /// Key of its process.
    pub(crate) public: Public,
    /// The shortest round trip so far.
    pub(crate) round_trip: Option<Duration>,
    /// Ranked last until then: it did not return our choice.
    pub(crate) avoided_until: LocalTime,
    pub(crate) box_id: u64,
    /// Time its address was last heard.
    pub(super) heard: LocalTime,
    /// Time another address last used its name.
    pub(super) heard_elsewhere: Option<LocalTime>,
    /// Where its name was last heard, by IPv4 and by IPv6.
    sightings: [Option<Sighting>; 2],
    pub(super) asking: Asking,
    /// Time of its last answer; `None` for a rumoured machine.
    pub(super) confirmed: Option<LocalTime>,
}

/// An address that used a machine's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sighting {
    address: SocketAddr,
    heard: LocalTime,
}

/// Statement of a machine about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The game that waits there.
    pub(crate) game: Option<Game>,
    /// The machine that it has chosen, or none.
    pub(crate) chosen: Instance,
    /// Machine to which it shows a code, or none.
    pub(crate) invites: Instance,
    /// It has chosen us, its number is the lower one, and it knows us by IPv6, or not.
    leads_by_v6: Option<bool>,
}

/// Questions to a machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asking {
    /// The last one, until it is answered.
    question: Option<Question>,
    pub(super) retries: u8,
    /// Questions to its address since that was last heard, or first seen where it never answers.
    pub(super) unanswered: u8,
    budgets: Budgets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    to: SocketAddr,
    stamp: u64,
    sent: LocalTime,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    since: LocalTime,
    used: u32,
}

impl Budget {
    /// Takes one; false when the budget is used up.
    pub(super) fn take(&mut self, now: LocalTime, most: u32) -> bool {
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

impl Machine {
    pub(super) fn new(now: LocalTime, from: SocketAddr, beacon: &Beacon) -> Machine {
        Machine {
            instance: beacon.sender,
            name: beacon.name,
            address: from,
            said: Statement::default(),
            met: None,
            public: beacon.public,
            round_trip: None,
            avoided_until: LocalTime(0),
            box_id: beacon.box_id,
            heard: now,
            heard_elsewhere: None,
            sightings: [None; 2],
            asking: Asking::default(),
            confirmed: None,
        }
    }

    /// Notes that this address uses its name; one that is still heard is not replaced by another of its
    /// family.
    pub(super) fn handle_sighting(&mut self, now: LocalTime, from: SocketAddr) {
        let [v4, v6] = &mut self.sightings;
        let slot = if from.is_ipv6() { v6 } else { v4 };
        let is_other = |of: &Sighting| of.address != from && now.since(of.heard) < GONE_AFTER;
        if !slot.as_ref().is_some_and(is_other) {
            *slot = Some(Sighting {
                address: from,
                heard: now,
            });
        }
    }

    /// Where its game may be reached: its address, and that of the other family at which its name was heard
    /// lately.
    ///
    /// That one is a hint, as a beacon is. A game tries it only where it hears nothing from the first, and
    /// believes nothing that is not sealed with the key of the link.
    pub(crate) fn addresses(&self, now: LocalTime) -> impl Iterator<Item = SocketAddr> {
        let is_lately = |of: &&Sighting| now.since(of.heard) < IDLE_GONE_AFTER;
        let sightings = self.sightings.iter().flatten().filter(is_lately);
        let other = sightings
            .map(|of| of.address)
            .find(|of| of.is_ipv6() != self.address.is_ipv6());
        std::iter::once(self.address).chain(other)
    }

    /// True if one more question of it may be answered in this second.
    pub(super) fn may_answer(&mut self, now: LocalTime) -> bool {
        self.asking.budgets.answers.take(now, MAX_PER_SECOND)
    }

    /// True if it is to be forgotten.
    pub(super) fn is_gone(&self, now: LocalTime) -> bool {
        // One that is heard elsewhere may be about to answer from there.
        let may_move = self.heard_elsewhere.is_some_and(|at| now.since(at) < MOVE_WINDOW);
        let is_kept_longer = self.confirmed.is_some() && (may_move || self.said.game.is_none());
        now.since(self.heard)
            >= if is_kept_longer {
                IDLE_GONE_AFTER
            } else {
                GONE_AFTER
            }
    }

    /// True if another address may answer in its place.
    pub(super) fn has_left(&self, now: LocalTime) -> bool {
        // Before its first answer a machine may be out of reach by a family that only carries beacons.
        let is_out_of_reach = self.confirmed.is_none() || now.since(self.heard) >= GONE_AFTER;
        is_out_of_reach && self.asking.unanswered >= MAX_UNANSWERED
    }

    /// True if it knows us by the family of `from`, and we know it by the other one.
    pub(super) fn is_led_to(&self, from: SocketAddr) -> bool {
        let by_v6 = self.said.leads_by_v6;
        by_v6 == Some(from.is_ipv6()) && by_v6 != Some(self.address.is_ipv6())
    }

    /// Order of eviction: unconfirmed machines, those without a game, the longest silent.
    pub(super) fn worth(&self) -> (bool, bool, LocalTime) {
        (self.confirmed.is_some(), self.said.game.is_some(), self.heard)
    }

    /// Time to repeat a lost question.
    pub(super) fn retry_due(&self) -> Option<LocalTime> {
        let question = self.asking.question?;
        let may_retry =
            self.confirmed.is_some() && question.to == self.address && self.asking.retries < MAX_RETRIES;
        may_retry.then(|| question.sent.after(ANSWER_TIMEOUT))
    }

    /// Takes the answer to the last question; false for anything else. The sender's clock is never compared:
    /// the answer to the newest question is newest.
    pub(super) fn handle_answer(
        &mut self,
        now: LocalTime,
        (me, trust): (Instance, &Trust),
        from: SocketAddr,
        beacon: &Beacon,
    ) -> bool {
        let is_answer = |of: &mut Question| (of.to, of.stamp, me) == (from, beacon.echo, beacon.echo_to);
        let Some(question) = self.asking.question.take_if(is_answer) else {
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
        self.asking.unanswered = 0;
        self.confirmed = Some(now);
        self.round_trip = Some(self.round_trip.map_or(trip, |best| best.min(trip)));
        let leads = beacon.chosen == me && self.instance < me;
        self.said = Statement {
            game: beacon.game,
            chosen: beacon.chosen,
            invites: beacon.invites,
            leads_by_v6: leads.then_some(beacon.is_by_v6),
        };
        true
    }

    /// True if it has chosen another machine than this one.
    pub(crate) fn plays_with_other_than(&self, me: Instance) -> bool {
        self.said.chosen != Instance::NONE && self.said.chosen != me
    }

    /// True once it has answered.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed.is_some()
    }

    /// True if it has answered since this moment.
    pub(super) fn has_answered(&self, since: LocalTime) -> bool {
        self.confirmed.is_some_and(|at| at >= since)
    }

    /// True if `from` is to be questioned after this beacon; answers before `renewed` are out of date.
    pub(super) fn wants_question(
        &self,
        now: LocalTime,
        renewed: LocalTime,
        from: SocketAddr,
        beacon: &Beacon,
    ) -> bool {
        let is_asked = self
            .asking
            .question
            .is_some_and(|of| now.since(of.sent) < ANSWER_TIMEOUT);
        let known = (self.said.game, self.said.chosen, self.said.invites);
        let is_known = known == (beacon.game, beacon.chosen, beacon.invites);
        let is_due = self.confirmed.is_none_or(|at| now.since(at) >= MEASURE_INTERVAL);
        !is_asked && (from != self.address || !is_known || is_due || !self.has_answered(renewed))
    }

    /// Sends a question; returns its address and stamp: a time whose lowest bits, a millisecond, are
    /// unguessable.
    pub(super) fn ask(&mut self, now: LocalTime, secret: u64, to: SocketAddr) -> Option<(SocketAddr, u64)> {
        if !self.asking.budgets.questions.take(now, MAX_PER_SECOND) {
            return None;
        }
        let parts = [&secret.to_be_bytes(), &self.instance.0[..], &now.0.to_be_bytes()];
        let stamp = now.0 & !0xF_FFFF | hash64("gamelink question", &parts) & 0xF_FFFF;
        self.asking.question = Some(Question { to, stamp, sent: now });
        // A question to another address resets the count.
        self.asking.unanswered = match to == self.address {
            true => self.asking.unanswered.saturating_add(1),
            false => 0,
        };
        Some((to, stamp))
    }
}
