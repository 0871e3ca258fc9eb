//! Replaces functions that a loaded library imports, in that library alone.
//!
//! A library calls an imported function through a slot of its own (System V ABI, dynamic linking: a
//! relocation of kind `JUMP_SLOT` or `GLOB_DAT` says which slot belongs to which name). With `RTLD_NOW` all
//! slots are filled when `dlopen` returns, and the linker may have made their pages read-only
//! (`PT_GNU_RELRO`); such a page is made writable for the one store. It does so with whole pages only (glibc,
//! `_dl_protect_relro`; musl, `reloc_all`): where that range ends inside a page, the rest of which is the
//! library's own data, as with libraries for pages of 4 KiB on a machine with larger ones, that page stays
//! writable, slots and all.

use libc::{PT_DYNAMIC, PT_GNU_RELRO, PT_LOAD, c_int, c_void};
use std::ffi::CStr;
use std::fmt;
use std::sync::atomic::{AtomicPtr, Ordering};

/// One function to replace: the names under which a library may import it, and what it gets in its place.
pub(super) struct Replacement {
    pub(super) names: &'static [&'static CStr],
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
    NotImported(&'static CStr),
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
            ReplaceError::NotImported(name) => write!(f, "it does not import {}", name.to_string_lossy()),
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

#[cfg(target_pointer_width = "64")]
type Symbol = libc::Elf64_Sym;
#[cfg(target_pointer_width = "32")]
type Symbol = libc::Elf32_Sym;

/// One entry of the dynamic section.
#[repr(C)]
#[derive(Clone, Copy)]
struct Dynamic {
    tag: isize,
    value: usize,
}

const DT_NULL: isize = 0;
const DT_PLTRELSZ: isize = 2;
const DT_STRTAB: isize = 5;
const DT_SYMTAB: isize = 6;
const DT_RELA: isize = 7;
const DT_RELASZ: isize = 8;
const DT_REL: isize = 17;
const DT_RELSZ: isize = 18;
const DT_PLTREL: isize = 20;
const DT_JMPREL: isize = 23;

/// No dynamic section is longer: the real ones have about thirty entries.
const DYNAMIC_LIMIT: usize = 1024;

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
        let page = page_size();
        let start = page_of(self.address) as *mut c_void;
        if self.is_read_only {
            // SAFETY: a page of a mapped library's data, which stays readable; nothing relies on its being
            // read-only.
            let result = unsafe { libc::mprotect(start, page, libc::PROT_READ | libc::PROT_WRITE) };
            if result != 0 {
                return Err(ReplaceError::Protected);
            }
        }
        // SAFETY: an aligned pointer in mapped, writable memory, which the library reads as one word.
        let slot = unsafe { AtomicPtr::from_ptr(self.address as *mut *mut c_void) };
        slot.store(function, Ordering::Release);
        if self.is_read_only {
            // SAFETY: as it was before.
            unsafe { libc::mprotect(start, page, libc::PROT_READ) };
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

/// Parts of a loaded library.
#[derive(Default)]
struct Loaded {
    base: usize,
    dynamic: usize,
    /// Whole pages.
    read_only: std::ops::Range<usize>,
}

/// Replaces all of `wanted` in the library that contains the address `inside`, or none.
///
/// # Errors
/// When one of them is not imported there, or the tables cannot be read or changed.
///
/// # Safety
/// The library stays loaded as long as the result lives, no other thread runs its code during this call, and
/// each replacement has the type of the function that it replaces.
pub(super) unsafe fn replace(
    inside: *const c_void,
    wanted: &[Replacement],
) -> Result<Replaced, ReplaceError> {
    let kinds = SLOT_KINDS.ok_or(ReplaceError::Machine)?;
    let library = find(inside as usize).ok_or(ReplaceError::Tables)?;
    // SAFETY: the linker's own dynamic section of a loaded library.
    let tables = unsafe { Tables::read(&library) }.ok_or(ReplaceError::Tables)?;
    let mut slots: Vec<(usize, Slot)> = Vec::new();
    for (kind, symbol, address) in tables.relocations() {
        if !kinds.contains(&kind) {
            continue;
        }
        // SAFETY: the linker has used this relocation's symbol, so its name is there and ends in zero.
        let name = unsafe { tables.name(symbol) };
        let Some(index) = wanted
            .iter()
            .position(|replacement| replacement.names.contains(&name))
        else {
            continue;
        };
        let address = library.base.wrapping_add(address);
        // Some linkers list the same entry in two tables.
        if slots.iter().any(|(_, slot)| slot.address == address) {
            continue;
        }
        if !address.is_multiple_of(size_of::<usize>()) {
            return Err(ReplaceError::Tables);
        }
        // SAFETY: the linker has written this word; nobody writes it now.
        let own = unsafe { *(address as *const *mut c_void) };
        let is_read_only = library.read_only.contains(&address);
        slots.push((
            index,
            Slot {
                address,
                is_read_only,
                own,
            },
        ));
    }
    if let Some((_, missing)) = wanted
        .iter()
        .enumerate()
        .find(|(index, wanted)| wanted.is_required && !slots.iter().any(|(slot, _)| slot == index))
    {
        let name = missing.names.first().copied().unwrap_or_default();
        return Err(ReplaceError::NotImported(name));
    }
    let mut replaced = Replaced { slots: Vec::new() };
    for (index, slot) in slots {
        let function = wanted.get(index).ok_or(ReplaceError::Tables)?.function;
        // On an error the ones before are put back as `replaced` goes.
        slot.store(function.cast_mut())?;
        replaced.slots.push(slot);
    }
    Ok(replaced)
}

/// True where the library that contains the address `inside` imports a function of this name; `None` where
/// its tables cannot be read.
///
/// # Safety
/// The library stays loaded during this call.
pub(super) unsafe fn is_imported(inside: *const c_void, wanted: &CStr) -> Option<bool> {
    let library = find(inside as usize)?;
    // SAFETY: the linker's own dynamic section of a loaded library.
    let tables = unsafe { Tables::read(&library) }?;
    let mut symbols = tables.relocations().map(|(_, symbol, _)| symbol);
    // SAFETY: the linker has used this relocation's symbol, so its name is there and ends in zero; without
    // one it is the empty one.
    Some(symbols.any(|symbol| unsafe { tables.name(symbol) } == wanted))
}

/// Finds the loaded library that contains an address.
fn find(address: usize) -> Option<Loaded> {
    struct Search {
        address: usize,
        found: Option<Loaded>,
    }

    unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _: usize, search: *mut c_void) -> c_int {
        // SAFETY: `dl_iterate_phdr` passes a filled in structure.
        let info = unsafe { &*info };
        // SAFETY: the search that was passed below, used by nobody else meanwhile.
        let search = unsafe { &mut *search.cast::<Search>() };
        // SAFETY: pointer and count of the library's program headers.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        let base = info.dlpi_addr as usize;
        let range =
            |start: usize, len: usize| base.wrapping_add(start)..base.wrapping_add(start).wrapping_add(len);
        let contains = headers.iter().any(|header| {
            header.p_type == PT_LOAD
                && range(header.p_vaddr as usize, header.p_memsz as usize).contains(&search.address)
        });
        if !contains {
            return 0;
        }
        let mut loaded = Loaded {
            base,
            ..Loaded::default()
        };
        for header in headers {
            match header.p_type {
                PT_DYNAMIC => loaded.dynamic = base.wrapping_add(header.p_vaddr as usize),
                PT_GNU_RELRO => {
                    let range = range(header.p_vaddr as usize, header.p_memsz as usize);
                    loaded.read_only = page_of(range.start)..page_of(range.end);
                }
                _ => {}
            }
        }
        search.found = Some(loaded);
        1
    }

    let mut search = Search { address, found: None };
    // SAFETY: the callback takes what it is passed, and unwinds never.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found.filter(|loaded| loaded.dynamic != 0)
}

/// A library's linking tables.
#[derive(Default)]
struct Tables {
    /// Start, length in bytes, and whether the entries have an addend.
    relocations: [(usize, usize, bool); 3],
    symbols: usize,
    strings: usize,
}

impl Tables {
    /// # Safety
    /// `library.dynamic` is the dynamic section of a loaded library.
    unsafe fn read(library: &Loaded) -> Option<Tables> {
        let mut tables = Tables::default();
        let mut plt = (0, 0, true);
        let (mut rela, mut rel) = ((0, 0, true), (0, 0, false));
        // The GNU linker puts addresses here, others leave offsets from the base, which are smaller than any
        // base.
        let absolute = |value: usize| match value < library.base {
            true => library.base.wrapping_add(value),
            false => value,
        };
        let mut entry = library.dynamic as *const Dynamic;
        for _ in 0..DYNAMIC_LIMIT {
            // SAFETY: the caller's promise; the section ends at the first null entry.
            let Dynamic { tag, value } = unsafe { entry.read() };
            match tag {
                DT_NULL => {
                    tables.relocations = [plt, rela, rel];
                    let is_complete = tables.symbols != 0 && tables.strings != 0;
                    return is_complete.then_some(tables);
                }
                DT_JMPREL => plt.0 = absolute(value),
                DT_PLTRELSZ => plt.1 = value,
                DT_PLTREL => plt.2 = value == DT_RELA.cast_unsigned(),
                DT_RELA => rela.0 = absolute(value),
                DT_RELASZ => rela.1 = value,
                DT_REL => rel.0 = absolute(value),
                DT_RELSZ => rel.1 = value,
                DT_SYMTAB => tables.symbols = absolute(value),
                DT_STRTAB => tables.strings = absolute(value),
                _ => {}
            }
            // SAFETY: the section goes on after an entry that is not null.
            entry = unsafe { entry.add(1) };
        }
        None
    }

    /// Kind, symbol number and place of each relocation.
    fn relocations(&self) -> impl Iterator<Item = (u32, usize, usize)> {
        self.relocations
            .into_iter()
            .filter(|(start, _, _)| *start != 0)
            .flat_map(|(start, len, has_addend)| {
                let words = if has_addend { 3 } else { 2 };
                let size = words * size_of::<usize>();
                (0..len / size).map(move |index| (start + index * size) as *const usize)
            })
            .map(|entry| {
                // SAFETY: an entry of a table whose place and length the library's own dynamic section says;
                // aligned as that.
                let place = unsafe { entry.read() };
                // SAFETY: the same entry's second word.
                let info = unsafe { entry.wrapping_add(1).read() };
                let (kind, symbol) = split(info);
                (kind, symbol, place)
            })
    }

    /// # Safety
    /// The library has a symbol of this number.
    unsafe fn name(&self, symbol: usize) -> &CStr {
        // SAFETY: the caller's promise.
        let entry = unsafe { &*(self.symbols as *const Symbol).wrapping_add(symbol) };
        let name = self.strings + entry.st_name as usize;
        // SAFETY: a name in the library's string table ends in zero.
        unsafe { CStr::from_ptr(name as *const libc::c_char) }
    }
}

/// Kind and symbol out of `r_info`.
fn split(info: usize) -> (u32, usize) {
    if cfg!(target_pointer_width = "64") {
        #[allow(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        (info as u32, info >> 32)
    } else {
        (u32::from(info.to_le_bytes()[0]), info >> 8)
    }
}

#[cfg(test)]
mod tests;
