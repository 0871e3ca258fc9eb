//! Times our own work inside `retro_run`.

use std::sync::OnceLock;
use std::time::Duration;

/// Runs from its start.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch {
    start: u64,
}

static CLOCK: OnceLock<quanta::Clock> = OnceLock::new();

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Stopwatch {
        Stopwatch {
            start: CLOCK.get_or_init(quanta::Clock::new).raw(),
        }
    }

    /// The time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        let clock = CLOCK.get_or_init(quanta::Clock::new);
        clock.delta(self.start, clock.raw())
    }
}
