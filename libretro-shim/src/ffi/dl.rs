//! Libraries of this process, as the dynamic linker knows them.

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The file that this library was loaded from, as the dynamic linker knows it: perhaps from the working
/// folder on.
pub(crate) fn own_file() -> Option<PathBuf> {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    let inside: *const libc::c_void = (own_file as fn() -> Option<PathBuf>) as *const libc::c_void;
    // SAFETY: any address may be asked for, and `found` has room for the answer.
    let is_found = unsafe { libc::dladdr(inside, found.as_mut_ptr()) } != 0;
    // SAFETY: all fields are pointers, so all zero, as before the call, is a value too.
    let found = unsafe { found.assume_init() };
    if !is_found || found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the linker's own name of a loaded library, which ends in zero and lives as long as the library:
    // us.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}

/// True for a library that is already in use in this process.
pub(crate) fn is_loaded(path: &Path) -> bool {
    // SAFETY: with NOLOAD nothing is loaded, so no foreign code runs; the reference that it took goes with
    // the value.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL | libc::RTLD_NOLOAD) }.is_ok()
}
