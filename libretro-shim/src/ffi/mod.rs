//! The two C interfaces: the frontend's on one side, the stock core's on the other.
//!
//! All `unsafe` of this crate is here, behind functions that the rest can call safely. Two facts carry most
//! of it: a frontend calls a core from one thread at a time (libretro.h, `retro_run` and the callbacks), and
//! pointers handed to a callback are valid during that call.
#![allow(unsafe_code)]

mod abi;
mod callbacks;
mod clock;
mod core;
mod declare;
mod depth;
mod dl;
mod environment;
mod exports;
mod frontend;
mod guard;
mod imports;
mod log;
mod memory;
mod plug;
pub(crate) mod presenter;
pub(crate) mod save_ram;
mod socket;
#[cfg(test)]
pub(crate) mod tests;
mod text;

pub(crate) use self::abi::EnvironmentFn;
pub(crate) use self::clock::{Stopwatch, processor_time};
pub(crate) use self::core::{Core, Identity, OpenError};
pub(crate) use self::dl::{is_loaded, own_file};
pub(crate) use self::frontend::{
    SavestateContext, can_repeat, is_frame_hidden, is_option_enabled, is_variable_update, libretro_path,
    option_value, savestate_context, show,
};
pub(crate) use self::guard::{forget_failure, guard, has_failed};
pub(crate) use self::memory::REGISTERS;
pub(crate) use self::plug::{Plug, with_cable};
