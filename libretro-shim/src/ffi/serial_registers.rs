//! Reads the game's serial registers out of the stock core's memory map.
//!
//! Current builds describe FF00 to FF7F. The 2023 builds describe only FE00 (sprite memory) and FF80 (high
//! RAM), which lie 0x180 apart in one array, so FF00 is 0x100 behind FE00. A map alone is not trusted: at
//! load a state proves it ([`register_proof`](crate::register_proof)), and from then on each byte that the
//! core sends must be what FF01 holds. Besides, a reading is believed only while the unused bits of FF02 are
//! all ones, as the hardware and every build show them.

use super::abi::MemoryMap;
use gamelink_core::serial::SerialControl;
use libretro_sys::MemoryDescriptor;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering};

/// Addresses of FF01 and FF02 in the core's memory.
pub(crate) struct Registers {
    /// FF02, null while unknown.
    control: AtomicPtr<u8>,
    /// The core has sent another byte than FF01 held; nobody has asked yet.
    is_disproved: AtomicBool,
}

/// Those of the core that is loaded.
pub(crate) static REGISTERS: Registers = Registers::unknown();

/// The serial control register's address (Pan Docs, Serial Data Transfer); the serial byte's is the one
/// before.
const SC: usize = 0xFF02;
/// The bits of SC that mean nothing and read as ones on every model (bit 1 means something on a Game Boy
/// Color).
const UNUSED_BITS: u8 = 0x7C;
/// A map with more entries than this is not Gambatte's.
const DESCRIPTORS_MAX: u32 = 256;

impl Registers {
    const fn unknown() -> Registers {
        Registers {
            control: AtomicPtr::new(std::ptr::null_mut()),
            is_disproved: AtomicBool::new(false),
        }
    }

    fn set(&self, control: Option<*mut u8>) {
        self.control
            .store(control.unwrap_or(std::ptr::null_mut()), Ordering::Relaxed);
        self.is_disproved.store(false, Ordering::Relaxed);
    }

    /// FF02 as the game left it; between frames, or on another thread while the core waits.
    pub(crate) fn serial_control(&self) -> Option<SerialControl> {
        let value = self.read(0)?;
        (value & UNUSED_BITS == UNUSED_BITS).then_some(SerialControl(value))
    }

    /// FF01, the serial byte; where and when FF02 can be read.
    pub(crate) fn serial_byte(&self) -> Option<u8> {
        self.serial_control()?;
        self.read(1)
    }

    /// The register so many addresses before FF02: none or one.
    fn read(&self, before: usize) -> Option<u8> {
        let control = self.control.load(Ordering::Relaxed);
        if control.is_null() {
            return None;
        }
        // SAFETY: the map promised both bytes, in one memory (`find_registers`), until the game is unloaded,
        // and before that `forget` runs. The core writes them only while it runs, so never during this.
        Some(unsafe { AtomicU8::from_ptr(control.wrapping_sub(before)) }.load(Ordering::Relaxed))
    }

    /// Compares the byte that the core sends with FF01; where they differ, that was not FF01, and is read no
    /// more.
    pub(super) fn handle_sent(&self, byte: u8) {
        if self.read(1).is_some_and(|held| held != byte) {
            self.control.store(std::ptr::null_mut(), Ordering::Relaxed);
            self.is_disproved.store(true, Ordering::Relaxed);
        }
    }

    /// True once after the registers turned out not to be where the map said; they are read no more.
    pub(crate) fn poll_disproved(&self) -> bool {
        self.is_disproved.swap(false, Ordering::Relaxed)
    }

    /// Stops reading: the memory is about to go.
    pub(crate) fn forget(&self) {
        self.set(None);
    }
}

/// Takes the map that the core hands to the frontend.
///
/// # Safety
/// `map` is null or points to a map as `RETRO_ENVIRONMENT_SET_MEMORY_MAPS` wants it, whose memory lives until
/// the game is unloaded.
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
    let control = find_registers(descriptors);
    REGISTERS.set(control);
    log::debug!("memory map read: serial_control_known={}", control.is_some());
}

/// FF02, with FF01 right before it: where the map shows them, else between FE00 and FF80 where those are as
/// far apart as on the bus.
fn find_registers(descriptors: &[MemoryDescriptor]) -> Option<*mut u8> {
    let locate = |address| locate(descriptors, address);
    if let (Some(byte), Some(control)) = (locate(SC - 1), locate(SC)) {
        return (byte.wrapping_add(1) == control).then_some(control);
    }
    let (sprites, high_ram) = (locate(0xFE00)?, locate(0xFF80)?);
    (sprites.wrapping_add(0x180) == high_ram).then(|| sprites.wrapping_add(SC - 0xFE00))
}

