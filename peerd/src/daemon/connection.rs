//! Connection of one client to the control socket, with its role and assignment.

use super::assignment::{LinkId, box_id};
use super::user_precedence::Rank;
use crate::sys::control_socket::Credentials;
use gamelink_core::control::{
    self, Code, FromDaemon, LanStatus, Lines, LinkReport, Playing, Role, ToDaemon, Transport, VERSION,
};
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

/// Work for the daemon on behalf of a client.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Status,
    /// A game came or went: who is linked with whom may change.
    Games,
    /// Show a code to this machine, or try the one that it shows.
    Pair(String, Option<Code>),
    /// Forget the key of this machine.
    Forget(String),
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: UnixStream,
    pub(super) lines: Lines,
    pub(super) credentials: Credentials,
    pub(super) since: LocalTime,
    /// Time of the last message.
    pub(super) heard: LocalTime,
    pub(super) role: Option<Role>,
    /// Description of its game.
    pub(super) playing: Playing,
    /// The LAN as it was told last.
    lan: Option<LanStatus>,
    pub(super) report: Option<LinkReport>,
    pub(super) reports: u64,
    pub(super) reported: LocalTime,
    pub(super) link: Option<LinkId>,
    /// The assignment it was sent last.
    pub(super) assignment: Option<FromDaemon>,
    /// The daemons have lost each other, but the two games may still be linked: the game keeps its link until
    /// it reports otherwise.
    pub(super) is_held: bool,
    /// It does not read what it is sent.
    is_deaf: bool,
}

impl Connection {
    pub(super) fn new(now: LocalTime, stream: UnixStream, credentials: Credentials) -> Connection {
        Connection {
            stream,
            lines: Lines::default(),
            credentials,
            since: now,
            heard: now,
            role: None,
            playing: Playing::default(),
            lan: None,
            report: None,
            reports: 0,
            reported: now,
            link: None,
            assignment: None,
            is_held: false,
            is_deaf: false,
        }
    }

    /// When it is dropped, for silence or at once.
    pub(super) fn deadline(&self) -> LocalTime {
        match self.role {
            _ if self.is_deaf => self.since,
            None => self.since.after(HELLO_TIMEOUT),
            Some(_) => self.heard.after(SILENCE_TIMEOUT),
        }
    }

    pub(super) fn rank(&self, player: Option<u32>) -> Rank {
        let uid = self.credentials.uid;
        Rank {
            is_players: uid == 0 || Some(uid) == player,
            is_linked: self.report.iter().any(|report| report.state.is_linked()),
            since: self.since,
            uid,
        }
    }

    /// The cable over which this game reports to be linked.
    pub(super) fn plays_on(&self) -> Option<&str> {
        self.report.as_ref()?.cable.as_deref()
    }

    /// The machine with which this game is linked on a LAN, as it was told, by this daemon or the one before.
    pub(super) fn linked_with(&self) -> Option<u64> {
        let told = match &self.assignment {
            Some(FromDaemon::PeerUp { machine, .. }) => machine.as_deref(),
            _ => None,
        };
        let reported = || self.report.as_ref()?.machine.as_deref();
        box_id(told.or_else(reported)?)
    }

    fn is_in_netplay(&self) -> bool {
        let report = self.report.as_ref();
        report.is_some_and(|report| report.transport == Transport::Netplay)
    }

    /// True for a game that could use this link now. One in netplay can use a cable, which its player plugs
    /// in; on a LAN others would look for it in vain.
    pub(super) fn can_use(&self, link: LinkId) -> bool {
        matches!(link, LinkId::Cable(_)) || !self.is_in_netplay()
    }

    pub(super) fn let_go(&mut self) {
        self.link = None;
        self.assignment = None;
        self.is_held = false;
        // Its report of that cable is out of date.
        if let Some(report) = &mut self.report {
            report.cable = None;
        }
    }

