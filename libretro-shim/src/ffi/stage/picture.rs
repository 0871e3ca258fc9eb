//! The picture that was shown last, for showing it again.

use libc::{c_uint, c_void};

/// No pixel has more bytes (`retro_pixel_format`: two or four).
const PIXEL_MAX: usize = 4;

/// In the core's own memory, where it stays until the core runs again; null repeats the last one.
#[derive(Clone, Copy)]
pub(in crate::ffi) struct Picture {
    pub(in crate::ffi) data: *const c_void,
    pub(in crate::ffi) width: c_uint,
    pub(in crate::ffi) height: c_uint,
    pub(in crate::ffi) pitch: usize,
}

// SAFETY: an address alone; what is there is touched by the frontend's callback only, on the thread that runs the core.
unsafe impl Send for Picture {}

impl Picture {
    /// Up to the end of the last row, as far as it is known.
    fn len(&self) -> usize {
        let rows = self
            .pitch
            .saturating_mul((self.height as usize).saturating_sub(1));
        let last = self.pitch.min((self.width as usize).saturating_mul(PIXEL_MAX));
        rows.saturating_add(last)
    }
}

/// What was shown last.
pub(super) struct Last {
    picture: Option<Picture>,
    /// The frontend repeats its picture by itself (`GET_CAN_DUPE`).
    can_repeat: bool,
    /// The picture itself, where the frontend cannot: the core's memory holds another by the time it is wanted.
    copy: Vec<u8>,
}

impl Last {
    pub(super) const fn none(can_repeat: bool) -> Last {
        Last {
            picture: None,
            can_repeat,
            copy: Vec::new(),
        }
    }

    /// Takes what is about to be shown.
    pub(super) fn keep(&mut self, picture: Picture) {
        self.picture = Some(picture);
        if !self.can_repeat && !picture.data.is_null() {
            // SAFETY: the core's picture, rows that lie `pitch` bytes apart; the core does not run now.
            let bytes = unsafe { std::slice::from_raw_parts(picture.data.cast::<u8>(), picture.len()) };
            self.copy.clear();
            self.copy.extend_from_slice(bytes);
        }
    }

    /// What shows it again; good until the next is kept.
    pub(super) fn again(&self) -> Option<Picture> {
        let picture = self.picture?;
        let data = match self.can_repeat || self.copy.is_empty() {
            true => std::ptr::null(),
            false => self.copy.as_ptr().cast(),
        };
        Some(Picture { data, ..picture })
    }
}
