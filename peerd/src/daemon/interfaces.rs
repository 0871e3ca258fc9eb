//! Interfaces that are served: cables and LANs.

mod cable_port;
mod handshake_socket;
mod hotplug;
mod kernel_autoconf;
mod key_store;
mod lan_port;
mod leftovers;
mod shared;
mod takeover;
mod udev_settle;

use super::assignment::{Event, LinkId};
use super::connections::Connections;
use super::poll_tokens::Tokens;
use super::settings::{RunError, Settings};
use crate::identity::{Identity, IfIndex, Name, Nonce};
use crate::machine::cable::Input;
use crate::machine::lan::PairError;
use crate::machine::trust::Pairing;
use crate::sys::firewall_pinholes::{Keeper, Order};
use crate::sys::interface_lock::Claims;
use crate::sys::netlink::{Monitor, Route};
use crate::sys::sysfs::CableList;
use crate::sys::{clock, environment};
use cable_port::CablePort;
use gamelink_core::control::{Code, FromDaemon, LanStatus, Status};
use gamelink_core::time::LocalTime;
use key_store::KeyStore;
use lan_port::LanPort;
use mio::{Registry, Token};
use shared::Shared;
use std::collections::BTreeMap;
use std::time::Duration;
use udev_settle::UdevSettle;

/// The interfaces and the sockets they share.
pub(super) struct Interfaces {
    settings: Settings,
    /// The operator's own cables.
    cables: CableList,
    shared: Shared,
    monitor: Monitor,
    ports: BTreeMap<IfIndex, CablePort>,
    lans: BTreeMap<IfIndex, LanPort>,
    claims: Claims,
    keys: KeyStore,
    udev_settle: UdevSettle,
    /// The identity of this process; each link draws its own nonce.
    me: Identity,
    rescan: Option<LocalTime>,
    resyncs: u64,
}

impl Interfaces {
    /// Takes all cables and LANs into service. `monitor` is the token of the kernel's messages, and tokens
    /// after `last` are free.
    pub(super) fn open(
        settings: Settings,
        registry: Registry,
        monitor: Token,
        last: Token,
    ) -> Result<Interfaces, RunError> {
        let cables = settings.cables_file.as_deref().map(CableList::read).transpose();
        let cables = cables.map_err(RunError::CablesFile)?.unwrap_or_default();
        let keys = KeyStore::open(&settings.state).map_err(RunError::system("the random source"))?;
        let started = clock::since_boot().as_millis();
        let mut interfaces = Interfaces {
            monitor: Monitor::open(&registry, monitor).map_err(RunError::system("a netlink socket"))?,
            shared: Shared {
                registry,
                tokens: Tokens(last.0),
                route: Route::open().map_err(RunError::system("a netlink socket"))?,
                firewall: Keeper::start(settings.manage_firewall).map_err(RunError::system("a thread"))?,
                events: vec![],
            },
            ports: BTreeMap::new(),
            lans: BTreeMap::new(),
            claims: Claims::default(),
            udev_settle: UdevSettle::default(),
            me: Identity {
                instance: environment::instance().map_err(RunError::system("the random source"))?,
                nonce: Nonce::default(),
                box_id: environment::box_id(),
                started_ms: u64::try_from(started).unwrap_or(u64::MAX),
                name: Name::new(&settings.name.clone().unwrap_or_else(environment::host_name)),
                machine: keys.trust.machine(),
                public: keys.trust.public(),
            },
            keys,
            cables,
            settings,
            rescan: None,
            resyncs: 0,
        };
        interfaces.rescan(clock::now());
        // Rules of a killed run; those of cables are taken over when these link, those of LANs have been.
        let name = |port: &CablePort| port.cable.is_ours().then(|| port.name().to_owned());
        let cables = interfaces.ports.values().filter_map(name);
        let lans = interfaces.lans.values().map(|lan| lan.name.to_string());
        let kept = cables.chain(lans).collect();
        interfaces.shared.firewall.order(Order::Sweep(kept));
        Ok(interfaces)
    }

    pub(super) fn tokens(&mut self) -> &mut Tokens {
        &mut self.shared.tokens
    }

