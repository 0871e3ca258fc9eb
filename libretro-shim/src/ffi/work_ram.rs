//! The work RAM in the core's memory map, and the copy that the frontend finds in front of it.
//!
//! Who looks for an address takes the first descriptor that claims it (libretro.h,
//! `retro_memory_descriptor`); achievements do. RetroArch's own cheats take every descriptor that is marked
//! as system RAM, and write there. So the copy comes first and has no mark, and the core's own stays, marked,
//! in an address space of its own: cheats work on the game as it is now, and achievements on what has
//! happened. The 2023 builds mark nothing; there cheats take what `retro_get_memory_data` gives, the core's
//! own.

use super::abi::{MEMDESC_SYSTEM_RAM, MemoryMap, SET_MEMORY_MAPS};
use super::frontend_callbacks::call;
use crate::shared_blocks::Change;
use crate::unpoisoned_lock::lock;
use libretro_sys::MemoryDescriptor;
use std::ffi::CStr;
use std::ops::Range;
use std::sync::Mutex;

/// A map with more entries than this is not Gambatte's.
const DESCRIPTORS_MAX: u32 = 256;
/// The largest work RAM is a Game Boy Color's, 32 KiB and 128 bytes.
const LEN_MAX: usize = 0x1_0000;
/// Addresses of work RAM and of high RAM (Pan Docs, Memory Map).
const WORK_RAM: Range<usize> = 0xC000..0xE000;
const HIGH_RAM: Range<usize> = 0xFF80..0xFFFF;
/// Address space of the core's own work RAM, where a copy has its addresses.
const LIVE: &CStr = c"live";

/// Descriptors of the core that is loaded.
#[derive(Clone)]
struct Descriptors(Vec<MemoryDescriptor>);

// SAFETY: addresses alone; what is there is touched on the thread that runs the core only.
unsafe impl Send for Descriptors {}

static MAP: Mutex<Descriptors> = Mutex::new(Descriptors(Vec::new()));

/// Copies the map that the core hands to the frontend.
///
/// # Safety
/// `map` is null or points to a map as `RETRO_ENVIRONMENT_SET_MEMORY_MAPS` wants it, whose memory lives until
/// the game is unloaded; before that comes [`forget`].
pub(super) unsafe fn read_memory_map(map: *const MemoryMap) {
    // SAFETY: the caller's promise.
    let map = unsafe { map.as_ref() }.filter(|map| !map.descriptors.is_null());
    let Some(map) = map.filter(|map| map.num_descriptors <= DESCRIPTORS_MAX) else {
        return forget();
    };
    // SAFETY: the map says that so many descriptors are there.
    let descriptors = unsafe { std::slice::from_raw_parts(map.descriptors, map.num_descriptors as usize) };
    lock(&MAP).0 = descriptors.to_vec();
}

/// The memory is about to go.
pub(crate) fn forget() {
    lock(&MAP).0.clear();
}

/// The core's work RAM, which the map has in pieces; as long as the game is loaded.
pub(crate) struct WorkRam {
    map: Descriptors,
    len: usize,
}

impl WorkRam {
    /// The one of the map; `None` where the map has none.
    pub(crate) fn of_map() -> Option<WorkRam> {
        let map = lock(&MAP).clone();
        let ram = WorkRam {
            len: pieces(&map).map(|piece| piece.len).sum(),
            map,
        };
        (1..=LEN_MAX).contains(&ram.len).then_some(ram)
    }

    /// The content as it is now, piece after piece.
    pub(crate) fn now(&self) -> Vec<u8> {
        let mut now = vec![0; self.len];
        self.read(&mut now);
        now
    }

    /// Copies the content out.
    pub(crate) fn read(&self, to: &mut [u8]) {
        let mut rest = to;
        for piece in pieces(&self.map) {
            let Some((part, after)) = rest.split_at_mut_checked(piece.len) else {
                return;
            };
            // SAFETY: the core says that so many bytes are there, and it does not run now.
            part.copy_from_slice(unsafe { std::slice::from_raw_parts(start(piece), piece.len) });
            rest = after;
        }
    }

    /// Writes these bytes.
    pub(crate) fn write(&self, changes: &[Change]) {
        for &(place, byte) in changes {
            let mut inside = place;
            for piece in pieces(&self.map) {
                if inside < piece.len {
                    // SAFETY: inside the piece, and the core does not run now.
                    unsafe { start(piece).wrapping_add(inside).write(byte) };
                    break;
                }
                inside -= piece.len;
            }
        }
    }

    /// Hands the frontend a map in which this copy has the addresses of the work RAM.
    pub(crate) fn announce(&self, copy: &mut [u8]) {
        let mut rest = copy;
        let mut shown = Vec::new();
        for piece in pieces(&self.map) {
            let Some((part, after)) = rest.split_at_mut_checked(piece.len) else {
                return;
            };
            shown.push(MemoryDescriptor {
                flags: piece.flags & !MEMDESC_SYSTEM_RAM,
                ptr: part.as_mut_ptr().cast(),
                offset: 0,
                ..piece.clone()
            });
            rest = after;
        }
        shown.extend(
            self.map
                .0
                .iter()
                .cloned()
                .map(|descriptor| match is_piece(&descriptor) {
                    true => MemoryDescriptor {
                        addrspace: LIVE.as_ptr(),
                        ..descriptor
                    },
                    false => descriptor,
                }),
        );
        let mut map = MemoryMap {
            descriptors: shown.as_ptr(),
            num_descriptors: shown.len() as u32,
        };
        // SAFETY: the command takes a `retro_memory_map`; what it leads to lives as long as the game.
        let is_taken = unsafe { call(SET_MEMORY_MAPS, (&raw mut map).cast()) };
        log::debug!("work RAM of committed frames announced: is_taken={is_taken}");
    }
}

fn pieces(map: &Descriptors) -> impl Iterator<Item = &MemoryDescriptor> {
    map.0.iter().filter(|descriptor| is_piece(descriptor))
}

/// Tells if this is a part of the work RAM, by its mark or, where the core marks nothing, by its addresses.
fn is_piece(descriptor: &MemoryDescriptor) -> bool {
    // SAFETY: libretro.h wants null or a C string, of which the first byte is looked at.
    let is_nameless = descriptor.addrspace.is_null() || unsafe { *descriptor.addrspace } == 0;
    let is_there = !descriptor.ptr.is_null() && descriptor.len > 0;
    let is_ram = descriptor.flags & MEMDESC_SYSTEM_RAM != 0
        || WORK_RAM.contains(&descriptor.start)
        || HIGH_RAM.contains(&descriptor.start);
    is_ram && is_nameless && is_there
}

fn start(piece: &MemoryDescriptor) -> *mut u8 {
    piece.ptr.cast::<u8>().wrapping_add(piece.offset)
}
