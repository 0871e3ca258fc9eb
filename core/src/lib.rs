//! The Gamelink engine: carries Game Boy serial transfers between two emulators.
//!
//! Everything outside [`driver`] is free of sockets, clocks, threads and hidden randomness: time is an
//! argument, datagrams go in and come out as bytes, and the same inputs always give the same outputs.
//! [`driver`] is the only place that touches the operating system.

pub mod bridge;
pub mod clock;
pub mod control;
pub mod driver;
mod number;
pub mod protocol;
pub mod serial;
pub mod time;
pub mod timeline;
