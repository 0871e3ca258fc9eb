//! The daemon: all cables of the box on one poll.

mod client;
mod clients;
mod interfaces;
mod lan;
mod leftovers;
mod notify;
mod port;
mod precedence;
mod settings;
mod status;
mod unnamed;

pub(crate) use settings::{RunError, Settings};

use crate::identity::{IfIndex, Instance, Name, Nonce};
use crate::machine::cable::Input;
use crate::sys::claim::Claims;
use crate::sys::control::{self, SocketFile};
use crate::sys::holes::Keeper;
use crate::sys::netlink::{Monitor, Route};
use crate::sys::signals::Signals;
use crate::sys::sysfs::Certainty;
use crate::sys::{clock, environment};
use clients::{Clients, Down, Game, Wish};
use gamelink_core::control::{BRIDGE_PORT, DownCause, FromDaemon};
use gamelink_core::driver::PeerAddress;
use gamelink_core::time::LocalTime;
use lan::LanPort;
use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token};
use nix::errno::Errno;
use notify::Notify;
use port::{Event, Port};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use unnamed::Unnamed;

const SIGNALS: Token = Token(0);
const MONITOR: Token = Token(1);
const FIRST_LISTENER: usize = 2;
const FIRST_DYNAMIC: usize = 16;

/// A clock difference that grew by this much means that the machine slept.
const SLEPT: Duration = Duration::from_millis(500);
/// Counts what the daemon costs.
#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    wakeups: u64,
    resyncs: u64,
}

struct Daemon {
    settings: Settings,
    poll: Poll,
    route: Route,
    monitor: Monitor,
    signals: Signals,
    listeners: Vec<UnixListener>,
    _socket_file: Option<SocketFile>,
    /// Listeners at which more wait than were taken in one turn; the poll will not say so again.
    unaccepted: BTreeSet<Token>,
    clients: Clients,
    ports: BTreeMap<IfIndex, Port>,
    lans: BTreeMap<IfIndex, LanPort>,
    instance: Instance,
    box_id: u64,
    started: Duration,
    next_token: usize,
    notify: Notify,
    costs: Costs,
    claims: Claims,
    /// Of holes in the firewall, if asked to.
    keeper: Option<Keeper>,
    /// The interfaces that have one.
    holes: BTreeSet<IfIndex>,
    rescan: Option<LocalTime>,
    unnamed: Unnamed,
    idle_since: Option<LocalTime>,
    slept: Duration,
}

/// Runs until a signal, or until idle if asked to.
///
/// # Errors
/// When it cannot start.
pub(crate) fn run(settings: Settings) -> Result<(), RunError> {
    let missing = environment::missing_capabilities();
    if !missing.is_empty() {
        return Err(RunError::Capabilities(missing));
    }
    let mut daemon = Daemon::start(settings)?;
    daemon.rescan(clock::now());
    daemon.settle(clock::now());
    daemon.close_old_holes();
    daemon.notify.ready();
    daemon.run();
    daemon.stop();
    Ok(())
}

