//! C strings.

use std::ffi::CString;

/// The text up to its first zero byte, if it has one.
pub(super) fn c_string(text: String) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let end = error.nul_position();
        let mut bytes = error.into_vec();
        bytes.truncate(end);
        CString::new(bytes).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_a_zero_byte_is_cut_there() {
        assert_eq!(c_string("ab\0c".into()).as_c_str(), c"ab");
        assert_eq!(c_string("abc".into()).as_c_str(), c"abc");
    }
}
