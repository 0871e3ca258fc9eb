//! Asks the daemon over its control socket.

use super::visible::{make_visible, visible};
use gamelink_core::control::{self, FromDaemon, MAX_LINE, Role, ToDaemon, VERSION};
use serde::Deserialize;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the first answer may take: the question may be what has the service manager start the daemon.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// A wait up to here needs no word.
const UNSAID: Duration = Duration::from_secs(2);

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum AskError {
    /// Nobody listens there.
    NoDaemon(PathBuf, io::Error),
    /// It listens but does not want to talk.
    Refused(String),
    /// It listens but says nothing.
    Silent,
    /// It broke off.
    Broken(io::Error),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::NoDaemon(path, error) => write!(
                f,
                "no daemon at {}: {error}; start it with `systemctl start peerd`, or `peerd run` as root",
                path.display()
            ),
            AskError::Refused(reason) => write!(f, "the daemon refuses: {}", visible(reason)),
            AskError::Silent => write!(
                f,
                "the daemon does not answer; look at `systemctl status peerd` and `journalctl -u peerd`"
            ),
            AskError::Broken(error) => write!(f, "the daemon broke off: {}", visible(&error.to_string())),
        }
    }
}

impl From<io::Error> for AskError {
    fn from(error: io::Error) -> AskError {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AskError::Silent,
            _ => AskError::Broken(error),
        }
    }
}

/// A connection as a tool.
#[derive(Debug)]
pub(crate) struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    pub(crate) fn connect(path: &Path, role: Role) -> Result<Client, AskError> {
        let stream = UnixStream::connect(path).map_err(|error| AskError::NoDaemon(path.to_owned(), error))?;
        stream.set_read_timeout(Some(UNSAID))?;
        let mut client = Client {
            reader: BufReader::new(stream),
        };
        client.send(&ToDaemon::Hello {
            version: VERSION,
            role,
        })?;
        if let Err(error) = client.reader.fill_buf().map(drop) {
            match AskError::from(error) {
                AskError::Silent => {}
                error => return Err(error),
            }
            eprintln!("waiting for the daemon to start ...");
            client.reader.get_ref().set_read_timeout(Some(START_PATIENCE))?;
        }
        match client.receive()? {
            FromDaemon::Refused { reason } => Err(AskError::Refused(reason)),
            _ => {
                client.reader.get_ref().set_read_timeout(Some(PATIENCE))?;
                Ok(client)
            }
        }
    }

    fn send(&mut self, message: &ToDaemon) -> Result<(), AskError> {
        let line = control::encode(message).map_err(|error| AskError::Broken(io::Error::other(error)))?;
        Ok(self.reader.get_mut().write_all(&line)?)
    }

    fn receive(&mut self) -> Result<FromDaemon, AskError> {
        loop {
            let mut line = vec![];
            let limit = MAX_LINE as u64 + 1;
            (&mut self.reader).take(limit).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Err(AskError::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
            match control::decode(&line) {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) => return Err(AskError::Broken(io::Error::other(error))),
            }
        }
    }

    /// The daemon's status now.
    pub(crate) fn status(&mut self) -> Result<serde_json::Value, AskError> {
        self.send(&ToDaemon::Status)?;
        loop {
            match self.receive()? {
                FromDaemon::Status(status) => return Ok(status),
                FromDaemon::Refused { reason } => return Err(AskError::Refused(reason)),
                _ => {}
            }
        }
    }
}

/// The part of the status that the tools look at; a daemon may say more, or less.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) daemon: String,
    pub(crate) name: String,
    pub(crate) uptime_s: u64,
    pub(crate) cables: Vec<CableStatus>,
    pub(crate) games: Vec<GameStatus>,
}

/// One cable.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CableStatus {
    pub(crate) interface: String,
    pub(crate) driver: Option<String>,
    pub(crate) state: String,
    /// A daemon that does not say so is sure.
    pub(crate) is_certain: Option<bool>,
    pub(crate) up_ms: Option<u64>,
    pub(crate) mac: String,
    pub(crate) mac_repair: String,
    pub(crate) local: Option<String>,
    pub(crate) peer: Option<PeerStatus>,
    pub(crate) udp: UdpStatus,
    pub(crate) troubles: Vec<String>,
    pub(crate) culprits: Option<Vec<String>>,
}

/// Its peer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PeerStatus {
    pub(crate) name: String,
    pub(crate) address: Option<String>,
    pub(crate) has_game: bool,
}

/// Whether the layers above Ethernet let anything through.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UdpStatus {
    pub(crate) heard_here: bool,
    pub(crate) heard_there: Option<bool>,
    pub(crate) blocked_here: bool,
    pub(crate) blocked_there: Option<bool>,
}

/// One game.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GameStatus {
    pub(crate) pid: i32,
    pub(crate) uid: Option<u32>,
    pub(crate) command: Option<String>,
    pub(crate) cable: Option<String>,
    pub(crate) report: Option<gamelink_core::control::LinkReport>,
    /// How many of these the daemon has heard from it.
    pub(crate) reports: u64,
}

impl Status {
    /// Reads it for people: in every text, what a terminal would obey or hide is replaced.
    pub(crate) fn parse(value: &serde_json::Value) -> Status {
        let mut value = value.clone();
        make_visible(&mut value);
        Status::deserialize(&value).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_says_nothing_is_called_so_with_where_to_look() {
        let error = AskError::from(io::Error::from(io::ErrorKind::WouldBlock));
        assert!(error.to_string().contains("journalctl -u peerd"), "{error}");
        let error = AskError::from(io::Error::from(io::ErrorKind::UnexpectedEof));
        assert!(error.to_string().starts_with("the daemon broke off"), "{error}");
    }
}
