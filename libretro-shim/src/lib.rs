//! A libretro core that wraps the stock Gambatte and plugs its link cable into Gamelink.
//!
//! The frontend loads this library as one more Game Boy core. It loads the player's own Gambatte, forwards
//! every call in both directions, and answers the handful of questions that concern the link cable itself.
//!
//! To the frontend it is the stock core: same name, same file types, same states, same options. `RetroArch`
//! keeps saves, states and options in folders named after the core, so a player's own work in both; only the
//! version differs. One process runs one game: a second copy of this library, as `RetroArch` makes for
//! run-ahead, would share the one loaded stock core, so it refuses to load a game and `RetroArch` uses one
//! instance.

mod between_transfers;
mod cable_state;
mod core_elf;
mod fail_points;
mod ffi;
mod focus_pauses;
mod game;
mod garbled_bytes;
mod lifecycle;
mod locate_core;
mod messages;
mod mid_transfer;
mod netplay;
mod option_updates;
mod options;
mod partners;
mod presentation;
mod register_proof;
mod rollback;
mod run_ahead;
mod settings;
mod settled_memory;
mod shared_blocks;
mod strict;
mod system_info;
mod unpoisoned_lock;
