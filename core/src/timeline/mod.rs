//! Go on and mend: a game that clocks runs on with a guessed byte, and is corrected if the guess was wrong.
//!
//! Waiting for a verdict costs a round trip a byte. Here the game reads a guess at once and goes on. The timeline of one
//! game keeps a short history: for each emulated frame what crossed its serial port, and now and then a state of the
//! whole core. When the truth arrives and differs, the game is taken back to a state before the guess and the frames
//! since are replayed, unseen, with all that is known by then. This is optimistic simulation (Jefferson, "Virtual Time",
//! 1985) with lazy cancellation (Gafni, 1988): what a replay sends again needs no word; only what it sends differently
//! is *replaced*, under a new *epoch*.
//!
//! It knows nothing of cores, sockets and clocks. It says what is to be done ([`Step`]); whoever owns the core does it.
//!
//! # The face towards the port
//!
//! **Inside a running core**, the three hooks of the serial port; none of them waits, allocates or fails:
//!
//! | the core | call | answer |
//! |---|---|---|
//! | looks for a byte (`NetSerial::check`: armed, no shift under way) | [`Timeline::poll`] | `Some((byte, speed))`: the core takes it now |
//! | has taken it and gives its own SB | [`Timeline::taken`] | |
//! | starts a transfer with its own clock (`NetSerial::send`) | [`Timeline::request`] | the byte that the game reads |
//!
//! Call them only from inside a frame that [`Step::Live`] or [`Step::Replay`] asked for. Elsewhere (the core polls while
//! it serialises) a poll finds nothing, and is not counted.
//!
//! **Between frames**, one slot for each call of `retro_run`: call [`Timeline::step`] and do what it says until it says
//! [`Step::Done`]:
//!
//! ```text
//! loop {
//!     match timeline.step() {
//!         Step::Load { slot }    => unserialise the buffer `slot`,
//!         Step::Replay { frame } => run one frame with the inputs kept for `frame`: no picture, no sound, no side effect;
//!                                   timeline.frame_end(boundary),
//!         Step::Save { slot }    => timeline.saved(serialise into the buffer `slot`),
//!         Step::Live { frame }   => run one frame for the player and keep its inputs under `frame`;
//!                                   timeline.frame_end(boundary),
//!         Step::Hold             => show the last picture again, with silence,
//!         Step::Done             => break,
//!     }
//! }
//! write a datagram if timeline.must_transmit()
//! ```
//!
//! A slot is a correction (`Load`, then `Replay` and `Save` in turn; there may be several), then one `Live` or one
//! `Hold`, then perhaps a `Save`. A `Live` that is followed by a `Hold` in the same slot is undone: its picture and sound
//! are dropped. Frames are numbered from 0 as emulated, live; a replay has the number of the frame that it repeats. A call
//! that emulated nothing (the core repeated its picture) keeps the number for the next. The caller owns inputs and buffers:
//! inputs of frames before [`Timeline::oldest_frame`] are not asked for again, and slots are numbers below the count
//! given to [`Timeline::new`].
//!
//! [`Timeline::confirmed`] says up to which frame nothing can change any more, and which buffer holds a state of that past: the
//! only one whose save RAM may reach a disk.
//!
//! **Towards the peer**: [`Timeline::plug`] when a session is up and the peer's [`Flags::MENDS`](crate::protocol::Flags::MENDS)
//! is set, [`Timeline::unplug`] when it is over, [`Timeline::handle_datagram`] with each datagram of the session,
//! [`Timeline::write_header`] and [`Timeline::write_events`] into each that leaves. All of these may be called at any time,
//! from a helper thread's turn of the lock too: what arrives while a frame runs is kept and looked at in the next
//! slot, and while a replay runs nothing is said. Without that flag nothing here is used: towards such a peer the strict path
//! serves, which never replaces what it has sent.
//!
//! **Measures**: [`Timeline::set_round_trip`] and [`Timeline::handle_replay_cost`] set how far the game may run ahead.

use crate::protocol::{Events, Header, Writer};
use crate::serial::{SerialControl, Speed, UNPLUGGED};
use std::time::Duration;

