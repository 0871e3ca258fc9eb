//! The system's clocks.

use gamelink_core::time::LocalTime;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A kernel stamp older than this is not believed: the wall clock was set meanwhile.
const OLDEST_STAMP: Duration = Duration::from_secs(30);

/// The monotonic clock, the same for all processes of this machine.
pub(super) fn now() -> LocalTime {
    LocalTime(nanos(ClockId::CLOCK_MONOTONIC))
}

/// When a datagram arrived, on the monotonic clock, from the kernel's wall-clock stamp.
pub(super) fn received_at(stamp: Option<TimeSpec>) -> LocalTime {
    let now = now();
    let Some(stamp) = stamp else { return now };
    let age = nanos(ClockId::CLOCK_REALTIME).saturating_sub(timespec_nanos(stamp));
    if u128::from(age) > OLDEST_STAMP.as_nanos() {
        return now;
    }
    LocalTime(now.0.saturating_sub(age))
}

fn nanos(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, timespec_nanos)
}

fn timespec_nanos(time: TimeSpec) -> u64 {
    u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX)
}
