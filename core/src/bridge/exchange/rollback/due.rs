//! Moment at which an offer of the peer is due in this game's emulated time.

use crate::sequence_numbers::{Number, OwnChunk, PeerChunk, SharedChunk};
use crate::time::Part;

/// Parts by which a pause may be longer than its numbers say: one is known to a part, and a frame lasts 48
/// T-cycles longer than its chunks.
const PART_SLACK: u64 = 3;

/// Moment at which an offer is to be taken, where both cores tell their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Due {
    /// The chunk of our time in which it was made.
    pub(super) time: OwnChunk,
    /// The moment of it that both sides know, and that of its maker.
    pub(super) shared: SharedChunk,
    pub(super) made: Made,
    pub(super) progress: Progress,
}

/// Moment of its maker's emulated time at which an offer was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Made {
    pub(super) chunk: PeerChunk,
    pub(super) part: Option<Part>,
}

/// Pause between two offers of one maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// By how much the numbers of their chunks differ: it may be longer or shorter by one.
    pub(super) chunks: u64,
    /// Chunks that last as long, where it is known to a part.
    pub(super) whole: Option<u64>,
}

impl Made {
    /// The pause since an offer that was made before this.
    pub(super) fn since(self, before: Made) -> Pause {
        let per_chunk = u64::from(Part::PER_CHUNK);
        let chunks = self.chunk.since(before.chunk);
        let whole = |(now, then): (Part, Part)| {
            let parts = chunks.saturating_mul(per_chunk);
            let parts = parts.saturating_add(u64::from(now.raw()) + PART_SLACK);
            parts.saturating_sub(then.raw().into()).div_ceil(per_chunk)
        };
        Pause {
            chunks,
            whole: self.part.zip(before.part).map(whole),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn made(chunk: u64, part: Option<u8>) -> Made {
        Made {
            chunk: PeerChunk::new(chunk),
            part: part.and_then(Part::new),
        }
    }

    #[test]
    fn a_pause_is_known_to_a_part_where_both_moments_are() {
        let pause = |before, now| {
            let Pause { chunks, whole } = Made::since(now, before);
            (chunks, whole)
        };
        assert_eq!(pause(made(7, Some(100)), made(9, Some(90))), (2, Some(2)));
        assert_eq!(
            pause(made(7, Some(100)), made(9, Some(98))),
            (2, Some(3)),
            "a little short of two"
        );
        assert_eq!(pause(made(7, Some(128)), made(8, Some(0))), (1, Some(1)));
        assert_eq!(pause(made(7, Some(0)), made(8, Some(125))), (1, Some(2)));
        assert_eq!(pause(made(7, Some(5)), made(7, Some(5))), (0, Some(1)));
        assert_eq!(pause(made(7, None), made(9, Some(90))), (2, None));
        assert_eq!(
            pause(made(9, Some(9)), made(7, Some(0))),
            (0, Some(0)),
            "of a core that counts wrong"
        );
        let far = made(u64::MAX, Some(131));
        assert_eq!(pause(made(0, Some(0)), far).0, u64::MAX);
    }
}