    pub(super) fn poll_timeout(&self, now: LocalTime) -> Option<LocalTime> {
        let ports = self.ports.values().filter_map(|port| port.poll_timeout(now));
        ports
            .chain(self.lans.values().map(|port| port.lan.poll_timeout()))
            .chain(self.rescan)
            .chain(self.udev_settle.poll_timeout())
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: LocalTime) {
        let siblings = self.siblings();
        for port in self.ports.values_mut() {
            port.handle_timeout(now, &siblings, &mut self.shared);
        }
        let lans = self.lans.values_mut().map(|port| &mut port.lan);
        for lan in lans.filter(|lan| lan.poll_timeout() <= now) {
            lan.handle_timeout(now);
        }
        if self.rescan.is_some_and(|at| at <= now) {
            self.rescan(now);
        }
        for index in self.udev_settle.due(now) {
            self.refresh(now, index);
        }
    }

    /// Reads from the socket of that token; false if it is not ours.
    pub(super) fn handle_ready(&mut self, now: LocalTime, token: Token) -> bool {
        let siblings = self.siblings();
        let mut ports = self.ports.values_mut();
        ports.any(|port| port.handle_ready(now, token, &siblings))
            || self.lans.values_mut().any(|port| port.receive(now, token))
    }

    /// The cables by their nonces.
    fn siblings(&self) -> BTreeMap<Nonce, Name> {
        let of = |port: &CablePort| (port.cable.nonce(), port.link.name);
        self.ports.values().map(of).collect()
    }

    /// True if events wait for [`drain`](Self::drain).
    pub(super) fn has_events(&self) -> bool {
        !self.shared.events.is_empty()
    }

    pub(super) fn drain(&mut self, now: LocalTime) -> Vec<Event> {
        for port in self.ports.values_mut() {
            port.drain(now, &mut self.shared);
        }
        for port in self.lans.values_mut() {
            port.drain(now, &mut self.shared.events);
        }
        let events = std::mem::take(&mut self.shared.events);
        // Once, however many links have noticed it.
        if events.contains(&Event::Redraw) {
            self.redraw(now);
        }
        for event in &events {
            match event {
                Event::Met(pairing) => self.keep(now, pairing.clone()),
                Event::Plugged(peer) => {
                    let who = (peer.machine, peer.name);
                    let ends = [self.me.instance, peer.instance];
                    let pairing = self.keys.trust.meet_by_cable(&peer.public, who, ends);
                    if let Some(pairing) = pairing {
                        self.keep(now, pairing);
                    }
                }
                Event::Changed | Event::Down(..) | Event::Redraw => {}
            }
        }
        events
    }

    pub(super) fn names(&self) -> BTreeMap<LinkId, Name> {
        let ports = self.ports.values().map(|port| (port.id(), port.link.name));
        let lans = self.lans.values().map(|lan| (lan.id(), lan.name));
        ports.chain(lans).collect()
    }

    /// Assignments over cables and LANs.
    pub(super) fn assignments(&self) -> Vec<(LinkId, FromDaemon)> {
        let ports = self.ports.values().filter_map(CablePort::peer_up);
        ports
            .chain(self.lans.values().filter_map(LanPort::peer_up))
            .collect()
    }

    fn keep(&mut self, now: LocalTime, pairing: Pairing) {
        self.keys.keep(pairing);
        self.share_trust(now);
    }

    /// Tells all links what this machine knows of others.
    fn share_trust(&mut self, now: LocalTime) {
        for port in self.lans.values_mut() {
            port.lan.set_trust(now, self.keys.trust.clone());
        }
    }

    /// Shows a code to a machine of a LAN, or tries the one that it shows; the answer is for a person.
    pub(super) fn pair(&mut self, now: LocalTime, name: Name, code: Option<Code>) -> Result<String, String> {
        if self.lans.is_empty() {
            return Err("no LAN is served: start the daemon with `--lan INTERFACE`".into());
        }
        let tries = self.lans.values_mut().map(|port| port.lan.pair(now, name, code));
        // The last word is of a LAN that knows the machine, if one does.
        let result = tries.reduce(|a, b| if b == Err(PairError::NotHere) { a } else { b });
        match result {
            Some(Err(error)) => Err(format!("{name}: {error}")),
            _ if code.is_some() => Ok(format!("trying the code that {name} shows")),
            _ => Ok(format!("showing a code to {name}")),
        }
    }

