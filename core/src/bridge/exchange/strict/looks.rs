//! Looks of the core for a byte in one frame: the first one passes the peer's call over, where no clock tells
//! a better moment.

/// Progress of the looks in the frame that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Looks {
    has_looked: bool,
    /// The look that runs, or was prolonged, is the frame's first.
    is_first: bool,
    /// The peer's call was passed over in this frame.
    has_passed: bool,
}

impl Looks {
    /// A frame begins. A call is passed over once.
    pub(super) fn begin_frame(&mut self) {
        *self = Looks {
            has_looked: self.has_passed,
            ..Looks::default()
        };
    }

    /// The core's event loop looks for a byte.
    pub(super) fn handle_look(&mut self) {
        self.is_first = !std::mem::replace(&mut self.has_looked, true);
    }

    /// Passes a call over, if this is the frame's first look; true where it does.
    pub(super) fn pass(&mut self) -> bool {
        self.has_passed |= self.is_first;
        self.is_first
    }
}
