//! A client of the daemon, which assigns the peer.

use super::deferred_log::DeferredLog;
use super::report::{Route, link_report};
use super::thread;
use gamelink_core::bridge::Bridge;
use gamelink_core::control::{self, FromDaemon, LanStatus, Lines, Playing, Role, ToDaemon};
use gamelink_core::time::LocalTime;
use mio::net::UnixStream;
use mio::{Interest, Registry};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Interval of reports, and of attempts to connect.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// First retry after a lost connection; each next one takes twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// Longest retry while a game is linked. A restarted daemon replaces the addresses of the link: the game must
/// connect well within the silence that ends a link.
const PLAYING_RETRY: Duration = Duration::from_millis(100);

/// Reads in a row; a daemon sends little.
const MAX_READS: usize = 16;

/// A client of the control socket, which reconnects whenever the daemon is back.
pub(super) struct DaemonClient {
    path: PathBuf,
    stream: Option<UnixStream>,
    lines: Lines,
    due: LocalTime,
    /// Time to the next attempt.
    pause: Duration,
    has_warned: bool,
    /// It may give keys: the player has set none.
    pub(super) gives_keys: bool,
    /// The game, as the daemon is told.
    playing: Playing,
    is_playing_told: bool,
    /// The LAN, as the daemon has told it since anybody asked.
    pub(super) lan: Option<LanStatus>,
}

impl DaemonClient {
    pub(super) fn new(path: PathBuf, now: LocalTime, gives_keys: bool, playing: Playing) -> DaemonClient {
        DaemonClient {
            path,
            stream: None,
            lines: Lines::default(),
            due: now,
            pause: REPORT_INTERVAL,
            has_warned: false,
            gives_keys,
            playing,
            is_playing_told: false,
            lan: None,
        }
    }

    /// Describes the game, at once where the daemon is there.
    pub(super) fn set_playing(&mut self, now: LocalTime, playing: Playing) {
        if self.playing != playing {
            self.playing = playing;
            self.is_playing_told = false;
            self.report_soon(now);
        }
    }

    /// When the next report, or attempt to connect, is due.
    pub(super) fn poll_timeout(&self) -> LocalTime {
        self.due
    }

    /// Sends the next report at once.
    pub(super) fn report_soon(&mut self, now: LocalTime) {
        if self.stream.is_some() {
            self.due = now;
        }
    }

    /// Connects, or reports the state of the link, which goes by this `route`, where that is due. Returns the
    /// messages that have arrived.
    pub(super) fn service(
        &mut self,
        now: LocalTime,
        bridge: &Bridge,
        route: Route<'_>,
        registry: &Registry,
        log: &mut DeferredLog,
    ) -> Vec<FromDaemon> {
        let mut messages = Vec::new();
        let result = self.handle_timeout(now, bridge, route, registry, log);
        if let Err(error) = result.and_then(|()| self.read(registry, log, &mut messages)) {
            log.warn(format_args!("daemon connection lost reason={error}"));
            self.stream = None;
            self.lan = None;
            self.pause = FIRST_RETRY;
            self.due = now.after(FIRST_RETRY);
        }
        messages
    }

    fn handle_timeout(
        &mut self,
        now: LocalTime,
        bridge: &Bridge,
        route: Route<'_>,
        registry: &Registry,
        log: &mut DeferredLog,
    ) -> io::Result<()> {
        if now < self.due {
            return Ok(());
        }
        let report = ToDaemon::Report(link_report(bridge, route));
        let playing = |client: &DaemonClient| ToDaemon::Playing(client.playing.clone());
        if self.stream.is_some() {
            self.due = now.after(REPORT_INTERVAL);
            if std::mem::replace(&mut self.is_playing_told, true) {
                return self.send(&[report]);
            }
            return self.send(&[playing(self), report]);
        }
        let longest = match route {
            Route::Cable {
                interface: Some(_), ..
            } => PLAYING_RETRY,
            Route::Cable { interface: None, .. } | Route::Netplay => REPORT_INTERVAL,
        };
        self.due = now.after(self.pause.min(longest));
        self.pause = (self.pause * 2).min(REPORT_INTERVAL);
        // Most players have no daemon running most of the time: its absence is not worth a line.
        if self.connect(registry).is_err() {
            return Ok(());
        }
        let path = self.path.display();
        log.info(format_args!("connected to the daemon socket={path}"));
        self.due = now.after(REPORT_INTERVAL);
        let hello = ToDaemon::Hello {
            version: control::VERSION,
            role: Role::Game,
        };
        // In one write: the daemon must know the game's cable before it assigns another one.
        self.is_playing_told = true;
        self.send(&[hello, playing(self), report])
    }

    fn connect(&mut self, registry: &Registry) -> io::Result<()> {
        let mut stream = UnixStream::connect(&self.path)?;
        registry.register(&mut stream, thread::DAEMON, Interest::READABLE)?;
        self.stream = Some(stream);
        self.lines = Lines::default();
        self.has_warned = false;
        Ok(())
    }

    fn read(
        &mut self,
        registry: &Registry,
        log: &mut DeferredLog,
        messages: &mut Vec<FromDaemon>,
    ) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let mut bytes = [0; 4096];
        for _ in 0..MAX_READS {
            let len = match stream.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Ok(0) => return Err(io::Error::other("it closed the connection")),
                result => result?,
            };
            let take = |line: &[u8]| match control::decode(line) {
                Ok(message) => messages.extend(message),
                Err(error) if !std::mem::replace(&mut self.has_warned, true) => {
                    let line = format_args!("ignored malformed lines from the daemon error={error}");
                    log.warn(line);
                }
                Err(_) => {}
            };
            let bytes = bytes.get(..len).unwrap_or_default();
            self.lines.handle_bytes(bytes, take).map_err(io::Error::other)?;
        }
        // Rearms the edge-triggered poll: more may be waiting.
        registry.reregister(stream, thread::DAEMON, Interest::READABLE)
    }

    fn send(&mut self, messages: &[ToDaemon]) -> io::Result<()> {
        let lines: Result<Vec<_>, _> = messages.iter().map(control::encode).collect();
        let (Some(stream), Ok(lines)) = (&mut self.stream, lines) else {
            return Ok(());
        };
        let bytes = lines.concat();
        match stream.write(&bytes) {
            Ok(len) if len == bytes.len() => Ok(()),
            // A daemon whose buffer is full does not read: it is as good as gone.
            result => Err(io::Error::other(format!("it does not read: {result:?}"))),
        }
    }
}
