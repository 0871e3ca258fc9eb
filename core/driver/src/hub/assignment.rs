//! The peer at the other end of the cable: as it is set, or as the daemon assigns it.

use super::Hub;
use crate::StartError;
use crate::address::{BindAddress, PeerAddresses};
use crate::daemon_client::DaemonClient;
use crate::peer_port::PeerPort;
use crate::report::Route;
use crate::time;
use gamelink_core::bridge::{Input, Notice};
use gamelink_core::control::{DownCause, FromDaemon, LanStatus, LinkState, Playing, Transport};
use gamelink_core::protocol::{Key, Nonce};
use gamelink_core::time::LocalTime;
use log::Level;
use std::path::PathBuf;
use std::time::Duration;

/// Time between two attempts to open the port to an assigned peer. The address to receive at may be missing
/// for the moment in which the daemon changes the cable's MAC, and its UDP port in use by another game for
/// hours.
const OPEN_RETRY: Duration = Duration::from_millis(200);

/// Next attempt to open the port to the peer, after one that failed.
struct Retry {
    at: LocalTime,
    /// The player has plugged in the cable, which takes over from netplay once its port is open.
    takes_over: bool,
}

/// The peer that the daemon has assigned.
///
/// While netplay is used, one that was lost without being unplugged stays here, without a port: its cable is
/// known when it is back.
pub(super) struct Assignment {
    /// Interface of its cable.
    cable: String,
    /// Name of the peer.
    name: String,
    /// Machine of the peer, as the daemon names it.
    machine: Option<String>,
    /// Title of the peer's game; empty where it says none.
    title: String,
    addresses: PeerAddresses,
    bind: Option<BindAddress>,
    /// Key of the link.
    key: Option<Key>,
    retry: Option<Retry>,
    /// The daemons have lost sight of each other: the link lasts as long as the two games hear each other.
    is_on_its_own: bool,
}

impl Assignment {
    /// The peer of this cable, at these addresses, to be heard at `bind`; `None` where it cannot be used.
    fn parse(
        (cable, name, machine, title): (&str, &str, Option<String>, String),
        (addresses, bind, key): (&str, Option<&str>, Option<&str>),
    ) -> Option<Assignment> {
        Some(Assignment {
            cable: cable.to_owned(),
            name: name.to_owned(),
            machine,
            title,
            addresses: addresses.parse().ok()?,
            bind: bind.map(str::parse).transpose().ok()?,
            key: key.map(str::parse).transpose().ok()?,
            retry: None,
            is_on_its_own: false,
        })
    }
}

impl Hub {
    /// The player plugs in a cable, or pulls it out; netplay is set aside by the one, and used again after
    /// the other.
    pub(crate) fn set_peer(
        &mut self,
        peer: Option<PeerAddresses>,
        bind: Option<BindAddress>,
    ) -> Result<(), StartError> {
        if !self.transport.is_netplay() {
            self.input(Input::Unplug);
            self.use_key();
        }
        self.close_port();
        let Some(peer) = peer else {
            self.resume_netplay();
            return Ok(());
        };
        // Without a port, netplay that was set aside is the way again.
        self.open_port(peer, bind)
            .inspect_err(|_| self.resume_netplay())?;
        self.prefer_cable();
        self.plug_in();
        Ok(())
    }

    /// Closes the port, used or set aside.
    pub(super) fn close_port(&mut self) {
        if let Some(mut port) = self.transport.any_port().take() {
            port.set_watched(false, &self.registry, &mut self.log);
        }
    }

    pub(super) fn open_port(
        &mut self,
        peer: PeerAddresses,
        bind: Option<BindAddress>,
    ) -> Result<(), StartError> {
        // The old one first: both may want the same port.
        self.close_port();
        let moves = self.cable_key().is_some();
        let mut port = PeerPort::open(peer, bind, moves, &self.registry, &mut self.log)?;
        port.set_watched(!self.transport.is_netplay(), &self.registry, &mut self.log);
        *self.transport.any_port() = Some(port);
        Ok(())
    }

    /// True where a session has begun: one side may be linked in it before the other is.
    pub(super) fn is_plugged(&self) -> bool {
        self.bridge.state() != LinkState::Unplugged
    }

    /// The peer is at another address from now on; the session goes on, unless somebody else answers there.
    pub(super) fn move_peer(
        &mut self,
        peer: PeerAddresses,
        bind: Option<BindAddress>,
    ) -> Result<(), StartError> {
        if self.transport.is_netplay() {
            return self.open_port(peer, bind);
        }
        self.service_peer();
        self.use_key();
        self.open_port(peer, bind).inspect_err(|_| {
            self.input(Input::Unplug);
            self.resume_netplay();
        })
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
        if self.transport.is_open() && self.is_enabled {
            let nonce = Nonce(rand::random::<u64>().max(1));
            self.input(Input::Plug { nonce });
        }
    }

