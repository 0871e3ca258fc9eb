//! The bridge and its two ports, as both threads use them.

mod assignment;
mod lookup;
mod netplay;
mod peer;

use super::daemon_client::DaemonClient;
use super::deferred_log::DeferredLog;
use super::direct_port::Direct;
use super::game_socket::GameSocket;
use super::report::Report;
use super::{Notice, SerialProbe, Status, time};
use assignment::Assignment;
use crossbeam_channel::{Receiver, Sender, bounded};
use gamelink_core::bridge::rollback::Step;
use gamelink_core::bridge::{Bridge, Input, Latency, Output};
use gamelink_core::protocol::MAX_DATAGRAM;
use gamelink_core::serial::{GameMessage, GamePort, SerialControl, UNPLUGGED};
use gamelink_core::time::{FrameTime, LocalTime};
use lookup::NameLookup;
use mio::Registry;
use netplay::PeerTransport;
use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

/// Notices that wait for the emulation thread; more than anybody reads in a second.
const NOTICES: usize = 16;

/// A game that has just used the cable does so again within this time.
const BUSY: Duration = Duration::from_secs(2);

pub(super) struct Hub {
    bridge: Bridge,
    registry: Registry,
    game: GameSocket,
    pub(super) direct: Direct,
    transport: PeerTransport,
    daemon: Option<DaemonClient>,
    assignment: Option<Assignment>,
    names: Option<NameLookup>,
    is_enabled: bool,
    /// The game waits in a read until it is answered.
    is_owed: bool,
    /// To the emulation thread; the receiver takes the oldest out where that does not.
    notices: (Sender<Notice>, Receiver<Notice>),
    log: DeferredLog,
    probe: Option<SerialProbe>,
    hooks: Latency,
    /// The datagram being sent.
    buffer: [u8; MAX_DATAGRAM],
}

impl Hub {
    pub(super) fn open(registry: Registry) -> io::Result<(Hub, Receiver<Notice>)> {
        let game = GameSocket::open(&registry)?;
        let (sender, receiver) = bounded(NOTICES);
        let hub = Hub {
            bridge: Bridge::default(),
            registry,
            game,
            direct: Direct::default(),
            transport: PeerTransport::default(),
            daemon: None,
            assignment: None,
            names: None,
            is_enabled: true,
            is_owed: false,
            notices: (sender, receiver.clone()),
            log: DeferredLog::default(),
            probe: None,
            hooks: Latency::default(),
            buffer: [0; MAX_DATAGRAM],
        };
        Ok((hub, receiver))
    }

    pub(super) fn game_address(&self) -> SocketAddrV4 {
        self.game.address()
    }

    pub(super) fn status(&self) -> Status {
        let last_byte = self.bridge.last_byte();
        // Without a view of SC, a byte just taken counts as being shifted until the game looks for the next.
        let is_shifting =
            self.direct.is_shifting() && self.probe.as_ref().is_none_or(|probe| probe().is_armed());
        Status {
            is_linked: self.bridge.is_linked(),
            is_quiet: self.bridge.is_quiet() && !self.is_owed && !is_shifting,
            mode: self.bridge.mode(),
            is_busy: last_byte.is_some_and(|last| time::now().since(last) < BUSY),
        }
    }

