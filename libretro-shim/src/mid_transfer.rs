//! Mid-transfer snapshots: states saved while a byte is being shifted in.
//!
//! A stock core that is saved inside a transfer shifts what is due of the byte into SB, but leaves the byte
//! itself as it was: when the game continues, the bits still to come are taken from the byte's top again, and
//! it arrives garbled (`gambatte-memory.cpp, Memory::updateSerial`). With `n` of eight bits to come, the byte
//! has to be shifted left by `8 - n`.
//!
//! Current builds keep that byte in the state, and there it is shifted. Older ones ("v0.5.0-netlink") do not:
//! after a load they continue with the byte that they were handed last. Such a core is handed the right one
//! first: with a state in which its game is armed, it takes a byte while it saves.
//!
//! A state is a list of fields: a name that ends with 0, the length in three bytes, big-endian, and the value
//! (`statesaver.cpp`). The fields needed here are located once; a core whose states differ is not saved
//! inside a transfer.

use crate::ffi::Core;
use crate::shared_blocks::SharedBlocks;
use gamelink_core::serial::{Shift, Speed};
use std::ops::Range;

/// Offset of the picture's length, in three bytes, behind two bytes of version.
const PICTURE_LENGTH: usize = 2;
/// Offset of FF02 in a field of 512 bytes that begins at FE00 in effect.
const CONTROL_PLACE: usize = 0x102;
/// A moment that never comes (`counterdef.h, disabled_time`).
const NEVER: u32 = u32::MAX;

/// Offsets of the fields of a transfer under way; the same in all states of one game in one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Present time, in clock cycles, four bytes.
    now: usize,
    /// Time at which the transfer ends, four bytes.
    end: usize,
    /// FF02.
    control: usize,
    /// Byte being shifted in, in cores that save it.
    byte: Option<usize>,
}

impl Layout {
    /// Finds the fields in a state; `None` where it is no such list, or one of them is missing.
    pub(crate) fn find(state: &[u8]) -> Option<Layout> {
        let (mut now, mut end, mut registers, mut byte) = (None, None, None, None);
        let mut at = first_field(state)?;
        while at < state.len() {
            let (name, value) = field(state, at)?;
            match (name, value.len()) {
                (b"cc", 4) => now = Some(value.start),
                (b"serialt", 4) => end = Some(value.start),
                (b"hram", 512) => registers = Some(value.start),
                (b"netsv", 1) => byte = Some(value.start),
                _ => {}
            }
            at = value.end;
        }
        let (now, end, control) = (now?, end?, registers? + CONTROL_PLACE);
        (at == state.len()).then_some(Layout {
            now,
            end,
            control,
            byte,
        })
    }

    /// Repairs a state that was saved in this transfer; returns the byte that the core must be handed before
    /// it loads it.
    fn repair(&self, state: &mut [u8], shift: Shift) -> Option<Shift> {
        let bits = self.bits_to_come(state, shift.speed)?;
        let byte = shift.byte.checked_shl(8 - bits).unwrap_or(0);
        match self.byte.and_then(|place| state.get_mut(place)) {
            Some(kept) => {
                *kept = byte;
                None
            }
            None => Some(Shift { byte, ..shift }),
        }
    }

    /// Counts the bits still to be shifted in, at most 8; `None` where no transfer is under way.
    fn bits_to_come(&self, state: &[u8], speed: Speed) -> Option<u32> {
        let (now, end) = (number(state, self.now)?, number(state, self.end)?);
        // A bit takes 512 cycles, with the fast clock 16; one that has begun is still to come.
        let bit = if speed == Speed::Fast { 16 } else { 512 };
        let bits = end.checked_sub(now)?.div_ceil(bit);
        (end != NEVER && bits <= 8).then_some(bits)
    }

    /// Writes these values to FF01 and FF02 of a state, and ends its transfer.
    pub(crate) fn show(&self, state: &mut [u8], byte: u8, control: u8) {
        if let Some(registers) = state.get_mut(self.control - 1..=self.control) {
            registers.copy_from_slice(&[byte, control]);
        }
        if let Some(end) = state.get_mut(self.end..self.end + 4) {
            end.copy_from_slice(&NEVER.to_be_bytes());
        }
    }

    /// Arms the game of a state (SC bit 7 set, bit 0 clear; Pan Docs, Serial Data Transfer), and ends its
    /// transfer.
    fn listen(&self, state: &mut [u8]) {
        if let Some(&[byte, control]) = state.get(self.control - 1..=self.control) {
            self.show(state, byte, (control | 0x80) & !0x01);
        }
    }
}

