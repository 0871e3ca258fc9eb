//! The daemon: all cables of the box on one poll.

mod clients;
mod lan;
mod notify;
mod port;
mod status;

use crate::machine::cable::{Config, Input};
use crate::machine::discovery::Lan;
use crate::machine::identity::{Identity, Instance, Name};
use crate::machine::mac::Seed;
use crate::sys::control::{self, ABSTRACT_NAME, SocketFile};
use crate::sys::netlink::{Monitor, Route};
use crate::sys::signals::Signals;
use crate::sys::sysfs::{Certainty, Device, Extra};
use crate::sys::{clock, environment};
use crate::tools::firewall::Hole;
use crate::wire::netlink::{Link, Message, Request};
use clients::{Clients, Wish};
use gamelink_core::control::{BRIDGE_PORT, FromDaemon};
use gamelink_core::driver::PeerAddress;
use gamelink_core::time::LocalTime;
use lan::LanPort;
use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token};
use nix::errno::Errno;
use notify::Notify;
use port::{Event, Port};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

const SIGNALS: Token = Token(0);
const MONITOR: Token = Token(1);
const FIRST_LISTENER: usize = 2;
const FIRST_DYNAMIC: usize = 16;

/// A clock difference that grew by this much means that the machine slept.
const SLEPT: Duration = Duration::from_millis(500);
/// How soon an interface that another daemon held is tried again.
const RETRY_CLAIM: Duration = Duration::from_secs(1);

/// What `peerd run` was asked to do.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Interfaces to serve whatever they are; with one of these, no others.
    pub(crate) interfaces: Vec<String>,
    /// Interfaces to look for machines on, whose MAC and addresses are not ours.
    pub(crate) lan: Vec<String>,
    /// Where to listen.
    pub(crate) control: PathBuf,
    /// What to call ourselves.
    pub(crate) name: Name,
    /// The operator's own cables.
    pub(crate) extra: Extra,
    /// Never use IPv6.
    pub(crate) is_v4_only: bool,
    /// Open the firewall for the cables.
    pub(crate) manages_firewall: bool,
    /// Stop after this long without cables and clients.
    pub(crate) idle_exit: Option<Duration>,
}

