//! The daemon's status: filled by the daemon, read by the tools and the labs.
//!
//! Every key must be present when it is read, those of optional values too, which serde would otherwise take
//! for `None`: a program of another version is told so instead of being shown zeros. Unknown keys are passed
//! over.

use super::{LinkReport, PairingStatus};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The state of a daemon and of all that it serves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's own version.
    pub daemon: String,
    /// The name of this machine, as the other player sees it.
    pub name: String,
    /// The first digits of the daemon's instance.
    pub instance: String,
    /// Seconds since the daemon started.
    pub uptime_s: u64,
    /// Returns from the daemon's poll.
    pub wakeups: u64,
    /// Full reads of all interfaces, after the kernel dropped messages.
    pub resyncs: u64,
    /// Clients of the control socket.
    pub clients: usize,
    /// Clients refused for want of room.
    pub clients_refused: u64,
    /// The cables.
    pub cables: Vec<CableStatus>,
    /// The LAN interfaces.
    pub lans: Vec<LanStatus>,
    /// The games.
    pub games: Vec<GameStatus>,
    /// Names of the machines that this one has met, in the order of their last meeting; an older daemon does
    /// not say them.
    #[serde(default)]
    pub known: Vec<String>,
    /// Entries were left out, as the rest filled a line of the control socket.
    pub is_cut_short: bool,
}

/// One cable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CableStatus {
    /// The interface.
    #[serde(flatten)]
    pub device: DeviceStatus,
    /// Administratively up.
    pub is_up: bool,
    /// The driver sees a carrier, or cannot tell and says that it does.
    pub has_carrier: bool,
    /// The state of the link.
    pub state: CableState,
    /// Milliseconds since the link came up, while it is up.
    #[serde(deserialize_with = "Option::deserialize")]
    pub up_ms: Option<u64>,
    /// The MAC of this end.
    #[serde(flatten)]
    pub mac: MacStatus,
    /// The address of this end.
    #[serde(deserialize_with = "Option::deserialize")]
    pub local: Option<IpAddr>,
    /// The machine at the other end.
    #[serde(deserialize_with = "Option::deserialize")]
    pub peer: Option<PeerStatus>,
    /// Reachability by UDP.
    pub udp: UdpStatus,
    /// Diagnostics for a person, with the remedy.
    #[serde(rename = "troubles")]
    pub diagnostics: Vec<String>,
    /// Network managers that run here, while something removes the address of the interface.
    #[serde(deserialize_with = "Option::deserialize")]
    pub culprits: Option<Vec<String>>,
    /// Use by somebody else of an interface that may be a cable, which is then left alone.
    #[serde(deserialize_with = "Option::deserialize")]
    pub in_use: Option<String>,
    /// Frames of the handshake.
    pub frames: FrameCounts,
    /// Times that the link came up.
    pub links: u64,
}

/// The interface of a cable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// Its name.
    pub interface: String,
    /// Its number.
    pub index: u32,
    /// The name of its driver.
    #[serde(deserialize_with = "Option::deserialize")]
    pub driver: Option<String>,
    /// USB vendor and product, as `067b:25a1`.
    #[serde(deserialize_with = "Option::deserialize")]
    pub usb_id: Option<String>,
    /// The place in the USB tree, as `1-1.2:1.0`.
    #[serde(deserialize_with = "Option::deserialize")]
    pub usb_path: Option<String>,
    /// False for one that may be a phone or a modem, until a peer answers on it.
    pub is_certain: bool,
}

/// The MAC of one end of a cable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MacStatus {
    /// The MAC.
    pub mac: String,
    /// The kernel drew it at random.
    pub mac_was_random: bool,
    /// States of the repair of a MAC that both ends share.
    pub mac_repair: MacRepair,
    /// Times that the daemon changed it.
    pub mac_changes: u64,
}

/// The machine at the other end of a cable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub name: String,
    /// The first digits of its daemon's instance.
    pub instance: String,
    /// The MAC of its end.
    pub mac: String,
    /// Its address, while the link is up.
    #[serde(deserialize_with = "Option::deserialize")]
    pub address: Option<IpAddr>,
    /// A game waits there.
    pub has_game: bool,
    /// Title of that game; empty where it says none, as an older daemon.
    #[serde(default)]
    pub title: String,
}

/// Reachability by UDP, which firewalls see; the frames of the handshake pass all of them. The other end's
/// view is known while there is a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UdpStatus {
    /// This end hears the other.
    pub heard_here: bool,
    /// The other end hears this one.
    #[serde(deserialize_with = "Option::deserialize")]
    pub heard_there: Option<bool>,
    /// This system refuses to send.
    pub blocked_here: bool,
    /// The other system refuses to send.
    #[serde(deserialize_with = "Option::deserialize")]
    pub blocked_there: Option<bool>,
}

