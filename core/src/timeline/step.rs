//! Vocabulary between a timeline and the owner of the core.

use crate::serial::{SerialControl, Shift};

/// Request to the owner of the core: what is to be done next in this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Load the snapshot in this slot.
    Load {
        /// Number of the snapshot slot.
        slot: usize,
    },
    /// Save a snapshot of the core into this slot, then call [`Timeline::saved`](super::Timeline::saved).
    Save {
        /// Number of the snapshot slot.
        slot: usize,
        /// A transfer is in flight: repair the snapshot and load it again. Only where
        /// [`Timeline::set_repairs`](super::Timeline::set_repairs) allowed it.
        in_flight: Option<Shift>,
    },
    /// Emulate this frame again, unseen, then call [`Timeline::frame_end`](super::Timeline::frame_end).
    Replay {
        /// Its number.
        frame: u64,
    },
    /// Emulate the next frame for the player, then call [`Timeline::frame_end`](super::Timeline::frame_end).
    Live {
        /// Its number.
        frame: u64,
    },
    /// Show the last picture again, with silence: the game stands still.
    Hold,
    /// The call is over.
    Done,
}

/// State of the core at the end of a frame, as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// Whether the call emulated anything.
    pub has_advanced: bool,
    /// FF02 as it is stored.
    pub serial_control: SerialControl,
    /// FF01 as it is stored.
    pub serial_byte: u8,
}

/// Part of the history that nothing can change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Frames before this one are final.
    pub frame: u64,
    /// The slot of the newest kept snapshot that is final and was saved with no transfer in flight, and the
    /// frame that starts from it.
    pub state: Option<(usize, u64)>,
}
