//! The game's port without a socket: the stock core's own calls, made in our process on the emulation thread.
//!
//! The core writes two bytes and reads two, as it would on its socket; nothing here blocks but [`Link::game_read`] for the
//! byte that the game asked for, and [`Link::game_poll`] while the bridge says that the next byte is on its way. Both wait on
//! the peer's socket itself, without the lock, so that a byte costs no thread hop. Meanwhile the helper thread leaves that
//! socket alone; when no frame runs for a while, as in a menu, it serves the peer again.

use super::hub::Hub;
use super::{Link, Shared, time};
use crate::bridge::{Cost, Input, STATES};
use crate::serial::{GameMessage, Look, Speed, UNPLUGGED};
use crate::time::LocalTime;
use crate::timeline::{Boundary, Confirmed, Step};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::os::fd::AsFd;
use std::sync::MutexGuard;
use std::time::Duration;

/// Without a frame, a poll or a wait for so long the helper thread serves the peer: several frames of a slow machine.
pub(super) const ATTENDED: Duration = Duration::from_millis(100);

/// A poll that finds nothing looks at the peer's socket at most so often: a dozen polls of one frame fall into this.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// Without a byte for so long, thirty frames, the next one is a call: it begins a conversation. The timeline says why.
const PAUSE: Duration = Duration::from_millis(502);

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
    /// In a session that mends the game has started a transfer, and reads next.
    is_asked: bool,
    /// The game took a byte and has not looked for another since: its shift may still run.
    pub(super) is_shifting: bool,
    /// The game has looked in this frame.
    has_looked: bool,
    /// The peer's call has arrived between the last frame and this one.
    is_called: bool,
    /// The game's own call came too late, and reads next.
    is_forestalled: bool,
    /// When a byte last crossed.
    conversed: LocalTime,
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

    /// The core is about to run.
    pub(super) fn handle_frame_start(&mut self) {
        self.has_looked = false;
        // A call is passed over once.
        if std::mem::take(&mut self.is_called) {
            self.has_looked = true;
        }
    }

    fn has_delivery(&self) -> bool {
        self.delivered.is_some()
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
        hub.direct.is_asked = false;
        hub.direct.is_forestalled = false;
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
    ///
    /// Nothing is found anew inside an [access](Look::Access), and no time is spent there: the core's loop looks soon after it.
    pub fn game_poll(&self, look: Look) -> bool {
        let mut hub = self.shared.lock();
        hub.direct.is_shifting = false;
        if hub.is_mending() {
            return mending_poll(&self.shared, hub, look);
        }
        if look == Look::Access {
            return false;
        }
        let mut now = time::now();
        let since = now;
        let is_first = !std::mem::replace(&mut hub.direct.has_looked, true);
        let is_call = is_first && now.since(hub.direct.conversed) > PAUSE;
        loop {
            if hub.poll(now) {
                // The game's own code of each frame comes right after this: at a title it writes SB and SC, or calls itself.
                if is_call {
                    hub.direct.is_called = true;
                    return false;
                }
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
        if std::mem::take(&mut hub.direct.is_forestalled) {
            return GameMessage::Reply { byte: UNPLUGGED }.encode();
        }
        if std::mem::take(&mut hub.direct.is_asked) {
            return mending_read(&self.shared, hub).encode();
        }
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
        if hub.is_mending() {
            return hub.handle_mending_game(message);
        }
        // The game listened and the peer called first, which on a cable the game would have heard by now: it reads what an unplugged
        // cable reads, and takes the call when it listens again.
        let is_call = matches!(message, GameMessage::Request { .. });
        if is_call && hub.direct.is_called && hub.direct.has_delivery() {
            hub.direct.is_forestalled = true;
            return;
        }
        hub.direct.conversed = time::now();
        hub.direct.is_shifting |= matches!(message, GameMessage::Reply { .. });
        hub.handle_game(message);
    }
}

/// Going on and mending: the owner of the core runs it as the bridge says.
impl Link {
    /// Whether this side goes on with a guess and mends it, where the peer can too; needs the direct port. Until then, and towards
    /// another peer, every byte is waited for.
    ///
    /// From now on the owner of the core does what [`step`](Link::step) says, and keeps [`STATES`] buffers for states.
    pub fn set_mending(&self, is_mending: bool) {
        self.shared.lock().set_mending(is_mending);
    }

    /// Whether the owner of the core can save states with a transfer in flight, which makes replays shorter; say so after
    /// [`set_mending`](Link::set_mending).
    pub fn set_repairs(&self, has_repairs: bool) {
        self.shared.lock().bridge_mut().set_repairs(has_repairs);
    }

    /// How many buffers for states the owner of the core keeps.
    pub const STATES: usize = STATES;

    /// What is to be done next in this call of `retro_run`: see [`crate::timeline`].
    #[must_use]
    pub fn step(&self) -> Step {
        self.shared.lock().step()
    }

    /// The frame that the last step asked for has been emulated.
    pub fn boundary(&self, boundary: Boundary) {
        self.shared.lock().bridge_mut().handle_boundary(boundary);
    }

    /// The state that the last step asked for has been kept, or could not be.
    pub fn saved(&self, is_kept: bool) {
        self.shared.lock().bridge_mut().handle_saved(is_kept);
    }

    /// So many frames were replayed before the frame that comes next, at this cost, states included.
    pub fn replayed(&self, frames: u32, cost: Cost) {
        self.shared.lock().bridge_mut().handle_replays(frames, cost);
    }

    /// The game has gone elsewhere, by a loaded state or a reset.
    pub fn jump(&self) {
        self.shared.lock().bridge_mut().handle_jump();
    }

    /// Up to where nothing can change any more, and the oldest frame whose inputs may be asked for again. `None` where all is as it
    /// is: nothing is open.
    #[must_use]
    pub fn confirmed(&self) -> (Option<Confirmed>, u64) {
        let mut hub = self.shared.lock();
        let bridge = hub.bridge_mut();
        (bridge.confirmed(), bridge.oldest_frame())
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

    /// Hands what a poll found to the core.
    fn hand(&mut self, found: Option<(u8, Speed)>) -> bool {
        if let Some((byte, speed)) = found {
            self.direct.send(GameMessage::Request { byte, speed });
        }
        self.direct.has_delivery()
    }

    fn handle_mending_game(&mut self, message: GameMessage) {
        match message {
            GameMessage::Reply { byte } => {
                if self.bridge_mut().mending_taken(byte) {
                    self.transmit();
                }
            }
            GameMessage::Request { byte, speed } => {
                self.bridge_mut().mending_offer(byte, speed);
                self.direct.is_asked = true;
            }
        }
    }

    /// Serves the peer on the emulation thread.
    pub(super) fn look(&mut self, now: LocalTime) {
        self.direct.looked = now;
        self.attend(now);
        self.service_peer();
        self.handle_timeout(now);
    }
}

/// A poll in a session that mends: what is known decides; nothing waits, but for a peer that waits itself.
fn mending_poll<'a>(shared: &'a Shared, mut hub: MutexGuard<'a, Hub>, look: Look) -> bool {
    let found = hub.bridge_mut().mending_poll(look);
    if hub.hand(found) || look == Look::Access || hub.meeting().is_none() {
        return hub.direct.has_delivery();
    }
    let since = time::now();
    let mut now = since;
    while let Some(until) = hub.meeting().filter(|until| *until > now) {
        hub = wait(shared, hub, until, now);
        now = time::now();
        hub.look(now);
        let found = hub.bridge_mut().mending_poll_again();
        if hub.hand(found) {
            break;
        }
    }
    if now > since {
        hub.handle_meeting(now.since(since));
    }
    hub.direct.has_delivery()
}

/// What the game reads in a session that mends: where that is worth it, the verdict is waited for.
fn mending_read<'a>(shared: &'a Shared, mut hub: MutexGuard<'a, Hub>) -> GameMessage {
    if hub.bridge_mut().is_mending_wait() {
        hub.transmit();
        let since = time::now();
        let until = hub.bridge_mut().mending_wait_until(since);
        let mut now = since;
        while now < until && !hub.bridge_mut().is_mending_answered() {
            hub = wait(shared, hub, until, now);
            now = time::now();
            hub.look(now);
        }
        hub.bridge_mut().handle_mending_wait(now.since(since));
    }
    let byte = hub.bridge_mut().mending_answer();
    GameMessage::Reply { byte }
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
