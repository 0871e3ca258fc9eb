//! The outbox: bytes for the game and datagrams for the peer that are due.

use super::HEARTBEAT;
use super::session::Session;
use crate::protocol::{Nonce, Sequence};
use crate::serial::Speed;
use crate::time::LocalTime;
use std::time::Duration;

/// A hello is answered at most once in so long: a stranger's flood of them costs no more than a game's own
/// datagrams.
const GREET_EVERY: Duration = Duration::from_millis(20);

/// Receiver of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recipient {
    /// The peer of this session, or whoever may become it.
    Peer,
    /// The sender of a hello, by its number, beside the session.
    Stranger(Nonce),
    /// The peer of a session that is over, by its number.
    Former(Nonce),
}

/// All that is to leave, and what each datagram says of those before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    /// The byte that the waiting game reads.
    pub(super) complete: Option<u8>,
    /// The byte for the listening game.
    pub(super) deliver: Option<(u8, Speed)>,
    /// A datagram to the peer is due.
    is_due: bool,
    /// The receiver of the newest datagram.
    last: Option<Recipient>,
    /// The peer of a session that is over, which has not been told so.
    goodbye: Option<Nonce>,
    /// The sender of a hello that is to be answered beside the session.
    greeting: Option<Nonce>,
    /// No hello is answered before this moment.
    greeting_due: LocalTime,
    /// A datagram leaves at this moment at the latest.
    heartbeat: LocalTime,
    /// Number of the newest datagram, 0 for none.
    sequence: Sequence,
    /// The peer's newest stamp and when it arrived.
    echo: Option<(u64, LocalTime)>,
}

impl Outbox {
    /// Counts the datagrams on from this number.
    pub(super) fn count_from(&mut self, first: Sequence) {
        self.sequence = first;
    }

    /// A session begins: the peer is looked for at once.
    pub(super) fn plug(&mut self, now: LocalTime) {
        self.goodbye = None;
        self.heartbeat = now;
        self.is_due = true;
    }

    /// The session of the peer with this number ends here; `None` where no peer is to be told.
    pub(super) fn unplug(&mut self, peer: Option<Nonce>) {
        self.goodbye = peer;
        self.is_due |= peer.is_some();
        self.greeting = None;
    }

    /// A datagram to the peer is due now.
    pub(super) fn transmit(&mut self) {
        self.is_due = true;
    }

    /// Answers a datagram that is not of a linked session, of a stranger or of whoever may become the peer,
    /// unless another has just been answered.
    pub(super) fn greet(&mut self, now: LocalTime, session: &mut Session) {
        if now >= self.greeting_due {
            self.greeting_due = now.after(GREET_EVERY);
            self.greeting = session.take_greeting();
            self.is_due |= self.greeting.is_none();
        }
    }

    /// The receiver of the next datagram, if one is due; `is_plugged` while a peer may be there.
    pub(super) fn next_recipient(&mut self, is_plugged: bool) -> Option<Recipient> {
        self.last = self.take_recipient(is_plugged);
        self.last
    }

    /// The receiver of the newest datagram, if one has just left.
    pub(super) fn last_recipient(&self) -> Option<Recipient> {
        self.last
    }

    fn take_recipient(&mut self, is_plugged: bool) -> Option<Recipient> {
        if let Some(stranger) = self.greeting.take() {
            return Some(Recipient::Stranger(stranger));
        }
        if !std::mem::take(&mut self.is_due) {
            return None;
        }
        let goodbye = self.goodbye.take().map(Recipient::Former);
        goodbye.or(is_plugged.then_some(Recipient::Peer))
    }

    /// The number of the datagram that leaves now.
    pub(super) fn next_sequence(&mut self, now: LocalTime, recipient: Recipient) -> Sequence {
        if recipient == Recipient::Peer {
            self.heartbeat = now.after(HEARTBEAT);
        }
        self.sequence = self.sequence.next();
        self.sequence
    }

    /// When the next datagram leaves at the latest.
    pub(super) fn heartbeat(&self) -> LocalTime {
        self.heartbeat
    }

    /// Takes the stamp of the peer's newest datagram.
    pub(super) fn handle_stamp(&mut self, sent: u64, received: LocalTime) {
        self.echo = Some((sent, received));
    }

    /// The peer's newest stamp, and for how many nanoseconds it has been here; zeros for none.
    pub(super) fn echo(&self, now: LocalTime) -> (u64, u64) {
        self.echo.map_or((0, 0), |(stamp, received)| {
            let held = u64::try_from(now.since(received).as_nanos());
            (stamp, held.unwrap_or(u64::MAX))
        })
    }

    /// Another peer's stamps say nothing of the next one.
    pub(super) fn forget_peer(&mut self) {
        self.echo = None;
    }
}
