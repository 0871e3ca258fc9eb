//! A minimum filter of one-way differences (NTP's clock filter, RFC 5905 section 10): queueing only ever
//! adds, so the smallest values tell the clocks apart.

/// Nanoseconds of the local clock that one slot of the window covers.
pub(super) const SLOT_NANOS: u64 = 1_000_000_000;
/// Slots in the window: with one second each, about a minute, in which a cheap crystal's skew is constant to
/// 1 ppm.
const SLOTS: usize = 64;
/// Fewest filled slots that give a slope; below, the noise of single points rules it.
const SLOPE_SLOTS: usize = 8;
/// A crystal is within 200 ppm in any weather and the kernel slews by at most 500 ppm; more is a fault or a
/// lie.
pub(super) const MAX_SKEW: f64 = 500e-6;

/// One difference of the two clocks, and when it was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    /// The local clock, in nanoseconds.
    at: u64,
    /// One clock minus the other, in nanoseconds, with the one-way delay in it.
    difference: i64,
}

impl Point {
    /// The difference, moved along the slope to `now`.
    fn drifted(self, now: u64, slope: f64) -> i64 {
        let passed = now.wrapping_sub(self.at).cast_signed();
        // A cast from f64 saturates.
        self.difference.saturating_add((passed as f64 * slope) as i64)
    }
}

/// The slope of the smallest differences, in seconds a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Skew {
    pub(super) rate: f64,
    /// One standard error of it, estimated from the residuals.
    pub(super) error: f64,
}

/// The smallest difference of each second of the last minute, for one direction of the path.
#[derive(Clone, Debug)]
pub(super) struct MinFilter {
    /// Those of more than [`SLOTS`] seconds ago are of no use.
    slots: [Option<Point>; SLOTS],
    /// The number of the newest slot: local time over [`SLOT_NANOS`].
    newest: u64,
}

impl Default for MinFilter {
    fn default() -> Self {
        let slots = [None; SLOTS];
        MinFilter { slots, newest: 0 }
    }
}

impl MinFilter {
    /// Takes one difference; `slope` is what is known of its drift. False if it is older than the window.
    pub(super) fn insert(&mut self, at: u64, difference: i64, slope: f64) -> bool {
        let number = at / SLOT_NANOS;
        self.newest = self.newest.max(number);
        if self.newest - number >= SLOTS as u64 {
            return false;
        }
        let point = Point { at, difference };
        let best = &mut self.slots[(number % SLOTS as u64) as usize];
        let is_better =
            |old: Point| old.at / SLOT_NANOS != number || point.drifted(old.at, slope) < old.difference;
        if best.is_none_or(is_better) {
            *best = Some(point);
        }
        true
    }

    /// The smallest difference as it would be seen at `now`, where an old point must be better by `wander`
    /// for each second of its age.
    pub(super) fn lowest(&self, now: u64, slope: f64, wander: f64) -> Option<Lowest> {
        self.points()
            .map(|point| Lowest {
                difference: point.drifted(now, slope),
                margin: (now.abs_diff(point.at) as f64 * wander) as i64,
            })
            .min_by_key(|lowest| lowest.difference.saturating_add(lowest.margin))
    }

    /// The slope of the straight line that lies below all points and nearest to them.
    ///
    /// The total distance is a convex function of the slope, so narrowing an interval finds its minimum (the
    /// linear programme of Moon, Skelly and Towsley, "Estimation and removal of clock skew from network delay
    /// measurements", 1999). None with too few points, or at the bound.
    pub(super) fn slope(&self) -> Option<Skew> {
        let first = self.points().min_by_key(|p| p.at)?;
        let span = self.points().map(|p| p.at - first.at).max()?;
        let count = self.points().count();
        if count < SLOPE_SLOTS || span < SLOPE_SLOTS as u64 * SLOT_NANOS / 2 {
            return None;
        }
        let mean_distance = |slope: f64| {
            let height = |point: Point| {
                let rise = point.difference.saturating_sub(first.difference);
                rise as f64 - slope * (point.at - first.at) as f64
            };
            let lowest = self.points().map(height).fold(f64::INFINITY, f64::min);
            self.points().map(height).sum::<f64>() / count as f64 - lowest
        };
        let (mut low, mut high) = (-MAX_SKEW, MAX_SKEW);
        // Each round leaves two thirds: 1000 ppm shrink below 0.001 ppm.
        for _ in 0..36 {
            let third = (high - low) / 3.0;
            if mean_distance(low + third) < mean_distance(high - third) {
                high -= third;
            } else {
                low += third;
            }
        }
        let rate = f64::midpoint(low, high);
        // The lowest of half of the points rules each end of the line, so the error shrinks with their
        // number.
        let error = (mean_distance(rate) + 1_000.0) / (span as f64 * count as f64 / 4.0);
        (rate.abs() <= MAX_SKEW * 0.999).then_some(Skew { rate, error })
    }

    fn points(&self) -> impl Iterator<Item = Point> + '_ {
        let points = self.slots.iter().flatten().copied();
        points.filter(|point| self.newest - point.at / SLOT_NANOS < SLOTS as u64)
    }
}

/// The smallest difference, carried to the present; in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lowest {
    pub(super) difference: i64,
    /// Error by wander since it was seen.
    pub(super) margin: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_floor_not_of_the_crowd() {
        let mut filter = MinFilter::default();
        for i in 0..6_000_u64 {
            let at = i * 10_000_000;
            // Queueing that grows over the minute would tilt a line of best fit.
            let queueing = (i * 7919) % 1_000 * i;
            filter.insert(at, (at as f64 * 50e-6) as i64 + queueing as i64, 0.0);
        }
        let slope = filter.slope().unwrap();
        assert!((slope.rate - 50e-6).abs() < 1e-6, "{slope:?}");
    }

    #[test]
    fn the_window_forgets_what_is_older_than_a_minute() {
        let mut filter = MinFilter::default();
        filter.insert(SLOT_NANOS, -500, 0.0);
        filter.insert(30 * SLOT_NANOS, 10, 0.0);
        assert_eq!(filter.lowest(30 * SLOT_NANOS, 0.0, 0.0).unwrap().difference, -500);
        filter.insert(70 * SLOT_NANOS, 20, 0.0);
        assert_eq!(filter.lowest(70 * SLOT_NANOS, 0.0, 0.0).unwrap().difference, 10);
        assert!(!filter.insert(2 * SLOT_NANOS, -900, 0.0));
    }

    #[test]
    fn a_jump_to_the_end_of_time_leaves_one_point() {
        let mut filter = MinFilter::default();
        filter.insert(5, 1, 0.0);
        filter.insert(u64::MAX, i64::MIN, -MAX_SKEW);
        filter.insert(u64::MAX, i64::MAX, MAX_SKEW);
        assert_eq!(filter.points().count(), 1);
        assert_eq!(filter.slope(), None);
    }
}
