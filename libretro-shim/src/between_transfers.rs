//! The newest state that was taken while no transfer was in flight.
//!
//! A stock state taken inside a transfer garbles the byte under way. So while linked one is kept from every
//! safe frame boundary, for a frontend that asks at an unsafe one.

/// Two buffers: the newest complete state, and the one being written.
#[derive(Debug, Default)]
pub(crate) struct SafeState {
    newest: Vec<u8>,
    spare: Vec<u8>,
    is_filled: bool,
}

impl SafeState {
    /// Allocates room for states of `size` bytes, for good.
    pub(crate) fn new(size: usize) -> SafeState {
        SafeState {
            newest: vec![0; size],
            spare: vec![0; size],
            is_filled: false,
        }
    }

    /// Takes another state with `save`, which returns true for a complete one.
    pub(crate) fn take(&mut self, save: impl FnOnce(&mut [u8]) -> bool) {
        if save(&mut self.spare) {
            std::mem::swap(&mut self.newest, &mut self.spare);
            self.is_filled = true;
        }
    }

    /// Writes the newest state to `out`; false where there is none of that size.
    pub(crate) fn copy_to(&self, out: &mut [u8]) -> bool {
        let fits = self.is_filled && out.len() == self.newest.len();
        fits.then(|| out.copy_from_slice(&self.newest)).is_some()
    }

    /// Forgets the state, after a reset or a load.
    pub(crate) fn clear(&mut self) {
        self.is_filled = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(safe_state: &mut SafeState, byte: u8, is_complete: bool) {
        safe_state.take(|state| {
            state.fill(byte);
            is_complete
        });
    }

    #[test]
    fn the_newest_complete_state_is_given() {
        let mut safe_state = SafeState::new(2);
        let mut out = [0; 2];
        assert!(!safe_state.copy_to(&mut out));
        fill(&mut safe_state, 1, true);
        fill(&mut safe_state, 2, true);
        fill(&mut safe_state, 3, false);
        assert!(safe_state.copy_to(&mut out));
        assert_eq!(out, [2, 2]);
    }

    #[test]
    fn a_wrong_size_or_a_cleared_state_is_not_given() {
        let mut safe_state = SafeState::new(2);
        fill(&mut safe_state, 1, true);
        assert!(!safe_state.copy_to(&mut [0; 3]));
        safe_state.clear();
        assert!(!safe_state.copy_to(&mut [0; 2]));
    }
}
