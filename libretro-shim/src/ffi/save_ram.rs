//! The cartridge's battery RAM: the core's, and the copy that the frontend gets instead.

use super::Core;
use crate::shared_blocks::Change;
use libc::{c_uint, c_void};
use libretro_sys::MEMORY_SAVE_RAM as SAVE_RAM;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The copy; null where the frontend gets the core's own.
static PUBLIC: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// Has the frontend find this copy, until [`withdraw`].
pub(crate) fn publish(copy: &mut [u8]) {
    PUBLIC.store(copy.as_mut_ptr().cast(), Ordering::Relaxed);
}

/// Takes back what was published: the copy goes.
pub(crate) fn withdraw() {
    PUBLIC.store(std::ptr::null_mut(), Ordering::Relaxed);
}

/// `retro_get_memory_data`: the core's own memory, but for battery RAM that may still be undone.
pub(super) fn memory_data(core: &Core, id: c_uint) -> *mut c_void {
    let public = PUBLIC.load(Ordering::Relaxed);
    match id == SAVE_RAM && !public.is_null() {
        true => public,
        false => core.memory_data(id),
    }
}

impl Core {
    /// The battery RAM as it is now; `None` for a cartridge without.
    pub(crate) fn save_ram(&self) -> Option<Vec<u8>> {
        self.with_save_ram(|ram| ram.to_vec())
    }

    /// Copies the battery RAM out.
    pub(crate) fn read_save_ram(&self, to: &mut [u8]) {
        self.with_save_ram(|ram| {
            if ram.len() == to.len() {
                to.copy_from_slice(ram);
            }
        });
    }

    /// Writes these bytes into the battery RAM.
    pub(crate) fn write_save_ram(&self, changes: &[Change]) {
        self.with_save_ram(|ram| {
            for &(place, byte) in changes {
                if let Some(own) = ram.get_mut(place) {
                    *own = byte;
                }
            }
        });
    }

    fn with_save_ram<T>(&self, call: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        let data = self.memory_data(SAVE_RAM).cast::<u8>();
        let len = self.memory_size(SAVE_RAM);
        // SAFETY: the core says that so many bytes are there, and it does not run now.
        (!data.is_null() && len > 0).then(|| call(unsafe { std::slice::from_raw_parts_mut(data, len) }))
    }
}
