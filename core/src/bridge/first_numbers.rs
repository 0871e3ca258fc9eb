//! Numbers from which a bridge counts: zeros, but in tests of sessions that have gone on for long.

use super::Bridge;
use crate::protocol::Sequence;

/// The number of the first of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FirstNumbers {
    /// Datagrams that this side has sent.
    pub datagrams: u64,
    /// Frames that it has emulated.
    pub frames: u64,
    /// Offers of each side, in every incarnation of the link; both sides need the same.
    pub offers: u64,
    /// Replacements of each side's offers, in the same way.
    pub epochs: u64,
}

impl Bridge {
    /// Counts on from these numbers, as after a long session. Call it before a peer is plugged in, and after
    /// [`set_rollback`](Bridge::set_rollback).
    pub fn count_from(&mut self, first: FirstNumbers) {
        self.outbox.count_from(Sequence(first.datagrams));
        self.game.emulation.count_from(first.frames);
        self.game.exchange.count_from(first);
    }
}
