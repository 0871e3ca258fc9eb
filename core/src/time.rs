//! Points in time and spans, typed so that two machines' clocks cannot be mixed up.

use std::time::Duration;

/// A moment on this machine's monotonic clock, in nanoseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LocalTime(pub u64);

/// A moment on the peer's monotonic clock, in nanoseconds since the peer's own arbitrary start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PeerTime(pub u64);

/// A signed difference of two moments, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub i64);

impl LocalTime {
    /// The moment `later` after this one; saturates at the end of time.
    #[must_use]
    pub fn after(self, later: Duration) -> LocalTime {
        let nanos = u64::try_from(later.as_nanos()).unwrap_or(u64::MAX);
        LocalTime(self.0.saturating_add(nanos))
    }

    /// Time since `earlier`, zero if that is still to come.
    #[must_use]
    pub fn since(self, earlier: LocalTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A count of the Game Boy's clock periods: 4 194 304 a second, whatever the CPU speed (Pan Docs,
/// Specifications).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TCycles(pub u64);

impl TCycles {
    /// T-cycles a second.
    pub const RATE_HZ: u64 = 4_194_304;
    /// T-cycles of one video frame: 154 lines of 456.
    pub const FRAME: TCycles = TCycles(70_224);

    /// Duration of so many cycles on a Game Boy that runs at its nominal rate.
    #[must_use]
    pub fn nominal_duration(self) -> Duration {
        let nanos = u128::from(self.0) * 1_000_000_000 / u128::from(Self::RATE_HZ);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A place inside an emulated frame: whole chunks since the frame began, 0 to [`Chunk::LAST`].
///
/// The stock core emulates a frame in chunks of 2064 sound samples (`libretro.cpp`, `retro_run`), and its own
/// clock, the count of these samples, moves when one is over: nothing finer can be seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Chunk(u8);

impl Chunk {
    /// T-cycles in one: two a sample, in CGB double speed as well.
    pub const LENGTH: TCycles = TCycles(4128);
    /// Whole chunks of a frame.
    pub const PER_FRAME: u8 = 17;
    /// The last one, a sliver: 70 224 T-cycles are 17 chunks and 48.
    pub const LAST: Chunk = Chunk(Self::PER_FRAME);

    /// The place so many whole chunks after the frame began; a longer frame, as the first one after the
    /// display was switched on, ends in its last chunk.
    #[must_use]
    pub fn new(chunks: u8) -> Chunk {
        Chunk(chunks).min(Self::LAST)
    }

    /// The chunk that runs so many T-cycles after the frame began, to the nearest start of one: replays of
    /// the same frame differ by some samples.
    #[must_use]
    pub fn at(since: TCycles) -> Chunk {
        let chunks = (since.0 + Self::LENGTH.0 / 2) / Self::LENGTH.0;
        Chunk::new(u8::try_from(chunks).unwrap_or(u8::MAX))
    }

    /// T-cycles from the frame's begin to that of the chunk.
    #[must_use]
    pub fn begin(self) -> u32 {
        u32::from(self.0) * Self::LENGTH.0 as u32
    }

    /// Whole chunks since the frame began.
    #[must_use]
    pub fn raw(self) -> u8 {
        self.0
    }
}

/// A part of a chunk, 0 to 131: where one begins that is entered late, its last instruction ends beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part(u8);

impl Part {
    /// T-cycles in one.
    pub const LENGTH: TCycles = TCycles(32);
    /// Parts of a chunk.
    pub const PER_CHUNK: u8 = 129;
    const LAST: u8 = Part::PER_CHUNK + 2;

    /// The part of this number, if there is such a one.
    #[must_use]
    pub fn new(number: u8) -> Option<Part> {
        (number <= Part::LAST).then_some(Part(number))
    }

    /// The part that runs so many T-cycles after its chunk began, if that is not over by then.
    #[must_use]
    pub fn at(since: TCycles) -> Option<Part> {
        u8::try_from(since.0 / Self::LENGTH.0).ok().and_then(Part::new)
    }

    /// Its number in its chunk.
    #[must_use]
    pub fn raw(self) -> u8 {
        self.0
    }
}

/// A moment inside an emulated frame, as fine as the core tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FrameTime {
    /// The chunk that runs.
    pub chunk: Chunk,
    /// The part of it, where that is known.
    pub part: Option<Part>,
}

impl FrameTime {
    /// A moment that is known to a chunk.
    #[must_use]
    pub fn of_chunk(chunk: Chunk) -> FrameTime {
        FrameTime { chunk, part: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_lasts_a_59_7275th_of_a_second() {
        assert_eq!(
            TCycles::FRAME.nominal_duration(),
            Duration::from_nanos(16_742_706)
        );
    }

    #[test]
    fn a_frame_has_seventeen_chunks_and_a_sliver() {
        let at = |cycles| Chunk::at(TCycles(cycles)).raw();
        assert_eq!([at(0), at(40), at(4128), at(4140)], [0, 0, 1, 1]);
        assert_eq!((at(70_176), at(70_223), at(u64::MAX / 2)), (17, 17, 17));
    }

    #[test]
    fn a_chunk_has_129_parts_and_some_that_go_beyond_it() {
        let at = |cycles| Part::at(TCycles(cycles)).map(Part::raw);
        assert_eq!(
            [at(0), at(31), at(32), at(4127)],
            [Some(0), Some(0), Some(1), Some(128)]
        );
        assert_eq!((at(4128 + 64), at(4300), at(u64::MAX)), (Some(131), None, None));
        let length = u64::from(Part::PER_CHUNK) * Part::LENGTH.0;
        assert_eq!(length, Chunk::LENGTH.0);
    }

    #[test]
    fn moments_saturate() {
        assert_eq!(LocalTime(5).since(LocalTime(7)), Duration::ZERO);
        assert_eq!(LocalTime(u64::MAX).after(Duration::MAX), LocalTime(u64::MAX));
    }
}
