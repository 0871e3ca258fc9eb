//! The daemon that turns a plugged USB host-to-host cable into a Game Boy link, and the tools that go with it.
//!
//! `machine` decides, `wire` reads and writes bytes, `sys` talks to the system, `daemon` puts them together.

mod cli;
mod daemon;
mod identity;
mod log_lines;
mod machine;
mod sys;
mod tools;
mod wire;

pub use cli::{command, main};
