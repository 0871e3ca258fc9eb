//! Libraries of this process, as the dynamic linker knows them.

use super::c_strings::owned;
use libc::c_void;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The file that this library was loaded from, as the dynamic linker knows it: perhaps from the working
/// folder on.
pub(crate) fn own_file() -> Option<PathBuf> {
    let name = look_up((own_file as fn() -> Option<PathBuf>) as *const c_void)?.dli_fname;
    // SAFETY: null, or the linker's own name of a loaded library, which ends in zero and lives as long as the
    // library: us.
    let name = unsafe { owned(name) }?;
    Some(OsString::from_vec(name.into_bytes()).into())
}

/// Start of the first page of the library that contains this address.
pub(super) fn start_of(address: *const c_void) -> Option<usize> {
    look_up(address).map(|library| library.dli_fbase.addr())
}

fn look_up(address: *const c_void) -> Option<libc::Dl_info> {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: any address may be asked for, and `found` has room for the answer.
    let is_found = unsafe { libc::dladdr(address, found.as_mut_ptr()) } != 0;
    // SAFETY: all fields are pointers, so all zero, as before the call, is a value too.
    is_found.then_some(unsafe { found.assume_init() })
}

/// True for a library that is already in use in this process.
pub(crate) fn is_loaded(path: &Path) -> bool {
    // SAFETY: with NOLOAD nothing is loaded, so no foreign code runs; the reference that it took goes with
    // the value.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL | libc::RTLD_NOLOAD) }.is_ok()
}
