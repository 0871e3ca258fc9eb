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
    fn moments_saturate() {
        assert_eq!(LocalTime(5).since(LocalTime(7)), Duration::ZERO);
        assert_eq!(LocalTime(u64::MAX).after(Duration::MAX), LocalTime(u64::MAX));
    }
}
