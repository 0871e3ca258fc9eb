//! The bridge's trace of what the two games say to each other: see the exchange's [`Transfer`].

use super::Bridge;
use super::exchange::TRACE_PLACES;
pub use super::exchange::{ClockedBy, End, Entry, Transfer};

impl Bridge {
    /// Traces the conversation of the two games from now on; drain it with
    /// [`poll_conversation`](Self::poll_conversation).
    pub fn trace_conversation(&mut self) {
        self.game.exchange.trace(TRACE_PLACES);
    }

    /// The oldest entry of the trace that nobody has taken.
    pub fn poll_conversation(&mut self) -> Option<Entry> {
        self.game.exchange.poll_conversation()
    }
}
