//! Looks of the core for a byte in one frame, and the peer's opening that its first one passes over.

/// Progress of the looks in the frame that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Looks {
    has_looked: bool,
    /// The look that runs, or was prolonged, is the frame's first.
    is_first: bool,
    /// The peer's opening was passed over in this frame.
    has_passed_opening: bool,
}

impl Looks {
    /// A frame begins. An opening is passed over once.
    pub(super) fn begin_frame(&mut self) {
        *self = Looks {
            has_looked: self.has_passed_opening,
            ..Looks::default()
        };
    }

    /// The core's event loop looks for a byte.
    pub(super) fn handle_look(&mut self) {
        self.is_first = !std::mem::replace(&mut self.has_looked, true);
    }

    /// Passes an opening over, if this is the frame's first look; true where it does.
    pub(super) fn pass_opening(&mut self) -> bool {
        self.has_passed_opening |= self.is_first;
        self.is_first
    }

    /// True where an opening was passed over in this frame.
    pub(super) fn has_passed_opening(self) -> bool {
        self.has_passed_opening
    }
}