/// What is to be done next in this slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Load the state that this buffer holds.
    Load {
        /// Number of the buffer.
        slot: usize,
    },
    /// Save the core's state into this buffer, then call [`Timeline::saved`].
    Save {
        /// Number of the buffer.
        slot: usize,
    },
    /// Emulate this frame again, unseen, then call [`Timeline::frame_end`].
    Replay {
        /// Its number.
        frame: u64,
    },
    /// Emulate the next frame for the player, then call [`Timeline::frame_end`].
    Live {
        /// Its number.
        frame: u64,
    },
    /// Show the last picture again, with silence: the game stands still.
    Hold,
    /// The slot is over.
    Done,
}

/// What the caller sees of the core at the end of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// Whether the call emulated anything.
    pub has_advanced: bool,
    /// FF02 as it is stored.
    pub serial_control: SerialControl,
    /// FF01 as it is stored.
    pub serial_byte: u8,
}

/// Up to where nothing can change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Frames before this one are final.
    pub frame: u64,
    /// The buffer of the newest kept state that is final, and the frame that starts from it.
    pub state: Option<(usize, u64)>,
}

/// The history of one game and of its link, as far back as it may still change.
#[derive(Clone, Debug)]
pub struct Timeline {
    frame: u64,
    has_run: bool,
}

impl Timeline {
    /// A timeline that is not plugged in, for a caller with so many buffers for states.
    #[must_use]
    pub fn new(_slots: usize) -> Timeline {
        Timeline {
            frame: 0,
            has_run: false,
        }
    }

    /// The core looks for a byte of the peer. `Some`: it takes it, and calls [`taken`](Self::taken) before anything else.
    pub fn poll(&mut self) -> Option<(u8, Speed)> {
        None
    }

    /// The core took the byte that [`poll`](Self::poll) gave, and this is its own SB.
    pub fn taken(&mut self, _byte: u8) {}

    /// The game starts a transfer with its own clock; the byte that it reads.
    pub fn request(&mut self, _byte: u8, _speed: Speed) -> u8 {
        UNPLUGGED
    }

    /// What is to be done next; see the module.
    pub fn step(&mut self) -> Step {
        if std::mem::replace(&mut self.has_run, true) {
            self.has_run = false;
            return Step::Done;
        }
        Step::Live { frame: self.frame }
    }

    /// The frame that the last step asked for has been emulated.
    pub fn frame_end(&mut self, boundary: Boundary) {
        self.frame += u64::from(boundary.has_advanced);
    }

    /// The state that the last step asked for has been kept, or could not be.
    pub fn saved(&mut self, _is_kept: bool) {}

    /// The oldest frame whose inputs may be asked for again.
    #[must_use]
    pub fn oldest_frame(&self) -> u64 {
        self.frame
    }

    /// Up to where nothing can change any more.
    #[must_use]
    pub fn confirmed(&self) -> Confirmed {
        Confirmed {
            frame: self.frame,
            state: None,
        }
    }

    /// A session with a peer that mends is up. `is_new_peer`: not the one of the last session, or it restarted.
    pub fn plug(&mut self, _is_new_peer: bool) {}

    /// The session is over: what is not confirmed reads 0xFF, from the next slot on.
    pub fn unplug(&mut self) {}

    /// Whether bytes can cross now.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        false
    }

    /// A datagram of the session, older ones too.
    pub fn handle_datagram(&mut self, _header: &Header, _events: Events<'_>) {}

    /// Whether the peer should hear of something now.
    #[must_use]
    pub fn must_transmit(&self) -> bool {
        false
    }

    /// Fills in what the header says of the timeline.
    pub fn write_header(&self, _header: &mut Header) {}

    /// Appends what the peer has not acknowledged, as much as fits.
    pub fn write_events(&mut self, _writer: &mut Writer<'_>) {}

    /// How long a word and its answer take now, with all but rare delays.
    pub fn set_round_trip(&mut self, _round_trip: Duration) {}

    /// What one replayed frame cost on this machine.
    pub fn handle_replay_cost(&mut self, _cost: Duration) {}
}
