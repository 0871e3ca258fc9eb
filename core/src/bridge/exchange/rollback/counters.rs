//! Counters of a history.

use serde::{Deserialize, Serialize};

/// Counts since the start; in JSON all of them stand side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Counts of frames.
    #[serde(flatten)]
    pub frames: Frames,
    /// Counts of what the game read.
    #[serde(flatten)]
    pub predictions: Predictions,
    /// Counts of transfers, for good or not.
    #[serde(flatten)]
    pub transfers: Transfers,
    /// Takes that a replay could not repeat at the same poll, and took at the first chance after.
    pub late_takes: u64,
    /// Differences between a frame and its replay though their past was the same: the core is not repeatable.
    pub unrepeatable: u64,
    /// Datagrams that came too late to be news.
    pub outdated: u64,
    /// Datagrams whose numbers make no sense.
    pub nonsense: u64,
    /// Incarnations that ended because the history could not be kept.
    pub failures: u64,
    /// Incarnations that began.
    pub joins: u64,
}

/// Counts of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// Frames emulated for the player.
    pub live: u64,
    /// Calls in which the game stood still.
    pub stalls: u64,
    /// Of these, stalls that empty a standing queue of offers: the game was ahead of its peer.
    pub drained: u64,
    /// Of these, stalls for want of slack: a quicker machine would have gone on.
    pub slack_stalls: u64,
    /// Live frames that were undone.
    pub undone: u64,
    /// Corrections.
    pub corrections: u64,
    /// Of these, made because the peer replaced what this game had taken.
    pub replaced: u64,
    /// Frames emulated again.
    pub replayed: u64,
    /// The longest replay, in frames.
    pub longest_replay: u64,
    /// Snapshots saved with a transfer in flight, and repaired.
    pub repaired: u64,
    /// Frames by which the newest snapshot that the player could be given was older than the game, at most.
    pub oldest_snapshot: u64,
}

/// Counts of what the game read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predictions {
    /// Transfers that this game clocked while linked, replays not counted.
    pub requests: u64,
    /// Of these, those that met the verdict itself.
    pub known: u64,
    /// Predicted by an offer of the peer that waits, an announcement, or the verdict before a replacement.
    pub hinted: u64,
    /// Predicted by the last verdict.
    pub repeated: u64,
    /// Predictions that were wrong; each starts a correction, and those behind it in the same one are not
    /// counted.
    pub wrong: u64,
}

/// Counts of transfers, for good or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfers {
    /// Transfers that this game clocked and that the peer's game has answered for good: each counts once,
    /// however often it was replaced on the way.
    pub exchanged: u64,
    /// Verdicts received, and pairs.
    pub answered: u64,
    /// Of these, refusals.
    pub refused: u64,
    /// Of these, pairs of offers made at the same instant.
    pub paired: u64,
    /// Offers of the peer that this game took, replays not counted.
    pub taken: u64,
    /// Offers of the peer that came too late to be taken at their moment of the timeline.
    pub late: u64,
    /// Of these, those that the peer replaced, or that a pulled cable made void.
    pub taken_back: u64,
    /// Offers of the peer that were refused here.
    pub peer_refused: u64,
    /// Of the offers of the peer judged here, those that it has confirmed.
    pub confirmed: u64,
    /// Epochs begun here.
    pub replaces: u64,
    /// Offers that these made void.
    pub cancelled: u64,
}
