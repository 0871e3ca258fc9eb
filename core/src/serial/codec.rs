//! The stock core's two-byte messages (`net_serial.cpp`, `NetSerial::send` and `NetSerial::check`).

use super::Speed;

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
