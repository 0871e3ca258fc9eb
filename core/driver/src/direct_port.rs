//! State of the direct port: bytes on their way to the core, and who serves the peer meanwhile.

use gamelink_core::serial::GameMessage;
use gamelink_core::time::LocalTime;
use std::time::Duration;

/// Without a frame, a poll or a wait for so long the helper thread serves the peer: several frames of a slow
/// machine.
const ATTENDED: Duration = Duration::from_millis(100);

/// A poll that finds nothing looks at the peer's socket at most so often: a dozen polls of one frame fall
/// into this.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// Bytes for the core to read, and when the emulation thread was last here.
#[derive(Debug, Default)]
pub(super) struct Direct {
    /// The core has "connected": its calls come here, not over the loopback socket.
    is_connected: bool,
    /// A byte of the peer for the listening game, and the answer to the game's own request.
    delivered: Option<GameMessage>,
    reply: Option<GameMessage>,
    /// The game took a byte and has not looked for another since: its shift may still run.
    is_shifting: bool,
    /// The call of the frontend began.
    called: LocalTime,
    /// When the emulation thread last served the peer; `None` while the helper thread does.
    attended: Option<LocalTime>,
}

impl Direct {
    /// The core connects; true where it was connected before.
    pub(super) fn connect(&mut self) -> bool {
        self.delivered = None;
        self.reply = None;
        self.is_shifting = false;
        std::mem::replace(&mut self.is_connected, true)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(super) fn is_shifting(&self) -> bool {
        self.is_shifting
    }

    /// Notes whether a shift may run: one begins with the answer to a byte, and is over at the next look.
    pub(super) fn set_shifting(&mut self, is_shifting: bool) {
        self.is_shifting = is_shifting;
    }

    /// A call of the frontend begins.
    pub(super) fn begin_call(&mut self, now: LocalTime) {
        self.called = now;
    }

    /// When the call began.
    pub(super) fn called(&self) -> LocalTime {
        self.called
    }

    /// Takes what the core is to read.
    pub(super) fn send(&mut self, message: GameMessage) {
        match message {
            GameMessage::Request { .. } => self.delivered = Some(message),
            GameMessage::Reply { .. } => self.reply = Some(message),
        }
    }

    pub(super) fn take(&mut self) -> Option<GameMessage> {
        self.delivered.take().or_else(|| self.reply.take())
    }

    pub(super) fn has_delivery(&self) -> bool {
        self.delivered.is_some()
    }

    /// When a poll looks at the peer's socket again.
    pub(super) fn look_at(&self) -> LocalTime {
        self.attended.unwrap_or_default().after(LOOK_EVERY)
    }

    /// Sets which thread serves the peer: the emulation thread, since this moment, or the helper thread.
    pub(super) fn set_attended(&mut self, since: Option<LocalTime>) {
        self.attended = since;
    }

    /// Until when the helper thread may leave the peer alone.
    pub(super) fn attended_until(&self) -> Option<LocalTime> {
        self.attended.map(|attended| attended.after(ATTENDED))
    }
}
