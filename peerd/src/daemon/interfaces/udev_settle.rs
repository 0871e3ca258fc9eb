//! New interfaces that udev has not renamed yet: they wait for it, within a limit.

use crate::identity::IfIndex;
use crate::sys::udev::Progress;
use gamelink_core::time::LocalTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// Wait for an idle udev, which has failed or was stopped.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Wait for a busy udev. It takes some 50 ms, many times that on a small machine under load.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Poll interval. The rename itself is reported, but udev writes its entry only after that.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Interfaces that wait for udev, since when.
#[derive(Debug, Default)]
pub(super) struct UdevSettle {
    waiting: BTreeMap<IfIndex, LocalTime>,
    look: Option<LocalTime>,
}

impl UdevSettle {
    /// True if an interface must still wait.
    pub(super) fn must_wait(&mut self, now: LocalTime, index: IfIndex, udev: Progress) -> bool {
        let since = *self.waiting.entry(index).or_insert(now);
        let patience = match udev {
            Progress::Done => Duration::ZERO,
            Progress::Idle => IDLE_TIMEOUT,
            Progress::Busy => BUSY_TIMEOUT,
        };
        let must_wait = now.since(since) < patience;
        if must_wait {
            self.look = Some(now.after(POLL_INTERVAL));
        }
        must_wait
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Forgets an interface that is served or gone.
    pub(super) fn forget(&mut self, index: IfIndex) {
        self.waiting.remove(&index);
    }

    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        self.look
    }

    /// Interfaces to look at again, when due.
    pub(super) fn due(&mut self, now: LocalTime) -> Vec<IfIndex> {
        if self.look.is_none_or(|at| now < at) {
            return vec![];
        }
        self.look = None;
        self.waiting.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: LocalTime = LocalTime(5_000_000_000);

    #[test]
    fn an_interface_is_looked_at_until_udev_is_done() {
        let mut udev_settle = UdevSettle::default();
        assert!(udev_settle.must_wait(START, IfIndex(3), Progress::Idle));
        assert!(udev_settle.due(START).is_empty());
        let later = START.after(POLL_INTERVAL);
        assert_eq!(udev_settle.poll_timeout(), Some(later));
        assert_eq!(udev_settle.due(later), [IfIndex(3)]);
        assert!(!udev_settle.must_wait(later, IfIndex(3), Progress::Done));
        udev_settle.forget(IfIndex(3));
        assert_eq!(udev_settle.poll_timeout(), None);
        assert!(udev_settle.is_empty());
    }

    #[test]
    fn a_udev_that_does_nothing_is_waited_for_a_second_and_once() {
        let mut udev_settle = UdevSettle::default();
        assert!(udev_settle.must_wait(START, IfIndex(3), Progress::Idle));
        let end = START.after(IDLE_TIMEOUT);
        assert_eq!(udev_settle.due(end), [IfIndex(3)]);
        assert!(!udev_settle.must_wait(end, IfIndex(3), Progress::Idle));
        assert!(!udev_settle.must_wait(end.after(POLL_INTERVAL), IfIndex(3), Progress::Idle));
        assert_eq!(udev_settle.poll_timeout(), None);
    }

    #[test]
    fn a_udev_under_load_is_given_more_time_but_not_for_ever() {
        let mut udev_settle = UdevSettle::default();
        assert!(udev_settle.must_wait(START, IfIndex(3), Progress::Busy));
        assert!(udev_settle.must_wait(START.after(IDLE_TIMEOUT * 2), IfIndex(3), Progress::Busy));
        assert!(!udev_settle.must_wait(START.after(BUSY_TIMEOUT), IfIndex(3), Progress::Busy));
    }
}