    /// The peer that the daemon has assigned; netplay has none.
    fn assigned(&self) -> Option<&Assignment> {
        self.assignment.as_ref().filter(|_| !self.transport.is_netplay())
    }

    /// Name of the peer, where its daemon tells it.
    pub(crate) fn peer_name(&self) -> Option<String> {
        Some(self.assigned()?.name.clone())
    }

    /// Title of the peer's game, where its daemon tells it.
    pub(crate) fn peer_title(&self) -> Option<String> {
        let title = &self.assigned()?.title;
        (!title.is_empty()).then(|| title.clone())
    }

    pub(crate) fn follow_daemon(&mut self, path: PathBuf, playing: Playing) {
        // A key that the player has set is not replaced.
        let gives_keys = self.bridge.key().is_none();
        self.daemon = Some(DaemonClient::new(path, time::now(), gives_keys, playing));
    }

    pub(crate) fn set_playing(&mut self, playing: Playing) {
        if let Some(daemon) = &mut self.daemon {
            daemon.set_playing(time::now(), playing);
        }
    }

    /// The LAN where it has changed since the last call.
    pub(crate) fn take_lan(&mut self) -> Option<LanStatus> {
        self.daemon.as_mut()?.lan.take()
    }

    pub(super) fn service_daemon(&mut self, now: LocalTime) {
        let Some(daemon) = &mut self.daemon else { return };
        // The peer outlives the daemon: its silence is noticed without it.
        let assignment = self.assignment.as_ref();
        let route = match self.transport.kind() {
            Transport::Netplay => Route::Netplay,
            Transport::Udp => Route::Cable {
                interface: assignment.map(|assignment| assignment.cable.as_str()),
                machine: assignment.and_then(|assignment| assignment.machine.as_deref()),
            },
        };
        for message in daemon.service(now, &self.bridge, route, &self.registry, &mut self.log) {
            self.handle_daemon(now, message);
        }
    }

    /// Interface of the assigned cable.
    fn cable(&self) -> Option<&str> {
        self.assignment
            .as_ref()
            .map(|assignment| assignment.cable.as_str())
    }

    fn handle_daemon(&mut self, now: LocalTime, message: FromDaemon) {
        match message {
            FromDaemon::Welcome { version, daemon } => self.log.info(format_args!(
                "daemon connected version={daemon} protocol={version}"
            )),
            FromDaemon::PeerUp {
                cable,
                name,
                address,
                bind,
                key,
                machine,
                title,
            } => {
                let texts = (address.as_str(), bind.as_deref(), key.as_deref());
                match Assignment::parse((&cable, &name, machine, title), texts) {
                    Some(assignment) => self.assign(now, assignment),
                    None => self.log.warn(format_args!(
                        "peer has no usable address or key cable={cable} address={address}"
                    )),
                }
            }
            FromDaemon::PeerDown { cable, reason, cause } if self.cable() == Some(&cable) => {
                self.log
                    .info(format_args!("peer lost cable={cable} reason={reason}"));
                self.handle_loss(now, cause);
            }
            FromDaemon::Refused { reason } => {
                self.log
                    .note(Level::Error, format_args!("daemon refused this game: {reason}"));
            }
            FromDaemon::Lan(lan) => {
                if let Some(daemon) = &mut self.daemon {
                    daemon.lan = Some(lan);
                }
            }
            FromDaemon::PeerDown { .. } | FromDaemon::Status(_) | FromDaemon::Answer { .. } => {}
        }
    }

    /// Takes up the peer of a cable, and keeps the session where it is the same peer.
    fn assign(&mut self, now: LocalTime, peer: Assignment) {
        let (addresses, bind) = (peer.addresses.clone(), peer.bind.clone());
        let is_same_key = !self.gives_keys() || self.cable_key() == peer.key.as_ref();
        let port = self.transport.any_port().as_ref();
        let is_known = is_same_key && port.is_some_and(|port| port.is_for(&addresses, &bind));
        let is_same_machine = port.is_some_and(|port| port.is_for_machine(&addresses));
        self.log.info(format_args!(
            "peer discovered name={} cable={} address={addresses}",
            peer.name, peer.cable
        ));
        // The same cable under a new address or name: the bridges recognise their session by its numbers.
        let is_same = self.cable() == Some(&peer.cable) || is_same_machine;
        // While netplay is used, a cable that is plugged in takes over. The same one is no act of the player,
        // nor is a machine that was found on a LAN, which has a key.
        let is_set_aside = self.transport.is_netplay() && (is_same || peer.key.is_some());
        let may_move = is_set_aside || is_same && self.is_plugged();
        self.assignment = Some(peer);
        // A restarted daemon assigns the same peer again: the session goes on.
        let result = match (is_known, may_move) {
            (true, _) => Ok(()),
            (false, true) => self.move_peer(addresses, bind),
            (false, false) => self.set_peer(Some(addresses), bind),
        };
        if let Err(error) = result {
            self.log.note(Level::Error, format_args!("{error}"));
            if let Some(assignment) = &mut self.assignment {
                assignment.retry = Some(Retry {
                    at: now.after(OPEN_RETRY),
                    takes_over: !is_set_aside,
                });
            }
        }
    }

