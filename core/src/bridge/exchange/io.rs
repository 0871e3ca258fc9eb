//! Surroundings of an exchange: what it is given, and what it wants done.

use crate::bridge::liveness::Liveness;
use crate::bridge::stats::Counters;
use crate::serial::{GamePort, Speed};
use crate::time::{LocalTime, Span};

/// The link at one moment, as an exchange uses it.
#[derive(Debug)]
pub struct Context<'a> {
    /// This moment.
    pub now: LocalTime,
    /// The peer's clock minus ours, as far as it is known.
    pub clock_offset: Option<Span>,
    /// True if both sides know each other.
    pub is_linked: bool,
    /// The peer's emulation.
    pub liveness: &'a mut Liveness,
    /// Counts of the strict exchange.
    pub counters: &'a mut Counters,
}

/// A frame that begins.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Frames that were emulated before it.
    pub number: u64,
    /// True if anything was emulated since the frame before began.
    pub has_advanced: bool,
    /// True if the game listens, where that can be seen.
    pub is_armed: Option<bool>,
    /// True if it was seen to listen when the frame before began.
    pub was_armed: bool,
    /// The way of the core's bytes.
    pub port: GamePort,
}

/// End of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Decided by the table of waits (`liveness`); the game then reads an unplugged cable.
    Table,
    /// A moment, after which the game reads the prediction.
    Prediction(LocalTime),
}

/// Output of an exchange: what the bridge is to do.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Effects {
    /// The game that asked reads this byte now.
    pub read: Option<u8>,
    /// The game that asked waits.
    pub wait: Option<Limit>,
    /// The listening game is given this byte.
    pub deliver: Option<(u8, Speed)>,
    /// The peer is to hear of it at once.
    pub transmit: bool,
    /// The game took a byte of the peer.
    pub has_taken: bool,
    /// A byte was taken on one side only.
    pub is_out_of_step: bool,
}

impl Effects {
    pub(super) fn read(byte: u8) -> Effects {
        Effects {
            read: Some(byte),
            ..Effects::default()
        }
    }

    pub(super) fn transmit() -> Effects {
        Effects {
            transmit: true,
            ..Effects::default()
        }
    }
}