    /// Forgets the key of a machine; the answer is for a person.
    pub(super) fn forget(&mut self, now: LocalTime, name: &str) -> Result<String, String> {
        if !self.keys.forget(name) {
            let known: Vec<_> = self.keys.names().collect();
            return Err(format!("no key of {name} is kept; kept: {}", known.join(", ")));
        }
        self.share_trust(now);
        Ok(format!(
            "the key of {name} is forgotten: the next meeting on a LAN takes a code again"
        ))
    }

    /// The LANs as their games are to know them.
    pub(super) fn lans(&self, now: LocalTime) -> Vec<(LinkId, LanStatus)> {
        self.lans
            .values()
            .map(|port| (port.id(), port.status(now)))
            .collect()
    }

    pub(super) fn tell_games(&mut self, now: LocalTime, clients: &Connections, player: Option<u32>) {
        for port in self.lans.values_mut() {
            let offered = clients.offered(port.id(), player);
            port.set_game(now, offered.as_ref(), self.settings.open);
        }
        for port in self.ports.values_mut() {
            let (waiting, holds) = (clients.title(port.id(), player), clients.has(port.id()));
            port.cable.handle_input(now, Input::Game { waiting, holds });
            port.is_played = holds;
        }
    }

    /// True if there is nothing to serve. A possible phone does not count.
    pub(super) fn is_idle(&self) -> bool {
        let is_cable = |port: &CablePort| port.cable.is_ours() || port.cable.has_peer();
        !self.ports.values().any(is_cable) && self.udev_settle.is_empty() && self.lans.is_empty()
    }

    pub(super) fn handle_resume(&mut self, now: LocalTime) {
        for port in self.ports.values_mut() {
            port.cable.handle_input(now, Input::Resumed);
        }
    }

    /// Stops all cables. Those over which a game is linked keep their addresses, and as a LAN does what is
    /// open in the firewall.
    pub(super) fn stop(&mut self, now: LocalTime, clients: &Connections) {
        for (&index, port) in &self.lans {
            if clients.plays(port.id(), port.name.as_str()) {
                self.shared.firewall.order(Order::Leave(index));
            }
        }
        for (&index, port) in &mut self.ports {
            port.stays = clients.plays(port.id(), port.name());
            if port.stays {
                log::info!(
                    "stopping while a game is linked, its addresses stay interface={}",
                    port.name()
                );
                self.shared.firewall.order(Order::Leave(index));
            }
            let leaves_path = port.stays;
            port.cable.handle_input(now, Input::Stop { leaves_path });
        }
    }

    /// Restores all stopped interfaces but those that stay.
    pub(super) fn close(&mut self, now: LocalTime) {
        for port in self.ports.values_mut().filter(|port| !port.stays) {
            port.close(&mut self.shared.route);
            port.leave(now, &mut self.shared);
        }
    }

    /// The part of the status that is about this process and its interfaces: of a cable about 800 bytes.
    pub(super) fn status(&self, now: LocalTime) -> Status {
        let uptime = clock::since_boot().saturating_sub(Duration::from_millis(self.me.started_ms));
        Status {
            daemon: env!("CARGO_PKG_VERSION").to_owned(),
            name: self.me.name.to_string(),
            instance: self.me.instance.to_string(),
            uptime_s: uptime.as_secs(),
            resyncs: self.resyncs,
            cables: self.ports.values().take(8).map(|port| port.status(now)).collect(),
            lans: self.lans.values().take(2).map(|port| port.status(now)).collect(),
            known: self.keys.names().map(str::to_owned).collect(),
            ..Status::default()
        }
    }

    /// One line for `systemctl status`.
    pub(super) fn line(&self) -> String {
        if self.ports.is_empty() {
            return "no cable".to_owned();
        }
        let words = self.ports.values().map(|port| match port.cable.assignment() {
            Some((name, _)) => format!("{}: linked with {name}", port.name()),
            None => format!("{}: searching", port.name()),
        });
        words.collect::<Vec<_>>().join(", ")
    }
}
