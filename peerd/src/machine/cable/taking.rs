//! An interface that may be a cable: left alone, taken when a peer answers, given back.

use super::{Cable, Output};
use crate::machine::custody::{Action, Facts, Usage};
use crate::machine::diagnostic::Diagnostic;
use crate::machine::peer_loss::Loss;
use crate::wire::ethernet_frame::{Flags, Frame, Kind};
use gamelink_core::time::LocalTime;

impl Cable {
    /// True if frames can be sent, and there is a reason to.
    pub(super) fn can_send(&self, now: LocalTime) -> bool {
        let has_reason = self.custody.is_ours() || self.game.is_some() || !self.peering.is_alone();
        has_reason && self.carrier.state().can_carry() && self.custody.may_speak(now)
    }

    /// Handles a frame on an interface that is not ours to speak on.
    pub(super) fn refuse(&mut self, now: LocalTime, frame: &Frame) {
        self.frames.foreign += 1;
        let (name, usage) = (frame.sender.name, self.custody.usage());
        self.report(now, usage.map(|usage| Diagnostic::InUse { name, usage }));
    }

    pub(super) fn handle_taken(&mut self, now: LocalTime, result: Result<(), Usage>) {
        self.custody.handle_taken(now, result);
        self.heartbeat.set_sparing(!self.custody.is_ours());
        if let Err(usage) = result {
            let name = self.peering.peer.map(|peer| peer.sender.name);
            self.report(now, name.map(|name| Diagnostic::InUse { name, usage }));
            self.lose(now, Loss::InUse);
        } else {
            // Taking it may set it down for a moment.
            self.carrier.expect_flap(now);
        }
    }

    pub(super) fn settle_custody(&mut self, now: LocalTime) {
        if !self.custody.may_speak(now) && !self.peering.is_alone() {
            self.lose(now, Loss::InUse);
        }
        let facts = Facts {
            link: self.carrier.state(),
            has_game: self.game.is_some(),
            is_mutual: self.peering.mutual().is_some(),
            is_alone: self.peering.is_alone(),
            peer_has_game: self.peering.peer.is_some_and(|peer| peer.flags.has(Flags::GAME)),
        };
        if let Some(action) = self.custody.poll(now, facts) {
            if action == Action::GiveBack {
                if self.carrier.state().can_carry() && self.peering.peer.is_some() {
                    // Twice, as a goodbye is not answered.
                    self.send(Kind::Goodbye);
                    self.send(Kind::Goodbye);
                }
                self.lose(now, Loss::Unused);
                self.heartbeat.set_sparing(!self.custody.is_ours());
            }
            self.outputs.push_back(match action {
                Action::Look => Output::Look,
                Action::Raise => Output::Raise,
                Action::Lower => Output::Lower,
                Action::Take => Output::Take,
                Action::GiveBack => Output::GiveBack,
            });
        }
    }
}