impl Daemon {
    fn start(settings: Settings) -> Result<Daemon, RunError> {
        let system = |what| move |error: io::Error| RunError::System(what, error);
        let netlink = |error: Errno| RunError::System("a netlink socket", error.into());
        // First of all, as it takes over numbered descriptors.
        let mut listeners = control::passed_listeners();
        let mut socket_file = None;
        if listeners.is_empty() {
            let at = &settings.control;
            listeners.push(control::listen_at(at).map_err(|error| RunError::Control(at.clone(), error))?);
            socket_file = Some(SocketFile(at.clone()));
        }
        let poll = Poll::new().map_err(system("a poll"))?;
        let signals = Signals::open().map_err(system("a signal descriptor"))?;
        signals
            .register(poll.registry(), SIGNALS)
            .map_err(system("a signal descriptor"))?;
        let monitor = Monitor::open().map_err(netlink)?;
        monitor
            .register(poll.registry(), MONITOR)
            .map_err(system("a netlink socket"))?;
        for (n, listener) in listeners.iter_mut().enumerate() {
            poll.registry()
                .register(listener, Token(FIRST_LISTENER + n), Interest::READABLE)
                .map_err(system("the control socket"))?;
        }
        let keeper = match settings.manages_firewall {
            true => Some(Keeper::start().map_err(system("a thread"))?),
            false => None,
        };
        Ok(Daemon {
            settings,
            poll,
            route: Route::open().map_err(netlink)?,
            monitor,
            signals,
            listeners,
            _socket_file: socket_file,
            unaccepted: BTreeSet::new(),
            clients: Clients::default(),
            ports: BTreeMap::new(),
            lans: BTreeMap::new(),
            instance: environment::instance().map_err(system("the random source"))?,
            box_id: environment::box_id(),
            started: clock::since_boot(),
            next_token: FIRST_DYNAMIC,
            notify: Notify::from_environment(clock::now()),
            costs: Costs::default(),
            claims: Claims::default(),
            keeper,
            holes: BTreeSet::new(),
            rescan: None,
            unnamed: Unnamed::default(),
            idle_since: None,
            slept: slept(),
        })
    }

    /// Of a run that was killed; those of cables are taken over as these are linked.
    fn close_old_holes(&self) {
        let sure = |port: &&Port| port.certainty == Certainty::Sure;
        let cables = self
            .ports
            .values()
            .filter(sure)
            .map(|port| port.name().to_owned());
        if let Some(keeper) = &self.keeper {
            keeper.sweep(cables.collect());
        }
    }

