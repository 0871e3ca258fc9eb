//! The ways in which games use the cable, each played by a link-test ROM.

use gamelink_sim::rom::Rom;
use std::time::Duration;

/// One way of using the cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Name in tables and pictures.
    pub name: &'static str,
    /// The game that plays it.
    pub rom: Rom,
    /// Time by which the second side's frames start later, unless a case says otherwise: how long a byte
    /// waits for the other's sleep depends on it.
    pub phase: Duration,
}

const fn pattern(name: &'static str, rom: Rom, phase_us: u64) -> Pattern {
    Pattern {
        name,
        rom,
        phase: Duration::from_micros(phase_us),
    }
}

/// A quarter of a frame.
const QUARTER_US: u64 = 4200;
/// Three quarters.
const THREE_QUARTERS_US: u64 = 12600;

/// One exchange a frame; the byte changes once in 30 exchanges, as in a game of Tetris.
pub const PLAY: Pattern = pattern("one a frame, as in play", Rom::TetrisPlay, QUARTER_US);
/// One exchange a frame, a new byte each time.
pub const CHANGING: Pattern = pattern("one a frame, ever new", Rom::TetrisAuto, THREE_QUARTERS_US);
/// Back to back, for ever; what is sent does not depend on what is received.
pub const STREAM: Pattern = pattern("back to back", Rom::Stream, QUARTER_US);
/// [`STREAM`] with a wait between two bytes: as many in a frame as an armed stock core takes in one, so what
/// is missing is the link's.
pub const PACED: Pattern = pattern("back to back, nine a frame", Rom::StreamPaced, QUARTER_US);
/// [`STREAM`] with each byte of the clocking side made of the last reply.
pub const FOLLOW: Pattern = pattern(
    "back to back, made of the last reply",
    Rom::StreamFollow,
    QUARTER_US,
);
/// One exchange a frame; the game halts while it waits.
pub const HALTING: Pattern = pattern("one a frame, halting", Rom::TetrisHalt, QUARTER_US);
/// The clock changes sides with every byte.
pub const ALTERNATING: Pattern = pattern("alternating", Rom::Alternate, QUARTER_US);
/// Clocks on both sides, and an armed side never.
pub const BOTH: Pattern = pattern("both clocking", Rom::Both, QUARTER_US);
/// The armed side arms up to a frame and a half after each byte.
pub const LATE: Pattern = pattern("late re-arm", Rom::Late, QUARTER_US);
/// Blocks of 424 bytes with pauses between them, as in a Pokemon trade.
pub const BLOCKS: Pattern = pattern("blocks, as in a trade", Rom::PokemonAuto, QUARTER_US);
/// One exchange a frame, of a cartridge with 32 KiB of battery RAM, which is in the states too.
pub const BATTERY: Pattern = pattern(
    "one a frame, 32 KiB of battery RAM",
    Rom::CartMbc1With32K,
    QUARTER_US,
);
