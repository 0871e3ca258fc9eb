//! C strings.

use libc::c_char;
use std::ffi::{CStr, CString};

/// The text up to its first zero byte, if it has one.
pub(super) fn c_string(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

/// Copies a C string; `None` for null.
///
/// # Safety
/// `text` is null or a C string.
pub(super) unsafe fn owned(text: *const c_char) -> Option<CString> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_a_zero_byte_is_cut_there() {
        assert_eq!(c_string("ab\0c").as_c_str(), c"ab");
        assert_eq!(c_string("abc").as_c_str(), c"abc");
    }
}