    fn run(&mut self) {
        let mut events = Events::with_capacity(64);
        loop {
            let now = clock::now();
            let timeout = self.poll_timeout(now).map(|at| at.since(now));
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return log::error!("poll failed error={error}"),
            }
            self.costs.wakeups += 1;
            let now = clock::now();
            self.notice_sleep(now);
            for event in &events {
                match event.token() {
                    SIGNALS => {
                        if let Some(signal) = self.signals.poll() {
                            return log::info!("stopping signal={signal}");
                        }
                    }
                    MONITOR => self.receive_monitor(now),
                    token => self.handle_ready(now, token),
                }
            }
            for token in self.clients.unfinished() {
                self.receive_client(now, token);
            }
            for token in std::mem::take(&mut self.unaccepted) {
                self.handle_ready(now, token);
            }
            self.handle_timeouts(now);
            self.settle(now);
            if self.is_idle_for_long(now) {
                return log::info!("stopping: no cable and no client");
            }
        }
    }

    fn poll_timeout(&self, now: LocalTime) -> Option<LocalTime> {
        let idle = self
            .settings
            .idle_exit
            .zip(self.idle_since)
            .map(|(after, since)| since.after(after));
        let is_unfinished = !self.clients.unfinished().is_empty() || !self.unaccepted.is_empty();
        let unfinished = is_unfinished.then_some(now);
        self.ports
            .values()
            .filter_map(|port| port.poll_timeout(now))
            .chain(self.lans.values().map(|port| port.lan.poll_timeout()))
            .chain(self.clients.poll_timeout())
            .chain(self.notify.poll_timeout())
            .chain(self.rescan)
            .chain(self.unnamed.poll_timeout())
            .chain(idle)
            .chain(unfinished)
            .min()
    }

    fn handle_timeouts(&mut self, now: LocalTime) {
        let nonces = self.nonces();
        for port in self.ports.values_mut() {
            let own = port.link.index;
            port.handle_timeout(now, &mut self.route, |frame| {
                sibling(&nonces, own, frame.sender.nonce)
            });
        }
        for port in self
            .lans
            .values_mut()
            .filter(|port| port.lan.poll_timeout() <= now)
        {
            port.lan.handle_timeout(now);
        }
        if self.clients.handle_timeout(now) {
            self.serve_games(now);
        }
        self.notify.handle_timeout(now);
        if self.rescan.is_some_and(|at| at <= now) {
            self.rescan(now);
        }
        for index in self.unnamed.due(now) {
            self.refresh(now, index);
        }
    }

    fn nonces(&self) -> Vec<(IfIndex, Nonce, Name)> {
        self.ports
            .values()
            .map(|port| (port.link.index, port.cable.nonce(), port.link.name))
            .collect()
    }

    fn handle_ready(&mut self, now: LocalTime, token: Token) {
        if let Some(listener) = token
            .0
            .checked_sub(FIRST_LISTENER)
            .and_then(|n| self.listeners.get(n))
        {
            let next = &mut self.next_token;
            let has_more = self.clients.accept(now, listener, self.poll.registry(), || {
                *next += 1;
                Token(*next - 1)
            });
            if has_more {
                self.unaccepted.insert(token);
            }
            return;
        }
        let nonces = self.nonces();
        for port in self.ports.values_mut() {
            if port.tokens.0 == token {
                let own = port.link.index;
                return port.receive(now, |frame| sibling(&nonces, own, frame.sender.nonce));
            }
            if port.tokens.1 == token {
                return port.receive_probe(now);
            }
        }
        if self.lans.values_mut().any(|port| port.receive(now, token)) {
            return;
        }
        self.receive_client(now, token);
    }

    fn receive_client(&mut self, now: LocalTime, token: Token) {
        let mut wishes = vec![];
        self.clients.receive(now, token, |wish| wishes.push(wish));
        for wish in wishes {
            match wish {
                Wish::Status(token) => {
                    let status = FromDaemon::Status(status::status(self, now));
                    self.clients.send(token, &status);
                }
                Wish::Games => self.serve_games(now),
            }
        }
    }

    /// Tells the cables whether anybody wants to play, and the games of the peers.
    fn serve_games(&mut self, now: LocalTime) {
        let ports = self.ports.values().map(|port| (port.link.index, port.link.name));
        let lans = self.lans.values().map(|lan| (lan.key(), lan.name));
        let player = environment::player();
        self.clients
            .adopt(now, &ports.chain(lans).collect::<Vec<_>>(), player);
        let mut linked: Vec<(IfIndex, FromDaemon)> = self.ports.values().filter_map(peer_up).collect();
        // A cable that somebody plugs in means more than a LAN that happens to be there.
        for lan in self.lans.values() {
            if linked.iter().any(|(cable, _)| !self.clients.has(*cable)) {
                let down = Down::new(lan.name, "a cable is plugged in", DownCause::Replaced);
                self.clients.take_back(lan.key(), &down);
            }
        }
        linked.extend(self.lans.values().filter_map(LanPort::peer_up));
        self.clients.assign(&linked, player);
        for port in self.lans.values_mut() {
            // Not one that goes on by itself with a machine that is not heard: nobody else should choose it.
            let wants = self.clients.wants(port.key()) && !self.clients.holds(port.key());
            port.lan.set_game(now, wants);
        }
        for (&index, port) in &mut self.ports {
            let game = Input::Game {
                waits: self.clients.wants(index),
                holds: self.clients.has(index),
            };
            port.cable.handle_input(now, game);
            port.is_played = self.clients.has(index);
        }
    }

    /// Carries out what the cables want, until they want nothing more.
    fn settle(&mut self, now: LocalTime) {
        let (mut must_redraw, mut has_changed) = (false, false);
        let mut down = vec![];
        let mut up = BTreeSet::new();
        for (&index, port) in &mut self.ports {
            let name = port.link.name;
            port.drain(now, &mut self.route, self.poll.registry(), |event| match event {
                Event::PeerUp => {
                    has_changed = true;
                    up.insert(index);
                    if let Some(keeper) = &self.keeper
                        && self.holes.insert(index)
                    {
                        keeper.open(index, name.as_str());
                    }
                }
                Event::PeerDown(loss) => down.push((index, Down::new(name, &loss.to_string(), loss.cause()))),
                Event::Redraw => must_redraw = true,
                Event::Renamed => {
                    if let Some(keeper) = &self.keeper
                        && self.holes.contains(&index)
                    {
                        keeper.open(index, name.as_str());
                    }
                    has_changed = true;
                    up.insert(index);
                }
            });
        }
        for (index, down) in down {
            has_changed = true;
            self.clients.take_back(index, &down);
        }
        for port in self.lans.values_mut() {
            let (key, name) = (port.key(), port.name);
            let clients = &mut self.clients;
            has_changed |= port.drain(|loss| {
                clients.take_back(key, &Down::new(name, loss.words(), loss.cause()));
            });
        }
        if has_changed {
            // A game that has the cable already is told of the new address.
            for port in self.ports.values().filter(|port| up.contains(&port.link.index)) {
                if let Some((index, message)) = peer_up(port) {
                    self.clients.update(index, &message);
                }
            }
            for (key, message) in self.lans.values().filter_map(LanPort::peer_up) {
                self.clients.update(key, &message);
            }
            self.serve_games(now);
            self.notify.status(&status::line(self.ports.values()));
        }
        if must_redraw {
            self.redraw(now);
        }
        // What may be a phone keeps nobody here.
        let mut cables = self.ports.values();
        let is_idle = !cables.any(|port| port.certainty == Certainty::Sure || port.cable.has_peer())
            && self.unnamed.is_empty()
            && self.lans.is_empty()
            && self.clients.len() == 0;
        self.idle_since = if is_idle {
            self.idle_since.or(Some(now))
        } else {
            None
        };
    }

    fn notice_sleep(&mut self, now: LocalTime) {
        let slept = slept();
        if slept > self.slept + SLEPT {
            log::info!("the machine slept seconds={}", (slept - self.slept).as_secs());
            for port in self.ports.values_mut() {
                port.cable.handle_input(now, Input::Resumed);
            }
        }
        self.slept = slept;
    }

    fn is_idle_for_long(&self, now: LocalTime) -> bool {
        let (Some(after), Some(since)) = (self.settings.idle_exit, self.idle_since) else {
            return false;
        };
        now.since(since) >= after
    }

    fn stop(&mut self) {
        self.notify.stopping();
        let now = clock::now();
        let mut played = BTreeSet::new();
        for (&index, port) in &mut self.ports {
            let leaves_path = self.clients.games().any(|game| plays(&game, index, port.name()));
            if leaves_path {
                log::info!("a game plays on, its addresses stay interface={}", port.name());
                played.insert(index);
                if let Some(keeper) = &self.keeper {
                    keeper.leave(index);
                }
            }
            port.cable.handle_input(now, Input::Stop { leaves_path });
        }
        self.settle(now);
        for (index, port) in &mut self.ports {
            if !played.contains(index) {
                port.close(&mut self.route, self.poll.registry());
            }
        }
    }
}

