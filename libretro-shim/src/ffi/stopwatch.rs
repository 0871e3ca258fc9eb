//! Times our own work inside `retro_run`.

use std::time::Duration;

/// Runs from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(quanta::Instant);

impl Stopwatch {
    /// Calibrates the clock, once: up to a fifth of a second on machines whose counter tells no rate, which
    /// no frame should pay. Called where a game is loaded.
    pub(crate) fn calibrate() {
        quanta::Instant::now();
    }

    /// Starts now.
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(quanta::Instant::now())
    }

    /// The time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The processor time that this thread has used, where the system counts it.
pub(crate) fn processor_time() -> Option<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a clock that every Linux has, and a place for its answer.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let (seconds, nanos) = (
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    );
    (result == 0).then(|| Duration::new(seconds, nanos))
}
