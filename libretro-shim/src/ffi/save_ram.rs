//! The cartridge's battery RAM: the core's, and the copy that the frontend gets instead.

use super::Core;
use libc::{c_uint, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

/// `RETRO_MEMORY_SAVE_RAM`.
const SAVE_RAM: c_uint = 0;

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
        let (data, len) = self.save_ram_place()?;
        // SAFETY: the core says that so many bytes are there, and it does not run now.
        Some(unsafe { std::slice::from_raw_parts(data, len) }.to_vec())
    }

    /// Copies the battery RAM out.
    pub(crate) fn read_save_ram(&self, to: &mut [u8]) {
        if let Some((data, len)) = self.save_ram_place()
            && len == to.len()
        {
            // SAFETY: as in `save_ram`; the two do not overlap, one being ours.
            unsafe { std::ptr::copy_nonoverlapping(data, to.as_mut_ptr(), len) };
        }
    }

    /// Replaces the battery RAM.
    pub(crate) fn write_save_ram(&self, from: &[u8]) {
        if let Some((data, len)) = self.save_ram_place()
            && len == from.len()
        {
            // SAFETY: as in `read_save_ram`.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), data, len) };
        }
    }

    fn save_ram_place(&self) -> Option<(*mut u8, usize)> {
        let (data, len) = (
            self.memory_data(SAVE_RAM).cast::<u8>(),
            self.memory_size(SAVE_RAM),
        );
        (!data.is_null() && len > 0).then_some((data, len))
    }
}
