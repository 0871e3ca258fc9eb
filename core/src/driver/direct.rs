//! The game's port without a socket: the stock core's own calls, made in our process on the emulation thread.
//!
//! The core writes two bytes and reads two, as it would on its socket; nothing here blocks but [`Link::game_read`] for the
//! byte that the game asked for, and [`Link::game_poll`] while the bridge says that the next byte is on its way. Both wait on
//! the peer's socket itself, without the lock, so that a byte costs no thread hop. Meanwhile the helper thread leaves that
//! socket alone; when no frame runs for a while, as in a menu, it serves the peer again.

use super::hub::Hub;
use super::{Link, Shared, time};
use crate::bridge::Input;
use crate::serial::{GameMessage, UNPLUGGED};
use crate::time::LocalTime;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::os::fd::AsFd;
use std::sync::MutexGuard;
use std::time::Duration;

/// Without a frame, a poll or a wait for so long the helper thread serves the peer: several frames of a slow machine.
pub(super) const ATTENDED: Duration = Duration::from_millis(100);

/// A poll that finds nothing looks at the peer's socket at most so often: a dozen polls of one frame fall into this.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// No wait is longer before the state of things is looked at again: another thread may have unplugged the cable.
const LONGEST_NAP: Duration = Duration::from_millis(20);

/// What the core reads next, and when the emulation thread was last here.
#[derive(Debug, Default)]
pub(super) struct Direct {
    /// The core has "connected": its calls come here, not over the loopback socket.
    pub(super) is_connected: bool,
    /// A byte of the peer for the listening game, and the answer to the game's own request.
    delivered: Option<GameMessage>,
    reply: Option<u8>,
    /// The game took a byte and has not looked for another since: its shift may still run.
    pub(super) is_shifting: bool,
    looked: LocalTime,
    /// When the emulation thread last served the peer; `None` while the helper thread does.
    pub(super) attended: Option<LocalTime>,
}

impl Direct {
    /// Takes what the core is to read.
    pub(super) fn send(&mut self, message: GameMessage) {
        match message {
            GameMessage::Request { .. } => self.delivered = Some(message),
            GameMessage::Reply { byte } => self.reply = Some(byte),
        }
    }

    fn take(&mut self) -> Option<GameMessage> {
        let reply = |byte| GameMessage::Reply { byte };
        self.delivered.take().or_else(|| self.reply.take().map(reply))
    }

    /// Until when the helper thread may leave the peer alone.
    pub(super) fn attended_until(&self) -> Option<LocalTime> {
        self.attended.map(|attended| attended.after(ATTENDED))
    }
}

impl Link {
    /// The core connects: from now on its calls are [`game_poll`](Link::game_poll), [`game_read`](Link::game_read) and
    /// [`game_write`](Link::game_write).
    pub fn game_connect(&self) {
        let mut hub = self.shared.lock();
        let is_new = !std::mem::replace(&mut hub.direct.is_connected, true);
        hub.direct.take();
        hub.direct.is_shifting = false;
        if !is_new {
            hub.handle_reconnect();
        }
    }

    /// Whether the core's calls come here; otherwise it uses the loopback socket.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.shared.lock().direct.is_connected
    }

    /// The game listens and the core looks whether two bytes are there.
    ///
    /// Returns at once, nearly always without a system call; only while the peer's next byte is on its way it waits for that,
    /// never past the moment at which the frame must go on.
    #[must_use]
    pub fn game_poll(&self) -> bool {
        let mut hub = self.shared.lock();
        hub.direct.is_shifting = false;
        let mut now = time::now();
        let since = now;
        loop {
            if hub.poll(now) {
                break;
            }
            let Some(until) = hub.meeting().filter(|until| *until > now) else {
                break;
            };
            hub = wait(&self.shared, hub, until, now);
            now = time::now();
            hub.look(now);
        }
        if now > since {
            hub.handle_meeting(now.since(since));
        }
        hub.direct.has_delivery()
    }

    /// The core reads two bytes; after a request this waits for the peer's answer, as long as the table of waits says.
    #[must_use]
    pub fn game_read(&self) -> [u8; 2] {
        let mut hub = self.shared.lock();
        loop {
            if let Some(message) = hub.direct.take() {
                return message.encode();
            }
            if !hub.is_owed() {
                return GameMessage::Reply { byte: UNPLUGGED }.encode();
            }
            let now = time::now();
            hub = wait(&self.shared, hub, now.after(LONGEST_NAP), now);
            hub.look(time::now());
        }
    }

    /// The core writes two bytes: a request, or the answer to what it has read.
    pub fn game_write(&self, bytes: [u8; 2]) {
        let mut hub = self.shared.lock();
        let message = GameMessage::decode(bytes);
        hub.direct.is_shifting |= matches!(message, GameMessage::Reply { .. });
        hub.handle_game(message);
    }
}

impl Direct {
    fn has_delivery(&self) -> bool {
        self.delivered.is_some()
    }
}

impl Hub {
    /// Whether a byte is there for the game, which listens.
    fn poll(&mut self, now: LocalTime) -> bool {
        if self.direct.has_delivery() {
            return true;
        }
        // Before the game takes a byte for good: the peer may have withdrawn it.
        if self.is_offer_waiting() || now.since(self.direct.looked) >= LOOK_EVERY {
            self.look(now);
        }
        if self.is_offer_waiting() {
            self.input(Input::Poll);
        }
        self.direct.has_delivery()
    }

    /// Serves the peer on the emulation thread.
    pub(super) fn look(&mut self, now: LocalTime) {
        self.direct.looked = now;
        self.attend(now);
        self.service_peer();
        self.handle_timeout(now);
    }
}

/// Waits without the lock until the peer says something, or anything is due, at the latest until `until`.
fn wait<'a>(
    shared: &'a Shared,
    mut hub: MutexGuard<'a, Hub>,
    until: LocalTime,
    now: LocalTime,
) -> MutexGuard<'a, Hub> {
    hub.attend(now);
    let due = hub.bridge_timeout().map_or(until, |due| due.min(until));
    let nap = due.since(now).min(LONGEST_NAP);
    let socket = hub.peer_socket();
    drop(hub);
    if !nap.is_zero() {
        let mut fds = socket
            .as_ref()
            .map(|socket| [PollFd::new(socket.as_fd(), PollFlags::POLLIN)]);
        let fds = fds.as_mut().map_or(&mut [][..], |fds| &mut fds[..]);
        // An interrupted or failed wait is a short one: the caller looks again until its own deadline.
        if ppoll(fds, Some(TimeSpec::from_duration(nap)), None).is_err() {
            std::thread::yield_now();
        }
    }
    shared.lock()
}
