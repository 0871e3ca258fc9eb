//! Pauses between the transfers of one game, which the other game is left as well: it may have armed long
//! before it has loaded the byte that counts.

use crate::sequence_numbers::Number;
use crate::time::{Chunk, FrameTime, Part};

/// Parts of a chunk by which a replay may repeat a pause longer without a word of it to the peer: some
/// instructions, as of a byte that was read otherwise.
const REPLAY_PARTS: u64 = 8;

/// Parts by which a replay may repeat a pause shorter: what is left longer than it was harms nobody. A wrong
/// prediction, which a game looks at for longer than at the right byte, comes first.
const SHORTER_PARTS: u64 = 16;

/// Chunks by which the moment that is said may come to be later than the one at which an offer was made, as
/// shorter pauses add up: half a frame.
const MOST_LATER: u64 = 8;

/// Parts by which a pause may be longer than its numbers say: one is known to a part, and a frame lasts 48
/// T-cycles longer than its chunks.
const PART_SLACK: u64 = 3 + REPLAY_PARTS;

/// Parts of a chunk.
pub(in crate::bridge::exchange) const PARTS: u64 = Part::PER_CHUNK as u64;

/// Moment of its maker's emulated time, in its chunks, at which an offer was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::bridge::exchange) struct Made<C> {
    pub(in crate::bridge::exchange) chunk: C,
    /// The part of that, where it is known.
    pub(in crate::bridge::exchange) part: Option<Part>,
}

/// Pause between two offers of one maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bridge::exchange) struct Pause {
    /// By how much the numbers of their chunks differ: it may be longer or shorter by one.
    pub(in crate::bridge::exchange) chunks: u64,
    /// Parts that last as long, where it is known to a part.
    pub(in crate::bridge::exchange) parts: Option<u64>,
}

impl Pause {
    /// Parts that last as long: where it is known to a chunk only, rounded up.
    pub(in crate::bridge::exchange) fn rounded(self) -> u64 {
        let chunks = self.chunks.saturating_add(1);
        self.parts.unwrap_or(chunks.saturating_mul(PARTS))
    }

    /// Chunks that last as long, where it is known to a part.
    pub(in crate::bridge::exchange) fn whole(self) -> Option<u64> {
        Some(self.parts?.div_ceil(PARTS))
    }
}

impl<C: Number> Made<C> {
    /// The moment in the frame of this number.
    pub(in crate::bridge::exchange) fn at(frame: u64, time: FrameTime) -> Made<C> {
        let FrameTime { chunk, part } = time;
        let begin = frame.saturating_mul(Chunk::PER_FRAME.into());
        Made {
            chunk: C::new(begin.saturating_add(chunk.raw().into())),
            part,
        }
    }

    /// The pause since an offer that was made before this.
    pub(in crate::bridge::exchange) fn since(self, before: Made<C>) -> Pause {
        let parts = self.parts().zip(before.parts());
        let longest = |(now, then): (u64, u64)| now.saturating_add(PART_SLACK).saturating_sub(then);
        Pause {
            chunks: self.chunk.since(before.chunk),
            parts: parts.map(longest),
        }
    }

    /// This moment as it is said behind one that a replay made again at another moment than the one said
    /// before: with the same pause since that, within a frame.
    pub(in crate::bridge::exchange) fn said_behind(self, made: Made<C>, said: Made<C>) -> Made<C> {
        let is_pause = self.chunk.since(made.chunk) < Chunk::PER_FRAME.into();
        match (self.parts(), made.parts(), said.parts()) {
            (Some(now), Some(made), Some(said)) if is_pause && now >= made => {
                let moved: Made<C> = Made::of_parts(said.saturating_add(now - made));
                // Sooner by more would be another moment; later is a longer pause, which harms nobody.
                let (least, most) = (self.chunk.before(1), self.chunk.after(Chunk::PER_FRAME.into()));
                if (least..=most).contains(&moved.chunk) {
                    moved
                } else {
                    self
                }
            }
            _ => self,
        }
    }

