//! The exchange: which byte of one game meets which byte of the other.
//!
//! Two machines do it behind one face, and each session uses one of them. The *strict* exchange waits for
//! every byte and takes nothing back; the *rollback* exchange ([`crate::bridge::rollback`]) predicts, goes
//! on, and goes back where it was wrong, and needs snapshots on both sides. They stay two: strict ends an
//! offer without a verdict where a wait runs out, and works with a core whose registers and states are
//! unknown; rollback never ends an offer so, for it can replace it. A rollback exchange outlives its session,
//! until what was open has been replayed as unplugged.
//!
//! A game's side calls [`Exchange::request`], [`Exchange::poll`], [`Exchange::reply`] and
//! [`Exchange::frame_start`], the peer's side [`Exchange::handle_datagram`], [`Exchange::write_header`] and
//! [`Exchange::write_events`]. All of this is public for the model checkers, which explore both machines.

mod conversation;
mod crossing;
mod io;
mod pause;
pub mod rollback;
mod strict;

pub use conversation::{ClockedBy, End, Entry, TRACE_PLACES, Transfer};
pub use io::{Context, Effects, Frame, Limit};

use super::first_numbers::FirstNumbers;
use super::stats::{Counters, Traffic};
use crate::protocol::{Events, Flags, Header, Writer};
use crate::serial::{Look, Request, Speed, UNPLUGGED};
use crate::time::{FrameTime, LocalTime};
use conversation::Conversation;
use rollback::Rollback;
use serde::{Deserialize, Serialize};
use std::fmt;
use strict::Strict;

/// Buffers for snapshots that the owner of the core keeps: see [`Rollback::new`].
pub const STATES: usize = 48;

/// The exchange that serves a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every byte is waited for.
    #[default]
    Strict,
    /// The game goes on with a prediction, and is taken back where that was wrong.
    #[serde(rename = "automatic")]
    Rollback,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name of the setting: players read it.
        self.serialize(f)
    }
}

/// Both machines, and which of them serves. Equal ones go on alike: [`Rollback`] leaves out what it counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Exchange {
    strict: Strict,
    /// Where this side keeps snapshots.
    rollback: Option<Box<Rollback>>,
    mode: Mode,
}

impl Exchange {
    /// Sets whether this side keeps snapshots, and in which history, from the next session on.
    pub fn set_rollback(&mut self, rollback: Option<Rollback>) {
        let before = std::mem::replace(&mut self.rollback, rollback.map(Box::new));
        self.mode = Mode::Strict;
        if let Some(mut before) = before {
            self.strict.conversation.absorb(before.take_conversation());
        }
        self.trace(self.strict.conversation.places());
    }

    /// Traces the conversation from now on, with so many places in each machine.
    pub(super) fn trace(&mut self, places: usize) {
        if places != self.strict.conversation.places() {
            self.strict.conversation = Conversation::new(Mode::Strict, places);
        }
        if let Some(rollback) = &mut self.rollback {
            rollback.trace(Conversation::new(Mode::Rollback, places));
        }
    }

    /// The oldest entry of the trace that nobody has taken.
    pub(super) fn poll_conversation(&mut self) -> Option<Entry> {
        let strict = self.strict.conversation.poll();
        strict.or_else(|| self.rollback.as_mut()?.poll_conversation())
    }

    /// Counts on from these numbers.
    pub(super) fn count_from(&mut self, first: FirstNumbers) {
        self.strict.count_from(first.offers);
        if let Some(rollback) = &mut self.rollback {
            rollback.count_from(first);
        }
    }

    /// The exchange that this side is set to, linked or not.
    #[must_use]
    pub fn setting(&self) -> Mode {
        self.rollback().map_or(Mode::Strict, |_| Mode::Rollback)
    }

    /// The exchange that serves this session; strict while there is none.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The rollback exchange, in a session that it serves.
    fn serving(&mut self) -> Option<&mut Rollback> {
        match self.mode {
            Mode::Rollback => self.rollback_mut(),
            Mode::Strict => None,
        }
    }

    /// The rollback exchange, where it answers the game: also after its session, until what was open has been
    /// replayed as unplugged. What both sides know to be true before that is replayed as it was.
    fn answering(&mut self) -> Option<&mut Rollback> {
        let mode = self.mode;
        self.rollback_mut()
            .filter(|rollback| mode == Mode::Rollback || rollback.is_open())
    }

    /// The rollback exchange of this side, whichever serves.
    #[must_use]
    pub fn rollback(&self) -> Option<&Rollback> {
        self.rollback.as_deref()
    }

    /// The same, for the owner of the core.
    pub fn rollback_mut(&mut self) -> Option<&mut Rollback> {
        self.rollback.as_deref_mut()
    }

    /// An unplugged exchange in the place of one that cannot be trusted any more; the core may still hold a
    /// byte of it.
    pub(super) fn restarted(&self) -> Exchange {
        let mut strict = self.strict.restarted();
        strict.conversation = self.strict.conversation.clone();
        if let Some(rollback) = &self.rollback {
            strict.conversation.absorb(rollback.conversation().clone());
        }
        Exchange {
            strict,
            ..Exchange::default()
        }
    }

    /// A session has begun or come back; the peer's header says whether it keeps snapshots.
    pub fn plug(&mut self, header: &Header, is_new_peer: bool) {
        // Both sides see the same two numbers.
        let is_keeper = header.to.0 > header.from.0;
        self.strict.plug(is_keeper);
        match &mut self.rollback {
            Some(rollback) if header.flags.contains(Flags::ROLLBACK) => {
                self.mode = Mode::Rollback;
                rollback.plug(is_new_peer, is_keeper);
            }
            _ => self.mode = Mode::Strict,
        }
    }