    /// When the helper thread has something to do.
    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        let daemon = self.daemon.as_ref().map(DaemonClient::poll_timeout);
        let attended = self.direct.attended_until();
        let bridge = attended.or_else(|| self.bridge.poll_timeout());
        let rest = self.open_at().into_iter().chain(self.lookup_at());
        bridge.into_iter().chain(daemon).chain(rest).min()
    }

    pub(super) fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    pub(super) fn bridge_mut(&mut self) -> &mut Bridge {
        &mut self.bridge
    }

    pub(super) fn is_owed(&self) -> bool {
        self.is_owed
    }

    pub(super) fn set_rollback(&mut self, is_on: bool) {
        self.bridge.set_rollback(is_on);
        if self.is_enabled {
            // What the peer knows of this side is no longer so: a new session says it.
            self.input(Input::Unplug);
            self.plug_in();
        }
    }

    pub(super) fn step(&mut self) -> Step {
        let step = self.bridge.step();
        if step == Step::Done {
            self.drain(time::now());
        }
        step
    }

    /// The way of the core's bytes.
    fn game_port(&self) -> GamePort {
        if self.direct.is_connected() {
            GamePort::Direct
        } else {
            GamePort::Loopback
        }
    }

    pub(super) fn report(&self) -> Report {
        let (port, transport) = (self.game_port(), self.transport());
        Report::new(&self.bridge, port, transport, self.hooks.summary())
    }

    pub(super) fn set_serial_probe(&mut self, probe: Option<SerialProbe>) {
        self.probe = probe;
    }

    /// Runs on the emulation thread.
    pub(super) fn frame_start(&mut self, serial_control: Option<SerialControl>) {
        let port = self.game_port();
        if port == GamePort::Direct {
            let now = time::now();
            self.direct.begin_call(now);
            self.look(now);
        } else if self.bridge.is_offer_waiting() {
            // The peer may have withdrawn it: look before the game takes it for good.
            self.service_peer();
        }
        let is_armed = serial_control.map(SerialControl::is_armed);
        self.input(Input::FrameStart { is_armed, port });
    }

    /// When the call in which the game waits should be left, if it can be.
    pub(super) fn leave_at(&self) -> Option<LocalTime> {
        self.bridge.leave_at(self.direct.called())
    }

    /// Runs on the emulation thread: a further call goes on with the frame in which the game waits.
    pub(super) fn frame_resume(&mut self) {
        let now = time::now();
        self.direct.begin_call(now);
        self.look(now);
        self.input(Input::Resumed);
    }

    /// Runs on the emulation thread.
    pub(super) fn frame_end(&mut self, has_advanced: bool, hook_time: Duration) {
        self.hooks.record(hook_time);
        self.input(Input::FrameEnd { has_advanced });
    }

    /// Takes whatever has arrived, then does what is due. Returns what is to be logged once the lock is free.
    pub(super) fn service(&mut self) -> DeferredLog {
        let until = self.direct.attended_until();
        let is_attended = until.is_some_and(|until| time::now() < until);
        if !is_attended {
            self.direct.set_attended(None);
            self.set_watched(true);
            self.service_peer();
        }
        self.service_game();
        let now = time::now();
        if !is_attended {
            self.handle_timeout(now);
        }
        if self.is_on_its_own() && !self.bridge.is_linked() {
            self.log
                .info(format_args!("the two games do not hear each other either"));
            self.unplug_assigned(now);
        }
        self.service_daemon(now);
        self.reopen(now);
        self.service_names(now);
        std::mem::take(&mut self.log)
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.bridge.handle_timeout(now);
        self.drain(now);
    }

    /// The emulation thread serves the peer from now on, and the helper thread is not woken for it.
    pub(super) fn attend(&mut self, now: LocalTime) {
        self.direct.set_attended(Some(now));
        self.set_watched(false);
    }

    /// Takes what the core wrote, and its new connection if it opened one.
    pub(super) fn service_game(&mut self) {
        self.read_game();
        if self.game.accept(&self.registry, &mut self.log) {
            self.handle_reconnect();
        }
        self.read_game();
    }

    /// The core has opened its connection anew.
    pub(super) fn handle_reconnect(&mut self) {
        self.is_owed = false;
        self.input(Input::CoreReconnected);
    }

    fn read_game(&mut self) {
        while let Some(message) = self.game.receive() {
            self.handle_game(message, None);
        }
    }

    /// Takes what the core wrote, at this moment of its frame, where it tells that.
    pub(super) fn handle_game(&mut self, message: GameMessage, moment: Option<FrameTime>) {
        match message {
            GameMessage::Reply { byte } => self.input(Input::Reply { byte }),
            GameMessage::Request { byte, speed } => {
                self.is_owed = true;
                if self.bridge.is_offer_waiting() {
                    // The peer may have withdrawn it: look before the game takes it for good.
                    self.service_peer();
                }
                // The core writes SC after it has sent, so bit 7 still shows what the port did before.
                let is_enabled = self.probe.as_ref().is_some_and(|probe| probe().0 & 0x80 != 0);
                self.input(Input::Request {
                    byte,
                    speed,
                    is_enabled,
                    time: moment,
                });
                if self.bridge.is_quiet() {
                    // Answered, or it read what had been handed to it.
                    self.is_owed = false;
                }
            }
        }
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        let now = time::now();
        self.bridge.handle_input(now, input);
        self.drain(now);
    }

    fn drain(&mut self, now: LocalTime) {
        while let Some(output) = self.bridge.poll_output(now, &mut self.buffer) {
            match output {
                Output::Complete { byte } => {
                    self.is_owed = false;
                    self.send_game(GameMessage::Reply { byte });
                }
                Output::Deliver { byte, speed } => {
                    self.send_game(GameMessage::Request { byte, speed });
                }
                Output::Transmit { len } => {
                    let bytes = self.buffer.get(..len).unwrap_or_default();
                    let is_lost = !self.bridge.is_linked();
                    if !self.transport.send(bytes, now, is_lost) {
                        self.bridge.counters_mut().send_errors += 1;
                    }
                    if self.transport.port().is_some_and(|port| port.handle_sent(now)) {
                        self.probe(now);
                    }
                }
                Output::Notify(notice) => self.notify(notice),
            }
        }
    }

    fn send_game(&mut self, message: GameMessage) {
        match self.game_port() {
            GamePort::Direct => self.direct.send(message),
            GamePort::Loopback => self.game.send(message, &mut self.log),
        }
    }

    /// Leaves word for the emulation thread; where nobody takes them, the oldest go.
    fn notify(&mut self, notice: Notice) {
        let (sender, oldest) = &self.notices;
        if sender.is_full() && oldest.try_recv().is_ok() {
            self.bridge.counters_mut().notices_lost += 1;
        }
        // There is room: nobody else sends.
        let _ = sender.try_send(notice);
    }

    /// After a panic: an unplugged cable that still answers the game.
    pub(super) fn fail(&mut self) {
        self.bridge = self.bridge.restarted();
        self.close_port();
        self.transport = PeerTransport::default();
        // Nor is a port opened that could not be before.
        self.assignment = None;
        self.names = None;
        self.daemon = None;
        self.probe = None;
        if std::mem::take(&mut self.is_owed) {
            self.send_game(GameMessage::Reply { byte: UNPLUGGED });
        }
        self.notify(Notice::Failed);
    }
}
