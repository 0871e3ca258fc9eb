//! Serial transfers, and how the stock core writes one on its socket.

mod codec;

pub use codec::{Decoder, GameMessage};

use serde::{Deserialize, Serialize};
use std::fmt;

/// The byte that a Game Boy reads when nothing is plugged in: the data line floats high (Pan Docs, Serial
/// Data Transfer).
pub const UNPLUGGED: u8 = 0xFF;

/// How fast the clocking side shifts one byte; 0 and 1 on the wire and towards the stock core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Speed {
    /// 8192 Hz: 4096 T-cycles a byte.
    #[default]
    Normal,
    /// CGB fast mode, 262 144 Hz: 128 T-cycles a byte.
    Fast,
}

/// A transfer under way at one side: the byte that is being shifted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shift {
    /// The whole byte, however much of it is still to come.
    pub byte: u8,
    /// The clock.
    pub speed: Speed,
}

/// From where in its code a stock core looks for a byte; it does so only while the game is armed and no shift
/// runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// Its event loop, between two instructions of the game, 17 times a frame and more (`cpu.cpp,
    /// CPU::process`).
    EventLoop,
    /// The game's own access to SB, SC or IF, before that takes effect (`gambatte-memory.cpp,
    /// Memory::updateSerial`). A byte that were taken in a write to SB would be answered with what the game
    /// replaces in this very instruction.
    Access,
}

/// Way of the core's serial bytes to the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GamePort {
    /// The core's own socket calls, made in our process.
    Direct,
    /// A TCP connection to 127.0.0.1.
    Loopback,
}

impl fmt::Display for GamePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The serial control register FF02 as a game left it (Pan Docs, Serial Data Transfer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SerialControl(pub u8);

impl SerialControl {
    /// True if the game waits for the other side's clock: transfer enabled (bit 7), external clock (bit 0
    /// clear).
    #[must_use]
    pub fn is_armed(self) -> bool {
        self.0 & 0x81 == 0x80
    }

    /// True if a transfer that this side clocks is under way.
    #[must_use]
    pub fn is_clocking(self) -> bool {
        self.0 & 0x81 == 0x81
    }
}
