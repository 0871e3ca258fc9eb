use super::*;
use crate::core_elf;
use std::path::Path;
use std::sync::atomic::AtomicU64;

unsafe extern "C" fn no_parent() -> libc::pid_t {
    -7
}

fn inside() -> *const c_void {
    parent as *const c_void
}

fn linking() -> Linking {
    core_elf::read(Path::new("/proc/self/exe")).unwrap().unwrap()
}

fn replacement(names: &'static [&'static str]) -> Replacement {
    Replacement {
        names,
        function: no_parent as *const c_void,
        is_required: true,
    }
}

fn parent() -> libc::pid_t {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::getppid() }
}

#[test]
fn an_imported_function_is_replaced_until_the_end_and_all_or_none_are() {
    let own = parent();
    let wanted = [
        replacement(&["an older name", "getppid"]),
        replacement(&["no function of this name"]),
    ];
    // SAFETY: this program itself, which stays loaded; the replacement has the same type.
    let result = unsafe { replace(inside(), &linking(), &wanted) };
    assert_eq!(
        result.err(),
        Some(ReplaceError::NotImported("no function of this name"))
    );
    assert_eq!(parent(), own);
    // SAFETY: as above.
    let replaced = unsafe { replace(inside(), &linking(), &wanted[..1]) }.unwrap();
    assert_eq!(parent(), -7);
    drop(replaced);
    assert_eq!(parent(), own);
}

#[test]
fn an_address_outside_all_libraries_is_refused() {
    // SAFETY: nothing is found, so nothing is replaced.
    let result = unsafe { replace(std::ptr::null(), &linking(), &[replacement(&["getppid"])]) };
    assert_eq!(result.err(), Some(ReplaceError::Tables));
}

#[test]
fn the_zero_filled_data_of_a_library_is_found() {
    static ZERO: AtomicU64 = AtomicU64::new(0);
    static ONE: AtomicU64 = AtomicU64::new(1);
    let zeroed = zeroed_in(inside(), &linking()).unwrap();
    let is_in = |word: &'static AtomicU64| {
        word.store(2, Ordering::Relaxed);
        zeroed.iter().any(|range| range.contains(&word.as_ptr().addr()))
    };
    assert!(is_in(&ZERO));
    assert!(!is_in(&ONE));
    assert_eq!(zeroed_in(std::ptr::null(), &linking()), None);
}