    /// The session is over: what is open is unplugged. A game that waits reads [`Exchange::end_wait`].
    pub fn unplug(&mut self) {
        self.mode = Mode::Strict;
        self.strict.unplug();
        if let Some(rollback) = &mut self.rollback {
            rollback.unplug();
        }
    }

    /// The peer is another one than before; [`Exchange::unplug`] came first.
    pub fn forget_peer(&mut self) {
        self.strict.forget_peer();
    }

    pub(super) fn handle_reconnect(&mut self) {
        self.strict.handle_reconnect();
    }

    /// True if an offer of the peer waits that it may withdraw.
    #[must_use]
    pub fn is_offer_waiting(&self) -> bool {
        self.strict.is_offer_waiting()
    }

    /// True if the next poll might find a byte.
    #[must_use]
    pub fn may_find(&self) -> bool {
        self.strict.is_offer_waiting() || self.rollback().is_some_and(Rollback::may_find)
    }

    /// Polls that could find nothing were left out.
    pub(super) fn skip_polls(&mut self, event_loop: u32, accesses: u32) {
        if event_loop > 0 {
            self.strict.handle_look();
        }
        if let Some(rollback) = &mut self.rollback {
            rollback.skip_polls(event_loop.saturating_add(accesses));
        }
    }

    /// True if the core holds no byte that it has not answered.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.strict.is_quiet()
    }

    /// The game clocks a transfer. `is_torn`: over a byte that it has just taken. In rollback
    /// `verdict_until` is the moment until which the verdict is worth a wait, if it is.
    pub fn request(
        &mut self,
        context: &mut Context<'_>,
        request: Request,
        is_torn: bool,
        verdict_until: Option<LocalTime>,
    ) -> Effects {
        let Some(rollback) = self.answering() else {
            return self.strict.request(context, request, is_torn);
        };
        rollback.offer(request);
        match verdict_until.filter(|_| !rollback.is_answered()) {
            Some(until) => Effects {
                wait: Some(Limit::Prediction(until)),
                ..Effects::transmit()
            },
            None => Effects::read(rollback.answer()),
        }
    }

    /// True if nothing better can be known of what the waiting game reads, in rollback.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.rollback().is_none_or(Rollback::is_answered)
    }

    /// The byte that a game reads whose wait is over.
    pub fn end_wait(&mut self) -> u8 {
        match self.answering() {
            Some(rollback) => rollback.answer(),
            None => {
                self.strict.give_up();
                UNPLUGGED
            }
        }
    }

    /// The core looks for a byte: one that it is given is answered with [`Exchange::reply`].
    pub fn poll(&mut self, now: LocalTime, look: Look, time: Option<FrameTime>) -> Option<(u8, Speed)> {
        match self.answering() {
            Some(rollback) => rollback.poll(look, time.map(|time| time.chunk)),
            None => self.strict.poll(now, look, time),
        }
    }

    /// The last look has been prolonged: the same once more.
    pub fn poll_again(&mut self, now: LocalTime) -> Option<(u8, Speed)> {
        match self.answering() {
            Some(rollback) => rollback.poll_again(),
            None => self.strict.poll_again(now),
        }
    }

    /// The game answers the byte that it was given with this one.
    pub fn reply(&mut self, context: &mut Context<'_>, byte: u8) -> Effects {
        let Some(rollback) = self.answering() else {
            return self.strict.reply(context, byte);
        };
        rollback.taken(byte);
        Effects {
            // A peer that waits for the verdict hears it at once; another with the frame's other bytes.
            transmit: context.liveness.awaits_verdicts(),
            has_taken: true,
            ..Effects::default()
        }
    }

    /// A frame begins.
    pub fn frame_start(&mut self, context: &mut Context<'_>, frame: Frame) -> Effects {
        self.strict.frame_start(context, frame)
    }

    /// A datagram of the session arrived.
    pub fn handle_datagram(
        &mut self,
        context: &mut Context<'_>,
        header: &Header,
        events: &Events<'_>,
    ) -> Effects {
        let Some(rollback) = self.serving() else {
            return self.strict.handle_datagram(context, header, events);
        };
        rollback.handle_datagram(header, events.clone());
        Effects::default()
    }

    /// Fills in the header's fields of the exchange.
    pub fn write_header(&self, header: &mut Header) {
        match (&self.rollback, self.mode) {
            (Some(rollback), Mode::Rollback) => rollback.write_header(header),
            _ => self.strict.write_header(header),
        }
    }

    /// Appends what the peer may lack; true where a further datagram is to go on with it.
    pub fn write_events(&mut self, writer: &mut Writer<'_>) -> bool {
        let Some(rollback) = self.serving() else {
            self.strict.write_events(writer);
            return false;
        };
        rollback.write_events(writer)
    }

    /// Transfers that have crossed so far, by either machine.
    pub(super) fn traffic(&self, counters: &Counters) -> Traffic {
        let strict = &counters.transfers;
        let rollback = self.rollback().map(|rollback| *rollback.counters());
        let rollback::Counters {
            frames, transfers, ..
        } = rollback.unwrap_or_default();
        let taken = transfers.taken.saturating_sub(transfers.taken_back);
        Traffic {
            taken: strict.taken + strict.paired + transfers.exchanged,
            peer_taken: strict.peer_taken + strict.peer_paired + taken + transfers.paired,
            stalls: frames.stalls,
            corrections: frames.corrections,
        }
    }
}
