//! The daemon: the interfaces of this machine and the clients of its control socket, on one poll.

mod assignment;
mod connection;
mod connections;
mod interfaces;
mod notify;
mod poll_tokens;
mod settings;
mod status;
mod user_precedence;

pub(crate) use settings::{RunError, Settings};

use crate::identity::Name;
use crate::machine::peer_loss::Loss;
use crate::sys::control_socket::Listeners;
use crate::sys::signals::Signals;
use crate::sys::{clock, environment};
use assignment::{Event, LinkId};
use connection::Request;
use connections::Connections;
use gamelink_core::control::{FromDaemon, Status};
use gamelink_core::time::LocalTime;
use interfaces::Interfaces;
use mio::{Events, Interest, Poll, Token};
use notify::Watchdog;
use sd_notify::NotifyState;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

const SIGNALS: Token = Token(0);
const MONITOR: Token = Token(1);
const FIRST_LISTENER: usize = 2;

/// Growth of the difference between the clocks that means a suspend.
const MIN_SLEEP: Duration = Duration::from_millis(500);

struct Daemon {
    poll: Poll,
    signals: Signals,
    listeners: Listeners,
    /// Sockets that may have more than was read at once: the poll is edge-triggered.
    unfinished: BTreeSet<Token>,
    connections: Connections,
    interfaces: Interfaces,
    watchdog: Watchdog,
    wakeups: u64,
    idle_exit: Option<Duration>,
    idle_since: Option<LocalTime>,
    slept: Duration,
}

/// Runs until a signal, or until idle if the settings say so; fails when it cannot start.
pub(crate) fn run(settings: Settings) -> Result<(), RunError> {
    let missing = environment::missing_capabilities();
    if !missing.is_empty() {
        return Err(RunError::Capabilities(missing));
    }
    let mut daemon = Daemon::start(settings)?;
    daemon.settle(clock::now());
    notify::send(NotifyState::Ready);
    daemon.run();
    daemon.stop();
    Ok(())
}

