//! View of a bridge: its standing and its measures.

use super::{Bridge, Counters, Policy, Speed, Stats, Traffic};
use crate::clock::ClockSync;
use crate::control::LinkState;
use crate::protocol::Nonce;
use crate::time::LocalTime;

impl Bridge {
    /// True if both sides know each other now.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.session.is_linked()
    }

    /// The peer's number in this session and this side's, while both sides know each other.
    #[must_use]
    pub fn session_numbers(&self) -> Option<(Nonce, Nonce)> {
        self.is_linked()
            .then(|| (self.session.addressee(), self.session.ours()))
    }

    /// True if an offer of the peer waits for the next frame boundary at which the game listens.
    #[must_use]
    pub fn is_offer_waiting(&self) -> bool {
        self.game.exchange.is_offer_waiting()
    }

    /// True if the next [`Input::Poll`](super::Input::Poll) might find a byte. Where it cannot, it may be
    /// left out and counted: [`skip_polls`](Self::skip_polls).
    #[must_use]
    pub fn may_find(&self) -> bool {
        self.game.exchange.may_find()
    }

    /// Counts polls that were left out: of the core's event loop, and inside the game's own accesses.
    pub fn skip_polls(&mut self, event_loop: u32, accesses: u32) {
        self.game.exchange.skip_polls(event_loop, accesses);
    }

    /// True if nothing is between the core and the bridge: no byte handed over and unanswered, no game that
    /// waits.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.game.is_quiet()
    }

    /// When a byte was last asked for or answered at this end.
    #[must_use]
    pub fn last_byte(&self) -> Option<LocalTime> {
        self.game.emulation.last_byte()
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> LinkState {
        match (self.is_plugged, self.is_linked(), self.liveness.is_paused()) {
            (false, _, _) => LinkState::Unplugged,
            (true, false, _) => LinkState::Searching,
            (true, true, false) => LinkState::Linked,
            (true, true, true) => LinkState::PeerPaused,
        }
    }

    /// Policy for a game that clocks just now.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.game.policy(self.round_trip())
    }

    /// Speed of the game, and what its frames cost.
    #[must_use]
    pub fn speed(&self) -> Speed {
        self.game.speed()
    }

    /// Frames emulated so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.game.emulation.frames()
    }

    /// The peer's clock as far as it is known.
    #[must_use]
    pub fn clock(&self) -> &ClockSync {
        &self.clock
    }

    /// All that has been measured.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Transfers that have crossed the cable so far, by either exchange.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.game.exchange.traffic(&self.stats.counters)
    }

    /// The counters, for what the driver sees and the bridge does not.
    pub fn counters_mut(&mut self) -> &mut Counters {
        &mut self.stats.counters
    }
}
