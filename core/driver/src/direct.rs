//! The game's port without a socket: the stock core's own calls, made in our process on the emulation thread.
//!
//! The core writes two bytes and reads two, as it would on its socket; nothing here blocks but
//! [`Link::game_read`] for the byte that the game asked for, and [`Link::game_poll`] while the bridge says
//! that the next byte is on its way. Both wait on the peer's socket itself, without the lock, so that a byte
//! costs no thread hop. Meanwhile the helper thread leaves that socket alone; when no frame runs for a while,
//! as in a menu, it serves the peer again.

use super::hub::Hub;
use super::packets::EXCHANGE_EVERY;
use super::poll_gate::CLOSED;
use super::{HubGuard, Link, Transport, time};
use gamelink_core::bridge::rollback::{Boundary, Confirmed, Rollback, SaveToken, Step};
use gamelink_core::bridge::{Cost, Input, Mode, STATES, WAIT_LIMIT};
use gamelink_core::serial::{GameMessage, Look, UNPLUGGED};
use gamelink_core::time::{FrameTime, LocalTime};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::os::fd::AsFd;
use std::time::Duration;

/// Decision on the core's wait for a byte of a peer that is not heard, where the frontend's call
/// has lasted for nearly a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The call was left, and a later one goes on.
    GoesOn,
    /// The call cannot be left: two seconds of it are the most.
    IsShort,
    /// It reads an unplugged cable at once: the game is about to be reset, loaded or unloaded.
    IsOver,
}

/// No wait is longer before the state of things is looked at again: another thread may have unplugged the
/// cable.
const LONGEST_NAP: Duration = Duration::from_millis(20);

impl Link {
    /// The core connects: from now on its calls are [`game_poll`](Link::game_poll),
    /// [`game_read`](Link::game_read) and [`game_write`](Link::game_write).
    pub fn game_connect(&self) {
        let mut hub = self.shared.lock();
        if hub.direct.connect() {
            hub.handle_reconnect();
        }
    }