/// Why the daemon cannot run.
#[derive(Debug)]
pub(crate) enum RunError {
    Capabilities(Vec<&'static str>),
    Control(PathBuf, io::Error),
    System(&'static str, io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Capabilities(missing) => write!(
                f,
                "peerd needs {}: start it as root, or with `systemctl start peerd`, or give it the capabilities with \
                 `setcap cap_net_admin,cap_net_raw+ep` on its file",
                missing.join(" and ")
            ),
            RunError::Control(path, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "a daemon already listens at {}: stop it, or name another place with --control",
                path.display()
            ),
            RunError::Control(path, error) => write!(
                f,
                "cannot listen at {}: {error}; make the folder writable or name another place with --control",
                path.display()
            ),
            RunError::System(what, error) => write!(f, "cannot open {what}: {error}"),
        }
    }
}

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
    clients: Clients,
    ports: BTreeMap<u32, Port>,
    lans: BTreeMap<u32, LanPort>,
    instance: Instance,
    box_id: u64,
    started: Duration,
    next_token: usize,
    notify: Notify,
    costs: Costs,
    /// Interfaces that another daemon serves.
    claimed_elsewhere: BTreeSet<u32>,
    /// In the firewall, by interface; closed when dropped.
    holes: BTreeMap<u32, Hole>,
    rescan: Option<LocalTime>,
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
        match control::listen_abstract(ABSTRACT_NAME) {
            Ok(listener) => listeners.push(listener),
            Err(error) => log::info!("no abstract control socket error={error}"),
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
        Ok(Daemon {
            settings,
            poll,
            route: Route::open().map_err(netlink)?,
            monitor,
            signals,
            listeners,
            _socket_file: socket_file,
            clients: Clients::default(),
            ports: BTreeMap::new(),
            lans: BTreeMap::new(),
            instance: environment::instance().map_err(system("the random source"))?,
            box_id: environment::box_id(),
            started: clock::since_boot(),
            next_token: FIRST_DYNAMIC,
            notify: Notify::from_environment(clock::now()),
            costs: Costs::default(),
            claimed_elsewhere: BTreeSet::new(),
            holes: BTreeMap::new(),
            rescan: None,
            idle_since: None,
            slept: slept(),
        })
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
        let unfinished = (!self.clients.unfinished().is_empty()).then_some(now);
        self.ports
            .values()
            .filter_map(|port| port.poll_timeout(now))
            .chain(self.lans.values().map(|port| port.lan.poll_timeout()))
            .chain(self.clients.poll_timeout())
            .chain(self.notify.poll_timeout())
            .chain(self.rescan)
            .chain(idle)
            .chain(unfinished)
            .min()
    }

    fn handle_timeouts(&mut self, now: LocalTime) {
        let nonces = self.nonces();
        for port in self.ports.values_mut() {
            let own = port.link.index;
            port.handle_timeout(now, |frame| sibling(&nonces, own, frame.sender.nonce));
        }
        for port in self
            .lans
            .values_mut()
            .filter(|port| port.lan.poll_timeout() <= now)
        {
            port.lan.handle_timeout(now);
        }
        self.clients.handle_timeout(now);
        self.notify.handle_timeout(now);
        if self.rescan.is_some_and(|at| at <= now) {
            self.rescan(now);
        }
    }

    fn nonces(&self) -> Vec<(u32, u64, Name)> {
        self.ports
            .values()
            .map(|port| (port.link.index, port.cable.identity().nonce, port.link.name))
            .collect()
    }

    fn handle_ready(&mut self, now: LocalTime, token: Token) {
        if let Some(listener) = token
            .0
            .checked_sub(FIRST_LISTENER)
            .and_then(|n| self.listeners.get(n))
        {
            let next = &mut self.next_token;
            self.clients.accept(now, listener, self.poll.registry(), || {
                *next += 1;
                Token(*next - 1)
            });
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
        self.clients.receive(token, |wish| wishes.push(wish));
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
        let mut linked: Vec<(u32, FromDaemon)> = self.ports.values().filter_map(peer_up).collect();
        // A cable that somebody plugs in means more than a LAN that happens to be there.
        for lan in self.lans.values() {
            if linked.iter().any(|(cable, _)| !self.clients.has(*cable)) {
                self.clients
                    .take_back(lan.key(), lan.name.as_str(), "a cable is plugged in");
            }
        }
        linked.extend(self.lans.values().filter_map(LanPort::peer_up));
        self.clients.assign(&linked);
        for port in self.lans.values_mut() {
            let wants = self.clients.wants(port.key());
            port.lan.set_game(now, wants);
        }
        for (&index, port) in &mut self.ports {
            port.cable
                .handle_input(now, Input::Game(self.clients.wants(index)));
        }
    }

    fn receive_monitor(&mut self, now: LocalTime) {
        let mut buffer = [0; 16 * 1024];
        let (mut links, mut removed, mut flapped) = (BTreeSet::new(), vec![], BTreeSet::new());
        let result = self.monitor.receive(&mut buffer, |message| match message {
            Message::Link(link) => {
                links.insert(link.index);
                if !link.is_up {
                    flapped.insert(link.index);
                }
            }
            Message::LinkGone(index) => {
                links.insert(index);
            }
            Message::Address {
                index,
                local,
                is_gone: true,
                ..
            } => removed.push((index, local)),
            _ => {}
        });
        if let Err(error) = result {
            // ENOBUFS: the kernel dropped some of what it had to say.
            self.costs.resyncs += 1;
            log::debug!("reading all interfaces afresh error={error}");
            flapped.extend(self.ports.keys());
            self.rescan(now);
        }
        for index in flapped {
            if let Some(port) = self.ports.get_mut(&index) {
                port.cable.handle_input(now, Input::Flapped);
            }
        }
        for index in links {
            self.refresh(now, index);
        }
        for (index, address) in removed {
            if let Some(port) = self.ports.get_mut(&index) {
                port.check_removed(now, address, &mut self.route);
            }
        }
    }

    fn refresh(&mut self, now: LocalTime, index: u32) {
        if let Some(port) = self.ports.get_mut(&index) {
            let is_there = port.refresh(now, &mut self.route);
            // What it still has to say is said before it goes.
            self.settle(now);
            if !is_there && let Some(mut port) = self.ports.remove(&index) {
                log::info!("interface gone interface={}", port.name());
                port.close(&mut self.route, self.poll.registry());
                self.holes.remove(&index);
            }
        } else if let Some(link) = self.route.link(index) {
            self.consider_lan(now, &link);
            self.consider(now, link);
        }
    }

    /// Looks at all interfaces.
    fn rescan(&mut self, now: LocalTime) {
        self.rescan = None;
        let mut indices: BTreeSet<u32> = self.ports.keys().copied().collect();
        let _ = self.route.ask(Request::all_links(), |message| {
            if let Message::Link(link) = message {
                indices.insert(link.index);
            }
        });
        for index in indices {
            self.refresh(now, index);
        }
    }

    /// Takes an interface into service if it is a cable.
    fn consider(&mut self, now: LocalTime, link: Link) {
        let name = link.name.as_str();
        let is_named = self.settings.interfaces.iter().any(|of| of == name);
        let is_excluded = self.settings.lan.iter().any(|of| of == name)
            || !self.settings.interfaces.is_empty() && !is_named;
        if !link.is_ethernet || is_excluded {
            return;
        }
        let device = Device::read(name);
        let certainty = if is_named {
            Some(Certainty::Sure)
        } else {
            device.certainty(&self.settings.extra)
        };
        let Some(certainty) = certainty else { return };
        let identity = match self.identity() {
            Ok(identity) => identity,
            Err(error) => return log::error!("no random numbers error={error}"),
        };
        let config = Config {
            identity,
            seed: Seed {
                machine_id: environment::machine_id(),
                hardware: environment::hardware_ids(),
                usb_path: device.usb_path.clone().unwrap_or_else(|| name.to_owned()),
            },
            is_locked: link.master.is_some(),
            recovers: device.recovers(),
            has_v6: !self.settings.is_v4_only && environment::has_v6(name),
        };
        let tokens = (Token(self.next_token), Token(self.next_token + 1));
        self.next_token += 2;
        match Port::open(now, link, device, certainty, config, self.poll.registry(), tokens) {
            Ok(mut port) => {
                self.claimed_elsewhere.remove(&link.index);
                log::info!(
                    "cable found interface={name} mac={} certainty={certainty:?}",
                    link.mac
                );
                port.prepare(&mut self.route);
                port.refresh(now, &mut self.route);
                self.ports.insert(link.index, port);
                self.serve_games(now);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if self.claimed_elsewhere.insert(link.index) {
                    log::warn!(
                        "another peerd serves interface={name}: stop it, or leave the interface to it; waiting"
                    );
                }
                self.rescan = Some(now.after(RETRY_CLAIM));
            }
            Err(error) => log::warn!("cannot serve interface={name} error={error}"),
        }
    }

    fn consider_lan(&mut self, now: LocalTime, link: &Link) {
        let is_asked = self.settings.lan.iter().any(|of| of == link.name.as_str());
        if !is_asked || self.lans.contains_key(&link.index) {
            return;
        }
        let Ok(identity) = self.identity() else { return };
        let lan = Lan::new(now, identity, BRIDGE_PORT);
        let next = &mut self.next_token;
        let port = LanPort::open(link.name, link.index, lan, self.poll.registry(), || {
            *next += 1;
            Token(*next - 1)
        });
        log::info!("looking for machines lan={}", link.name);
        self.lans.insert(link.index, port);
        self.serve_games(now);
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(Identity {
            instance: self.instance,
            nonce: u64::from_ne_bytes(environment::random()?),
            box_id: self.box_id,
            started_ms: u64::try_from(self.started.as_millis()).unwrap_or(u64::MAX),
            name: self.settings.name,
        })
    }

    /// Carries out what the cables want, until they want nothing more.
    fn settle(&mut self, now: LocalTime) {
        let (mut must_redraw, mut has_changed) = (false, false);
        let (mut down, mut must_open) = (vec![], vec![]);
        let may_open = self.settings.manages_firewall;
        for (&index, port) in &mut self.ports {
            let name = port.link.name;
            port.drain(now, &mut self.route, self.poll.registry(), |event| match event {
                Event::PeerUp => {
                    has_changed = true;
                    must_open.extend((may_open && !self.holes.contains_key(&index)).then_some((index, name)));
                }
                Event::PeerDown(reason) => down.push((index, name, reason)),
                Event::Redraw => must_redraw = true,
            });
        }
        for (index, name, reason) in down {
            has_changed = true;
            self.clients.take_back(index, name.as_str(), reason);
        }
        for port in self.lans.values_mut() {
            let (key, name) = (port.key(), port.name);
            let clients = &mut self.clients;
            has_changed |= port.drain(|reason| clients.take_back(key, name.as_str(), reason));
        }
        if has_changed {
            for port in self.ports.values() {
                if let Some((index, message)) = peer_up(port) {
                    self.clients.update(index, &message);
                }
            }
            self.serve_games(now);
            self.notify.status(&status::line(self.ports.values()));
        }
        if must_redraw {
            self.redraw(now);
        }
        // Last, as the firewall's own programs take their time.
        for (index, name) in must_open {
            self.holes.insert(index, Hole::open(name.as_str()));
        }
        let is_idle = self.ports.is_empty() && self.lans.is_empty() && self.clients.len() == 0;
        self.idle_since = if is_idle {
            self.idle_since.or(Some(now))
        } else {
            None
        };
    }

    fn redraw(&mut self, now: LocalTime) {
        let Ok(instance) = environment::instance() else {
            return;
        };
        log::warn!("another machine has this instance, drew a new one");
        self.instance = instance;
        // The LANs start anew with it.
        self.lans.clear();
        self.rescan = Some(now);
        let fresh: Vec<_> = self.ports.keys().copied().collect();
        for index in fresh {
            let Ok(identity) = self.identity() else { return };
            if let Some(port) = self.ports.get_mut(&index) {
                port.set_identity(now, identity);
            }
        }
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
        for port in self.ports.values_mut() {
            port.cable.handle_input(now, Input::Stop);
        }
        self.settle(now);
        for port in self.ports.values_mut() {
            port.close(&mut self.route, self.poll.registry());
        }
    }
}

/// The time that this machine has slept since it booted.
fn slept() -> Duration {
    clock::since_boot().saturating_sub(Duration::from_nanos(clock::now().0))
}

fn sibling(nonces: &[(u32, u64, Name)], own: u32, nonce: u64) -> Option<Name> {
    nonces
        .iter()
        .find(|(index, of, _)| *of == nonce && *index != own)
        .map(|(_, _, name)| *name)
}

/// What a game is told of a cable's peer, if it has one.
fn peer_up(port: &Port) -> Option<(u32, FromDaemon)> {
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
