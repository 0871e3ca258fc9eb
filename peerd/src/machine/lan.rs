//! Discovery of machines on a LAN, and the choice of a partner.
//!
//! A LAN has many machines and no cable that says who belongs together. Each sends beacons. A game is linked
//! with one of the same family, or with the machine that its player names, and with none but machines that
//! this one has met, unless both games are open. Of those that have chosen nobody else, the same edition is
//! chosen first, then the nearest. Two that choose each other are linked. Distance is the round trip in steps
//! of four, and within a step a number that both ends compute alike, so that choices do not run in circles.
//!
//! [`Roster`] decides which statements count: a beacon is a hint, an answer is believed. [`meeting`] is how
//! two machines come to know each other.

mod choice;
mod meeting;
mod roster;
mod wishes;

pub(crate) use roster::Machine;
pub(crate) use wishes::{PairError, Partner, Playing};

use super::peer_loss::Loss;
use crate::identity::{Identity, Instance, Name};
use crate::machine::trust::{MachineId, Pairing, Trust};
use crate::wire::beacon::{Beacon, Game};
use crate::wire::meeting::Datagram;
use choice::Link;
use gamelink_core::control::BRIDGE_PORT;
use gamelink_core::time::LocalTime;
use meeting::Meeting;
use roster::Roster;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use wishes::Invitation;

/// Beacon interval while a game waits, and while none does.
const GAME_INTERVAL: Duration = Duration::from_secs(1);
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// Least distance of two beacons: strangers cannot cause more.
const MIN_SPACING: Duration = Duration::from_millis(20);
/// Time a choice may stay unreturned; then it is avoided for as long.
const CHOICE_TIMEOUT: Duration = Duration::from_secs(6);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Announce(Box<Beacon>),
    Tell(SocketAddr, Box<Beacon>),
    /// A step of a first meeting.
    Meet(SocketAddr, Datagram),
    /// The two machines have met: to be kept.
    Met(Pairing),
    /// This machine and ours have chosen each other; its bridge is at one of these addresses, probably the
    /// first. Repeated when they change.
    PeerUp(Name, Vec<SocketAddr>),
    PeerDown(Loss),
}

/// Time for which a partner that fell silent keeps its place: nobody plays on with a stranger because a radio
/// was off for a moment.
const KEPT: Duration = Duration::from_secs(60);

/// The machines on one LAN.
#[derive(Debug)]
pub(crate) struct Lan {
    me: Identity,
    trust: Trust,
    /// The game that waits or plays here, and whom its player wants.
    playing: Option<Playing>,
    roster: Roster,
    meeting: Meeting,
    /// A tool's request to show a code.
    invitation: Option<Invitation>,
    chosen: Option<(Instance, LocalTime)>,
    /// The partner, and its bridge's address as assigned.
    linked: Option<Link>,
    /// The last partner, which fell silent, and the time up to which no other is chosen.
    kept: Option<Kept>,
    announced: Option<LocalTime>,
    due: LocalTime,
    outputs: VecDeque<Output>,
}

/// A partner that fell silent and keeps its place.
#[derive(Clone, Copy, Debug)]
struct Kept {
    box_id: u64,
    name: Name,
    until: LocalTime,
}

impl Lan {
    /// `seed`: random bytes of the kernel.
    pub(crate) fn new(now: LocalTime, me: Identity, trust: Trust, seed: [u8; 32]) -> Lan {
        Lan {
            // The nonce of a LAN is never sent.
            roster: Roster::new(me.instance, me.nonce.0),
            meeting: Meeting::new(me.instance, trust.machine(), seed),
            me,
            trust,
            playing: None,
            invitation: None,
            chosen: None,
            linked: None,
            kept: None,
            announced: None,
            due: now,
            outputs: VecDeque::new(),
        }
    }

    /// The instance of this process.
    pub(crate) fn instance(&self) -> Instance {
        self.me.instance
    }

