//! The daemon that turns a plugged USB host-to-host cable into a Game Boy link, and its tools.
//!
//! `machine` decides, `wire` encodes, `sys` does I/O, `daemon` and `tools` combine them.

mod cli;
mod daemon;
mod escape;
mod identity;
mod log_lines;
mod machine;
mod sys;
mod tools;
mod wire;

pub use cli::{command, main};