    /// Reads messages, and adds what they request; true if more may wait.
    ///
    /// # Errors
    /// The reason to drop it.
    pub(super) fn receive(&mut self, now: LocalTime, requests: &mut Vec<Request>) -> Result<bool, String> {
        let mut bytes = [0; 4096];
        for _ in 0..MAX_READS {
            let len = match self.stream.read(&mut bytes) {
                Ok(0) => return Err("it closed the connection".into()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.to_string()),
            };
            let (mut lines, mut result) = (std::mem::take(&mut self.lines), Ok(()));
            let cut = lines.handle_bytes(bytes.get(..len).unwrap_or_default(), |line| {
                if result.is_ok() {
                    result = self.handle_line(now, line, requests);
                }
            });
            self.lines = lines;
            cut.or_else(|error| refuse(&mut self.stream, error.to_string()))?;
            result?;
        }
        Ok(true)
    }

    fn handle_line(
        &mut self,
        now: LocalTime,
        line: &[u8],
        requests: &mut Vec<Request>,
    ) -> Result<(), String> {
        let message = match control::decode::<ToDaemon>(line) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(error) => return refuse(&mut self.stream, error.to_string()),
        };
        self.heard = now;
        match message {
            ToDaemon::Hello { version, .. } if version != VERSION => {
                let remedy = if version < VERSION {
                    "update the core or tool"
                } else {
                    "update peerd"
                };
                let reason = format!(
                    "it speaks version {version} of the control protocol, this daemon version {VERSION}: {remedy}"
                );
                return refuse(&mut self.stream, reason);
            }
            ToDaemon::Hello { role, .. } => {
                self.role = Some(role);
                self.send(&FromDaemon::Welcome {
                    version: VERSION,
                    daemon: env!("CARGO_PKG_VERSION").to_owned(),
                });
                requests.push(Request::Games);
            }
            // A hello must come first.
            _ if self.role.is_none() => return Err("no hello before its first message".into()),
            ToDaemon::Report(mut report) => {
                // A name no interface can have is dropped: the status must fit into a line.
                report.cable = report.cable.filter(|cable| cable.len() < libc::IFNAMSIZ);
                report.machine = report.machine.filter(|machine| box_id(machine).is_some());
                let was_in_netplay = self.is_in_netplay();
                self.report = Some(report);
                self.reports += 1;
                self.reported = now;
                let is_lost = self.is_held && self.plays_on().is_none();
                if is_lost {
                    self.let_go();
                }
                if is_lost || was_in_netplay != self.is_in_netplay() {
                    requests.push(Request::Games);
                }
            }
            ToDaemon::Playing(playing) => {
                self.playing = playing;
                requests.push(Request::Games);
            }
            ToDaemon::Status => requests.push(Request::Status),
            ToDaemon::Pair { name, code } => match code.as_deref().map(Code::parse) {
                Some(None) => self.answer(Err("a code is four digits".into())),
                code => requests.push(Request::Pair(name, code.flatten())),
            },
            ToDaemon::Forget { name } => requests.push(Request::Forget(name)),
        }
        Ok(())
    }

    /// Assigns it a link, or the link's new peer.
    pub(super) fn assign(&mut self, link: LinkId, message: &FromDaemon) {
        self.link = Some(link);
        self.is_held = false;
        self.assignment = Some(message.clone());
        self.send(message);
    }

    /// Tells it of the LAN where that has changed; round trips and ages change all the time.
    pub(super) fn tell_lan(&mut self, lan: &LanStatus) {
        let mut lan = LanStatus {
            up_ms: None,
            ..lan.clone()
        };
        lan.machines.iter_mut().for_each(|of| of.round_trip_us = None);
        if self.lan.as_ref() != Some(&lan) {
            self.send(&FromDaemon::Lan(lan.clone()));
            self.lan = Some(lan);
        }
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, result: Result<String, String>) {
        let is_done = result.is_ok();
        let (Ok(text) | Err(text)) = result;
        self.send(&FromDaemon::Answer { is_done, text });
    }

    /// Sends a line. A client without room for it in its socket buffer is as good as gone.
    pub(super) fn send(&mut self, message: &FromDaemon) {
        match control::encode(message) {
            Ok(line) => self.is_deaf |= !self.stream.write(&line).is_ok_and(|len| len == line.len()),
            Err(_) => log::error!("message to a client too long, not sent"),
        }
    }
}

/// Sends a client the reason why it is dropped, and returns it.
pub(super) fn refuse(stream: &mut UnixStream, reason: String) -> Result<(), String> {
    if let Ok(line) = control::encode(&FromDaemon::Refused {
        reason: reason.clone(),
    }) {
        let _ = stream.write(&line);
    }
    Err(reason)
}
