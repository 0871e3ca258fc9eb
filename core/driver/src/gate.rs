//! The gate before the lock: a look of the core that cannot find a byte ends here, thousands of times a
//! second.
//!
//! Whoever gives the lock back says until when a look finds nothing. Looks that ended here are counted,
//! because a byte is taken again at the same look when its frame is replayed; the next owner of the lock
//! takes them over.

use super::time;
use gamelink_core::serial::Look;
use gamelink_core::time::LocalTime;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// End of time: a look finds nothing until somebody says otherwise.
pub(super) const CLOSED: LocalTime = LocalTime(u64::MAX);

/// A gate that opens by itself at one moment, or by the next owner of the lock.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// As [`LocalTime`]; 0 for open.
    closed_until: AtomicU64,
    event_loop: AtomicU32,
    accesses: AtomicU32,
}

/// Looks that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Looks of the core's event loop.
    pub(super) event_loop: u32,
    /// Looks inside the game's own accesses.
    pub(super) accesses: u32,
}

impl Gate {
    /// True where this look cannot find a byte; then it has been counted.
    pub(super) fn skip(&self, look: Look) -> bool {
        // What the owner of the lock has done before it closed the gate is seen by whoever finds it closed.
        let closed_until = LocalTime(self.closed_until.load(Ordering::Acquire));
        let is_closed = closed_until == CLOSED || (closed_until.0 != 0 && time::now() < closed_until);
        if is_closed {
            match look {
                Look::EventLoop => self.event_loop.fetch_add(1, Ordering::Relaxed),
                Look::Access => self.accesses.fetch_add(1, Ordering::Relaxed),
            };
        }
        is_closed
    }

    /// The looks since the last call; call it with the lock.
    pub(super) fn take(&self) -> Option<Skipped> {
        // A plain look first: nearly always there is none.
        if self.event_loop.load(Ordering::Relaxed) + self.accesses.load(Ordering::Relaxed) == 0 {
            return None;
        }
        Some(Skipped {
            event_loop: self.event_loop.swap(0, Ordering::Relaxed),
            accesses: self.accesses.swap(0, Ordering::Relaxed),
        })
    }

    /// Says until when a look finds nothing; call it with the lock.
    pub(super) fn close_until(&self, moment: LocalTime) {
        self.closed_until.store(moment.0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn looks_at_a_closed_gate_are_counted_once() {
        let gate = Gate::default();
        assert!(!gate.skip(Look::EventLoop), "open at first");
        gate.close_until(CLOSED);
        assert!(gate.skip(Look::EventLoop) && gate.skip(Look::Access) && gate.skip(Look::EventLoop));
        let skipped = Skipped {
            event_loop: 2,
            accesses: 1,
        };
        assert_eq!((gate.take(), gate.take()), (Some(skipped), None));
    }

    #[test]
    fn a_gate_opens_at_its_moment() {
        let gate = Gate::default();
        gate.close_until(time::now().after(Duration::from_secs(3600)));
        assert!(gate.skip(Look::EventLoop));
        gate.close_until(LocalTime(time::now().0 - 1));
        assert!(!gate.skip(Look::EventLoop));
    }
}
