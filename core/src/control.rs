//! What the shim and other tools say to the daemon, and it to them.
//!
//! A Unix stream socket carries one JSON object a line, at most [`MAX_LINE`] bytes with its newline. The client speaks
//! first: [`ToDaemon::Hello`]. A message of a type that the reader does not know is passed over, so that either side may
//! learn new ones; a change that cannot be passed over raises [`VERSION`].

mod status;

pub use status::{
    CableState, CableStatus, DeviceStatus, FrameCounts, GameStatus, LanStatus, MacRepair, MacStatus,
    MachineStatus, PeerStatus, Status, UdpStatus,
};

use crate::bridge::Summary;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of these messages.
pub const VERSION: u16 = 1;

/// The longest line, newline included. A status of several cables fits; a buffer of this size is all that a client costs.
pub const MAX_LINE: usize = 16 * 1024;

/// Where the daemon listens unless `GAMELINK_CONTROL` says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/gamelink/control.sock";

/// The UDP port of the bridges at both ends of a cable. Both use the same one, so that what one side sends opens a stateful
/// firewall for what the other side sends.
pub const BRIDGE_PORT: u16 = 56_400;

/// What a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A game that wants to be linked: is told of peers.
    Game,
    /// A person's tool: is answered only.
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
        /// What it is.
        role: Role,
    },
    /// How the link does, once a second.
    Report(LinkReport),
    /// Asks for the daemon's status, once.
    Status,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// No peer is known, or the link is switched off.
    Unplugged,
    /// A peer's address is known and nothing is heard from there.
    Searching,
    /// Both sides know each other.
    Linked,
    /// The same, and the peer's emulation stands still.
    #[serde(rename = "peer paused")]
    PeerPaused,
    /// Something that this side does not know.
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

    /// The same in words, as it is on the wire and in the statistics.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            LinkState::Unplugged => "unplugged",
            LinkState::Searching => "searching",
            LinkState::Linked => "linked",
            LinkState::PeerPaused => "peer paused",
            LinkState::Unknown => "unknown",
        }
    }
}

/// How a link does, as its own side sees it; times in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkReport {
    /// Where the session stands.
    pub state: LinkState,
    /// The cable by which it is linked now, as a daemon named it: one that was started again leaves the game there.
    #[serde(deserialize_with = "Option::deserialize")]
    pub cable: Option<String>,
    /// Frames emulated.
    pub frames: u64,
    /// Transfers that this side's game clocked and the peer's game answered.
    pub taken: u64,
    /// Transfers of the peer that this side's game answered.
    pub peer_taken: u64,
    /// Waits that ended without an answer.
    pub timeouts: u64,
    /// Frames in which this side's game stood still for its peer instead of waiting for a byte.
    pub holds: u64,
    /// How long this side's game waited for each byte.
    pub wait_us: Summary,
    /// Round trips between the two bridges.
    pub round_trip_us: Summary,
    /// The peer's clock minus ours.
    #[serde(deserialize_with = "Option::deserialize")]
    pub offset_us: Option<f64>,
}

impl LinkReport {
    /// Bytes exchanged, whoever clocked them. A client may say any numbers: their sum ends at the largest
    /// there is.
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
    /// A peer can be reached from now on, or can be reached at another address.
    PeerUp {
        /// The interface that leads to it.
        cable: String,
        /// What the peer calls itself.
        name: String,
        /// Where it receives, as `GAMELINK_PEER` is written.
        address: String,
        /// Where to receive, as `GAMELINK_BIND` is written.
        bind: Option<String>,
    },
    /// The peer on this cable cannot be reached any more.
    PeerDown {
        /// The interface that led to it.
        cable: String,
        /// Why, in words for a person.
        reason: String,
        /// Why, for a program; a daemon that does not say so means the worst.
        #[serde(default)]
        cause: DownCause,
    },
    /// Answers a status request.
    Status(Status),
    /// The daemon will not serve this client, and closes.
    Refused {
        /// Why, in words for a person, with the mend.
        reason: String,
    },
}

/// Why a peer cannot be reached any more, as far as the daemon can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownCause {
    /// The cable is out, or its interface is down or gone.
    Unplugged,
    /// Nothing is heard of the other daemon. Its machine may be gone, or only that daemon is.
    Silent,
    /// A daemon was started again; the peer is told of anew as soon as the two have greeted each other.
    Restarted,
    /// A daemon stops, and takes back the addresses that it gave.
    Stopped,
    /// Another way, or another peer, has taken its place.
    Replaced,
    /// Something that this side does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl DownCause {
    /// True if the daemons only lost sight of each other, so that two games that hear each other may go on.
    #[must_use]
    pub fn may_be_daemon_only(self) -> bool {
        matches!(self, DownCause::Silent | DownCause::Restarted)
    }
}

/// Why a line cannot be used.
#[derive(Debug)]
pub enum LineError {
    /// Longer than [`MAX_LINE`]: the connection cannot be followed any further.
    TooLong,
    /// Not a message. The next line may be one.
    Malformed(serde_json::Error),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::TooLong => write!(f, "line of more than {MAX_LINE} bytes"),
            LineError::Malformed(error) => write!(f, "not a control message: {error}"),
        }
    }
}

impl std::error::Error for LineError {}

/// Writes a message as one line, newline included.
///
/// # Errors
/// When it does not fit into [`MAX_LINE`].
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, LineError> {
    let mut line = serde_json::to_vec(message).map_err(LineError::Malformed)?;
    line.push(b'\n');
    if line.len() > MAX_LINE {
        Err(LineError::TooLong)
    } else {
        Ok(line)
    }
}

/// Reads one line, without its newline; `None` for a type that this side does not know.
///
/// # Errors
/// When it is no message at all.
pub fn decode<T: for<'a> Deserialize<'a>>(line: &[u8]) -> Result<Option<T>, LineError> {
    match serde_json::from_slice(line) {
        Ok(message) => Ok(Some(message)),
        Err(error) => match serde_json::from_slice::<AnyType>(line) {
            // Its type is a string, so it is of the right form and only unknown, or known with fields that are not right.
            Ok(any) if !KNOWN_TYPES.contains(&any.r#type.as_str()) => Ok(None),
            _ => Err(LineError::Malformed(error)),
        },
    }
}

#[derive(Deserialize)]
struct AnyType {
    r#type: String,
}

const KNOWN_TYPES: [&str; 7] = [
    "hello",
    "report",
    "status",
    "welcome",
    "peer_up",
    "peer_down",
    "refused",
];

/// Cuts a stream into lines without ever holding more than one of them.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes bytes as they were read and hands each whole line, without its newline, to `take`.
    ///
    /// # Errors
    /// [`LineError::TooLong`] when a line has no end: drop the connection.
    pub fn handle_bytes(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), LineError> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            if self.partial.len() + line.len() >= MAX_LINE {
                return Err(LineError::TooLong);
            }
            if self.partial.is_empty() {
                take(line);
            } else {
                self.partial.extend_from_slice(line);
                take(&self.partial);
                self.partial.clear();
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        if self.partial.len() + bytes.len() >= MAX_LINE {
            return Err(LineError::TooLong);
        }
        self.partial.extend_from_slice(bytes);
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
