//! The connection to the daemon, which says where the peer is.

use super::journal::Journal;
use super::report::link_report;
use super::thread;
use gamelink_core::bridge::Bridge;
use gamelink_core::control::{self, FromDaemon, Lines, Role, ToDaemon};
use gamelink_core::time::LocalTime;
use log::Level;
use mio::net::UnixStream;
use mio::{Interest, Registry};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// How often a daemon that is not there is looked for, and how often it is told how the link does.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// How soon one that has just gone is looked for; twice as long each time.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// How often while a game plays without it. When it is back it takes away the addresses that the link uses and gives new
/// ones: to be heard of well within the silence that ends a link.
const PLAYING_RETRY: Duration = Duration::from_millis(100);

/// Reads in one go; a daemon has little to say.
const MAX_READS: usize = 16;

/// A client of the daemon's control socket that connects again whenever the daemon comes back.
pub(super) struct Daemon {
    path: PathBuf,
    stream: Option<UnixStream>,
    lines: Lines,
    due: LocalTime,
    /// Until the next attempt to find it.
    pause: Duration,
    has_warned: bool,
}

impl Daemon {
    pub(super) fn new(path: PathBuf, now: LocalTime) -> Daemon {
        Daemon {
            path,
            stream: None,
            lines: Lines::default(),
            due: now,
            pause: REPORT_INTERVAL,
            has_warned: false,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(super) fn poll_timeout(&self) -> LocalTime {
        self.due
    }

    /// The daemon should know at once how the link does now.
    pub(super) fn report_soon(&mut self, now: LocalTime) {
        if self.stream.is_some() {
            self.due = now;
        }
    }

    /// Looks for the daemon, or tells it how the link does; `cable` is the one that the link goes over.
    pub(super) fn handle_timeout(
        &mut self,
        now: LocalTime,
        bridge: &Bridge,
        cable: Option<&str>,
        registry: &Registry,
        journal: &mut Journal,
    ) {
        if now < self.due {
            return;
        }
        let report = ToDaemon::Report(link_report(bridge, cable));
        if self.stream.is_some() {
            self.due = now.after(REPORT_INTERVAL);
            return self.send(now, &[report], journal);
        }
        let longest = if cable.is_some() {
            PLAYING_RETRY
        } else {
            REPORT_INTERVAL
        };
        self.due = now.after(self.pause.min(longest));
        self.pause = (self.pause * 2).min(REPORT_INTERVAL);
        // Most players have no daemon running most of the time: its absence is not worth a line.
        if self.connect(registry).is_ok() {
            let path = &self.path;
            journal.note(Level::Info, || {
                format!("connected to the daemon socket={}", path.display())
            });
            self.due = now.after(REPORT_INTERVAL);
            let hello = ToDaemon::Hello {
                version: control::VERSION,
                role: Role::Game,
            };
            // In one piece: before it offers this game to a cable, it knows of the one that the game has.
            self.send(now, &[hello, report], journal);
        }
    }

    fn connect(&mut self, registry: &Registry) -> io::Result<()> {
        let mut stream = UnixStream::connect(&self.path)?;
        registry.register(&mut stream, thread::DAEMON, Interest::READABLE)?;
        self.stream = Some(stream);
        self.lines = Lines::default();
        self.has_warned = false;
        Ok(())
    }

    /// Reads what has arrived and hands each message to `take`.
    pub(super) fn receive(
        &mut self,
        now: LocalTime,
        registry: &Registry,
        journal: &mut Journal,
        mut take: impl FnMut(FromDaemon),
    ) {
        let mut bytes = [0; 4096];
        for _ in 0..MAX_READS {
            let Some(stream) = &mut self.stream else { return };
            match stream.read(&mut bytes) {
                Ok(0) => return self.lose(now, "it closed the connection", journal),
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
                                            format!("ignored malformed lines from the daemon error={error}")
                                        });
                                    }
                                }
                            },
                        );
                    if let Err(error) = result {
                        return self.lose(now, &error.to_string(), journal);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.lose(now, &error.to_string(), journal),
            }
        }
        // More may be waiting, and an edge-triggered poll would not say so again.
        if let Some(stream) = &mut self.stream
            && let Err(error) = registry.reregister(stream, thread::DAEMON, Interest::READABLE)
        {
            self.lose(now, &error.to_string(), journal);
        }
    }

    fn send(&mut self, now: LocalTime, messages: &[ToDaemon], journal: &mut Journal) {
        let lines: Result<Vec<_>, _> = messages.iter().map(control::encode).collect();
        let (Some(stream), Ok(lines)) = (&mut self.stream, lines) else {
            return;
        };
        let bytes = lines.concat();
        match stream.write(&bytes) {
            Ok(len) if len == bytes.len() => {}
            // A daemon that does not read for so long that its buffer is full is as good as gone.
            result => self.lose(now, &format!("it does not read: {result:?}"), journal),
        }
    }

    fn lose(&mut self, now: LocalTime, reason: &str, journal: &mut Journal) {
        journal.note(Level::Warn, || format!("daemon connection lost reason={reason}"));
        self.stream = None;
        self.pause = FIRST_RETRY;
        self.due = now.after(FIRST_RETRY);
    }
}