/// Present time of a state, in clock cycles.
pub(crate) fn present_time(state: &[u8]) -> Option<u32> {
    let mut at = first_field(state)?;
    loop {
        let (name, value) = field(state, at)?;
        if name == b"cc" {
            return number(state, value.start);
        }
        at = value.end;
    }
}

/// Offset of a state's first field, behind the picture.
fn first_field(state: &[u8]) -> Option<usize> {
    Some(PICTURE_LENGTH + 3 + length(state, PICTURE_LENGTH)?)
}

/// Name of the field at this offset, and where its value is.
fn field(state: &[u8], at: usize) -> Option<(&[u8], Range<usize>)> {
    let name = state.get(at..)?.split(|byte| *byte == 0).next()?;
    let length_at = at + name.len() + 1;
    let value = length_at + 3;
    Some((name, value..value.checked_add(length(state, length_at)?)?))
}

fn length(state: &[u8], at: usize) -> Option<usize> {
    let [a, b, c] = state.get(at..)?.first_chunk()?.map(usize::from);
    Some(a << 16 | b << 8 | c)
}

fn number(state: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*state.get(at..)?.first_chunk()?))
}

/// State of the core, with what its loading takes; empty until one is saved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    state: SharedBlocks,
    /// Byte that the core must be handed first.
    handed: Option<Shift>,
}

impl Snapshot {
    /// Copies a state that was saved with no transfer under way to `out`; false for another size.
    pub(crate) fn copy_to(&self, out: &mut [u8]) -> bool {
        self.state.copy_to(out)
    }
}

/// Saves and loads snapshots of one core.
#[derive(Debug)]
pub(crate) struct Saver {
    /// `None` where the core cannot be saved in the middle of a transfer.
    layout: Option<Layout>,
    /// State on its way from or to the core.
    state: Vec<u8>,
    scratch: Vec<u8>,
    /// The state that was kept last.
    newest: SharedBlocks,
}

impl Saver {
    /// Prepares for a core with states of this layout and size, with no transfer under way, and leaves it as
    /// it was.
    pub(crate) fn new(core: &Core, layout: Layout, size: usize) -> Saver {
        let mut saver = Saver {
            layout: Some(layout),
            state: vec![0; size],
            scratch: vec![0; size],
            newest: SharedBlocks::default(),
        };
        if layout.byte.is_none() && core.serialize(&mut saver.state) {
            // Try it: does the core take a byte while it saves?
            let handed = Shift {
                byte: 0,
                speed: Speed::Normal,
            };
            if !saver.give(core, Some(handed)) {
                saver.layout = None;
                core.unserialize(&saver.state);
            }
        }
        saver
    }

    /// True where the core can be saved in the middle of a transfer.
    pub(crate) fn has_repairs(&self) -> bool {
        self.layout.is_some()
    }

    /// Saves the core between two frames, in the middle of this transfer or of none; false on failure.
    pub(crate) fn save(&mut self, core: &Core, snapshot: &mut Snapshot, shift: Option<Shift>) -> bool {
        if !core.serialize(&mut self.state) {
            return false;
        }
        snapshot.handed = None;
        if let Some(shift) = shift {
            let Some(layout) = self.layout else { return false };
            snapshot.handed = layout.repair(&mut self.state, shift);
        }
        snapshot.state.store(&self.state, &mut self.newest);
        // The core itself needs the repair, too: its next bits would be taken from the byte's top again.
        shift.is_none() || self.give(core, snapshot.handed)
    }

    /// Loads a snapshot; false where the core refuses it.
    pub(crate) fn load(&mut self, core: &Core, snapshot: &Snapshot) -> bool {
        snapshot.state.copy_to(&mut self.state) && self.give(core, snapshot.handed)
    }

