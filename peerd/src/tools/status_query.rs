//! A client of the control socket, for tools.

use super::Failure;
use crate::escape::visible;
use clap::Args;
use gamelink_core::control::{
    self, DEFAULT_SOCKET, FromDaemon, LineError, MAX_LINE, Role, Status, ToDaemon, VERSION,
};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Limit of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Limit of the first answer: connecting may have the service manager start the daemon.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Wait before the user is told of it.
const QUIET_WAIT: Duration = Duration::from_secs(2);

/// The control socket of a tool.
#[derive(Clone, Debug, Args)]
pub(crate) struct Control {
    /// Where the daemon listens.
    #[arg(long, value_name = "PATH", env = "GAMELINK_CONTROL", default_value = DEFAULT_SOCKET)]
    pub(crate) control: PathBuf,
}

/// Errors of a request.
#[derive(Debug)]
pub(crate) enum AskError {
    /// No daemon listens at the path.
    NoDaemon(PathBuf, io::Error),
    /// The daemon refused the client.
    Refused(String),
    /// The daemon does not answer.
    Silent,
    /// The connection failed.
    Broken(io::Error),
    /// The answer cannot be read; with the daemon's version.
    OtherVersion(String, LineError),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::NoDaemon(path, error) => write!(
                f,
                "no daemon at {}: {error}; start it with `systemctl start peerd`, or `peerd run` as root",
                path.display()
            ),
            AskError::Refused(reason) => write!(f, "the daemon refused: {}", visible(reason)),
            AskError::Silent => write!(
                f,
                "the daemon does not answer; see `systemctl status peerd` and `journalctl -u peerd`"
            ),
            AskError::Broken(error) => write!(
                f,
                "the daemon closed the connection: {}",
                visible(&error.to_string())
            ),
            AskError::OtherVersion(daemon, error) => write!(
                f,
                "the daemon is peerd {} and this program peerd {}, which cannot read its answer ({}); install one version of \
                 both, then `systemctl restart peerd`",
                visible(daemon),
                env!("CARGO_PKG_VERSION"),
                visible(&error.to_string())
            ),
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
    /// Version of the daemon, once known.
    daemon: String,
}

impl Client {
    pub(crate) fn connect(path: &Path) -> Result<Client, AskError> {
        let stream = UnixStream::connect(path).map_err(|error| AskError::NoDaemon(path.to_owned(), error))?;
        stream.set_read_timeout(Some(QUIET_WAIT))?;
        let mut client = Client {
            reader: BufReader::new(stream),
            daemon: "of an unknown version".to_owned(),
        };
        client.send(&ToDaemon::Hello {
            version: VERSION,
            role: Role::Tool,
        })?;
        match client.reader.fill_buf().map(drop).map_err(AskError::from) {
            Err(AskError::Silent) => {
                eprintln!("waiting for the daemon to start ...");
                client.reader.get_ref().set_read_timeout(Some(START_TIMEOUT))?;
            }
            result => result?,
        }
        if let FromDaemon::Welcome { daemon, .. } = client.receive()? {
            client.daemon = daemon;
        }
        client.reader.get_ref().set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(client)
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
                Ok(Some(FromDaemon::Refused { reason })) => return Err(AskError::Refused(reason)),
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) => return Err(AskError::OtherVersion(self.daemon.clone(), error)),
            }
        }
    }

    /// Has something done; returns what the daemon says of it.
    ///
    /// # Errors
    /// Where it was not done, with the daemon's reason.
    pub(crate) fn request(&mut self, request: &ToDaemon) -> Result<String, Failure> {
        self.send(request)?;
        loop {
            match self.receive()? {
                FromDaemon::Answer { is_done: true, text } => return Ok(visible(&text).to_string()),
                FromDaemon::Answer { is_done: false, text } => return Err(visible(&text).to_string().into()),
                _ => {}
            }
        }
    }

    /// Requests the status.
    pub(crate) fn status(&mut self) -> Result<Status, AskError> {
        self.send(&ToDaemon::Status)?;
        loop {
            if let FromDaemon::Status(status) = self.receive()? {
                return Ok(status);
            }
        }
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
        assert!(
            error.to_string().starts_with("the daemon closed the connection"),
            "{error}"
        );
    }

    #[test]
    fn a_daemon_of_another_version_is_named_with_both_versions_and_the_remedy() {
        let path = std::env::temp_dir().join(format!("gamelink-client-{}.sock", std::process::id()));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let daemon = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let answers = "{\"type\":\"welcome\",\"version\":1,\"daemon\":\"9.8.7\"}\n\
                           {\"type\":\"status\",\"daemon\":\"9.8.7\",\"ports\":[]}\n";
            stream.write_all(answers.as_bytes()).unwrap();
            stream
        });
        let mut client = Client::connect(&path).unwrap();
        let error = client.status().unwrap_err().to_string();
        let ours = format!("this program peerd {}", env!("CARGO_PKG_VERSION"));
        assert!(error.contains("peerd 9.8.7") && error.contains(&ours), "{error}");
        assert!(
            error.contains("missing field") && error.contains("systemctl restart peerd"),
            "{error}"
        );
        drop(daemon.join());
        std::fs::remove_file(path).unwrap();
    }
}
