//! The system's clocks.

use gamelink_core::time::LocalTime;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A kernel stamp older than this is not believed: the wall clock was set meanwhile.
const OLDEST_STAMP: Duration = Duration::from_secs(30);

/// Marks that a moment has room for in its last digits: it is told to so many nanoseconds.
pub(super) const MARKS: u64 = 16;

/// The monotonic clock, the same for all processes of this machine; its mark is 0.
pub(super) fn now() -> LocalTime {
    marked(LocalTime::default().after(read(ClockId::CLOCK_MONOTONIC)), 0)
}

/// This moment with this mark, by which its owner knows it again.
pub(super) fn marked(LocalTime(moment): LocalTime, mark: u64) -> LocalTime {
    LocalTime(moment - moment % MARKS + mark % MARKS)
}

/// Mark of a moment.
pub(super) fn mark(LocalTime(moment): LocalTime) -> u64 {
    moment % MARKS
}

/// When a datagram arrived, on the monotonic clock, from the kernel's wall-clock stamp.
pub(super) fn received_at(stamp: Option<TimeSpec>) -> LocalTime {
    let now = read(ClockId::CLOCK_MONOTONIC);
    let wall = || read(ClockId::CLOCK_REALTIME);
    arrival(now, stamp.map(|stamp| (stamp.into(), wall())))
}

/// The same at a moment of the monotonic clock, from the stamp and the wall clock, where there is a stamp.
/// One that the wall clock was set since, by whatever, moves arrival to now, or back by the limit at most:
/// then the clock sample of this datagram is lost.
fn arrival(now: Duration, stamp: Option<(Duration, Duration)>) -> LocalTime {
    let age = stamp.map(|(stamp, wall)| wall.saturating_sub(stamp));
    let age = age.filter(|age| *age <= OLDEST_STAMP).unwrap_or_default();
    LocalTime::default().after(now.saturating_sub(age))
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_core::clock::{ClockSync, Sample};
    use gamelink_core::time::PeerTime;

    const HOUR: i64 = 3_600_000_000_000;
    /// Offsets of the peer's clock and of this machine's wall clock from its monotonic clock.
    const PEER_AHEAD: u64 = 77_000_000_000;
    const WALL_AHEAD: u64 = 1_700_000_000_000_000_000;
    /// One way, and from the arrival of a datagram to its reading; in nanoseconds.
    const WAY: u64 = 3_000_000;
    const READ_AFTER: u64 = 200_000;

    /// Plays for two minutes, in the middle of which the wall clock is set by so much: between the arrival of
    /// a datagram and its reading.
    fn play(step: i64) -> ClockSync {
        let mut clock = ClockSync::default();
        for n in 0..7_200 {
            let arrived = 1_000_000_000_000 + n * 16_742_706;
            let set = |at: u64| (WALL_AHEAD + at).saturating_add_signed(if n >= 3_600 { step } else { 0 });
            let stamp = if n == 3_600 {
                WALL_AHEAD + arrived
            } else {
                set(arrived)
            };
            let now = arrived + READ_AFTER;
            let moment = Duration::from_nanos;
            let received = arrival(moment(now), Some((moment(stamp), moment(set(now)))));
            assert!(received <= LocalTime(now) && received.after(OLDEST_STAMP) >= LocalTime(now));
            if n != 3_600 {
                assert_eq!(received, LocalTime(arrived), "step {step}");
            }
            clock.handle_sample(Sample {
                sent: LocalTime(arrived - 2 * WAY - 1_000_000),
                peer_sent: PeerTime(arrived - WAY + PEER_AHEAD),
                held: Duration::from_millis(1),
                received,
            });
        }
        clock
    }

    #[test]
    fn a_wall_clock_that_is_set_in_mid_play_loses_a_sample_at_the_most() {
        for step in [
            0,
            1_000_000,
            50_000_000,
            8_000_000_000,
            29_000_000_000,
            31_000_000_000,
            HOUR,
            12 * HOUR,
            20 * 365 * 24 * HOUR,
        ] {
            for step in [step, -step] {
                let clock = play(step);
                assert_eq!(clock.steps(), 0, "step {step}");
                assert!(clock.rejected() <= 1, "step {step}");
                let offset = clock.offset().unwrap().0;
                // A step of less than a round trip cannot be told from a quicker path.
                let limit = if step.unsigned_abs() < 2 * WAY {
                    WAY
                } else {
                    50_000
                };
                let wrong = offset.abs_diff(PEER_AHEAD.cast_signed());
                assert!(wrong < limit, "step {step}: {wrong}");
                assert!(clock.jitter() < Duration::from_millis(1), "step {step}");
            }
        }
    }

    #[test]
    fn a_datagram_without_a_stamp_arrives_when_it_is_read() {
        assert_eq!(arrival(Duration::from_secs(5), None), LocalTime(5_000_000_000));
    }
}