    /// True if the core's calls come here; otherwise it uses the loopback socket.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.shared.lock().direct.is_connected()
    }

    /// The game listens and the core looks whether two bytes are there, at this moment of its frame, where it
    /// tells that.
    ///
    /// Returns at once, nearly always without a system call; only while the peer's next byte is on its way it
    /// waits for that, never past the moment at which the frame must go on.
    ///
    /// Nothing is found anew inside an [access](Look::Access), and no time is spent there: the core's loop
    /// looks soon after it.
    #[must_use]
    pub fn game_poll(&self, look: Look, time: impl FnOnce() -> Option<FrameTime>) -> bool {
        if self.shared.gate.skip(look) {
            return false;
        }
        let mut hub = self.shared.lock();
        hub.direct.set_shifting(false);
        let since = time::now();
        // Strict takes nothing back: what has just arrived may be a byte, or the peer may have withdrawn the
        // one that waits.
        let is_strict = hub.bridge().mode() == Mode::Strict && look != Look::Access;
        if is_strict && (hub.bridge().is_offer_waiting() || since >= hub.direct.look_at()) {
            hub = self.exchange(hub, since);
            hub.look(since);
        }
        hub.input(Input::Poll { look, time: time() });
        let mut now = since;
        while !hub.direct.has_delivery()
            && look != Look::Access
            && let Some(until) = hub.bridge().rendezvous()
            && until > now
        {
            hub = wait(self, hub, until, now);
            now = time::now();
            hub.look(now);
            hub.input(Input::PollAgain);
        }
        if now > since {
            hub.bridge_mut().handle_rendezvous(now.since(since));
        }
        let has_delivery = hub.direct.has_delivery();
        self.flush(hub, now);
        has_delivery
    }

    /// The core reads two bytes; after a request this waits for the peer's answer, as long as the bridge
    /// says.
    ///
    /// In strict mode `leave` is called, without the lock, once the frontend's call has lasted for nearly a
    /// frame and the bridge says so, where [`set_patient`](Link::set_patient) says that it can end that call
    /// there: it then returns in a later one, after [`frame_resume`](Link::frame_resume).
    #[must_use]
    pub fn game_read(&self, leave: impl Fn() -> Patience) -> [u8; 2] {
        let mut hub = self.shared.lock();
        loop {
            if let Some(message) = hub.direct.take() {
                return message.encode();
            }
            if !hub.is_owed() {
                return GameMessage::Reply { byte: UNPLUGGED }.encode();
            }
            let mut now = time::now();
            if hub.leave_at().is_some_and(|at| now >= at) {
                drop(hub);
                let patience = leave();
                hub = self.shared.lock();
                now = time::now();
                let is_over = match patience {
                    // The answer may have come between the two calls.
                    Patience::GoesOn => continue,
                    Patience::IsShort => now.since(hub.direct.called()) >= WAIT_LIMIT,
                    Patience::IsOver => true,
                };
                if is_over {
                    hub.input(Input::GiveUp);
                    continue;
                }
            }
            let leave_at = hub.leave_at().filter(|at| *at > now);
            hub = wait(self, hub, leave_at.unwrap_or(now.after(LONGEST_NAP)), now);
            hub.look_for_answer(time::now());
        }
    }

    /// Sets whether the owner of the core can end a call while the game waits, as in
    /// [`game_read`](Link::game_read): silence and pauses of the peer are then waited out in strict mode too.
    pub fn set_patient(&self, is_patient: bool) {
        self.shared.lock().bridge_mut().set_patient(is_patient);
    }

    /// The core writes two bytes at this moment of its frame, where it tells that: a request, or the answer
    /// to what it has read.
    pub fn game_write(&self, bytes: [u8; 2], time: Option<FrameTime>) {
        let mut hub = self.shared.lock();
        let message = GameMessage::decode(bytes);
        // In rollback the history of the port tells where a shift is under way.
        let is_strict = hub.bridge().mode() == Mode::Strict;
        let now = time::now();
        match message {
            GameMessage::Reply { .. } if is_strict => hub.direct.set_shifting(true),
            // The hub looks whether the peer has withdrawn it.
            GameMessage::Request { .. } if hub.bridge().is_offer_waiting() => hub = self.exchange(hub, now),
            _ => {}
        }
        hub.handle_game(message, time);
        self.flush(hub, now);
    }

    /// Exchanges packets with the frontend, without the lock, where its netplay is the transport and that is
    /// due.
    fn exchange<'a>(&'a self, mut hub: HubGuard<'a>, now: LocalTime) -> HubGuard<'a> {
        let Some(exchange) = hub.poll_exchange(now) else {
            return hub;
        };
        drop(hub);
        exchange(self);
        self.shared.lock()
    }

    /// Gives the lock back, and the frontend what waits for it.
    fn flush(&self, mut hub: HubGuard<'_>, now: LocalTime) {
        let exchange = hub.poll_flush(now);
        drop(hub);
        if let Some(exchange) = exchange {
            exchange(self);
        }
    }
}

/// Rollback: the owner of the core runs it as the bridge says.
impl Link {
    /// Sets whether this side goes on with a prediction and is taken back where that was wrong, where the
    /// peer can too; needs the direct port. Until then, and towards another peer, every byte is waited for.
    ///
    /// From now on the owner of the core does what [`step`](Link::step) says, and keeps [`STATES`] buffers
    /// for snapshots.
    pub fn set_rollback(&self, is_on: bool) {
        self.shared.lock().set_rollback(is_on);
    }

    /// True if the owner of the core can save states with a transfer in flight, which makes replays shorter;
    /// say so after [`set_rollback`](Link::set_rollback).
    pub fn set_repairs(&self, has_repairs: bool) {
        self.with_history(|history| history.set_repairs(has_repairs));
    }

    /// True if the core tells the time inside its frames, in each call of [`game_poll`](Link::game_poll) and
    /// [`game_write`](Link::game_write) from now on.
    pub fn set_clock(&self, has_clock: bool) {
        self.with_history(|history| history.set_clock(has_clock));
    }

