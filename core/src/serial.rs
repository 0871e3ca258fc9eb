//! Serial transfers, and the two-byte messages in which the stock core writes them on its socket
//! (`net_serial.cpp`, `NetSerial::send` and `NetSerial::check`).

use crate::time::FrameTime;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The byte that a Game Boy reads when nothing is plugged in: the data line floats high (Pan Docs, Serial
/// Data Transfer).
pub const UNPLUGGED: u8 = 0xFF;

/// Rate at which the clocking side shifts one byte; 0 and 1 on the wire and towards the stock core.
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

/// Transfer that the game clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The byte that it shifts out.
    pub byte: u8,
    /// The clock that it chose.
    pub speed: Speed,
    /// The moment in its frame, where the core tells it.
    pub time: Option<FrameTime>,
}

impl Request {
    /// A transfer at the normal clock, of a core that does not tell its time.
    #[must_use]
    pub fn normal(byte: u8) -> Request {
        Request {
            byte,
            speed: Speed::Normal,
            time: None,
        }
    }
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

/// One message between the stock core and whatever its socket is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GameMessage {
    /// The game starts a transfer with its internal clock: `[SB, 0]`, or `[SB, 2]` in CGB fast mode.
    ///
    /// The core passes `data & 2` through a `bool`, so 1 is seen as well; any value but 0 and 0x80 means
    /// fast.
    Request {
        /// The byte that the game shifts out.
        byte: u8,
        /// The clock that it chose.
        speed: Speed,
    },
    /// The armed game answers: `[SB, 0x80]`.
    Reply {
        /// The byte that the game shifts out.
        byte: u8,
    },
}

/// Second byte of a reply.
const REPLY: u8 = 0x80;

impl GameMessage {
    /// The two bytes of this message; they must reach the socket in one write, because the core takes a short
    /// read for a whole one.
    #[must_use]
    pub fn encode(self) -> [u8; 2] {
        match self {
            GameMessage::Request { byte, speed } => [byte, speed as u8],
            GameMessage::Reply { byte } => [byte, REPLY],
        }
    }

    /// The message that these two bytes are.
    #[must_use]
    pub fn decode([byte, kind]: [u8; 2]) -> GameMessage {
        let speed = match kind {
            REPLY => return GameMessage::Reply { byte },
            0 => Speed::Normal,
            _ => Speed::Fast,
        };
        GameMessage::Request { byte, speed }
    }
}

/// Cuts a stream of bytes from the core into messages, however the reads fell.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    first: Option<u8>,
}

impl Decoder {
    /// Takes the next byte of the stream; every second one completes a message.
    pub fn handle_byte(&mut self, byte: u8) -> Option<GameMessage> {
        let first = self.first.take();
        if first.is_none() {
            self.first = Some(byte);
        }
        first.map(|first| GameMessage::decode([first, byte]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_any_split_of_the_stream() {
        let mut decoder = Decoder::default();
        let decoded: Vec<_> = [0x29, 0, 0x55, 0x80, 7, 1]
            .into_iter()
            .filter_map(|b| decoder.handle_byte(b))
            .collect();
        assert_eq!(
            decoded,
            [
                GameMessage::Request {
                    byte: 0x29,
                    speed: Speed::Normal
                },
                GameMessage::Reply { byte: 0x55 },
                GameMessage::Request {
                    byte: 7,
                    speed: Speed::Fast
                },
            ]
        );
    }

    #[test]
    fn encoding_and_decoding_agree() {
        for byte in 0..=255 {
            for message in [
                GameMessage::Request {
                    byte,
                    speed: Speed::Normal,
                },
                GameMessage::Request {
                    byte,
                    speed: Speed::Fast,
                },
                GameMessage::Reply { byte },
            ] {
                assert_eq!(GameMessage::decode(message.encode()), message);
            }
        }
    }
}