/// Locates an address of the nameless address space (libretro.h, `retro_memory_descriptor`): the first
/// descriptor that claims it decides, also one with no memory behind it.
fn locate(descriptors: &[MemoryDescriptor], address: usize) -> Option<*mut u8> {
    let descriptor = descriptors.iter().find(|descriptor| {
        let inside = address.wrapping_sub(descriptor.start);
        let is_claimed = match descriptor.select {
            // The range lies in one piece.
            0 => inside < descriptor.len,
            select => (address ^ descriptor.start) & select == 0,
        };
        is_claimed && is_nameless(descriptor)
    })?;
    let mut inside = without_lines(address.wrapping_sub(descriptor.start), descriptor.disconnect);
    // A memory that is shorter than its range shows again and again in it: its highest address lines are not
    // connected.
    while descriptor.len != 0 && inside >= descriptor.len {
        inside &= !(1 << inside.ilog2());
    }
    let offset = descriptor.offset.wrapping_add(inside);
    (!descriptor.ptr.is_null()).then(|| descriptor.ptr.cast::<u8>().wrapping_add(offset))
}

fn is_nameless(descriptor: &MemoryDescriptor) -> bool {
    // SAFETY: libretro.h wants null or a C string, of which the first byte is looked at.
    descriptor.addrspace.is_null() || unsafe { *descriptor.addrspace } == 0
}

