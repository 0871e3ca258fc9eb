//! The control protocol between clients and the daemon.
//!
//! A Unix stream socket carries one JSON object a line, of at most [`MAX_LINE`] bytes with its newline. The
//! client sends [`ToDaemon::Hello`] first. Messages of unknown type are ignored, so that either side may
//! learn new ones; an incompatible change raises [`VERSION`].

mod cartridge;
mod players;
mod status;

pub use cartridge::Cartridge;
pub use players::{Code, PairingStatus, Playing};
pub use status::{
    Acquaintance, CableState, CableStatus, DeviceStatus, FrameCounts, GameStatus, LanStatus, MacRepair,
    MacStatus, MachineStatus, PeerStatus, Status, UdpStatus,
};

use crate::bridge::{Speed, Summary};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The version of these messages.
pub const VERSION: u16 = 1;

/// Longest line, newline included: a status of several cables. A client costs one buffer of this size.
pub const MAX_LINE: usize = 16 * 1024;

/// Path of the control socket unless `GAMELINK_CONTROL` names another.
pub const DEFAULT_SOCKET: &str = "/run/gamelink/control.sock";

/// UDP port of the bridges at both ends of a cable: the same, so that outgoing datagrams open a stateful
/// firewall for incoming ones.
pub const BRIDGE_PORT: u16 = 56_400;

/// Roles of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A game, which is assigned peers.
    Game,
    /// A tool, which is answered only.
    Tool,
}

/// From a client to the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToDaemon {
    /// The first message of every client.
    Hello {
        /// The client's [`VERSION`].
        version: u16,
        /// The client's role.
        role: Role,
    },
    /// State of the link, once a second.
    Report(LinkReport),
    /// Game and wishes of its player.
    Playing(Playing),
    /// Requests the daemon's status, once.
    Status,
    /// Begins a first meeting with the machine of this name on a LAN, or enters the code that it shows.
    Pair {
        /// The other machine.
        name: String,
        /// The code that it shows, as [`Code`] reads it.
        code: Option<String>,
    },
    /// Forgets the key of this machine; all of that name.
    Forget {
        /// The other machine.
        name: String,
    },
}

/// States of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// No peer is known, or the link is switched off.
    Unplugged,
    /// A peer's address is known, but nothing is received from there.
    Searching,
    /// Both sides know each other.
    Linked,
    /// Linked, but the peer's emulation stands still.
    #[serde(rename = "peer paused")]
    PeerPaused,
    /// A value of another version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl LinkState {
    /// True if both sides know each other.
    #[must_use]
    pub fn is_linked(self) -> bool {
        matches!(self, LinkState::Linked | LinkState::PeerPaused)
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Transports of a link's datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Packets of the frontend's netplay.
    Netplay,
    /// A UDP port, over a cable or a network; also what another version may say.
    #[default]
    #[serde(other)]
    Udp,
}

/// State of a link, as its own side sees it; times in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkReport {
    /// State of the session.
    pub state: LinkState,
    /// Interface of the link, as a daemon named it: a restarted daemon leaves the game there.
    #[serde(deserialize_with = "Option::deserialize")]
    pub cable: Option<String>,
    /// Machine of the peer, as a daemon named it: a restarted daemon offers the game to that one alone. An
    /// older game does not say it.
    #[serde(default)]
    pub machine: Option<String>,
    /// Transport of the link's datagrams; only [`Transport::Udp`] goes over a cable. An older game does not
    /// say it.
    #[serde(default)]
    pub transport: Transport,
    /// Frames emulated.
    pub frames: u64,
    /// Transfers that this side's game clocked and the peer's game answered.
    pub taken: u64,
    /// Transfers of the peer that this side's game answered.
    pub peer_taken: u64,
    /// Waits that timed out.
    pub timeouts: u64,
    /// Stalls: frames that were not emulated, to wait for the peer.
    // Its name on the wire in this version of the protocol.
    #[serde(rename = "holds")]
    pub stalls: u64,
    /// Corrections: times that the game was taken back to emulate frames again; another version may not say
    /// it.
    #[serde(default)]
    pub corrections: u64,
    /// Speed of the game, and what its frames cost.
    pub speed: Speed,
    /// Time this side's game waited for each byte.
    pub wait_us: Summary,
    /// Round trips between the two bridges.
    pub round_trip_us: Summary,
    /// The peer's clock minus ours.
    #[serde(deserialize_with = "Option::deserialize")]
    pub offset_us: Option<f64>,
}

impl LinkReport {
    /// Bytes exchanged in both directions. Saturates, as a client may send any numbers.
    #[must_use]
    pub fn exchanged(&self) -> u64 {
        self.taken.saturating_add(self.peer_taken)
    }
}

/// From the daemon to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromDaemon {
    /// Answers a hello.
    Welcome {
        /// The daemon's [`VERSION`].
        version: u16,
        /// The daemon's own version, for people.
        daemon: String,
    },
    /// A peer can be reached, or its addresses or its game have changed.
    PeerUp {
        /// The interface that leads to it.
        cable: String,
        /// Name of the peer.
        name: String,
        /// Addresses of the peer, with commas between them.
        address: String,
        /// Local address, in the form of `GAMELINK_BIND`.
        bind: Option<String>,
        /// Key of this link, in the form of `GAMELINK_KEY`: one on a LAN, none over a cable, which nobody else
        /// hears. A game tells the two apart by it.
        #[serde(default)]
        key: Option<String>,
        /// Machine of the peer on a LAN, for the game to report.
        #[serde(default)]
        machine: Option<String>,
        /// Title of the game there; empty where it says none, as an older daemon.
        #[serde(default)]
        title: String,
    },
    /// The peer on this interface is lost.
    PeerDown {
        /// The interface that led to it.
        cable: String,
        /// The reason, for a person.
        reason: String,
        /// The cause, for a program; unknown if the daemon does not send one.
        #[serde(default)]
        cause: DownCause,
    },
    /// Answers a status request.
    Status(Status),
    /// The machines on a LAN, for the game that plays there or waits; sent anew when any of it changes.
    Lan(LanStatus),
    /// Answers a request of a tool.
    Answer {
        /// It was done.
        is_done: bool,
        /// Account of what was done, or of why it was not, for a person.
        text: String,
    },
    /// The daemon refuses the client, and closes.
    Refused {
        /// The reason and the remedy, for a person.
        reason: String,
    },
}