    /// The known machines, those with a game first, the nearest first.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        let mut machines: Vec<Machine> = self.roster.iter().copied().collect();
        machines.sort_by_key(|machine| (machine.said.game.is_none(), self.rank(machine)));
        machines
    }

    pub(crate) fn linked(&self) -> Option<&Machine> {
        self.roster.find(self.linked.as_ref()?.instance)
    }

    /// The partner, its bridge's addresses, and the key of the link.
    pub(crate) fn assignment(&self) -> Option<(&Machine, &[SocketAddr], &str)> {
        let link = self.linked.as_ref()?;
        Some((self.roster.find(link.instance)?, &link.addresses, &link.key))
    }

    /// Replaces what this machine knows of others.
    pub(crate) fn set_trust(&mut self, now: LocalTime, trust: Trust) {
        self.trust = trust;
        let is_known = |id: &MachineId| self.trust.find(*id).is_some();
        self.roster.forget_met(is_known);
        // Their next answers tell who they are.
        let questions = self.roster.renew(now);
        self.ask(now, questions);
        self.hurry(now);
        self.choose(now, Loss::Unchosen);
    }

    pub(crate) fn set_game(&mut self, now: LocalTime, playing: Option<Playing>) {
        let before = self.playing;
        if before == playing {
            return;
        }
        self.playing = playing;
        self.hurry(now);
        if before.is_some() != playing.is_some() {
            self.kept = None;
            if playing.is_some() {
                let questions = self.roster.renew(now);
                self.ask(now, questions);
            }
        }
        self.enter_code(now, before.and_then(|of| of.code));
        self.choose(now, Loss::LeftLan);
    }

    pub(crate) fn handle_meeting(&mut self, now: LocalTime, from: SocketAddr, datagram: &Datagram) {
        let agreed = self
            .meeting
            .handle_datagram(now, from, datagram, &mut self.outputs);
        if let Some(pairing) = agreed {
            let mut trust = self.trust.clone();
            trust.keep(pairing.clone());
            self.outputs.push_back(Output::Met(pairing));
            self.set_trust(now, trust);
        }
        self.invite();
    }

    pub(crate) fn handle_beacon(&mut self, now: LocalTime, from: SocketAddr, beacon: &Beacon) {
        // Our own, by any interface, or of another daemon of this machine.
        let is_own = beacon.sender == self.me.instance || beacon.box_id == self.me.box_id;
        // All bridges have the same port; a stranger must not choose the one that our game binds.
        if is_own || beacon.port != BRIDGE_PORT {
            return;
        }
        let linked = self.linked.as_ref().map(|link| link.instance);
        let kept = [self.chosen.map(|(of, _)| of), linked];
        let trust = &self.trust;
        let outcome = self.roster.handle_beacon(now, from, beacon, trust, kept);
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
            let answer = Box::new(answer.tagged(&self.trust));
            self.outputs.push_back(Output::Tell(from, answer));
        }
        self.ask(now, outcome.question);
    }

    pub(crate) fn handle_timeout(&mut self, now: LocalTime) {
        let partner = self.linked().map(|machine| (machine.box_id, machine.name));
        let questions = self.roster.handle_timeout(now);
        if let Some((box_id, name)) = partner.filter(|_| self.linked().is_none()) {
            let until = now.after(KEPT);
            self.kept = Some(Kept { box_id, name, until });
        }
        self.meeting.handle_timeout(now, &mut self.outputs);
        self.invitation = self.invitation.filter(|of| now < of.until);
        self.ask(now, questions);
        self.give_up_choice(now);
        self.choose(now, Loss::LeftLan);
        if now >= self.due {
            // Jitter: others may have started at the same moment.
            let jitter = Duration::from_millis((self.me.nonce.0 ^ now.0) % 200);
            let interval = match self.playing {
                Some(_) => GAME_INTERVAL,
                None => IDLE_INTERVAL,
            };
            self.due = now.after(interval - jitter);
            self.announced = Some(now);
            let beacon = Box::new(self.beacon(now).tagged(&self.trust));
            self.outputs.push_back(Output::Announce(beacon));
        }
    }

    pub(crate) fn poll_timeout(&self) -> LocalTime {
        let times = self.roster.poll_timeout().into_iter();
        let times = times.chain(self.meeting.poll_timeout());
        times.fold(self.due, LocalTime::min)
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
            let question = Box::new(question.tagged(&self.trust));
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
            game: self.playing.map(|playing| playing.game),
            asks: false,
            port: BRIDGE_PORT,
            chosen: self.chosen.map_or(Instance::NONE, |(chosen, _)| chosen),
            invites: self.meeting.shows_to().unwrap_or_default(),
            is_by_v6: chosen.is_some_and(|machine| machine.address.is_ipv6()),
            stamp: now.0,
            echo: 0,
            echo_to: Instance::NONE,
            public: self.trust.public(),
            tags: Default::default(),
        }
    }
}