    /// True where the daemon gives the keys: the player has set none.
    fn gives_keys(&self) -> bool {
        self.daemon.as_ref().is_some_and(|daemon| daemon.gives_keys)
    }

    /// Key of the cable, used or set aside.
    fn cable_key(&self) -> Option<&Key> {
        if self.gives_keys() {
            self.assignment.as_ref()?.key.as_ref()
        } else {
            self.bridge.key()
        }
    }

    /// Takes the key of the way to the peer that is used: netplay has none but the player's own.
    pub(super) fn use_key(&mut self) {
        if self.gives_keys() {
            let key = self.cable_key().filter(|_| !self.transport.is_netplay());
            let key = key.cloned();
            self.bridge.set_key(key);
        }
    }

    /// When the port of the assigned peer is to be opened again.
    pub(super) fn open_at(&self) -> Option<LocalTime> {
        Some(self.assignment.as_ref()?.retry.as_ref()?.at)
    }

    /// Opens the port of the assigned peer where that failed before, and is due.
    pub(super) fn reopen(&mut self, now: LocalTime) {
        if self.open_at().is_none_or(|at| now < at) {
            return;
        }
        let Some(assignment) = &mut self.assignment else {
            return;
        };
        let takes_over = assignment.retry.take().is_some_and(|retry| retry.takes_over);
        let (addresses, bind) = (assignment.addresses.clone(), assignment.bind.clone());
        // Why it fails was said the first time.
        if self.open_port(addresses, bind).is_err() {
            if let Some(assignment) = &mut self.assignment {
                let at = now.after(OPEN_RETRY);
                assignment.retry = Some(Retry { at, takes_over });
            }
            return;
        }
        self.log.info(format_args!("the port to the peer is open now"));
        if takes_over {
            self.prefer_cable();
        }
        if !self.transport.is_netplay() {
            self.plug_in();
        }
    }

    /// A partner has joined by netplay: what the player has plugged in before takes over no more.
    pub(super) fn expect_no_takeover(&mut self) {
        if let Some(retry) = self.assignment.as_mut().and_then(|of| of.retry.as_mut()) {
            retry.takes_over = false;
        }
    }

    /// Netplay has ended: a peer that was lost meanwhile is not there to be used.
    pub(super) fn forget_lost(&mut self) {
        let has_port = self.transport.any_port().is_some();
        self.assignment.take_if(|of| !has_port && of.retry.is_none());
    }

    /// True where the link lasts only as long as the two games hear each other over the cable.
    pub(super) fn is_on_its_own(&self) -> bool {
        let is_told = |assignment: &Assignment| assignment.is_on_its_own;
        self.assignment.as_ref().is_some_and(is_told) && !self.transport.is_netplay()
    }

    fn handle_loss(&mut self, now: LocalTime, cause: DownCause) {
        let is_netplay = self.transport.is_netplay();
        let is_linked = self.bridge.is_linked() && !is_netplay;
        if let Some(assignment) = &mut self.assignment
            && cause.may_be_daemon_only()
            && is_linked
        {
            assignment.is_on_its_own = true;
            return;
        }
        // The player is told before the link is unplugged, which ends it.
        match cause {
            DownCause::Unplugged | DownCause::Stopped if !is_netplay => self.notify(Notice::Unplugged),
            _ if is_linked => self.notify(Notice::PeerGone),
            _ => {}
        }
        if is_netplay && cause != DownCause::Unplugged {
            return self.lose_aside(now);
        }
        self.unplug_assigned(now);
    }

    /// The peer that is set aside is lost, and may be back without any act of the player.
    fn lose_aside(&mut self, now: LocalTime) {
        self.close_port();
        if let Some(assignment) = &mut self.assignment {
            assignment.retry = None;
            assignment.is_on_its_own = false;
        }
        if let Some(daemon) = &mut self.daemon {
            daemon.report_soon(now);
        }
    }

    /// Unplugs the assigned cable.
    pub(super) fn unplug_assigned(&mut self, now: LocalTime) {
        self.assignment = None;
        let _ = self.set_peer(None, None);
        if let Some(daemon) = &mut self.daemon {
            daemon.report_soon(now);
        }
    }
}
