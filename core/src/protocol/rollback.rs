//! Words of two histories besides offers and verdicts: where each stands, and what it replaced.

use bincode::{BorrowDecode, Decode, Encode};

/// Position of the sender's history, and of the receiver's as the sender knows it. One in each datagram that
/// speaks of histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct Position {
    /// Counts the incarnations of the link, between plugging in and unplugging, at the sender.
    pub incarnation: u32,
    /// The receiver's number of the same kind as the sender knows it; 0 for none.
    pub peer_incarnation: u32,
    /// The receiver's newest epoch that the sender has followed.
    pub peer_epoch: u32,
    /// Number of the receiver's offers that the sender has, in that epoch.
    pub received: u64,
    /// Number of offers that the sender's history has made.
    pub sent: u64,
    /// The sender's game's answer to the next offer, announced before that comes: the one whose number is the
    /// header's judged count.
    pub announced: Option<u8>,
}

/// Consecutive epochs: the first one's number, a base, then two bytes each: by how much the number of the
/// first offer that the epoch replaced exceeds the base, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, BorrowDecode)]
pub struct ReplaceRun<'a> {
    pub(super) first: u32,
    pub(super) base: u64,
    pub(super) entries: &'a [u8],
}

pub(super) const REPLACE_LEN: usize = 2;
/// Bytes of a run before its entries: tag, number, base, length.
pub(super) const REPLACE_RUN_LEN: usize = 4 + 4 + 8 + 8;
/// An epoch, and the number of the first offer that it replaced.
impl Iterator for ReplaceRun<'_> {
    type Item = (u32, u64);

    fn next(&mut self) -> Option<(u32, u64)> {
        let (&step, rest) = self.entries.split_first_chunk()?;
        let epoch = self.first;
        self.first = self.first.saturating_add(1);
        self.entries = rest;
        Some((
            epoch,
            self.base.saturating_add(u64::from(u16::from_le_bytes(step))),
        ))
    }
}
