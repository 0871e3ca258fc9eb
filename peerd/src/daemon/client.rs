//! One client of the control socket: its connection, role and assignment.

use super::link::LinkId;
use super::precedence::Rank;
use crate::sys::control::Credentials;
use gamelink_core::control::{self, FromDaemon, Lines, LinkReport, Role, ToDaemon, VERSION};
use gamelink_core::time::LocalTime;
use mio::net::UnixStream;
use std::io::{self, Read, Write};
use std::time::Duration;

/// Time in which a client must send its hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence after which a client is dropped. A game reports once a second, a monitor asks twice, and a game
/// that was stopped for longer reconnects.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Reads of one client in a row, so that none delays the others.
const MAX_READS: usize = 4;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: UnixStream,
    pub(super) lines: Lines,
    pub(super) credentials: Credentials,
    pub(super) since: LocalTime,
    /// Time of the last message.
    pub(super) heard: LocalTime,
    pub(super) role: Option<Role>,
    pub(super) report: Option<LinkReport>,
    /// Number of reports.
    pub(super) reports: u64,
    pub(super) reported: LocalTime,
    /// The link that this game was assigned.
    pub(super) link: Option<LinkId>,
    /// The assignment it was sent last.
    pub(super) assignment: Option<FromDaemon>,
    /// The daemons have lost each other, but the two games may still be linked: the game keeps its link until
    /// it reports otherwise.
    pub(super) is_held: bool,
    /// A read was cut short by [`MAX_READS`]; the poll is edge-triggered.
    pub(super) has_more: bool,
}

impl Client {
    pub(super) fn new(now: LocalTime, stream: UnixStream, credentials: Credentials) -> Client {
        Client {
            stream,
            lines: Lines::default(),
            credentials,
            since: now,
            heard: now,
            role: None,
            report: None,
            reports: 0,
            reported: now,
            link: None,
            assignment: None,
            is_held: false,
            has_more: false,
        }
    }

    /// When it is dropped for silence.
    pub(super) fn deadline(&self) -> LocalTime {
        match self.role {
            None => self.since.after(HELLO_TIMEOUT),
            Some(_) => self.heard.after(SILENCE_TIMEOUT),
        }
    }

    pub(super) fn rank(&self, player: Option<u32>) -> Rank {
        let uid = self.credentials.uid;
        Rank {
            is_players: uid == 0 || Some(uid) == player,
            is_linked: self
                .report
                .as_ref()
                .is_some_and(|report| report.state.is_linked()),
            since: self.since,
            uid,
        }
    }

    /// The cable over which this game reports to be linked.
    pub(super) fn plays_on(&self) -> Option<&str> {
        self.report.as_ref()?.cable.as_deref()
    }

    pub(super) fn let_go(&mut self) {
        self.link = None;
        self.is_held = false;
        // Its report of that cable is out of date.
        if let Some(report) = &mut self.report {
            report.cable = None;
        }
    }

    pub(super) fn receive(
        &mut self,
        now: LocalTime,
        mut request: impl FnMut(ToDaemon),
    ) -> Result<(), String> {
        let mut bytes = [0; 4096];
        self.has_more = false;
        for _ in 0..MAX_READS {
            let len = match self.stream.read(&mut bytes) {
                Ok(0) => return Err("it closed the connection".into()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            let mut lines = std::mem::take(&mut self.lines);
            let mut result = Ok(());
            let cut = lines.handle_bytes(bytes.get(..len).unwrap_or_default(), |line| {
                if result.is_ok() {
                    result = self.handle_line(now, line, &mut request);
                }
            });
            self.lines = lines;
            if let Err(error) = cut {
                refuse(&mut self.stream, &error.to_string());
                return Err(error.to_string());
            }
            result?;
        }
        self.has_more = true;
        Ok(())
    }

    fn handle_line(
        &mut self,
        now: LocalTime,
        line: &[u8],
        request: &mut impl FnMut(ToDaemon),
    ) -> Result<(), String> {
        let message = match control::decode::<ToDaemon>(line) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(error) => {
                refuse(&mut self.stream, &error.to_string());
                return Err(error.to_string());
            }
        };
        self.heard = now;
        match message {
            ToDaemon::Hello { version, role } => {
                if version != VERSION {
                    let remedy = if version < VERSION {
                        "update the core or tool"
                    } else {
                        "update peerd"
                    };
                    let reason = format!(
                        "it speaks version {version} of the control protocol, this daemon version {VERSION}: {remedy}"
                    );
                    refuse(&mut self.stream, &reason);
                    return Err(reason);
                }
                self.role = Some(role);
                let welcome = FromDaemon::Welcome {
                    version: VERSION,
                    daemon: env!("CARGO_PKG_VERSION").to_owned(),
                };
                if !self.send(&welcome) {
                    return Err("it does not read".into());
                }
                request(message);
            }
            // A hello must come first.
            _ if self.role.is_none() => return Err("no hello before its first message".into()),
            ToDaemon::Report(mut report) => {
                // A name no interface can have is dropped: the status must fit into a line.
                report.cable = report.cable.filter(|cable| cable.len() < libc::IFNAMSIZ);
                self.report = Some(report.clone());
                self.reports += 1;
                self.reported = now;
                if self.is_held && self.plays_on().is_none() {
                    self.let_go();
                    request(ToDaemon::Report(report));
                }
            }
            ToDaemon::Status => request(ToDaemon::Status),
        }
        Ok(())
    }

    /// False if the line does not fit into its socket buffer: the client is as good as gone.
    pub(super) fn send(&mut self, message: &FromDaemon) -> bool {
        let Ok(line) = control::encode(message) else {
            log::error!("message to a client too long, not sent");
            return true;
        };
        self.stream.write(&line).is_ok_and(|len| len == line.len())
    }
}

pub(super) fn refuse(stream: &mut UnixStream, reason: &str) {
    if let Ok(line) = control::encode(&FromDaemon::Refused {
        reason: reason.to_owned(),
    }) {
        let _ = stream.write(&line);
    }
}
