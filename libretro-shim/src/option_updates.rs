//! Option updates, held back from the stock core while a transfer is in flight.
//!
//! On an update the stock core reads all its options again and, whatever changed, closes its link socket and
//! opens a new one (`libretro.cpp, check_variables`; `net_serial.cpp, NetSerial::start`). Changes of our own
//! options never reach it.

use std::ffi::CString;

/// The core's own options, and the update that is due.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    /// Their values, as the frontend had them last.
    values: Option<Vec<Option<CString>>>,
    is_pending: bool,
    is_rereading: bool,
}

impl Updates {
    /// Compares the values that the core's own options have now.
    pub(crate) fn handle_values(&mut self, values: Vec<Option<CString>>) {
        let is_changed = self.values.as_ref().is_some_and(|before| *before != values);
        self.is_pending |= is_changed;
        self.values = Some(values);
    }

    /// Answers the core's question for an update; `is_safe` where no transfer is in flight.
    pub(crate) fn poll_update(&mut self, is_safe: bool) -> bool {
        let tell = self.is_pending && is_safe;
        self.is_pending &= !tell;
        self.is_rereading |= tell;
        tell
    }

    /// True once after an update: the core has a new socket.
    pub(crate) fn poll_reconnected(&mut self) -> bool {
        std::mem::take(&mut self.is_rereading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With these values in turn.
    fn updates(values: &[&str]) -> Updates {
        let mut updates = Updates::default();
        for value in values {
            updates.handle_values(vec![None, CString::new(*value).ok()]);
        }
        updates
    }

    #[test]
    fn only_another_value_is_a_change() {
        assert!(!updates(&[]).poll_update(true));
        assert!(!updates(&["on"]).poll_update(true), "the core has read it");
        assert!(!updates(&["on", "on"]).poll_update(true));
        assert!(updates(&["on", "off"]).poll_update(true));
    }

    #[test]
    fn a_change_waits_for_the_end_of_the_transfer() {
        let mut updates = updates(&["on", "off"]);
        assert!(!updates.poll_update(false));
        assert!(!updates.poll_reconnected());
        assert!(updates.poll_update(true));
        assert!(updates.poll_reconnected());
    }

    #[test]
    fn changes_that_wait_together_are_one_word() {
        let mut updates = updates(&["on", "off", "on"]);
        assert!(updates.poll_update(true));
        assert!(!updates.poll_update(true));
        assert!(updates.poll_reconnected());
        assert!(!updates.poll_reconnected());
    }
}
