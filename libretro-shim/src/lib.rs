//! A libretro core that wraps the stock Gambatte and plugs its link cable into Gamelink.
//!
//! The frontend loads this library as one more Game Boy core. It loads the player's own Gambatte, forwards every call in both
//! directions, and answers the handful of questions that concern the link cable itself.
//!
//! - [`options`]: which core options concern the cable, and what the stock core is told (pure)
//! - `find`: which file is the stock core
//! - `lifecycle`: what is loaded and running; the order in which things come and go
//! - `port`: how the game's serial port reaches the bridge
//! - `ffi`: the C interfaces on both sides; the only place with `unsafe`

mod elf;
mod ffi;
mod find;
mod game;
mod lifecycle;
mod messages;
pub mod options;
mod port;
mod settings;
mod snapshot;
mod updates;
