//! The status of a cable.

use super::{Cable, UDP_FRESH};
use crate::identity::Name;
use crate::machine::heartbeat::Health;
use crate::wire::ethernet_frame::Flags;
use gamelink_core::control::{CableState, CableStatus, PeerStatus, UdpStatus};
use gamelink_core::time::LocalTime;

impl Cable {
    pub(crate) fn has_peer(&self) -> bool {
        self.peering.peer.is_some()
    }

    /// Title of the peer's game; empty where it says none.
    pub(crate) fn title(&self) -> Name {
        self.peering.peer.map_or_else(Name::default, |peer| peer.title)
    }

    /// Status of the link; fields that only the system knows are left empty.
    pub(crate) fn status(&self, now: LocalTime) -> CableStatus {
        let peer = self.peering.peer.as_ref();
        let plan = self.peering.assigned.map(|(_, plan)| plan);
        let has = |flag| peer.map(|peer| peer.flags.has(flag));
        CableStatus {
            is_up: self.carrier.state().is_up,
            has_carrier: self.carrier.state().has_carrier,
            state: self.state(now),
            mac: self.repair.status(),
            local: plan.map(|plan| plan.local),
            peer: peer.map(|peer| PeerStatus {
                name: peer.sender.name.to_string(),
                instance: peer.sender.instance.to_string(),
                mac: peer.mac.to_string(),
                address: plan.map(|plan| plan.peer),
                has_game: peer.flags.has(Flags::GAME),
                title: peer.title.to_string(),
            }),
            udp: UdpStatus {
                heard_here: self.udp.heard.is_some_and(|at| now.since(at) < UDP_FRESH),
                heard_there: has(Flags::IP_HEARD),
                blocked_here: self.udp.is_blocked,
                blocked_there: has(Flags::SEND_BLOCKED),
            },
            diagnostics: self
                .diagnostics
                .iter(now)
                .map(|diagnostic| diagnostic.to_string())
                .collect(),
            in_use: self.custody.usage().map(|usage| usage.to_string()),
            frames: self.frames,
            links: self.peering.links,
            ..CableStatus::default()
        }
    }

    fn state(&self, now: LocalTime) -> CableState {
        let carrier = self.carrier.state();
        match (self.peering.assigned.is_some(), self.heartbeat.health(now)) {
            (true, Health::Suspect) => CableState::Suspect,
            (true, _) => CableState::Linked,
            _ if !carrier.is_up => CableState::Down,
            _ if !carrier.has_carrier => CableState::NoCarrier,
            _ if self
                .diagnostics
                .iter(now)
                .any(|diagnostic| !diagnostic.is_harmless()) =>
            {
                CableState::Trouble
            }
            (false, Health::Silent) => CableState::Searching,
            (false, _) => CableState::Linking,
        }
    }
}