    /// True if a replay that makes an offer at this moment again need not say so, where the peer was told
    /// `said`: the chunk alone is known to one.
    pub(in crate::bridge::exchange) fn is_close_to(self, said: Made<C>) -> bool {
        match self.parts().zip(said.parts()) {
            Some((now, said)) => {
                (said.saturating_sub(SHORTER_PARTS)..=said.saturating_add(REPLAY_PARTS)).contains(&now)
            }
            None => self.chunk.raw().abs_diff(said.chunk.raw()) <= 1,
        }
    }

    /// True if an offer that is made at this moment may be said to have been made at that one.
    pub(in crate::bridge::exchange) fn may_be_said_at(self, said: Made<C>) -> bool {
        said.chunk <= self.chunk.after(MOST_LATER)
    }

    /// Parts from the begin of all frames, where that is known.
    pub(in crate::bridge::exchange) fn parts(self) -> Option<u64> {
        let part = self.part?.raw();
        Some(self.chunk.raw().saturating_mul(PARTS).saturating_add(part.into()))
    }

    fn of_parts(parts: u64) -> Made<C> {
        Made {
            chunk: C::new(parts / PARTS),
            part: u8::try_from(parts % PARTS).ok().and_then(Part::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence_numbers::PeerChunk;

    fn made(chunk: u64, part: u8) -> Made<PeerChunk> {
        Made {
            chunk: PeerChunk::new(chunk),
            part: Part::new(part),
        }
    }

    const UNKNOWN: u8 = u8::MAX;

    #[test]
    fn a_pause_is_known_to_a_part_where_both_moments_are() {
        let pause = |before, now| {
            let pause = Made::since(now, before);
            (pause.chunks, pause.whole())
        };
        assert_eq!(pause(made(7, 100), made(9, 89)), (2, Some(2)));
        assert_eq!(
            pause(made(7, 100), made(9, 98)),
            (2, Some(3)),
            "a little short of two"
        );
        assert_eq!(pause(made(7, 128), made(8, 0)), (1, Some(1)));
        assert_eq!(pause(made(7, 0), made(8, 110)), (1, Some(2)));
        assert_eq!(pause(made(7, 5), made(7, 5)), (0, Some(1)));
        assert_eq!(pause(made(7, UNKNOWN), made(9, 90)), (2, None));
        assert_eq!(
            pause(made(9, 9), made(7, 0)),
            (0, Some(0)),
            "of a core that counts wrong"
        );
        assert_eq!(pause(made(0, 0), made(u64::MAX, 131)).0, u64::MAX);
    }

    #[test]
    fn what_a_replay_makes_a_little_later_is_said_with_the_pause_before_it() {
        let (said, again) = (made(100, 10), made(100, 60));
        let behind = |now: Made<PeerChunk>| now.said_behind(again, said);
        assert_eq!(behind(made(102, 60)), made(102, 10));
        assert_eq!(behind(made(102, 20)), made(101, 99));
        assert_eq!(behind(made(117, 60)), made(117, 60), "a frame later");
        assert_eq!(behind(made(102, UNKNOWN)), made(102, UNKNOWN));
        assert_eq!(behind(made(99, 60)), made(99, 60), "of a core that counts wrong");
        let far = made(103, 0);
        assert_eq!(far.said_behind(again, made(98, 0)), far, "a chunk sooner at most");
        assert_eq!(far.said_behind(again, made(104, 60)), made(107, 0), "but later");
        let end = made(u64::MAX, 131);
        let _ = end.said_behind(end, end);
    }

    #[test]
    fn what_is_said_lies_no_more_than_half_a_frame_behind() {
        let may = |said| made(10, 0).may_be_said_at(made(said, 0));
        assert_eq!([9, 18, 19].map(may), [true, true, false]);
    }

    #[test]
    fn moments_are_alike_to_some_parts_or_a_chunk() {
        let close = |now: Made<PeerChunk>, said| (now.is_close_to(said), said.is_close_to(now));
        assert_eq!(close(made(10, 8), made(10, 0)), (true, true));
        assert_eq!(
            close(made(10, 9), made(10, 0)),
            (false, true),
            "sooner by more than later"
        );
        assert_eq!(close(made(10, 16), made(10, 0)), (false, true));
        assert_eq!(close(made(10, 17), made(10, 0)), (false, false));
        assert_eq!(close(made(9, UNKNOWN), made(10, 128)), (true, true));
        assert_eq!(close(made(9, UNKNOWN), made(11, 0)), (false, false));
    }
}