/// Frames of the handshake on one cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameCounts {
    /// Sent.
    pub sent: u64,
    /// Received and understood.
    pub received: u64,
    /// Not ours, damaged, or of another version.
    pub malformed: u64,
    /// Of a machine that is not the peer.
    pub foreign: u64,
    /// Replayed or overtaken.
    pub stale: u64,
}

/// One LAN interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LanStatus {
    /// Its name.
    pub interface: String,
    /// Milliseconds since the link came up, while there is one; another version may not say it.
    #[serde(default)]
    pub up_ms: Option<u64>,
    /// The machines known there, those with a game first.
    pub machines: Vec<MachineStatus>,
    /// Name of the one that is waited for: the player's choice, or the last partner.
    #[serde(deserialize_with = "Option::deserialize")]
    pub waits_for: Option<String>,
    /// Machines count that have no key of this one.
    pub is_open: bool,
    /// State of a first meeting.
    pub pairing: PairingStatus,
}

/// A machine on a LAN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineStatus {
    /// Its name.
    pub name: String,
    /// The first digits of its daemon's instance.
    pub instance: String,
    /// The address of its daemon.
    pub address: SocketAddr,
    /// A game waits there.
    pub has_game: bool,
    /// Title of that game; empty where it says none.
    pub title: String,
    /// That game can be linked with the one here.
    pub is_same_game: bool,
    /// The two machines have a key.
    pub is_paired: bool,
    /// Machines count there that have no key of it.
    pub is_open: bool,
    /// It plays with another machine.
    pub is_taken: bool,
    /// The shortest round trip so far, in microseconds.
    #[serde(deserialize_with = "Option::deserialize")]
    pub round_trip_us: Option<u64>,
    /// The game here is linked with the one there.
    pub is_linked: bool,
}

impl Default for MachineStatus {
    /// A machine of which nothing is known.
    fn default() -> MachineStatus {
        MachineStatus {
            name: String::new(),
            instance: String::new(),
            address: SocketAddr::from(([0; 4], 0)),
            has_game: false,
            title: String::new(),
            is_same_game: false,
            is_paired: false,
            is_open: false,
            is_taken: false,
            round_trip_us: None,
            is_linked: false,
        }
    }
}

/// Relations of this machine to another on a LAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquaintance {
    /// The two have a key.
    Met,
    /// They have none, and neither asks for one.
    Open,
    /// They have none, and one asks for it: their games are not linked.
    Strangers,
}

impl LanStatus {
    /// The relation of this machine to one of that LAN.
    #[must_use]
    pub fn acquaintance(&self, machine: &MachineStatus) -> Acquaintance {
        match (machine.is_paired, self.is_open && machine.is_open) {
            (true, _) => Acquaintance::Met,
            (false, true) => Acquaintance::Open,
            (false, false) => Acquaintance::Strangers,
        }
    }
}

/// One game of this machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GameStatus {
    /// Its process.
    pub pid: i32,
    /// The user of that process.
    pub uid: u32,
    /// The name of its program.
    #[serde(deserialize_with = "Option::deserialize")]
    pub command: Option<String>,
    /// The interface of the cable or LAN that it was given.
    #[serde(deserialize_with = "Option::deserialize")]
    pub cable: Option<String>,
    /// Its last report.
    #[serde(deserialize_with = "Option::deserialize")]
    pub report: Option<LinkReport>,
    /// Reports received from it.
    pub reports: u64,
}

/// The state of the link over a cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CableState {
    /// The interface is down.
    Down,
    /// The other end is not plugged in, or its machine is off.
    #[serde(rename = "no carrier")]
    NoCarrier,
    /// Nobody answers.
    #[default]
    Searching,
    /// Somebody answers; addresses are being set.
    Linking,
    /// The peer can be reached.
    Linked,
    /// The same, and the peer has missed two heartbeats.
    Suspect,
    /// A person has to act.
    Trouble,
}

impl fmt::Display for CableState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// States of the repair of a MAC that both ends share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MacRepair {
    /// The two ends have different ones.
    #[default]
    #[serde(rename = "none needed")]
    Unneeded,
    /// The two ends agree on who changes, or one is changing.
    #[serde(rename = "under way")]
    UnderWay,
    /// The driver does not let it be changed.
    #[serde(rename = "refused by the driver")]
    Refused,
}

impl fmt::Display for MacRepair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests;
