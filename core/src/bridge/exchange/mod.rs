//! The exchange: which byte of one game meets which byte of the other.
//!
//! Two machines do it behind one face, and each session uses one of them. The *strict* exchange waits for
//! every byte and takes nothing back; the *rollback* exchange ([`crate::bridge::rollback`]) predicts, goes
//! on, and goes back where it was wrong, and needs snapshots on both sides. They stay two: strict ends an
//! offer without a verdict where a wait runs out, and works with a core whose registers and states are
//! unknown; rollback never ends an offer so, for it can replace it. A rollback exchange outlives its session,
//! until what was open has been replayed as unplugged.

pub mod rollback;
mod strict;
pub mod transfer;

use super::game::Context;
use super::stats::{Counters, Traffic};
use super::wait::Limit;
use crate::protocol::{Events, Flags, Header, Writer};
use crate::serial::{GamePort, Look, Speed};
use crate::time::LocalTime;
use rollback::Rollback;
use serde::{Deserialize, Serialize};
use std::fmt;
use strict::Strict;

/// Buffers for snapshots that the owner of the core keeps: see [`Rollback::new`].
pub const STATES: usize = 48;

/// The exchange that serves a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        f.write_str(match self {
            Mode::Strict => "strict",
            // The name of the setting: players read it.
            Mode::Rollback => "automatic",
        })
    }
}

/// A frame that begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Frames emulated before it.
    pub(super) number: u64,
    pub(super) is_armed: Option<bool>,
    pub(super) was_armed: bool,
    pub(super) port: GamePort,
}

/// Output of an exchange: what the bridge is to do.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub(super) struct Effects {
    /// The game that asked reads this byte now.
    pub(super) read: Option<u8>,
    /// The game that asked waits.
    pub(super) wait: Option<Limit>,
    /// The listening game is given this byte.
    pub(super) deliver: Option<(u8, Speed)>,
    /// The peer is to hear of it at once.
    pub(super) transmit: bool,
    /// The game took a byte of the peer.
    pub(super) has_taken: bool,
    /// A byte was taken on one side only.
    pub(super) is_out_of_step: bool,
}

impl Effects {
    fn read(byte: u8) -> Effects {
        Effects {
            read: Some(byte),
            ..Effects::default()
        }
    }

    fn transmit() -> Effects {
        Effects {
            transmit: true,
            ..Effects::default()
        }
    }
}

/// Both machines, and which of them serves.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    strict: Strict,
    /// Where this side keeps snapshots.
    rollback: Option<Box<Rollback>>,
    mode: Mode,
}

impl Exchange {
    /// True if this side keeps snapshots, from the next session on.
    pub(super) fn set_rollback(&mut self, is_on: bool) {
        self.rollback = is_on.then(|| Box::new(Rollback::new(STATES)));
        self.mode = Mode::Strict;
    }

    /// The exchange that this side is set to.
    pub(super) fn setting(&self) -> Mode {
        match self.rollback {
            Some(_) => Mode::Rollback,
            None => Mode::Strict,
        }
    }

    /// The exchange that serves this session.
    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// The rollback exchange, in a session that it serves.
    fn serving(&mut self) -> Option<&mut Rollback> {
        self.rollback
            .as_deref_mut()
            .filter(|_| self.mode == Mode::Rollback)
    }

    /// The rollback exchange, where it answers the game: also after its session, until what was open has been
    /// replayed as unplugged. What both sides know to be true before that is replayed as it was.
    fn answering(&mut self) -> Option<&mut Rollback> {
        let mode = self.mode;
        self.rollback
            .as_deref_mut()
            .filter(|rollback| mode == Mode::Rollback || rollback.is_open())
    }

    /// The rollback exchange of this side, whichever serves.
    pub(super) fn rollback(&self) -> Option<&Rollback> {
        self.rollback.as_deref()
    }

    pub(super) fn rollback_mut(&mut self) -> Option<&mut Rollback> {
        self.rollback.as_deref_mut()
    }

    /// An unplugged exchange in the place of one that cannot be trusted any more; the core may still hold a
    /// byte of it.
    pub(super) fn restarted(&self) -> Exchange {
        Exchange {
            strict: self.strict.restarted(),
            ..Exchange::default()
        }
    }

    /// A session has begun or come back; the peer's header says whether it keeps snapshots.
    pub(super) fn plug(&mut self, header: &Header, is_new_peer: bool) {
        let Some(rollback) = &mut self.rollback else {
            return;
        };
        if header.flags.contains(Flags::ROLLBACK) {
            self.mode = Mode::Rollback;
            rollback.plug(is_new_peer);
        } else {
            self.mode = Mode::Strict;
        }
    }

    /// The session is over: what is open reads 0xFF. The byte that a waiting game reads, if one waits.
    pub(super) fn unplug(&mut self, is_waiting: bool, counters: &mut Counters) -> Option<u8> {
        if let Some(rollback) = &mut self.rollback {
            rollback.unplug();
        }
        let read = match std::mem::take(&mut self.mode) {
            Mode::Rollback if is_waiting => self.rollback.as_mut().map(|rollback| rollback.answer()),
            _ => None,
        };
        if !self.strict.unplug() {
            return read;
        }
        counters.timeouts.silent += 1;
        Some(crate::serial::UNPLUGGED)
    }

