//! Inputs and outputs of a bridge.

use super::Notice;
use crate::protocol::Nonce;
use crate::serial::{GamePort, Look, Speed};
use crate::time::{FrameTime, LocalTime};

/// Something that happened at this end.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A peer's address is known from now on. The number is random, fresh for each plug, and not 0.
    Plug {
        /// This side's half of the session's name.
        nonce: Nonce,
    },
    /// The cable is pulled here: the peer is told, transfers read 0xFF.
    Unplug,
    /// A datagram from the peer's address.
    Datagram {
        /// Its bytes.
        bytes: &'a [u8],
        /// When it arrived, from the kernel's stamp.
        received: LocalTime,
    },
    /// The game starts a transfer with its internal clock and waits for [`Output::Complete`].
    Request {
        /// The byte that it shifts out.
        byte: u8,
        /// The clock that it chose.
        speed: Speed,
        /// True if SC still shows a transfer enabled. If the game has just taken a byte, that byte is lost to
        /// it: torn.
        is_enabled: bool,
        /// The moment in the frame, where the core tells it.
        time: Option<FrameTime>,
    },
    /// The game listens and the core looks whether a byte is there: one that waits is handed over now.
    Poll {
        /// The place in the core's code that looks.
        look: Look,
        /// The moment in the frame, where the core tells it.
        time: Option<FrameTime>,
    },
    /// The last poll has been prolonged: the same look once more.
    PollAgain,
    /// The game answered [`Output::Deliver`].
    Reply {
        /// The byte that it shifted out.
        byte: u8,
    },
    /// The emulation stands between two frames and goes on next.
    FrameStart {
        /// True if the game listens, where that can be seen.
        is_armed: Option<bool>,
        /// The way of the core's bytes: on [`GamePort::Loopback`] a byte is handed over here, otherwise in a
        /// poll.
        port: GamePort,
    },
    /// A further call of the frontend goes on with the frame in which the game waits.
    Resumed,
    /// The game is not to wait any longer: it is about to be reset, loaded or unloaded.
    GiveUp,
    /// The core has run.
    FrameEnd {
        /// True if it emulated anything.
        has_advanced: bool,
    },
    /// The core's connection was replaced.
    CoreReconnected,
}

/// Something to be done at this end, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The game that waits reads this byte.
    Complete {
        /// The byte.
        byte: u8,
    },
    /// Hand this byte to the listening game.
    Deliver {
        /// The byte.
        byte: u8,
        /// The clock that the peer's game chose.
        speed: Speed,
    },
    /// Send the first so many bytes of the buffer to the peer.
    Transmit {
        /// Length of the datagram.
        len: usize,
    },
    /// Tell the player.
    Notify(Notice),
}
