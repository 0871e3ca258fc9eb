//! The peer at the other end of the cable: as it is set, or as the daemon assigns it.

use super::Hub;
use crate::StartError;
use crate::address::{BindAddress, PeerAddress};
use crate::daemon::Daemon;
use crate::time;
use gamelink_core::bridge::{Input, Notice};
use gamelink_core::control::{DownCause, FromDaemon};
use gamelink_core::protocol::Nonce;
use gamelink_core::time::LocalTime;
use log::Level;
use std::path::PathBuf;

impl Hub {
    pub(crate) fn set_peer(
        &mut self,
        peer: Option<PeerAddress>,
        bind: Option<BindAddress>,
    ) -> Result<(), StartError> {
        self.input(Input::Unplug);
        self.plug.close(&self.registry);
        let Some(peer) = peer else { return Ok(()) };
        self.plug.open(&self.registry, peer, bind)?;
        self.plug_in();
        Ok(())
    }

    /// The peer is at another address from now on; the session goes on, unless somebody else answers there.
    fn move_peer(&mut self, peer: PeerAddress, bind: Option<BindAddress>) -> Result<(), StartError> {
        self.service_peer();
        let result = self.plug.open(&self.registry, peer, bind);
        if result.is_err() {
            self.input(Input::Unplug);
        }
        result
    }

    pub(crate) fn set_enabled(&mut self, is_enabled: bool) {
        if std::mem::replace(&mut self.is_enabled, is_enabled) == is_enabled {
            return;
        }
        if is_enabled {
            self.plug_in();
        } else {
            self.input(Input::Unplug);
        }
    }

    pub(super) fn plug_in(&mut self) {
        if self.plug.port().is_some() && self.is_enabled {
            self.input(Input::Plug {
                nonce: Nonce(rand::random::<u64>().max(1)),
            });
        }
    }

    pub(crate) fn peer_name(&self) -> Option<String> {
        self.assignment.as_ref().map(|(_, name)| name.clone())
    }

    pub(crate) fn follow_daemon(&mut self, path: PathBuf) {
        self.daemon = Some(Daemon::new(path, time::now()));
    }

    pub(super) fn service_daemon(&mut self, now: LocalTime) {
        let Some(mut daemon) = self.daemon.take() else {
            return;
        };
        // The peer outlives the daemon: its silence is noticed without it.
        let mut log = self.log.take();
        let cable = self.assignment.as_ref().map(|(cable, _)| cable.as_str());
        daemon.handle_timeout(now, &self.bridge, cable, &self.registry, &mut log);
        let mut messages = Vec::new();
        daemon.receive(now, &self.registry, &mut log, |message| {
            messages.push(message);
        });
        self.log = log;
        self.daemon = Some(daemon);
        messages
            .into_iter()
            .for_each(|message| self.handle_daemon(now, message));
    }

    pub(super) fn handle_daemon(&mut self, now: LocalTime, message: FromDaemon) {
        match message {
            FromDaemon::Welcome { version, daemon } => self.note(Level::Info, || {
                format!("daemon connected version={daemon} protocol={version}")
            }),
            FromDaemon::PeerUp {
                cable,
                name,
                address,
                bind,
            } => self.assign((cable, name), &address, bind.as_deref()),
            FromDaemon::PeerDown { cable, reason, cause } => {
                if self.assignment.as_ref().is_some_and(|(known, _)| *known == cable) {
                    self.note(Level::Info, || format!("peer lost cable={cable} reason={reason}"));
                    self.handle_loss(now, cause);
                }
            }
            FromDaemon::Refused { reason } => {
                self.note(Level::Error, || format!("daemon refused this game: {reason}"));
            }
            FromDaemon::Status(_) => {}
        }
    }

    /// Takes up the peer of a cable, and keeps the session where it is the same peer.
    fn assign(&mut self, (cable, name): (String, String), address: &str, bind: Option<&str>) {
        let bind = bind.map(str::parse).transpose();
        let (Ok(address), Ok(bind)) = (address.parse::<PeerAddress>(), bind) else {
            let line = || format!("peer has no usable address cable={cable} address={address}");
            return self.note(Level::Warn, line);
        };
        let is_known = self.plug.port().is_some_and(|port| port.is_for(&address, &bind));
        self.note(Level::Info, || {
            format!("peer discovered name={name} cable={cable} address={address}")
        });
        // The same cable under a new address or name: the bridges recognise their session by its numbers.
        let is_same = self.assignment.as_ref().is_some_and(|(known, _)| *known == cable)
            || self.plug.port().is_some_and(|port| port.ip() == address.ip);
        let may_move = is_same && self.bridge.is_linked();
        self.assignment = Some((cable, name));
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

    fn handle_loss(&mut self, now: LocalTime, cause: DownCause) {
        if cause.may_be_daemon_only() && self.bridge.is_linked() {
            self.is_on_its_own = true;
        } else {
            // Before the link is unplugged, which ends it.
            self.tell_down(cause);
            self.unplug_assigned(now);
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
    pub(super) fn unplug_assigned(&mut self, now: LocalTime) {
        self.assignment = None;
        self.is_on_its_own = false;
        let _ = self.set_peer(None, None);
        if let Some(daemon) = &mut self.daemon {
            daemon.report_soon(now);
        }
    }
}