/// Takes these address lines out, the lowest first, and moves the higher ones down.
fn without_lines(address: usize, lines: usize) -> usize {
    let (mut left, mut place) = (0, 0);
    for bit in 0..usize::BITS {
        if lines >> bit & 1 == 0 {
            left |= (address >> bit & 1) << place;
            place += 1;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places in one memory of the core's: FE00 to FFFF, and something else behind it.
    const SPRITES: usize = 0;
    const HIGH_RAM: usize = 0x180;
    const ELSEWHERE: usize = 0x200;

    struct Memory(Vec<u8>);

    impl Memory {
        fn new() -> Memory {
            Memory(vec![0xFF; ELSEWHERE + 0x20000])
        }

        fn at(&mut self, place: usize) -> *mut u8 {
            &raw mut self.0[place]
        }

        /// A range that the map shows in one piece.
        fn plain(&mut self, place: usize, start: usize, len: usize) -> MemoryDescriptor {
            MemoryDescriptor {
                flags: 0,
                ptr: self.at(place).cast(),
                offset: 0,
                start,
                select: 0,
                disconnect: 0,
                len,
                addrspace: std::ptr::null(),
            }
        }

        /// A cartridge's RAM, as both builds show it: 8 KiB of the bus, and all banks behind them.
        fn cartridge(&mut self, len: usize) -> Option<MemoryDescriptor> {
            let shown = MemoryDescriptor {
                select: !0x1FFF,
                ..self.plain(ELSEWHERE, 0xA000, len)
            };
            (len > 0).then_some(shown)
        }

        /// As the 2023 builds show it ("v0.5.0-netlink").
        fn of_2023(&mut self, cartridge: usize) -> Vec<MemoryDescriptor> {
            let mut all = vec![
                self.plain(HIGH_RAM, 0xFF80, 0x80),
                self.plain(ELSEWHERE, 0xC000, 0x1000),
                self.plain(ELSEWHERE, 0xD000, 0x1000),
            ];
            all.extend(self.cartridge(cartridge));
            all.extend([
                self.plain(ELSEWHERE, 0x8000, 0x2000),
                self.plain(SPRITES, 0xFE00, 0xA0),
                self.plain(ELSEWHERE, 0x0000, 0x4000),
                self.plain(ELSEWHERE, 0x4000, 0x4000),
            ]);
            all
        }

        /// As current builds show it, in a Game Boy Color.
        fn current(&mut self, cartridge: usize) -> Vec<MemoryDescriptor> {
            let mut all = vec![
                self.plain(ELSEWHERE, 0xC000, 0x1000),
                self.plain(ELSEWHERE, 0xD000, 0x1000),
                self.plain(HIGH_RAM, 0xFF80, 0x80),
                self.plain(ELSEWHERE, 0x8000, 0x2000),
                MemoryDescriptor {
                    select: 0xFFFF_FFE0,
                    ..self.plain(SPRITES, 0xFE00, 0xA0)
                },
                self.plain(ELSEWHERE, 0x0000, 0x4000),
                self.plain(ELSEWHERE, 0x4000, 0x4000),
                MemoryDescriptor {
                    offset: 0x100,
                    ..self.plain(SPRITES, 0xFF00, 0x80)
                },
            ];
            all.extend(self.cartridge(cartridge));
            all.push(MemoryDescriptor {
                select: 0xFFFF_A000,
                ..self.plain(ELSEWHERE, 0x10000, 0x6000)
            });
            all
        }
    }

    #[test]
    fn both_builds_show_the_registers_whatever_ram_the_cartridge_has() {
        let mut memory = Memory::new();
        let control = Some(memory.at(SPRITES + 0x102));
        // From 32 KiB on the banks would reach over FF02, were they in one piece.
        for cartridge in [0, 0x200, 0x800, 0x2000, 0x8000, 0x10000, 0x20000] {
            for mut map in [memory.of_2023(cartridge), memory.current(cartridge)] {
                assert_eq!(find_registers(&map), control, "{cartridge:X}");
                // No two of them claim the same address, so their order does not count.
                map.reverse();
                assert_eq!(find_registers(&map), control, "{cartridge:X}, reversed");
            }
        }
    }

    #[test]
    fn an_address_is_decoded_as_libretro_says() {
        let mut memory = Memory::new();
        let first = memory.at(0);
        let plain = memory.plain(0, 0xC000, 0x1000);
        let place = |descriptor: &MemoryDescriptor, address| {
            let found = locate(std::slice::from_ref(descriptor), address)?;
            Some(found.addr() - first.addr())
        };
        assert_eq!(place(&plain, 0xC123), Some(0x123));
        assert_eq!(place(&plain, 0xBFFF), None);
        assert_eq!(place(&plain, 0xD000), None);
        let offset = MemoryDescriptor {
            offset: 2,
            ..plain.clone()
        };
        assert_eq!(place(&offset, 0xC123), Some(0x125));
        let selected = MemoryDescriptor {
            select: 0xE000,
            ..plain.clone()
        };
        assert_eq!(place(&selected, 0xD123), Some(0x123), "shows again");
        assert_eq!(place(&selected, 0xE123), None);
        let whole = MemoryDescriptor {
            len: 0,
            ..selected.clone()
        };
        assert_eq!(place(&whole, 0xD123), Some(0x1123), "as far as `select` goes");
        let disconnected = MemoryDescriptor {
            disconnect: 0x102,
            ..selected.clone()
        };
        assert_eq!(place(&disconnected, 0xC103), Some(1));
        assert_eq!(place(&disconnected, 0xC205), Some(0x83));
        let elsewhere = MemoryDescriptor {
            addrspace: c"R".as_ptr(),
            ..plain.clone()
        };
        assert_eq!(place(&elsewhere, 0xC123), None);
        let nameless = MemoryDescriptor {
            addrspace: c"".as_ptr(),
            ..plain
        };
        assert_eq!(place(&nameless, 0xC123), Some(0x123));
    }

    #[test]
    fn the_first_descriptor_that_claims_an_address_decides() {
        let mut memory = Memory::new();
        let nothing = MemoryDescriptor {
            ptr: std::ptr::null_mut(),
            ..memory.plain(0, 0xC000, 0x1000)
        };
        let map = [nothing, memory.plain(0, 0xC000, 0x1000)];
        assert_eq!(locate(&map, 0xC000), None);
        assert_eq!(locate(&map[1..], 0xC000), Some(memory.at(0)));
    }

    #[test]
    fn other_layouts_are_not_trusted() {
        let mut memory = Memory::new();
        let mut map = memory.of_2023(0);
        map[0] = memory.plain(ELSEWHERE, 0xFF80, 0x80);
        assert_eq!(find_registers(&map), None, "not one array");
        let map = [memory.plain(0, 0xFF00, 2), memory.plain(ELSEWHERE, 0xFF02, 0x7E)];
        assert_eq!(find_registers(&map), None, "FF01 is not beside FF02");
        assert_eq!(find_registers(&[]), None);
    }

    #[test]
    fn a_byte_that_the_register_does_not_hold_ends_the_trust_in_it() {
        let mut memory = Memory::new();
        let registers = Registers::unknown();
        registers.handle_sent(0x12);
        assert!(
            !registers.is_disproved.load(Ordering::Relaxed),
            "nothing to disprove"
        );
        registers.set(Some(memory.at(1)));
        for byte in [0x00, 0xFF, 0x5A] {
            memory.0[0] = byte;
            registers.handle_sent(byte);
            assert_eq!(registers.serial_byte(), Some(byte));
        }
        registers.handle_sent(0x5B);
        assert!(registers.is_disproved.load(Ordering::Relaxed));
        assert_eq!(registers.serial_control(), None);
        assert_eq!(registers.serial_byte(), None);
        registers.set(Some(memory.at(1)));
        assert!(!registers.is_disproved.load(Ordering::Relaxed), "another game");
    }
}
