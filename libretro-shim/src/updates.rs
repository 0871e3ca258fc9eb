//! When the stock core is told that an option changed.
//!
//! At such word the stock core reads all its options again and, whatever changed, closes its link socket and opens a new one
//! (`libretro.cpp, check_variables`; `net_serial.cpp, NetSerial::start`). So the word is held back while a transfer is in flight,
//! and changes that do not concern the core never reach it.

/// Changes that the core has not been told of yet.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    is_pending: bool,
    is_rereading: bool,
}

impl Updates {
    /// Takes that an option of the core's own has another value now.
    pub(crate) fn handle_change(&mut self) {
        self.is_pending = true;
    }

    /// What to answer when the core asks whether an option changed; `is_safe` where no transfer is in flight.
    pub(crate) fn poll_update(&mut self, is_safe: bool) -> bool {
        let tell = self.is_pending && is_safe;
        if tell {
            self.is_pending = false;
            self.is_rereading = true;
        }
        tell
    }

    /// Whether the core was told in the frame that just ended, so has a new socket; true once.
    pub(crate) fn poll_reconnected(&mut self) -> bool {
        std::mem::take(&mut self.is_rereading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_waits_for_the_end_of_the_transfer() {
        let mut updates = Updates::default();
        updates.handle_change();
        assert!(!updates.poll_update(false));
        assert!(!updates.poll_reconnected());
        assert!(updates.poll_update(true));
        assert!(updates.poll_reconnected());
    }

    #[test]
    fn changes_that_wait_together_are_one_word() {
        let mut updates = Updates::default();
        updates.handle_change();
        updates.handle_change();
        assert!(updates.poll_update(true));
        assert!(!updates.poll_update(true));
        assert!(updates.poll_reconnected());
        assert!(!updates.poll_reconnected());
    }
}