/// The time that this machine has slept since it booted.
fn slept() -> Duration {
    clock::since_boot().saturating_sub(Duration::from_nanos(clock::now().0))
}

/// Whether this game is linked over this cable, as it says itself.
fn plays(game: &Game<'_>, index: IfIndex, name: &str) -> bool {
    let cable = game.report.and_then(|report| report.cable.as_deref());
    game.cable == Some(index) && cable == Some(name)
}

fn sibling(nonces: &[(IfIndex, Nonce, Name)], own: IfIndex, nonce: Nonce) -> Option<Name> {
    nonces
        .iter()
        .find(|(index, of, _)| *of == nonce && *index != own)
        .map(|(_, _, name)| *name)
}

/// What a game is told of a cable's peer, if it has one.
fn peer_up(port: &Port) -> Option<(IfIndex, FromDaemon)> {
    let (name, plan) = port.cable.told()?;
    let address = |ip: IpAddr| PeerAddress {
        ip,
        port: BRIDGE_PORT,
        interface: ip.is_ipv6().then(|| port.name().to_owned()),
    };
    let message = FromDaemon::PeerUp {
        cable: port.name().to_owned(),
        name: name.to_string(),
        address: address(plan.peer).to_string(),
        bind: Some(address(plan.local).to_string()),
    };
    Some((port.link.index, message))
}
