//! Proof that FF01 and FF02 are where the core's memory map says: what a state puts there must be seen there.
//!
//! FF02 tells that the game is armed, that a transfer is in flight, and so when a state may be saved: all of
//! that would go wrong unseen if another byte were read as FF02. So it is proved once a game, before the
//! cable is in use.

use crate::ffi::{Core, REGISTERS};
use crate::mid_transfer::Layout;
use gamelink_core::serial::SerialControl;

/// Pairs of FF01 and FF02 that no other two bytes will show one after the other. No transfer is enabled in
/// them.
const SHOWN: [(u8, SerialControl); 2] = [(0x5A, SerialControl(0x7E)), (0xA5, SerialControl(0x7F))];

/// Result of the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The two are there; the layout of this core's states.
    Given(Layout),
    /// The layout of this core's states is not known.
    None,
    /// Something else is there.
    Refuted,
}

/// Tests a core that has just loaded its game, and leaves it as it was.
pub(crate) fn registers(core: &Core, size: usize) -> Proof {
    if REGISTERS.serial_control().is_none() {
        return Proof::Refuted;
    }
    let mut state = vec![0; size];
    if size == 0 || !core.serialize(&mut state) {
        return Proof::None;
    }
    let look = || Some((REGISTERS.serial_byte()?, REGISTERS.serial_control()?));
    prove(&state, |state| core.unserialize(state), look)
}

fn prove(
    state: &[u8],
    load: impl Fn(&[u8]) -> bool,
    look: impl Fn() -> Option<(u8, SerialControl)>,
) -> Proof {
    let Some(layout) = Layout::find(state) else {
        return Proof::None;
    };
    let mut changed = state.to_vec();
    let mut shown = SHOWN.into_iter().map(|(byte, control)| {
        layout.show(&mut changed, byte, control.0);
        match load(&changed) {
            true if look() == Some((byte, control)) => Proof::Given(layout),
            true => Proof::Refuted,
            false => Proof::None,
        }
    });
    let failure = shown.find(|proof| *proof != Proof::Given(layout));
    match load(state) {
        true => failure.unwrap_or(Proof::Given(layout)),
        false => Proof::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mid_transfer::tests::state;
    use std::cell::RefCell;

    const PLACE: usize = 2;

    fn layout() -> Layout {
        Layout::find(&state(10_000, u32::MAX, None)).unwrap()
    }

    /// A core whose loaded state is its memory; `place` is where FF02 is looked for, counted from where it
    /// is.
    fn prove_at(place: usize, is_taken: bool) -> (Proof, bool) {
        let first = state(10_000, u32::MAX, None);
        let control = layout().control();
        let loaded = RefCell::new(first.clone());
        let proof = prove(
            &first,
            |state| {
                loaded.borrow_mut().copy_from_slice(state);
                is_taken
            },
            || {
                let loaded = loaded.borrow();
                let at = control + place - PLACE;
                Some((loaded[at - 1], SerialControl(loaded[at])))
            },
        );
        (proof, *loaded.borrow() == first)
    }

    #[test]
    fn what_a_state_puts_into_the_registers_is_seen_there_or_nothing_is_believed() {
        assert_eq!(prove_at(PLACE, true), (Proof::Given(layout()), true));
        for elsewhere in [0, 1, 3, 4] {
            assert_eq!(prove_at(elsewhere, true), (Proof::Refuted, true), "{elsewhere}");
        }
        assert_eq!(prove_at(PLACE, false), (Proof::None, true));
        assert_eq!(prove(&[1; 100], |_| true, || None), Proof::None);
        let known = state(10_000, u32::MAX, None);
        assert_eq!(prove(&known, |_| true, || None), Proof::Refuted);
    }
}
