//! Whom a player wants to play with, and whom a machine is to meet.

use super::meeting::Other;
use super::{Lan, Machine};
use crate::identity::Name;
use crate::wire::beacon::Game;
use gamelink_core::control::{Code, PairingStatus};
use gamelink_core::time::LocalTime;
use std::fmt;
use std::time::Duration;

/// Time for which a tool's request to show a code stands.
const INVITATION: Duration = Duration::from_secs(120);

/// Partner that the game of this machine may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partner {
    /// A machine that has the same game.
    Anyone,
    /// The machine of this name, as the player wishes.
    Named(Name),
    /// The machine with this `box_id`: the two games are linked, though the daemons have lost each other.
    Linked(u64),
}

/// The game of this machine, and its player's wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Playing {
    pub(crate) game: Game,
    pub(crate) partner: Partner,
    /// Code that the other machine shows.
    pub(crate) code: Option<Code>,
}

/// A tool's request to show a code to the machine of this name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Invitation {
    name: Name,
    pub(super) until: LocalTime,
}

/// Reasons why two machines cannot meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PairError {
    /// None of this name is known.
    NotHere,
    /// It shows no code to this machine.
    ShowsNoCode,
    AlreadyMet,
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PairError::NotHere => "no machine of that name is on the network: see `peerd peers`",
            PairError::ShowsNoCode => {
                "it shows no code to this machine: begin there, with `peerd pair` or by choosing this machine \
                 in the core option \"Play with\""
            }
            PairError::AlreadyMet => "the two have a key already: `peerd forget` there or here makes them strangers",
        })
    }
}

impl Lan {
    /// Name of the machine that the player names.
    fn wish(&self) -> Option<Name> {
        match self.playing?.partner {
            Partner::Named(name) => Some(name),
            Partner::Anyone | Partner::Linked(_) => None,
        }
    }

    /// True if this is the machine that the player names.
    fn is_named(&self, machine: &Machine) -> bool {
        self.wish().is_some_and(|name| self.is_called(machine, name))
    }

    /// True for a machine of this name. Where one of that name was met, no other is.
    pub(super) fn is_called(&self, machine: &Machine, name: Name) -> bool {
        let is_met = self.trust.pairings().iter().any(|of| of.name == name);
        machine.name == name && (machine.met.is_some() || !is_met)
    }

    fn find_called(&self, name: Name) -> Option<&Machine> {
        self.roster
            .iter()
            .filter(|of| of.is_confirmed())
            .find(|of| self.is_called(of, name))
    }

    /// Shows a code to the machine that the player or a tool names, where the two have none in common.
    pub(super) fn invite(&mut self) {
        let name = self.wish().or(self.invitation.map(|invitation| invitation.name));
        let machine = name.and_then(|name| self.find_called(name));
        let other = machine.filter(|machine| !self.is_trusted(machine)).map(other);
        self.meeting.show_to(other);
    }

    /// The machine that shows a code to this one: the one that is named, else the first.
    fn inviting(&self) -> Option<&Machine> {
        let shows =
            |of: &&Machine| of.is_confirmed() && of.said.invites == self.me.instance && of.met.is_none();
        let machines = self.roster.iter().filter(shows);
        machines.min_by_key(|of| !self.is_named(of))
    }

    /// Tries the code that the player has entered, if it is another than `before`.
    pub(super) fn enter_code(&mut self, now: LocalTime, before: Option<Code>) {
        let code = self.playing.and_then(|playing| playing.code);
        let at = self.inviting().map(other);
        if let (Some(code), Some(at)) = (code.filter(|_| code != before), at) {
            self.meeting.enter(now, at, code, &mut self.outputs);
        }
    }

    /// Shows a code to the machine of this name, or tries the one that it shows.
    pub(crate) fn pair(&mut self, now: LocalTime, name: Name, code: Option<Code>) -> Result<(), PairError> {
        let machine = self.find_called(name).copied().ok_or(PairError::NotHere)?;
        if machine.met.is_some() {
            return Err(PairError::AlreadyMet);
        }
        match code {
            Some(_) if machine.said.invites != self.me.instance => return Err(PairError::ShowsNoCode),
            Some(code) => self.meeting.enter(now, other(&machine), code, &mut self.outputs),
            None => {
                let until = now.after(INVITATION);
                self.invitation = Some(Invitation { name, until });
                self.meeting.show_to(Some(other(&machine)));
                self.hurry(now);
            }
        }
        Ok(())
    }

    /// State of a first meeting, for a person.
    pub(crate) fn pairing(&self) -> PairingStatus {
        self.meeting.status(self.inviting().map(|machine| machine.name))
    }

    /// The machine that is waited for.
    pub(crate) fn waits_for(&self) -> Option<Name> {
        if self.linked.is_some() {
            return None;
        }
        match self.playing?.partner {
            Partner::Anyone => self.kept.map(|kept| kept.name),
            Partner::Named(name) => Some(name),
            Partner::Linked(_) => None,
        }
    }

    /// True if machines count that this one has not met.
    pub(crate) fn is_open(&self) -> bool {
        self.playing.is_some_and(|playing| playing.game.is_open)
    }

    /// True if the game there can be linked with the one here.
    pub(crate) fn is_same_game(&self, machine: &Machine) -> bool {
        let games = self.playing.map(|playing| playing.game).zip(machine.said.game);
        games.is_some_and(|(here, there)| here.is_linked_with(&there))
    }
}

fn other(machine: &Machine) -> Other {
    Other {
        instance: machine.instance,
        name: machine.name,
        address: machine.address,
    }
}