    /// Gives the core the state that is on its way, after this byte; false where it refuses.
    fn give(&mut self, core: &Core, handed: Option<Shift>) -> bool {
        if let (Some(shift), Some(layout)) = (handed, self.layout) {
            self.scratch.copy_from_slice(&self.state);
            layout.listen(&mut self.scratch);
            if !core.unserialize(&self.scratch) || !core.hand_over(&mut self.scratch, shift) {
                return false;
            }
        }
        core.unserialize(&self.state)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    impl Layout {
        /// Offset of FF02.
        pub(crate) fn control(&self) -> usize {
            self.control
        }
    }

    fn field(state: &mut Vec<u8>, name: &str, value: &[u8]) {
        state.extend(name.as_bytes());
        state.push(0);
        state.extend(&u32::try_from(value.len()).unwrap().to_be_bytes()[1..]);
        state.extend(value);
    }

    /// A state as a core writes it, with the fields that matter and some others.
    pub(crate) fn state(now: u32, end: u32, byte: Option<u8>) -> Vec<u8> {
        let mut state = vec![0, 1, 0, 0, 5, 9, 9, 9, 9, 9];
        field(&mut state, "a", &[1]);
        field(&mut state, "cc", &now.to_be_bytes());
        let mut registers = [0; 512];
        registers[CONTROL_PLACE] = 0xFF;
        field(&mut state, "hram", &registers);
        if let Some(byte) = byte {
            field(&mut state, "netsfc", &[0]);
            field(&mut state, "netsv", &[byte]);
        }
        field(&mut state, "serialt", &end.to_be_bytes());
        field(&mut state, "vram", &[0; 300]);
        state
    }

    const SHIFT: Shift = Shift {
        byte: 0b1011_0110,
        speed: Speed::Normal,
    };

    #[test]
    fn the_present_time_of_a_state_is_found_and_nothing_in_a_damaged_one() {
        let whole = state(10_000, u32::MAX, Some(7));
        assert_eq!(present_time(&whole), Some(10_000));
        let length = (0..).find(|length| present_time(&whole[..*length]).is_some());
        assert_eq!(length, Some(2 + 3 + 5 + 6 + 3 + 3 + 4));
        for place in 0..whole.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut state = whole.clone();
                state[place] = value;
                let _ = present_time(&state);
            }
        }
        assert_eq!(present_time(&[0; 100]), None);
    }

    #[test]
    fn a_byte_that_the_state_holds_is_shifted_there_by_what_has_arrived() {
        // Three bits to come: the third has begun.
        let mut bytes = state(10_000, 10_000 + 2 * 512 + 1, Some(SHIFT.byte));
        let layout = Layout::find(&bytes).unwrap();
        assert_eq!(layout.repair(&mut bytes, SHIFT), None);
        assert_eq!(bytes[layout.byte.unwrap()], 0b1100_0000);
    }

    #[test]
    fn a_byte_that_the_state_does_not_hold_is_handed_to_the_core() {
        let mut bytes = state(10_000, 10_000 + 8 * 512, None);
        let layout = Layout::find(&bytes).unwrap();
        assert_eq!(layout.repair(&mut bytes, SHIFT), Some(SHIFT), "none has arrived");
        let mut bytes = state(10_000, 10_000 + 16, None);
        let handed = layout.repair(&mut bytes, SHIFT).unwrap();
        assert_eq!(handed.byte, 0, "its lowest bit is 0");
        let fast = Shift {
            speed: Speed::Fast,
            ..SHIFT
        };
        let mut bytes = state(10_000, 10_000 + 2 * 16, None);
        assert_eq!(layout.repair(&mut bytes, fast).unwrap().byte, 0b1000_0000);
    }

    #[test]
    fn a_state_outside_a_transfer_stays_as_it_is() {
        let before = state(10_000, NEVER, Some(7));
        let layout = Layout::find(&before).unwrap();
        let mut after = before.clone();
        assert_eq!(layout.repair(&mut after, SHIFT), None);
        assert_eq!(after, before);
    }

    #[test]
    fn a_state_is_made_to_listen() {
        let mut bytes = state(10_000, 10_600, None);
        let layout = Layout::find(&bytes).unwrap();
        layout.listen(&mut bytes);
        assert_eq!(bytes[layout.control], 0xFE);
        assert_eq!(layout.bits_to_come(&bytes, Speed::Normal), None);
    }

    #[test]
    fn states_of_another_kind_are_left_alone() {
        assert_eq!(Layout::find(&[]), None);
        let whole = state(1, 2, None);
        assert!(Layout::find(&whole).is_some());
        for len in 0..whole.len() {
            // Cut at the end of a field it is a list still, but one lacks `serialt` or `vram`.
            let found = Layout::find(&whole[..len]);
            assert!(found.is_none() || len == whole.len() - 308, "{len}");
        }
        assert_eq!(Layout::find(&[0xFF; 4000]), None);
    }
}
