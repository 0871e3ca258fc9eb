//! What the player should be told.

use std::collections::VecDeque;

/// Something that the player should be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Both sides know each other and bytes can flow.
    Linked,
    /// The peer's emulation stands still by its own word: a menu, a pause.
    PeerPaused {
        /// A game that uses the cable here stands still until the peer goes on; otherwise it reads an unplugged cable.
        is_waited_for: bool,
    },
    /// The peer's emulation goes on.
    PeerResumed,
    /// Nothing has been heard of the peer for a second, or it said goodbye.
    PeerGone,
    /// The peer is heard and answers nothing: the link has ended, and is made again after a pause.
    PeerStalled,
    /// The cable was pulled, or its interface went down: the daemon says so.
    Unplugged,
    /// A byte was taken on one side only, because its wait had ended on the other: the two games may now disagree.
    OutOfStep,
    /// A mistake of our own: the cable stays unplugged until the game is loaded again.
    Failed,
    /// The peer speaks another version of the protocol.
    VersionMismatch {
        /// This side's version.
        ours: u16,
        /// The peer's version; the side with the lower one should be updated.
        theirs: u16,
    },
}

/// More than a player reads in a frame; a flapping link fills it and loses the oldest.
const CAPACITY: usize = 8;

/// Notices not yet taken, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Notices(VecDeque<Notice>);

impl Default for Notices {
    fn default() -> Self {
        Notices(VecDeque::with_capacity(CAPACITY))
    }
}

impl Notices {
    /// Adds one; false if the oldest had to go for it.
    pub(super) fn push(&mut self, notice: Notice) -> bool {
        let has_room = self.0.len() < CAPACITY;
        if !has_room {
            self.0.pop_front();
        }
        self.0.push_back(notice);
        has_room
    }

    pub(super) fn pop(&mut self) -> Option<Notice> {
        self.0.pop_front()
    }
}
