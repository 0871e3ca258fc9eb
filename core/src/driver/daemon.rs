//! The connection to the daemon, which says where the peer is.

use super::journal::Journal;
use super::thread;
use crate::bridge::Bridge;
use crate::control::{self, FromDaemon, Lines, LinkReport, Role, ToDaemon};
use crate::time::LocalTime;
use log::Level;
use mio::net::UnixStream;
use mio::{Interest, Registry};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// How often a daemon that is not there is looked for, and how often it is told how the link does.
const EVERY: Duration = Duration::from_secs(1);

/// Reads in one go; a daemon has little to say.
const BATCH: usize = 16;

/// A client of the daemon's control socket that connects again whenever the daemon comes back.
pub(super) struct Daemon {
    path: PathBuf,
    stream: Option<UnixStream>,
    lines: Lines,
    due: LocalTime,
    has_warned: bool,
}

impl Daemon {
    pub(super) fn new(path: PathBuf, now: LocalTime) -> Daemon {
        Daemon {
            path,
            stream: None,
            lines: Lines::default(),
            due: now,
            has_warned: false,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(super) fn poll_timeout(&self) -> LocalTime {
        self.due
    }

    /// Looks for the daemon, or tells it how the link does.
    pub(super) fn handle_timeout(
        &mut self,
        now: LocalTime,
        bridge: &Bridge,
        registry: &Registry,
        journal: &mut Journal,
    ) {
        if now < self.due {
            return;
        }
        self.due = now.after(EVERY);
        if self.stream.is_some() {
            self.send(&ToDaemon::Report(link_report(bridge)), journal);
            return;
        }
        // Most players have no daemon running most of the time: its absence is not worth a line.
        if self.connect(registry, journal).is_ok() {
            let path = &self.path;
            journal.note(Level::Info, || {
                format!("connected to the daemon socket={}", path.display())
            });
        }
    }

    fn connect(&mut self, registry: &Registry, journal: &mut Journal) -> io::Result<()> {
        let mut stream = UnixStream::connect(&self.path)?;
        registry.register(&mut stream, thread::DAEMON, Interest::READABLE)?;
        self.stream = Some(stream);
        self.lines = Lines::default();
        self.has_warned = false;
        self.send(
            &ToDaemon::Hello {
                version: control::VERSION,
                role: Role::Game,
            },
            journal,
        );
        Ok(())
    }

    /// Reads what has arrived and hands each message to `take`.
    pub(super) fn receive(
        &mut self,
        registry: &Registry,
        journal: &mut Journal,
        mut take: impl FnMut(FromDaemon),
    ) {
        let mut bytes = [0; 4096];
        for _ in 0..BATCH {
            let Some(stream) = &mut self.stream else { return };
            match stream.read(&mut bytes) {
                Ok(0) => return self.lose("it closed the connection", journal),
                Ok(len) => {
                    let has_warned = &mut self.has_warned;
                    let result = self
                        .lines
                        .handle_bytes(
                            bytes.get(..len).unwrap_or_default(),
                            |line| match control::decode(line) {
                                Ok(Some(message)) => take(message),
                                Ok(None) => {}
                                Err(error) => {
                                    if !std::mem::replace(has_warned, true) {
                                        journal.note(Level::Warn, || {
                                            format!("passed over lines of the daemon error={error}")
                                        });
                                    }
                                }
                            },
                        );
                    if let Err(error) = result {
                        return self.lose(&error.to_string(), journal);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.lose(&error.to_string(), journal),
            }
        }
        // More may be waiting, and an edge-triggered poll would not say so again.
        if let Some(stream) = &mut self.stream
            && let Err(error) = registry.reregister(stream, thread::DAEMON, Interest::READABLE)
        {
            self.lose(&error.to_string(), journal);
        }
    }

    fn send(&mut self, message: &ToDaemon, journal: &mut Journal) {
        let (Some(stream), Ok(line)) = (&mut self.stream, control::encode(message)) else {
            return;
        };
        match stream.write(&line) {
            Ok(len) if len == line.len() => {}
            // A daemon that does not read for so long that its buffer is full is as good as gone.
            result => self.lose(&format!("it does not read: {result:?}"), journal),
        }
    }

    fn lose(&mut self, reason: &str, journal: &mut Journal) {
        journal.note(Level::Warn, || format!("lost the daemon reason={reason}"));
        self.stream = None;
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
