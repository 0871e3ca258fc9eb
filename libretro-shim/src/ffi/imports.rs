//! Replaces functions that a loaded library imports, in that library alone.
//!
//! A library calls an imported function through a slot of its own (System V ABI, dynamic linking: a
//! relocation of kind `JUMP_SLOT` or `GLOB_DAT` says which slot belongs to which name). With `RTLD_NOW` all
//! slots are filled when `dlopen` returns, and the linker may have made their pages read-only
//! (`PT_GNU_RELRO`); such a page is made writable for the one store. It does so with whole pages only (glibc,
//! `_dl_protect_relro`; musl, `reloc_all`): where that range ends inside a page, the rest of which is the
//! library's own data, as with libraries for pages of 4 KiB on a machine with larger ones, that page stays
//! writable, slots and all.

use super::dynamic_linker;
use crate::core_elf::Linking;
use libc::c_void;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, Ordering};

/// One function to replace: the names under which a library may import it, and what it gets in its place.
pub(super) struct Replacement {
    pub(super) names: &'static [&'static str],
    pub(super) function: *const c_void,
    /// A library that imports it under none of its names is refused.
    pub(super) is_required: bool,
}

/// Reason why the functions of a library cannot be replaced; it is then untouched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReplaceError {
    /// The linking tables of this kind of machine are not known.
    Machine,
    /// The library is not where the linker says, or its tables make no sense.
    Tables,
    /// The library imports no function of this name.
    NotImported(&'static str),
    /// The system would not make a page writable.
    Protected,
}

impl fmt::Display for ReplaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplaceError::Machine => {
                f.write_str("it is not known how libraries are linked on this kind of machine")
            }
            ReplaceError::Tables => f.write_str("its linking tables cannot be read"),
            ReplaceError::NotImported(name) => write!(f, "it does not import {name}"),
            ReplaceError::Protected => f.write_str("the system keeps its linking table read-only"),
        }
    }
}

/// The kinds of relocation that name a function's slot: `JUMP_SLOT` and `GLOB_DAT` of each machine's ELF
/// supplement.
const SLOT_KINDS: Option<[u32; 2]> = if cfg!(any(target_arch = "x86_64", target_arch = "x86")) {
    Some([7, 6])
} else if cfg!(target_arch = "aarch64") {
    Some([1026, 1025])
} else if cfg!(target_arch = "arm") {
    Some([22, 21])
} else {
    None
};

/// Functions replaced in a library; dropping this puts the library's own back. It must be dropped before the
/// library.
#[derive(Debug)]
pub(crate) struct Replaced {
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    address: usize,
    is_read_only: bool,
    own: *mut c_void,
}

// SAFETY: the pointers are code addresses, which are the same on every thread.
unsafe impl Send for Replaced {}
// SAFETY: as above; nothing is written but in `drop`.
unsafe impl Sync for Replaced {}

impl Drop for Replaced {
    fn drop(&mut self) {
        for slot in &self.slots {
            if slot.store(slot.own).is_err() {
                log::error!("a function of the stock core stays replaced");
            }
        }
    }
}

impl Slot {
    fn store(&self, function: *mut c_void) -> Result<(), ReplaceError> {
        let page = page_of(self.address) as *mut c_void;
        // SAFETY: a page of a mapped library's data, which stays readable; nothing relies on its being
        // read-only.
        let protect = |access| unsafe { libc::mprotect(page, page_size(), access) } == 0;
        if self.is_read_only && !protect(libc::PROT_READ | libc::PROT_WRITE) {
            return Err(ReplaceError::Protected);
        }
        // SAFETY: an aligned pointer in mapped, writable memory, which the library reads as one word.
        let slot = unsafe { AtomicPtr::from_ptr(self.address as *mut *mut c_void) };
        slot.store(function, Ordering::Release);
        if self.is_read_only {
            protect(libc::PROT_READ);
        }
        Ok(())
    }
}

/// The size of this machine's pages, a power of two.
fn page_size() -> usize {
    // SAFETY: asks for a constant.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(page).expect("a page has a size")
}

/// Start of the page that this address is in.
fn page_of(address: usize) -> usize {
    address & !(page_size() - 1)
}

/// What the addresses in these tables count from, for the library that contains the address `inside`.
fn base_of(inside: *const c_void, linking: &Linking) -> Option<usize> {
    Some(dynamic_linker::start_of(inside)?.wrapping_sub(page_of(linking.first)))
}

/// Addresses of the zero-filled data of the library of these tables, which contains the address `inside`;
/// `None` where it is not found.
pub(super) fn zeroed_in(inside: *const c_void, linking: &Linking) -> Option<Vec<Range<usize>>> {
    let base = base_of(inside, linking)?;
    let place = |range: &Range<usize>| Some(base.checked_add(range.start)?..base.checked_add(range.end)?);
    linking.zeroed.iter().map(place).collect()
}

/// Replaces all of `wanted` in the library of these tables, which contains the address `inside`, or none.
///
/// # Errors
/// When one of them is not imported there, or the tables cannot be read or changed.
///
/// # Safety
/// The library stays loaded as long as the result lives, no other thread runs its code during this call, and
/// each replacement has the type of the function that it replaces.
pub(super) unsafe fn replace(
    inside: *const c_void,
    linking: &Linking,
    wanted: &[Replacement],
) -> Result<Replaced, ReplaceError> {
    let kinds = SLOT_KINDS.ok_or(ReplaceError::Machine)?;
    let base = base_of(inside, linking).ok_or(ReplaceError::Tables)?;
    let read_only = page_of(linking.read_only.start)..page_of(linking.read_only.end);
    let mut slots: Vec<(Slot, *const c_void)> = Vec::new();
    for Replacement {
        names,
        function,
        is_required,
    } in wanted
    {
        let mut imports = linking
            .imports
            .iter()
            .filter(|import| kinds.contains(&import.kind) && names.contains(&import.name.as_str()))
            .peekable();
        if *is_required && imports.peek().is_none() {
            return Err(ReplaceError::NotImported(
                names.first().copied().unwrap_or_default(),
            ));
        }
        for import in imports {
            let address = base.wrapping_add(import.address);
            if !address.is_multiple_of(size_of::<usize>()) {
                return Err(ReplaceError::Tables);
            }
            // Some linkers list the same entry in two tables.
            if slots.iter().any(|(slot, _)| slot.address == address) {
                continue;
            }
            let slot = Slot {
                address,
                is_read_only: read_only.contains(&import.address),
                // SAFETY: the linker has written this word; nobody writes it now.
                own: unsafe { *(address as *const *mut c_void) },
            };
            slots.push((slot, *function));
        }
    }
    let mut replaced = Replaced { slots: Vec::new() };
    for (slot, function) in slots {
        slot.store(function.cast_mut())?;
        replaced.slots.push(slot);
    }
    Ok(replaced)
}

#[cfg(test)]
mod tests;
