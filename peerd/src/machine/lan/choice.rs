//! The choice of a partner on a LAN.

use super::{CHOICE_TIMEOUT, Lan, Machine, Output, Partner};
use crate::identity::Instance;
use crate::machine::peer_loss::Loss;
use crate::machine::trust::{MachineId, Public};
use gamelink_core::control::BRIDGE_PORT;
use gamelink_core::time::LocalTime;
use std::fmt;
use std::net::SocketAddr;

/// The partner that this machine is linked with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) instance: Instance,
    /// Where its bridge may be, first where its daemon is.
    pub(super) addresses: Vec<SocketAddr>,
    /// Of what the key is made.
    met: Option<MachineId>,
    public: Public,
    /// Key of the link, as `GAMELINK_KEY` has it.
    pub(super) key: String,
}

impl fmt::Debug for Link {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} {:?})", self.instance, self.addresses)
    }
}

impl Lan {
    /// True for another edition than that of this machine's game.
    fn is_other_edition(&self, machine: &Machine) -> bool {
        let digest = self.playing.map(|playing| playing.game.digest);
        machine.said.game.map(|game| game.digest) != digest
    }

    /// Order among candidates: the nearest, and a number that both ends compute alike.
    pub(super) fn rank(&self, machine: &Machine) -> (u32, [u8; 16]) {
        let trip = machine
            .round_trip
            .map_or(u64::MAX, |trip| trip.as_micros() as u64);
        (
            trip.checked_ilog(4).unwrap_or(0),
            machine.instance.pair_key(self.me.instance),
        )
    }

    /// True if the game here may be linked with the one there, as far as this side is concerned.
    fn is_wanted(&self, machine: &Machine) -> bool {
        let (Some(here), Some(there)) = (self.playing, machine.said.game) else {
            return false;
        };
        let is_meant = match here.partner {
            Partner::Anyone => here.game.is_linked_with(&there),
            Partner::Named(name) => self.is_called(machine, name),
            Partner::Linked(box_id) => machine.box_id == box_id,
        };
        is_meant && self.is_trusted(machine)
    }

    /// True if the two have met, or neither game asks for that.
    pub(super) fn is_trusted(&self, machine: &Machine) -> bool {
        let is_open = |game: Option<super::Game>| game.is_some_and(|game| game.is_open);
        machine.met.is_some() || is_open(self.playing.map(|of| of.game)) && is_open(machine.said.game)
    }

    /// Chooses a partner. `loss` is why the last one is unknown, if it is.
    pub(super) fn choose(&mut self, now: LocalTime, loss: Loss) {
        let me = self.me.instance;
        let linked = self.linked.as_ref().map(|link| link.instance);
        let may = |machine: &&Machine| {
            machine.said.chosen == me || machine.said.chosen == Instance::NONE && now >= machine.avoided_until
        };
        // A partner that the player names goes before one that is kept.
        let is_free = self.playing.is_some_and(|of| of.partner == Partner::Anyone);
        let kept = self.kept.filter(|kept| now < kept.until && is_free);
        let is_kept = |of: &&Machine| kept.is_none_or(|kept| kept.box_id == of.box_id);
        let candidates = self.roster.players();
        let candidates = candidates.filter(|of| may(of) && is_kept(of) && self.is_wanted(of));
        // The same edition comes first, then machines that have chosen us; no link is left for a nearer one.
        let order = |of: &&Machine| {
            let edition = self.is_other_edition(of);
            (
                Some(of.instance) != linked,
                edition,
                of.said.chosen != me,
                self.rank(of),
            )
        };
        let best = candidates.min_by_key(order).copied();
        let chosen = best.map(|machine| machine.instance);
        if self.chosen.map(|(chosen, _)| chosen) != chosen {
            self.chosen = chosen.map(|chosen| (chosen, now));
            // The chosen machine is to learn of it soon.
            self.hurry(now);
        }
        self.link_with(now, best.filter(|machine| machine.said.chosen == me), loss);
        self.invite();
    }

    /// Links with this machine, which has chosen us, or with none.
    fn link_with(&mut self, now: LocalTime, mutual: Option<Machine>, loss: Loss) {
        let link = mutual.and_then(|machine| Some((self.link_to(now, &machine)?, machine.name)));
        let now_linked = link.as_ref().map(|(link, _)| link);
        if now_linked == self.linked.as_ref() {
            return;
        }
        let instance = |link: Option<&Link>| link.map(|link| link.instance);
        if self.linked.is_some() && instance(now_linked) != instance(self.linked.as_ref()) {
            let loss = match self.linked() {
                None => loss,
                Some(_) => Loss::Unchosen,
            };
            self.outputs.push_back(Output::PeerDown(loss));
        }
        self.kept = self.kept.filter(|_| now_linked.is_none());
        if let Some((link, name)) = &link {
            self.outputs
                .push_back(Output::PeerUp(*name, link.addresses.clone()));
        }
        self.linked = link.map(|(link, _)| link);
    }

    /// The link to this machine; `None` for one whose public key is none.
    fn link_to(&self, now: LocalTime, machine: &Machine) -> Option<Link> {
        let to_bridge = |mut address: SocketAddr| {
            address.set_port(BRIDGE_PORT);
            address
        };
        let (instance, met, public) = (machine.instance, machine.met, machine.public);
        let last = self.linked.as_ref();
        // Made anew only where it would be another.
        let same = last.filter(|link| (link.instance, link.met, link.public) == (instance, met, public));
        let key = match same {
            Some(link) => link.key.clone(),
            None => self
                .trust
                .link_key(&public, met, [self.me.instance, instance])?
                .reveal(),
        };
        Some(Link {
            instance,
            addresses: machine.addresses(now).map(to_bridge).collect(),
            met,
            public,
            key,
        })
    }

    /// Gives up a choice that was not returned.
    pub(super) fn give_up_choice(&mut self, now: LocalTime) {
        if let Some((chosen, since)) = self.chosen
            && self.linked.is_none()
            && now.since(since) >= CHOICE_TIMEOUT
        {
            self.roster.avoid(chosen, now.after(CHOICE_TIMEOUT));
            self.chosen = None;
        }
    }
}
