//! The system's clocks.

use gamelink_core::time::LocalTime;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A kernel stamp older than this is not believed: the wall clock was set meanwhile.
const OLDEST_STAMP: Duration = Duration::from_secs(30);

/// The monotonic clock, the same for all processes of this machine.
pub(super) fn now() -> LocalTime {
    LocalTime::default().after(read(ClockId::CLOCK_MONOTONIC))
}

/// When a datagram arrived, on the monotonic clock, from the kernel's wall-clock stamp.
pub(super) fn received_at(stamp: Option<TimeSpec>) -> LocalTime {
    let now = read(ClockId::CLOCK_MONOTONIC);
    let age = stamp.map(|stamp| read(ClockId::CLOCK_REALTIME).saturating_sub(stamp.into()));
    let age = age.filter(|age| *age <= OLDEST_STAMP).unwrap_or_default();
    LocalTime::default().after(now.saturating_sub(age))
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}
