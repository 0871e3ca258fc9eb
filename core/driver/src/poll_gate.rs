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
pub(super) struct PollGate {
    /// As [`LocalTime`]; 0 for open.
    closed_until: AtomicU64,
    event_loop: AtomicU32,
    accesses: AtomicU32,
}

impl PollGate {
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

    /// The looks of the event loop and the accesses since the last call; call it with the lock.
    pub(super) fn take(&self) -> Option<(u32, u32)> {
        let counts = [&self.event_loop, &self.accesses];
        // A plain look first: nearly always there is none.
        let is_any = counts.iter().any(|count| count.load(Ordering::Relaxed) > 0);
        is_any.then(|| counts.map(|count| count.swap(0, Ordering::Relaxed)).into())
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
        let gate = PollGate::default();
        assert!(!gate.skip(Look::EventLoop), "open at first");
        gate.close_until(CLOSED);
        assert!(gate.skip(Look::EventLoop) && gate.skip(Look::Access) && gate.skip(Look::EventLoop));
        assert_eq!((gate.take(), gate.take()), (Some((2, 1)), None));
    }

    #[test]
    fn a_gate_opens_at_its_moment() {
        let gate = PollGate::default();
        gate.close_until(time::now().after(Duration::from_secs(3600)));
        assert!(gate.skip(Look::EventLoop));
        gate.close_until(LocalTime(time::now().0 - 1));
        assert!(!gate.skip(Look::EventLoop));
    }
}