impl Daemon {
    fn start(settings: Settings) -> Result<Daemon, RunError> {
        // First, since it takes over numbered descriptors.
        let listeners = Listeners::open(&settings.control);
        let mut listeners = listeners.map_err(|error| RunError::Control(settings.control.clone(), error))?;
        let poll = Poll::new().map_err(RunError::system("a poll"))?;
        let signals =
            Signals::open(poll.registry(), SIGNALS).map_err(RunError::system("a signal descriptor"))?;
        for (n, listener) in listeners.all.iter_mut().enumerate() {
            poll.registry()
                .register(listener, Token(FIRST_LISTENER + n), Interest::READABLE)
                .map_err(RunError::system("the control socket"))?;
        }
        let last = Token(FIRST_LISTENER + listeners.all.len());
        let registry = poll.registry().try_clone().map_err(RunError::system("a poll"))?;
        Ok(Daemon {
            poll,
            signals,
            listeners,
            unfinished: BTreeSet::new(),
            connections: Connections::default(),
            idle_exit: settings.exit_idle.map(Duration::from_secs),
            interfaces: Interfaces::open(settings, registry, MONITOR, last)?,
            watchdog: Watchdog::from_environment(clock::now()),
            wakeups: 0,
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
            self.wakeups += 1;
            let now = clock::now();
            self.notice_sleep(now);
            self.unfinished.extend(events.iter().map(|event| event.token()));
            for token in std::mem::take(&mut self.unfinished) {
                match token {
                    SIGNALS => {
                        if let Some(signal) = self.signals.poll() {
                            return log::info!("stopping signal={signal}");
                        }
                    }
                    MONITOR => self.interfaces.receive_monitor(now),
                    token => self.handle_ready(now, token),
                }
            }
            self.interfaces.handle_timeout(now);
            if self.connections.handle_timeout(now) {
                self.serve_games(now);
            }
            self.watchdog.handle_timeout(now);
            self.settle(now);
            if self.idle_until().is_some_and(|at| now >= at) {
                return log::info!("stopping: idle, no cable and no client");
            }
        }
    }

    fn poll_timeout(&self, now: LocalTime) -> Option<LocalTime> {
        let times = self.interfaces.poll_timeout(now).into_iter();
        times
            .chain(self.connections.poll_timeout())
            .chain(self.watchdog.poll_timeout())
            .chain(self.idle_until())
            .chain((!self.unfinished.is_empty()).then_some(now))
            .min()
    }

    fn idle_until(&self) -> Option<LocalTime> {
        Some(self.idle_since?.after(self.idle_exit?))
    }

    fn handle_ready(&mut self, now: LocalTime, token: Token) {
        let listener = token.0.checked_sub(FIRST_LISTENER);
        let has_more = if let Some(listener) = listener.and_then(|n| self.listeners.all.get(n)) {
            let (registry, tokens) = (self.poll.registry(), self.interfaces.tokens());
            self.connections.accept(now, listener, registry, tokens)
        } else {
            !self.interfaces.handle_ready(now, token) && self.receive_client(now, token)
        };
        if has_more {
            self.unfinished.insert(token);
        }
    }

    fn receive_client(&mut self, now: LocalTime, token: Token) -> bool {
        let mut requests = vec![];
        let has_more = self.connections.receive(now, token, &mut requests);
        for request in requests {
            match request {
                Request::Status => {
                    let status = FromDaemon::Status(self.status(now));
                    self.connections.send(token, &status);
                }
                Request::Games => self.serve_games(now),
                Request::Pair(name, code) => {
                    let result = self.allowed(token);
                    let name = Name::new(&name);
                    let result = result.and_then(|()| self.interfaces.pair(now, name, code));
                    self.connections.answer(token, result);
                }
                Request::Forget(name) => {
                    let result = self.allowed(token);
                    let result = result.and_then(|()| self.interfaces.forget(now, &name));
                    self.connections.answer(token, result);
                }
            }
        }
        has_more
    }

    /// Refuses a client that may not decide whom the machine trusts.
    fn allowed(&self, token: Token) -> Result<(), String> {
        let is_allowed = self.connections.is_players(token, environment::player());
        is_allowed.then_some(()).ok_or_else(|| {
            "only root and the user at the screen decide whom this machine trusts: use sudo".to_owned()
        })
    }

    fn status(&self, now: LocalTime) -> Status {
        status::cut_short(Status {
            wakeups: self.wakeups,
            clients: self.connections.len(),
            clients_refused: self.connections.refused,
            games: self.connections.status(&self.interfaces.names()),
            ..self.interfaces.status(now)
        })
    }

    /// Assigns links to games, and tells the links whether a game waits.
    fn serve_games(&mut self, now: LocalTime) {
        let (player, names) = (environment::player(), self.interfaces.names());
        self.connections.adopt(now, &names, player);
        let linked = self.interfaces.assignments();
        let is_cable = |link| matches!(link, LinkId::Cable(_));
        // A plugged cable goes before a LAN.
        if linked
            .iter()
            .any(|&(link, _)| is_cable(link) && !self.connections.has(link))
        {
            for (&link, &interface) in names.iter().filter(|(link, _)| !is_cable(**link)) {
                self.connections.take_back(link, interface, Loss::CablePlugged);
            }
        }
        self.connections.assign(&linked, player);
        self.interfaces.tell_games(now, &self.connections, player);
    }

    /// Performs the outputs of all links, and tells the games.
    fn settle(&mut self, now: LocalTime) {
        // New links learn whether a game waits before they send their first frame.
        if self.interfaces.has_events() {
            self.serve_games(now);
        }
        let events = self.interfaces.drain(now);
        for event in &events {
            if let &Event::Down(link, interface, loss) = event {
                self.connections.take_back(link, interface, loss);
            }
        }
        if !events.is_empty() {
            self.serve_games(now);
            notify::send(NotifyState::Status(&self.interfaces.line()));
        }
        if self.connections.len() > 0 {
            self.connections.tell_lans(&self.interfaces.lans(now));
        }
        let is_idle = self.interfaces.is_idle() && self.connections.len() == 0;
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or(now));
    }

    fn notice_sleep(&mut self, now: LocalTime) {
        let slept = slept();
        if slept > self.slept + MIN_SLEEP {
            log::info!("resumed from suspend seconds={}", (slept - self.slept).as_secs());
            self.interfaces.handle_resume(now);
        }
        self.slept = slept;
    }

    fn stop(&mut self) {
        notify::send(NotifyState::Stopping);
        let now = clock::now();
        self.interfaces.stop(now, &self.connections);
        self.settle(now);
        self.interfaces.close(now);
    }
}

/// Time this machine has been suspended since boot.
fn slept() -> Duration {
    clock::since_boot().saturating_sub(Duration::from_nanos(clock::now().0))
}
