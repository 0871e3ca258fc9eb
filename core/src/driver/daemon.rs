//! The connection to the daemon, which says where the peer is.

use crate::bridge::Bridge;
use crate::control::{self, FromDaemon, Lines, LinkReport, Role, ToDaemon};
use crate::time::LocalTime;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// How often a daemon that is not there is looked for, and how often it is told how the link does.
const EVERY: Duration = Duration::from_secs(1);

/// A client of the daemon's control socket that connects again whenever the daemon comes back.
pub(super) struct Daemon {
    path: PathBuf,
    stream: Option<UnixStream>,
    lines: Lines,
    due: LocalTime,
}

impl Daemon {
    pub(super) fn new(path: PathBuf, now: LocalTime) -> Daemon {
        Daemon {
            path,
            stream: None,
            lines: Lines::default(),
            due: now,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(super) fn poll_timeout(&self) -> LocalTime {
        self.due
    }

    /// Looks for the daemon, or tells it how the link does. True if the daemon was lost.
    pub(super) fn handle_timeout(
        &mut self,
        now: LocalTime,
        bridge: &Bridge,
        registry: &Registry,
        token: Token,
    ) -> bool {
        if now < self.due {
            return false;
        }
        self.due = now.after(EVERY);
        if self.stream.is_some() {
            return !self.send(&ToDaemon::Report(link_report(bridge)));
        }
        match self.connect(registry, token) {
            Ok(()) => log::info!("connected to the daemon socket={}", self.path.display()),
            // Most players have no daemon running most of the time.
            Err(error) => log::debug!("no daemon socket={} error={error}", self.path.display()),
        }
        false
    }

    fn connect(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let mut stream = UnixStream::connect(&self.path)?;
        registry.register(&mut stream, token, Interest::READABLE)?;
        self.stream = Some(stream);
        self.lines = Lines::default();
        self.send(&ToDaemon::Hello {
            version: control::VERSION,
            role: Role::Game,
        });
        Ok(())
    }

    /// Reads what has arrived and hands each message to `take`. True if the daemon was lost.
    pub(super) fn receive(&mut self, mut take: impl FnMut(FromDaemon)) -> bool {
        let mut bytes = [0; 4096];
        while let Some(stream) = &mut self.stream {
            match stream.read(&mut bytes) {
                Ok(0) => return self.lose("it closed the connection"),
                Ok(len) => {
                    let result = self
                        .lines
                        .handle_bytes(
                            bytes.get(..len).unwrap_or_default(),
                            |line| match control::decode(line) {
                                Ok(Some(message)) => take(message),
                                Ok(None) => {}
                                Err(error) => log::warn!("passed over a line of the daemon error={error}"),
                            },
                        );
                    if let Err(error) = result {
                        return self.lose(&error.to_string());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => return self.lose(&error.to_string()),
            }
        }
        false
    }

    fn send(&mut self, message: &ToDaemon) -> bool {
        let (Some(stream), Ok(line)) = (&mut self.stream, control::encode(message)) else {
            return false;
        };
        match stream.write(&line) {
            Ok(len) if len == line.len() => true,
            // A daemon that does not read for so long that its buffer is full is as good as gone.
            result => {
                self.lose(&format!("it does not read: {result:?}"));
                false
            }
        }
    }

    fn lose(&mut self, reason: &str) -> bool {
        log::warn!("lost the daemon reason={reason}");
        self.stream = None;
        true
    }
}

fn link_report(bridge: &Bridge) -> LinkReport {
    let (stats, counters) = (bridge.stats(), &bridge.stats().counters);
    LinkReport {
        state: bridge.state().to_owned(),
        frames: bridge.frames(),
        taken: counters.taken + counters.paired,
        peer_taken: counters.peer_taken + counters.peer_paired,
        timeouts: counters.timeouts_stalled
            + counters.timeouts_paused
            + counters.timeouts_silent
            + counters.timeouts_overdue,
        wait_us: stats.wait.summary(),
        round_trip_us: stats.round_trip.summary(),
        offset_us: bridge.clock().offset().map(|offset| offset.0 as f64 / 1e3),
    }
}
