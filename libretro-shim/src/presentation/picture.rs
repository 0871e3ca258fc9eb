//! The picture that was shown last, for showing it again.

/// A picture where the core left it.
pub(crate) trait Picture: Copy {
    /// Copies its pixels; a picture that repeats the last has none, and leaves the copy as it is.
    fn copy_to(self, pixels: &mut Vec<u8>);

    /// Gives the picture with this copy of its pixels; where that is empty, the frontend repeats its own.
    fn again(self, pixels: &[u8]) -> Self;
}

/// The picture that was shown last.
pub(super) struct Last<P> {
    picture: Option<P>,
    /// The frontend repeats its picture by itself (`GET_CAN_DUPE`).
    can_repeat: bool,
    /// The pixels, where the frontend cannot: the core's memory holds others by the time they are wanted.
    pixels: Vec<u8>,
}

impl<P: Picture> Last<P> {
    pub(super) fn none(can_repeat: bool) -> Last<P> {
        Last {
            picture: None,
            can_repeat,
            pixels: Vec::new(),
        }
    }

    /// Takes the picture that is about to be shown.
    pub(super) fn keep(&mut self, picture: P) {
        self.picture = Some(picture);
        if !self.can_repeat {
            picture.copy_to(&mut self.pixels);
        }
    }

    /// The picture to show it again with; good until the next is kept.
    pub(super) fn again(&self) -> Option<P> {
        Some(self.picture?.again(&self.pixels))
    }
}
