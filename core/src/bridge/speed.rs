//! Speed of a linked game on this machine, what limits it, and what its frames cost: for people.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Cause of a game slower than it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slowness {
    /// This machine has too little time left of a frame to emulate some again, as the path asks for.
    Machine,
    /// The path is longer than a game may run ahead of.
    Path,
}

impl fmt::Display for Slowness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Speed of a game while it uses the cable, and its budget; times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speed {
    /// Frames of the game in the last half second with transfers, in percent of a Game Boy's.
    pub percent: u32,
    /// Cause, where it has been slow for seconds.
    #[serde(deserialize_with = "Option::deserialize")]
    pub slow: Option<Slowness>,
    /// Cost of a frame, apart from waits and replays, at worst lately.
    pub frame_us: u32,
    /// Cost of one frame that is emulated again, with its snapshot.
    pub replayed_frame_us: u32,
    /// Time of a frame that replays may take for it to be on time.
    pub slack_us: u32,
}
