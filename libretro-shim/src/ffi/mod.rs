//! The two C interfaces: the frontend's on one side, the stock core's on the other.
//!
//! All `unsafe` of this crate is here, behind functions that the rest can call safely. Two facts carry most
//! of it: a frontend calls a core from one thread at a time (libretro.h, `retro_run` and the callbacks), and
//! pointers handed to a callback are valid during that call.
#![allow(unsafe_code)]

mod abi;
#[cfg(target_arch = "arm")]
mod arm_coroutine;
mod c_strings;
mod core;
pub(crate) mod core_callbacks;
mod dynamic_linker;
mod emulated_clock;
mod environment;
mod exports;
pub(crate) mod frame_stack;
mod frontend;
mod frontend_callbacks;
mod imports;
mod loaded_cable;
mod log;
pub(crate) mod netpacket;
mod option_arrays;
mod panic_guard;
mod poll_origin;
mod replaced_sockets;
pub(crate) mod save_ram;
mod serial_registers;
mod stopwatch;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod work_ram;

pub(crate) use self::abi::EnvironmentFn;
pub(crate) use self::core::{Core, Identity, OpenError};
pub(crate) use self::dynamic_linker::{is_loaded, own_file};
pub(crate) use self::environment::redeclare;
pub(crate) use self::frontend::{
    SavestateContext, can_repeat, is_frame_hidden, is_option_enabled, is_variable_update, libretro_path,
    option_value, savestate_context, set_option, show,
};
pub(crate) use self::loaded_cable::{Plug, with_cable};
pub(crate) use self::panic_guard::{forget_failure, guard, has_failed};
pub(crate) use self::replaced_sockets::take_last_read;
pub(crate) use self::serial_registers::REGISTERS;
pub(crate) use self::stopwatch::{Stopwatch, processor_time};
