//! Reads the game's serial control register out of the stock core's memory map.
//!
//! Current builds describe FF00 to FF7F. The 2023 builds describe only FE00 (sprite memory) and FF80 (high RAM), which lie 0x180
//! apart in one array, so FF00 is 0x100 behind FE00. Either way a reading is believed only while the register's unused bits are
//! all ones, as the hardware and every build show them.

use super::abi::MemoryMap;
use gamelink_core::serial::SerialControl;
use libretro_sys::MemoryDescriptor;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

/// Where the register is, null while unknown.
static REGISTER: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

/// The serial control register's address (Pan Docs, Serial Data Transfer).
const SC: usize = 0xFF02;
/// The bits of SC that mean nothing and read as ones on every model (bit 1 means something on a Game Boy Color).
const UNUSED_BITS: u8 = 0x7C;
/// A map with more entries than this is not Gambatte's.
const DESCRIPTORS_MAX: u32 = 256;

/// FF02 as the game left it; on the thread that runs frames, between them, or on another while that one waits inside the core.
pub(crate) fn serial_control() -> Option<SerialControl> {
    let register = REGISTER.load(Ordering::Relaxed);
    if register.is_null() {
        return None;
    }
    // SAFETY: the map promised this byte until the game is unloaded, and before that `forget_memory_map` runs. The core writes it
    // only while it runs, so never during this.
    let value = unsafe { AtomicU8::from_ptr(register) }.load(Ordering::Relaxed);
    (value & UNUSED_BITS == UNUSED_BITS).then_some(SerialControl(value))
}

/// FF01, the serial byte, which lies right before FF02; where and when that can be read.
pub(crate) fn serial_byte() -> Option<u8> {
    serial_control()?;
    let register = REGISTER.load(Ordering::Relaxed).wrapping_sub(1);
    // SAFETY: the registers lie in one array, as the map says of both layouts; otherwise as in `serial_control`.
    Some(unsafe { AtomicU8::from_ptr(register) }.load(Ordering::Relaxed))
}

/// Stops reading: the memory is about to go.
pub(crate) fn forget_memory_map() {
    REGISTER.store(std::ptr::null_mut(), Ordering::Relaxed);
}

/// Takes the map that the core hands to the frontend.
///
/// # Safety
/// `map` is null or points to a map as `RETRO_ENVIRONMENT_SET_MEMORY_MAPS` wants it, whose memory lives until the game is unloaded.
pub(super) unsafe fn read_memory_map(map: *const MemoryMap) {
    // SAFETY: the caller's promise.
    let Some(map) = (unsafe { map.as_ref() }) else {
        return;
    };
    if map.descriptors.is_null() || map.num_descriptors > DESCRIPTORS_MAX {
        return;
    }
    // SAFETY: the map says that so many descriptors are there.
    let descriptors = unsafe { std::slice::from_raw_parts(map.descriptors, map.num_descriptors as usize) };
    let register = find_register(descriptors);
    REGISTER.store(register.unwrap_or(std::ptr::null_mut()), Ordering::Relaxed);
    log::debug!("memory map read: serial_control_known={}", register.is_some());
}

fn find_register(descriptors: &[MemoryDescriptor]) -> Option<*mut u8> {
    let usable = |descriptor: &&MemoryDescriptor| !descriptor.ptr.is_null() && descriptor.addrspace.is_null();
    let first = |descriptor: &MemoryDescriptor| descriptor.ptr.cast::<u8>().wrapping_add(descriptor.offset);
    let direct = descriptors.iter().filter(usable).find(|descriptor| {
        descriptor.start <= SC && SC - descriptor.start < descriptor.len && descriptor.disconnect == 0
    });
    if let Some(descriptor) = direct {
        return Some(first(descriptor).wrapping_add(SC - descriptor.start));
    }
    let starting_at = |start| {
        descriptors
            .iter()
            .filter(usable)
            .find(|descriptor| descriptor.start == start)
            .map(first)
    };
    let (sprites, high_ram) = (starting_at(0xFE00)?, starting_at(0xFF80)?);
    (sprites.wrapping_add(0x180) == high_ram).then(|| sprites.wrapping_add(SC - 0xFE00))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(memory: &mut [u8], at: usize, offset: usize, start: usize, len: usize) -> MemoryDescriptor {
        MemoryDescriptor {
            flags: 0,
            ptr: (&raw mut memory[at]).cast(),
            offset,
            start,
            select: 0,
            disconnect: 0,
            len,
            addrspace: std::ptr::null(),
        }
    }

    #[test]
    fn current_builds_name_the_registers() {
        let mut memory = [0; 0x200];
        let register = &raw mut memory[0x102];
        let descriptors = [
            descriptor(&mut memory, 0, 0, 0xFE00, 0xA0),
            descriptor(&mut memory, 0, 0x100, 0xFF00, 0x80),
        ];
        assert_eq!(find_register(&descriptors), Some(register));
    }

    #[test]
    fn older_builds_have_them_between_two_named_places() {
        let mut memory = [0; 0x200];
        let register = &raw mut memory[0x102];
        let descriptors = [
            descriptor(&mut memory, 0x180, 0, 0xFF80, 0x80),
            descriptor(&mut memory, 0, 0, 0xFE00, 0xA0),
        ];
        assert_eq!(find_register(&descriptors), Some(register));
    }

    #[test]
    fn other_layouts_are_not_trusted() {
        let mut memory = [0; 0x300];
        let descriptors = [
            descriptor(&mut memory, 0x200, 0, 0xFF80, 0x80),
            descriptor(&mut memory, 0, 0, 0xFE00, 0xA0),
        ];
        assert_eq!(find_register(&descriptors), None);
        assert_eq!(find_register(&[]), None);
    }
}
