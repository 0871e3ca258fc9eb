//! Follows the daemon's assignments: the peer at the other end of the cable, and its address.

use super::Hub;
use crate::address::PeerAddress;
use crate::daemon::Daemon;
use crate::time;
use gamelink_core::bridge::Notice;
use gamelink_core::control::{DownCause, FromDaemon};
use gamelink_core::time::LocalTime;
use log::Level;
use std::path::PathBuf;

impl Hub {
    pub(crate) fn peer_name(&self) -> Option<String> {
        self.told.as_ref().map(|(_, name)| name.clone())
    }

    pub(crate) fn follow_daemon(&mut self, path: PathBuf) {
        self.daemon = Some(Daemon::new(path, time::now()));
    }

    pub(super) fn service_daemon(&mut self, now: LocalTime) {
        let Some(mut daemon) = self.daemon.take() else {
            return;
        };
        // The peer outlives the daemon: its silence is noticed without it.
        let mut journal = self.journal.take();
        let cable = self.told.as_ref().map(|(cable, _)| cable.as_str());
        daemon.handle_timeout(now, &self.bridge, cable, &self.registry, &mut journal);
        let mut messages = Vec::new();
        daemon.receive(now, &self.registry, &mut journal, |message| {
            messages.push(message);
        });
        self.journal = journal;
        self.daemon = Some(daemon);
        messages
            .into_iter()
            .for_each(|message| self.handle_daemon(now, message));
    }

    pub(super) fn handle_daemon(&mut self, now: LocalTime, message: FromDaemon) {
        match message {
            FromDaemon::Welcome { version, daemon } => {
                self.note(Level::Info, || {
                    format!("daemon connected version={daemon} protocol={version}")
                });
            }
            FromDaemon::PeerUp {
                cable,
                name,
                address,
                bind,
            } => {
                let bind = bind.map(|bind| bind.parse()).transpose();
                let (Ok(address), Ok(bind)) = (address.parse::<PeerAddress>(), bind) else {
                    let line = || format!("peer has no usable address cable={cable} address={address}");
                    return self.note(Level::Warn, line);
                };
                let port = self.plug.port();
                let is_known = port.is_some_and(|port| port.is_for(&address, &bind));
                // The same cable under new addresses, or under a new name: the two bridges know each other by their
                // session's numbers.
                let is_same = self.told.as_ref().is_some_and(|(told, _)| *told == cable)
                    || port.is_some_and(|port| port.ip() == address.ip);
                let may_move = is_same && self.bridge.is_linked();
                self.note(Level::Info, || {
                    format!("peer discovered name={name} cable={cable} address={address}")
                });
                self.told = Some((cable, name));
                self.is_on_its_own = false;
                // A restarted daemon assigns the same peer again: the session goes on.
                let result = match (is_known, may_move) {
                    (true, _) => Ok(()),
                    (false, true) => self.move_peer(address, bind),
                    (false, false) => self.set_peer(Some(address), bind),
                };
                if let Err(error) = result {
                    self.note(Level::Error, || error.to_string());
                }
            }
            FromDaemon::PeerDown { cable, reason, cause } => {
                if self.told.as_ref().is_none_or(|(told, _)| *told != cable) {
                    return;
                }
                self.note(Level::Info, || format!("peer lost cable={cable} reason={reason}"));
                if cause.may_be_daemon_only() && self.bridge.is_linked() {
                    self.is_on_its_own = true;
                } else {
                    // Before the link is unplugged, which ends it.
                    self.tell_down(cause);
                    self.unplug_told(now);
                }
            }
            FromDaemon::Refused { reason } => {
                self.note(Level::Error, || format!("daemon refused this game: {reason}"));
            }
            FromDaemon::Status(_) => {}
        }
    }

    /// Tells the player why the link ends.
    fn tell_down(&mut self, cause: DownCause) {
        match cause {
            DownCause::Unplugged | DownCause::Stopped => self.notify(Notice::Unplugged),
            _ if self.bridge.is_linked() => self.notify(Notice::PeerGone),
            _ => {}
        }
    }

    /// Unplugs the assigned cable.
    pub(super) fn unplug_told(&mut self, now: LocalTime) {
        self.told = None;
        self.is_on_its_own = false;
        let _ = self.set_peer(None, None);
        if let Some(daemon) = &mut self.daemon {
            daemon.report_soon(now);
        }
    }
}
