//! A libretro core that wraps the stock Gambatte and plugs its link cable into Gamelink.
//!
//! The frontend loads this library as one more Game Boy core. It loads the player's own Gambatte, forwards
//! every call in both directions, and answers the handful of questions that concern the link cable itself.
//!
//! To the frontend it is the stock core: same name, same file types, same states, same options. `RetroArch`
//! keeps saves, states and options in folders named after the core, so a player's own go on working in both;
//! only the version tells the two apart. One process runs one game: a second copy of this library, as
//! `RetroArch` makes for run-ahead, would share the one loaded stock core, so it refuses to load a game and
//! `RetroArch` goes on with one instance.
//!
//! - [`options`]: which core options concern the cable, and what the stock core is told (pure)
//! - `run_ahead`: which frames only look ahead of the game (pure)
//! - `locate_core`: which file is the stock core
//! - `lifecycle`: what is loaded and running; the order in which things come and go
//! - `presentation`: pictures, sound and input while frames are rolled back (pure)
//! - `save_ram`: the battery RAM that the frontend sees meanwhile (pure)
//! - `rollback`: runs the core as the link's timeline says
//! - `proof`: that the serial registers are where the core's memory map says
//! - `cable`: the link, and why it is unplugged
//! - `ffi`: the C interfaces on both sides; the only place with `unsafe`

mod cable;
mod elf;
mod faults;
mod ffi;
mod game;
mod identity;
mod lifecycle;
mod locate_core;
mod messages;
mod mid_transfer;
pub mod options;
mod presentation;
mod proof;
mod rollback;
mod run_ahead;
mod safe_state;
mod save_ram;
mod settings;
mod sync;
mod updates;
mod windows;
