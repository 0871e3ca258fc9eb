//! The other end of a cable: who it is, what games were told of it, and which frames are its own.

use super::io::Peer;
use crate::identity::{Instance, Name};
use crate::machine::address::Plan;
use crate::machine::diagnostic::Diagnostic;
use crate::machine::loss::Loss;
use crate::wire::frame::{Flags, Frame, Kind};

/// The other end.
#[derive(Debug, Default)]
pub(super) struct Peering {
    pub(super) peer: Option<Peer>,
    /// What the games were told.
    pub(super) assigned: Option<(Name, Plan)>,
    /// A peer whose daemon has fallen silent, while a game goes on with it.
    pub(super) held: Option<Name>,
}

/// What becomes of a frame.
#[derive(Debug, PartialEq)]
pub(super) enum Admission {
    /// It is of the one peer that the cable has, or may become it.
    Admitted,
    /// The same, once the peer before it is given up.
    Succeeds(Loss),
    /// Replayed, or overtaken.
    Stale,
    /// Of a machine that is not the peer; a person should know of some.
    Foreign(Option<Diagnostic>),
    /// Neither known nor an introduction.
    Ignored,
}

impl Peering {
    /// Nobody answers, and no game goes on with a peer that fell silent.
    pub(super) fn is_alone(&self) -> bool {
        self.peer.is_none() && self.held.is_none()
    }

    /// The peer, if it hears us.
    pub(super) fn mutual(&self) -> Option<&Peer> {
        self.peer.as_ref().filter(|peer| peer.hears_us)
    }

    /// Whose frame it is. `is_quiet`: a living peer would have been heard by now.
    pub(super) fn judge(&self, me: Instance, frame: &Frame, is_quiet: bool) -> Admission {
        let sender = &frame.sender;
        let is_taken = frame.flags.has(Flags::LINKED) && frame.heard != me;
        let Some(peer) = &self.peer else {
            return match frame.kind {
                _ if is_taken => Admission::Foreign(Some(Diagnostic::Taken { name: sender.name })),
                Kind::Hello => Admission::Admitted,
                Kind::Goodbye => Admission::Ignored,
            };
        };
        let known = &peer.identity;
        if known.instance == sender.instance && known.nonce == sender.nonce {
            let is_newer = frame.sequence.wrapping_sub(peer.sequence).cast_signed() > 0;
            return if is_newer {
                Admission::Admitted
            } else {
                Admission::Stale
            };
        }
        if frame.kind != Kind::Hello {
            return Admission::Ignored;
        }
        if known.box_id == sender.box_id {
            // Plugged again, or its daemon was started again: at most one serves a cable, so the old one is silent.
            let is_later = sender.started_ms >= known.started_ms;
            return match is_later && (self.assigned.is_none() || is_quiet) {
                true => Admission::Succeeds(Loss::PeerRestarted),
                false => Admission::Ignored,
            };
        }
        if !peer.hears_us && !is_taken && sender.instance.pair_key(me) < known.instance.pair_key(me) {
            return Admission::Succeeds(Loss::OtherMachine);
        }
        let (name, peer) = (sender.name, known.name);
        Admission::Foreign(self.assigned.map(|_| Diagnostic::Claimant { name, peer }))
    }
}