/// Causes of a lost peer, as far as the daemon can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownCause {
    /// The cable is unplugged, or its interface is down or gone.
    Unplugged,
    /// Nothing is received from the other daemon. Its machine may be gone, or only the daemon.
    Silent,
    /// A daemon was restarted; the peer is assigned again after their handshake.
    Restarted,
    /// A daemon stops, and removes its addresses.
    Stopped,
    /// Another link, or another peer, has taken its place.
    Replaced,
    /// A value of another version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl DownCause {
    /// True if only the daemons may have lost each other, so that the games can stay linked.
    #[must_use]
    pub fn may_be_daemon_only(self) -> bool {
        matches!(self, DownCause::Silent | DownCause::Restarted)
    }
}

/// Reasons why a line cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Longer than [`MAX_LINE`]: the stream is lost.
    #[error("line of more than {MAX_LINE} bytes")]
    TooLong,
    /// Not a message; the next line may be one.
    #[error("not a control message: {0}")]
    Malformed(serde_json::Error),
}

/// Writes a message as one line, newline included.
///
/// # Errors
/// When it does not fit into [`MAX_LINE`].
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, LineError> {
    let mut line = serde_json::to_vec(message).map_err(LineError::Malformed)?;
    line.push(b'\n');
    (line.len() <= MAX_LINE).then_some(line).ok_or(LineError::TooLong)
}

/// Reads one line, without its newline; `None` for an unknown type.
///
/// # Errors
/// When it is no message at all.
pub fn decode<T: for<'a> Deserialize<'a>>(line: &[u8]) -> Result<Option<T>, LineError> {
    serde_json::from_slice(line).map(Some).or_else(|error| {
        let any: Value = serde_json::from_slice(line).unwrap_or_default();
        match any["type"].as_str() {
            // A known type with wrong fields.
            Some(
                "hello" | "report" | "playing" | "status" | "pair" | "forget" | "welcome" | "peer_up"
                | "peer_down" | "lan" | "answer" | "refused",
            )
            | None => Err(LineError::Malformed(error)),
            Some(_) => Ok(None),
        }
    })
}

/// Splits a stream into lines, holding at most one.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes bytes of the stream, and hands each whole line, without its newline, to `take`.
    ///
    /// # Errors
    /// [`LineError::TooLong`] when a line has no end: drop the connection.
    pub fn handle_bytes(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), LineError> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let line = piece.strip_suffix(b"\n");
            let text = line.unwrap_or(piece);
            if self.partial.len() + text.len() >= MAX_LINE {
                return Err(LineError::TooLong);
            }
            self.partial.extend_from_slice(text);
            if line.is_some() {
                take(&self.partial);
                self.partial.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_any_cut_of_the_stream() {
        let messages = [
            ToDaemon::Hello {
                version: VERSION,
                role: Role::Game,
            },
            ToDaemon::Report(LinkReport {
                state: LinkState::Linked,
                taken: 7,
                ..LinkReport::default()
            }),
            ToDaemon::Status,
        ];
        let stream: Vec<u8> = messages.iter().flat_map(|m| encode(m).unwrap()).collect();
        for size in 1..stream.len() {
            let (mut lines, mut seen) = (Lines::default(), vec![]);
            for piece in stream.chunks(size) {
                lines
                    .handle_bytes(piece, |line| {
                        seen.push(decode::<ToDaemon>(line).unwrap().unwrap());
                    })
                    .unwrap();
            }
            assert_eq!(seen, messages, "pieces of {size}");
        }
    }

    #[test]
    fn a_cause_that_is_missing_or_not_known_is_unknown() {
        for (cause, expected) in [
            (r#","cause":"silent""#, DownCause::Silent),
            (r#","cause":"eaten""#, DownCause::Unknown),
            ("", DownCause::Unknown),
        ] {
            let line = format!(r#"{{"type":"peer_down","cable":"usb0","reason":"gone"{cause}}}"#);
            let message = decode::<FromDaemon>(line.as_bytes()).unwrap();
            assert!(
                matches!(message, Some(FromDaemon::PeerDown { cause, .. }) if cause == expected),
                "{line}: {message:?}"
            );
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::default();
        let result = (0..MAX_LINE).try_for_each(|_| lines.handle_bytes(b"xx", |_| panic!("no line")));
        assert!(matches!(result, Err(LineError::TooLong)));
    }

    #[test]
    fn unknown_types_are_passed_over_and_broken_ones_are_not() {
        assert!(
            decode::<FromDaemon>(br#"{"type":"song","notes":[1]}"#)
                .unwrap()
                .is_none()
        );
        assert!(decode::<FromDaemon>(br#"{"type":"peer_up"}"#).is_err());
        assert!(decode::<FromDaemon>(b"\xff{").is_err());
        assert!(decode::<FromDaemon>(b"").is_err());
    }
}
