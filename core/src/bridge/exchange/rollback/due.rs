//! Moment at which an offer of the peer is due in this game's emulated time.

use crate::bridge::exchange::pause::Made;
use crate::sequence_numbers::{OwnChunk, PeerChunk, SharedChunk};

/// Moment at which an offer is to be taken, where both cores tell their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Due {
    /// The chunk of our time in which it was made.
    pub(super) time: OwnChunk,
    /// The moment of it that both sides know, and that of its maker.
    pub(super) shared: SharedChunk,
    pub(super) made: Made<PeerChunk>,
    pub(super) progress: Progress,
}

/// Progress of an offer towards its moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Progress {
    /// Its moment lies ahead, or has passed without it.
    #[default]
    Ahead,
    /// The game was taken back to before its moment.
    Reached,
    /// Its moment is too long past to go back to: the game takes it as soon as it listens.
    Late,
}

/// Chunks in which an offer may be taken, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: OwnChunk,
    pub(super) to: OwnChunk,
}

impl Window {
    pub(super) fn contains(&self, time: OwnChunk) -> bool {
        (self.from..=self.to).contains(&time)
    }
}
