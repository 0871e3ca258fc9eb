//! The clocks.

use gamelink_core::time::LocalTime;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The monotonic clock, which stands still while the machine sleeps.
pub(crate) fn now() -> LocalTime {
    LocalTime(read(ClockId::CLOCK_MONOTONIC).as_nanos() as u64)
}

/// Time since the machine booted, with the time that it slept.
pub(crate) fn since_boot() -> Duration {
    read(ClockId::CLOCK_BOOTTIME)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}