    pub(super) fn forget_peer(&mut self, has_delivery: bool) {
        self.strict.forget_peer(has_delivery);
    }

    pub(super) fn handle_reconnect(&mut self) {
        self.strict.handle_reconnect();
    }

    /// True if an offer waits that its maker may withdraw.
    pub(super) fn is_offer_waiting(&self) -> bool {
        self.strict.is_offer_waiting()
    }

    /// True if the next poll might find a byte.
    pub(super) fn may_find(&self) -> bool {
        let may_find = self.rollback.as_ref().is_some_and(|rollback| rollback.may_find());
        may_find || self.strict.is_offer_waiting()
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

    pub(super) fn is_quiet(&self) -> bool {
        self.strict.is_quiet()
    }

    /// The game clocks a transfer. In rollback `verdict_until` is the moment until which the verdict is worth
    /// a wait, if it is.
    pub(super) fn request(
        &mut self,
        context: &mut Context<'_>,
        (byte, speed): (u8, Speed),
        is_enabled: bool,
        frame: u64,
        verdict_until: Option<LocalTime>,
    ) -> Effects {
        let Some(rollback) = self.answering() else {
            return self.strict.request(context, (byte, speed), is_enabled, frame);
        };
        rollback.offer(byte, speed);
        match verdict_until.filter(|_| !rollback.is_answered()) {
            Some(until) => Effects {
                wait: Some(Limit::Prediction(until)),
                transmit: true,
                ..Effects::default()
            },
            None => Effects::read(rollback.answer()),
        }
    }

    /// True if nothing better can be known of what the waiting game reads, in rollback.
    pub(super) fn is_answered(&self) -> bool {
        self.rollback
            .as_ref()
            .is_none_or(|rollback| rollback.is_answered())
    }

    /// The byte that a game reads whose wait is over.
    pub(super) fn end_wait(&mut self) -> u8 {
        match self.answering() {
            Some(rollback) => rollback.answer(),
            None => {
                self.strict.give_up();
                crate::serial::UNPLUGGED
            }
        }
    }

    pub(super) fn poll(&mut self, now: LocalTime, look: Look) -> Option<(u8, Speed)> {
        match self.answering() {
            Some(rollback) => rollback.poll(look),
            None => self.strict.poll(now, look),
        }
    }

    pub(super) fn poll_again(&mut self, now: LocalTime) -> Option<(u8, Speed)> {
        match self.answering() {
            Some(rollback) => rollback.poll_again(),
            None => self.strict.poll_again(now),
        }
    }

    pub(super) fn reply(&mut self, context: &mut Context<'_>, byte: u8) -> Effects {
        match self.answering() {
            Some(rollback) => {
                rollback.taken(byte);
                Effects {
                    // A peer that waits for the verdict hears it at once; another with the frame's other
                    // bytes.
                    transmit: context.liveness.awaits_verdicts(),
                    has_taken: true,
                    ..Effects::default()
                }
            }
            None => self.strict.reply(context.now, byte, &mut context.stats.counters),
        }
    }

    pub(super) fn frame_start(&mut self, context: &mut Context<'_>, frame: Frame) -> Effects {
        self.strict.frame_start(context, frame)
    }

    pub(super) fn handle_datagram(
        &mut self,
        context: &mut Context<'_>,
        header: &Header,
        events: &Events<'_>,
    ) -> Effects {
        match self.serving() {
            Some(rollback) => {
                rollback.handle_datagram(header, events.clone());
                Effects::default()
            }
            None => self.strict.handle_datagram(context, header, events),
        }
    }

    pub(super) fn write_header(&self, header: &mut Header) {
        match (&self.rollback, self.mode) {
            (Some(rollback), Mode::Rollback) => rollback.write_header(header),
            _ => self.strict.write_header(header),
        }
    }

    /// Appends what the peer may lack; true where a further datagram is to go on with it.
    pub(super) fn write_events(&mut self, writer: &mut Writer<'_>) -> bool {
        match self.serving() {
            Some(rollback) => rollback.write_events(writer),
            None => {
                self.strict.write_events(writer);
                false
            }
        }
    }

    /// Transfers that have crossed so far, by either machine.
    pub(super) fn traffic(&self, counters: &Counters) -> Traffic {
        let strict = &counters.transfers;
        let rollback = self
            .rollback()
            .map(Rollback::counters)
            .copied()
            .unwrap_or_default();
        Traffic {
            taken: strict.taken + strict.paired + rollback.transfers.exchanged,
            peer_taken: strict.peer_taken
                + strict.peer_paired
                + rollback
                    .transfers
                    .taken
                    .saturating_sub(rollback.transfers.taken_back)
                + rollback.transfers.paired,
            stalls: rollback.frames.stalls,
        }
    }
}
