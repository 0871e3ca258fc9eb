//! Vocabulary between a history and the owner of the core.

use super::snapshots::Snapshot;
use crate::serial::{SerialControl, Shift};

/// Request to the owner of the core: what is to be done next in this call.
///
/// ```text
/// loop {
///     match rollback.step() {
///         Step::Load { slot }      => unserialise the snapshot in `slot`,
///         Step::Replay { frame }   => run one frame with the inputs kept for `frame`, without any effect;
///                                     rollback.frame_end(boundary),
///         Step::Save { token, .. } => rollback.saved(token, serialise into `token.slot()`),
///         Step::Live { frame }     => run one frame for the player and keep its inputs under `frame`;
///                                     rollback.frame_end(boundary),
///         Step::Stall              => show the last picture again, with silence,
///         Step::Done               => break,
///     }
/// }
/// if rollback.must_transmit(), write a datagram, and another while write_events says that there is more
/// ```
///
/// A call is a correction (`Load`, then `Replay` and `Save` in turn; there may be several), then one `Live`
/// or one `Stall`, then perhaps a `Save`. A `Live` that is followed by a `Stall` in the same call is undone:
/// its picture and sound are dropped. Frames are numbered from 0 as emulated, live; a replay has the number
/// of the frame that it repeats. A call that emulated nothing (the core repeated its picture) keeps the
/// number for the next. The caller owns inputs and snapshot slots, which are numbers below the count given to
/// [`Rollback::new`](super::Rollback::new).
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Load the snapshot in this slot.
    Load {
        /// Number of the snapshot slot.
        slot: usize,
    },
    /// Save a snapshot of the core, then call [`Rollback::saved`](super::Rollback::saved).
    Save {
        /// Names the snapshot slot, and is handed back when the snapshot is saved.
        token: SaveToken,
        /// A transfer is in flight: repair the snapshot and load it again. Only where
        /// [`Rollback::set_repairs`](super::Rollback::set_repairs) allowed it.
        in_flight: Option<Shift>,
    },
    /// Emulate this frame again, unseen, then call [`Rollback::frame_end`](super::Rollback::frame_end).
    Replay {
        /// Its number.
        frame: u64,
    },
    /// Emulate the next frame for the player, then call [`Rollback::frame_end`](super::Rollback::frame_end).
    Live {
        /// Its number.
        frame: u64,
    },
    /// Show the last picture again, with silence: the game stands still.
    Stall,
    /// The call is over.
    Done,
}

/// One save that was asked for; it can be answered once.
#[derive(Debug, PartialEq, Eq)]
pub struct SaveToken(pub(super) Snapshot);

impl SaveToken {
    pub(super) fn into_snapshot(self) -> Snapshot {
        self.0
    }

    /// Number of the snapshot slot.
    #[must_use]
    pub fn slot(&self) -> usize {
        self.0.slot
    }
}

/// State of the core at the end of a frame, as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// True if the call emulated anything.
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
