//! The peer of a cable, and the admission of frames.

use crate::identity::{Instance, Name};
use crate::machine::address_plan::Plan;
use crate::machine::diagnostic::Diagnostic;
use crate::machine::peer_loss::Loss;
use crate::wire::ethernet_frame::{Flags, Frame, Kind};
use gamelink_core::time::LocalTime;

#[derive(Debug, Default)]
pub(super) struct Peering {
    /// Its last frame.
    pub(super) peer: Option<Frame>,
    /// The frame named us.
    pub(super) hears_us: bool,
    /// Name and addresses that games are assigned.
    pub(super) assigned: Option<(Name, Plan)>,
    /// A peer whose daemon fell silent, while a game is linked with it.
    pub(super) held: Option<Name>,
    /// Times that games were assigned to it.
    pub(super) links: u64,
}

#[derive(Debug, Default)]
pub(super) struct Udp {
    /// Time the last datagram of the peer came.
    pub(super) heard: Option<LocalTime>,
    /// This system refuses to send.
    pub(super) is_blocked: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum Admission {
    /// Of the peer, or of a machine that becomes the peer.
    Admitted,
    /// Of a machine that becomes the peer, once the former one is given up.
    Succeeds(Loss),
    /// Replayed, or overtaken.
    Stale,
    /// Of another machine, with a diagnostic for some.
    Foreign(Option<Diagnostic>),
    /// Of an unknown machine, and no hello.
    Ignored,
}

impl Peering {
    /// True if there is no peer, heard or held.
    pub(super) fn is_alone(&self) -> bool {
        self.peer.is_none() && self.held.is_none()
    }

    /// The peer, if it hears us.
    pub(super) fn mutual(&self) -> Option<&Frame> {
        self.peer.as_ref().filter(|_| self.hears_us)
    }

    /// Admission of a frame. `is_quiet`: a live peer would have been heard by now.
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
        let known = &peer.sender;
        if known.instance == sender.instance && known.nonce == sender.nonce {
            return match frame.sequence.wrapping_sub(peer.sequence).cast_signed() {
                1.. => Admission::Admitted,
                _ => Admission::Stale,
            };
        }
        if frame.kind != Kind::Hello {
            return Admission::Ignored;
        }
        if known.box_id == sender.box_id {
            // Replugged, or its daemon was restarted: at most one daemon serves a cable, so the old one is
            // silent.
            let is_later = sender.started_ms >= known.started_ms;
            return match is_later && (self.assigned.is_none() || is_quiet) {
                true => Admission::Succeeds(Loss::PeerRestarted),
                false => Admission::Ignored,
            };
        }
        if !self.hears_us && !is_taken && sender.instance.pair_key(me) < known.instance.pair_key(me) {
            return Admission::Succeeds(Loss::OtherMachine);
        }
        let (name, peer) = (sender.name, known.name);
        Admission::Foreign(self.assigned.map(|_| Diagnostic::Claimant { name, peer }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, Mac, Nonce};
    use crate::machine::trust::{MachineId, Public};
    use crate::wire::ethernet_frame::MacMessage;

    #[test]
    fn the_sequence_goes_on_behind_its_last_number() {
        let frame = |sequence| Frame {
            kind: Kind::Hello,
            flags: Flags::default(),
            sender: Identity {
                instance: Instance([1; 16]),
                nonce: Nonce(1),
                box_id: 1,
                started_ms: 1,
                name: Name::default(),
                machine: MachineId::default(),
                public: Public::default(),
            },
            heard: Instance([2; 16]),
            sequence,
            mac: Mac::default(),
            mac_message: MacMessage::None,
            title: Name::default(),
        };
        let mut peering = Peering::default();
        for n in 0..20_u32 {
            let next = frame((u32::MAX - 10).wrapping_add(n));
            let judge = |peering: &Peering| peering.judge(Instance([2; 16]), &next, false);
            assert_eq!(judge(&peering), Admission::Admitted, "{n}");
            peering.peer = Some(next);
            assert_eq!(judge(&peering), Admission::Stale, "{n}, again");
        }
    }
}