    /// Buffers for states that the owner of the core keeps.
    pub const STATES: usize = STATES;

    /// Next step in this call of `retro_run`: see [`gamelink_core::bridge::rollback`].
    #[must_use]
    pub fn step(&self) -> Step {
        self.shared.lock().step()
    }

    /// The frame that the last step asked for has been emulated.
    pub fn boundary(&self, boundary: Boundary) {
        self.with_history(|history| history.frame_end(boundary));
    }

    /// The state that the last step asked for has been kept, or could not be.
    pub fn saved(&self, token: SaveToken, is_kept: bool) {
        self.with_history(|history| history.saved(token, is_kept));
    }

    /// Takes the cost of the frames that were replayed before the next one, snapshots included.
    pub fn replayed(&self, frames: u32, cost: Cost) {
        self.shared.lock().bridge_mut().handle_replays(frames, cost);
    }

    /// The game has gone elsewhere, by a loaded state or a reset.
    pub fn jump(&self) {
        self.with_history(Rollback::abandon);
    }

    /// Up to where nothing can change any more, and the oldest frame whose inputs may be asked for again.
    /// `None` where all is as it is: nothing is open.
    #[must_use]
    pub fn confirmed(&self) -> (Option<Confirmed>, u64) {
        let confirmed = self.with_history(|history| {
            let confirmed = history.is_open().then(|| history.confirmed());
            (confirmed, history.oldest_frame())
        });
        confirmed.unwrap_or_default()
    }

    fn with_history<T>(&self, f: impl FnOnce(&mut Rollback) -> T) -> Option<T> {
        self.shared.lock().bridge_mut().rollback_mut().map(f)
    }
}

/// Looks of the core's event loop and accesses were left out, since they could find nothing.
pub(super) fn handle_skipped(hub: &mut Hub, event_loop: u32, accesses: u32) {
    hub.direct.set_shifting(false);
    hub.bridge_mut().skip_polls(event_loop, accesses);
}

/// Moment until which a look of the core can find nothing.
pub(super) fn finds_nothing_until(hub: &Hub) -> LocalTime {
    let bridge = hub.bridge();
    if hub.direct.has_delivery() || bridge.may_find() || bridge.rendezvous().is_some() {
        return LocalTime::default();
    }
    match bridge.mode() {
        Mode::Strict if bridge.is_linked() => hub.direct.look_at(),
        _ => CLOSED,
    }
}

/// Waits without the lock until the peer says something, or anything is due, at the latest until `until`.
fn wait<'a>(link: &'a Link, mut hub: HubGuard<'a>, until: LocalTime, now: LocalTime) -> HubGuard<'a> {
    hub.attend(now);
    let due = hub.bridge().poll_timeout().map_or(until, |due| due.min(until));
    let nap = due.since(now).min(LONGEST_NAP);
    if hub.transport() == Transport::Netplay {
        return wait_for_packet(link, hub, now.after(nap));
    }
    let socket = hub.peer_socket();
    drop(hub);
    if !nap.is_zero() {
        let fd = |socket| PollFd::new(socket, PollFlags::POLLIN);
        let mut fds = socket.as_ref().map(|socket| fd(socket.as_fd()));
        // An interrupted or failed wait is a short one: the caller looks again until its own deadline.
        if ppoll(fds.as_mut_slice(), Some(TimeSpec::from_duration(nap)), None).is_err() {
            std::thread::yield_now();
        }
    }
    link.shared.lock()
}

/// Waits until the frontend has a packet of the peer, at the latest until then. A frontend tells of none by
/// itself, so it is asked again and again; it may also end netplay when asked.
fn wait_for_packet<'a>(link: &'a Link, mut hub: HubGuard<'a>, until: LocalTime) -> HubGuard<'a> {
    loop {
        let now = time::now();
        hub = link.exchange(hub, now);
        if hub.has_packet() || now >= until {
            return hub;
        }
        drop(hub);
        std::thread::sleep(EXCHANGE_EVERY.min(until.since(now)));
        hub = link.shared.lock();
    }
}
