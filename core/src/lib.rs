//! The Gamelink engine: carries Game Boy serial transfers between two emulators.
//!
//! No socket, clock, thread or hidden randomness is in this crate: time is an argument, datagrams go in and
//! come out as bytes, and the same inputs always give the same outputs. `gamelink-driver` runs it on the
//! operating system.

pub mod bridge;
pub mod clock;
pub mod control;
pub mod protocol;
mod sequence_numbers;
pub mod serial;
pub mod time;
