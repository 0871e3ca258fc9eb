//! Interfaces that are served: cables and LANs.

mod discovery;

use super::clients::Clients;
use super::lan::LanPort;
use super::link::{Event, LinkId, PeerLoss};
use super::port::{Event as PortEvent, Port};
use super::settings::{RunError, Settings};
use super::tokens::Tokens;
use super::udev_settle::UdevSettle;
use crate::identity::{Identity, IfIndex, Name, Nonce};
use crate::machine::cable::Input;
use crate::sys::claim::Claims;
use crate::sys::holes::Keeper;
use crate::sys::netlink::{Monitor, Route};
use crate::sys::sysfs::{CableList, Certainty};
use crate::sys::{clock, environment};
use gamelink_core::control::{CableStatus, DownCause, FromDaemon, LanStatus};
use gamelink_core::time::LocalTime;
use mio::{Registry, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// The interfaces and the sockets they share.
pub(super) struct Interfaces {
    settings: Settings,
    /// The operator's own cables.
    cables: CableList,
    registry: Registry,
    tokens: Tokens,
    route: Route,
    monitor: Monitor,
    ports: BTreeMap<IfIndex, Port>,
    lans: BTreeMap<IfIndex, LanPort>,
    claims: Claims,
    udev_settle: UdevSettle,
    firewall: Keeper,
    /// The identity of this process; each link draws its own nonce.
    me: Identity,
    rescan: Option<LocalTime>,
    resyncs: u64,
    events: Vec<Event>,
}

impl Interfaces {
    /// Takes all cables and LANs into service. `monitor` is the token of the kernel's messages.
    pub(super) fn open(
        settings: Settings,
        registry: Registry,
        monitor: Token,
    ) -> Result<Interfaces, RunError> {
        let system = |what| move |error: io::Error| RunError::System(what, error);
        let cables = settings.cables_file.as_deref().map(CableList::read).transpose();
        let cables = cables.map_err(RunError::CablesFile)?.unwrap_or_default();
        let started = clock::since_boot().as_millis();
        let mut interfaces = Interfaces {
            monitor: Monitor::open(&registry, monitor).map_err(system("a netlink socket"))?,
            registry,
            tokens: Tokens::INTERFACES,
            route: Route::open().map_err(system("a netlink socket"))?,
            ports: BTreeMap::new(),
            lans: BTreeMap::new(),
            claims: Claims::default(),
            udev_settle: UdevSettle::default(),
            firewall: Keeper::start(settings.manage_firewall).map_err(system("a thread"))?,
            me: Identity {
                instance: environment::instance().map_err(system("the random source"))?,
                nonce: Nonce::default(),
                box_id: environment::box_id(),
                started_ms: u64::try_from(started).unwrap_or(u64::MAX),
                name: Name::new(&settings.name.clone().unwrap_or_else(environment::host_name)),
            },
            cables,
            settings,
            rescan: None,
            resyncs: 0,
            events: vec![],
        };
        interfaces.rescan(clock::now());
        // Rules of a killed run; those of cables are taken over when these link.
        let ports = interfaces.ports.values();
        let cables = ports.filter(|port| port.certainty == Certainty::Sure);
        let cables = cables.map(|port| port.name().to_owned()).collect();
        interfaces.firewall.sweep(cables);
        Ok(interfaces)
    }

    pub(super) fn me(&self) -> &Identity {
        &self.me
    }

    pub(super) fn resyncs(&self) -> u64 {
        self.resyncs
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
        let nonces = self.nonces();
        for (&own, port) in &mut self.ports {
            port.handle_timeout(now, &mut self.route, |frame| {
                sibling(&nonces, own, frame.sender.nonce)
            });
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
        let nonces = self.nonces();
        let mut ports = self.ports.iter_mut();
        ports.any(|(&own, port)| {
            port.handle_ready(now, token, |frame| sibling(&nonces, own, frame.sender.nonce))
        }) || self.lans.values_mut().any(|port| port.receive(now, token))
    }

    fn nonces(&self) -> Vec<(IfIndex, Nonce, Name)> {
        let of = |port: &Port| (port.link.index, port.cable.nonce(), port.link.name);
        self.ports.values().map(of).collect()
    }

    /// True if events wait for [`drain`](Self::drain).
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Performs the outputs of all links; returns the events.
    pub(super) fn drain(&mut self, now: LocalTime) -> Vec<Event> {
        let mut must_redraw = false;
        for index in self.ports.keys().copied().collect::<Vec<_>>() {
            must_redraw |= self.drain_port(now, index);
        }
        for port in self.lans.values_mut() {
            port.drain(&mut self.events);
        }
        let events = std::mem::take(&mut self.events);
        if must_redraw {
            self.redraw(now);
        }
        events
    }

    /// True when another machine has the same instance.
    fn drain_port(&mut self, now: LocalTime, index: IfIndex) -> bool {
        let Some(port) = self.ports.get_mut(&index) else {
            return false;
        };
        let (id, name, mut must_redraw) = (port.id(), port.link.name, false);
        port.drain(now, &mut self.route, &self.registry, |event| match event {
            PortEvent::PeerUp => {
                self.firewall.open(index, name.as_str());
                self.events.push(Event::Up(id));
            }
            PortEvent::PeerDown(loss) => {
                let down = PeerLoss::new(id, name, &loss.to_string(), loss.cause());
                self.events.push(Event::Down(down));
            }
            PortEvent::Redraw => must_redraw = true,
            PortEvent::Renamed => {
                self.firewall.rename(index, name.as_str());
                self.events.push(Event::Up(id));
            }
        });
        must_redraw
    }

    /// All links with the names of their interfaces.
    pub(super) fn names(&self) -> Vec<(LinkId, Name)> {
        let ports = self.ports.values().map(|port| (port.id(), port.link.name));
        ports
            .chain(self.lans.values().map(|lan| (lan.id(), lan.name)))
            .collect()
    }

    /// Assignments over cables.
    pub(super) fn cables_up(&self) -> impl Iterator<Item = (LinkId, FromDaemon)> {
        self.ports.values().filter_map(Port::peer_up)
    }

    /// Assignments over LANs.
    pub(super) fn lans_up(&self) -> impl Iterator<Item = (LinkId, FromDaemon)> {
        self.lans.values().filter_map(LanPort::peer_up)
    }

    /// Losses of all LANs, which a plugged cable replaces.
    pub(super) fn replaced_lans(&self) -> impl Iterator<Item = PeerLoss> {
        let reason = "a cable is plugged in";
        let lans = self.lans.values();
        lans.map(move |lan| PeerLoss::new(lan.id(), lan.name, reason, DownCause::Replaced))
    }

    /// Tells each link whether a game waits there.
    pub(super) fn tell_games(&mut self, now: LocalTime, clients: &Clients) {
        for port in self.lans.values_mut() {
            // A game that keeps its link without hearing the other daemon must not be chosen by others.
            let wants = clients.wants(port.id()) && !clients.holds(port.id());
            port.lan.set_game(now, wants);
        }
        for port in self.ports.values_mut() {
            let (waits, holds) = (clients.wants(port.id()), clients.has(port.id()));
            port.cable.handle_input(now, Input::Game { waits, holds });
            port.is_played = holds;
        }
    }

    /// True if there is nothing to serve. A possible phone does not count.
    pub(super) fn is_idle(&self) -> bool {
        let is_cable = |port: &Port| port.certainty == Certainty::Sure || port.cable.has_peer();
        !self.ports.values().any(is_cable) && self.udev_settle.is_empty() && self.lans.is_empty()
    }

    /// Handles a resume from suspend.
    pub(super) fn handle_resume(&mut self, now: LocalTime) {
        for port in self.ports.values_mut() {
            port.cable.handle_input(now, Input::Resumed);
        }
    }

    /// Stops all cables. Returns those that keep their addresses, since a game is linked over them.
    pub(super) fn stop(&mut self, now: LocalTime, clients: &Clients) -> BTreeSet<IfIndex> {
        let mut played = BTreeSet::new();
        for (&index, port) in &mut self.ports {
            let leaves_path = clients.plays(port.id(), port.name());
            if leaves_path {
                log::info!(
                    "stopping while a game is linked, its addresses stay interface={}",
                    port.name()
                );
                played.insert(index);
                self.firewall.leave(index);
            }
            port.cable.handle_input(now, Input::Stop { leaves_path });
        }
        played
    }

    /// Restores all interfaces but those.
    pub(super) fn close(&mut self, played: &BTreeSet<IfIndex>) {
        for (index, port) in &mut self.ports {
            if !played.contains(index) {
                port.close(&mut self.route);
            }
        }
    }

    pub(super) fn cables(&self, now: LocalTime) -> Vec<CableStatus> {
        self.ports.values().take(8).map(|port| port.status(now)).collect()
    }

    pub(super) fn lans(&self) -> Vec<LanStatus> {
        self.lans.values().take(2).map(LanPort::status).collect()
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

fn sibling(nonces: &[(IfIndex, Nonce, Name)], own: IfIndex, nonce: Nonce) -> Option<Name> {
    let mut others = nonces.iter().filter(|(index, ..)| *index != own);
    others.find(|(_, of, _)| *of == nonce).map(|(.., name)| *name)
}
