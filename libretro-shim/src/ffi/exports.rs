//! The 25 functions that make this library a libretro core, and one that says which core it is.
#![allow(unreachable_pub, reason = "the dynamic linker reaches them")]

use super::abi::*;
use super::{callbacks, environment, guard, log, save_ram};
use crate::identity::system_identity;
use crate::lifecycle::{run_frame, session};
use libc::{c_char, c_uint, c_void};

/// Our own mark, so that no copy of this library is taken for the stock core ([`MARKER`](super::core::MARKER)).
#[unsafe(no_mangle)]
pub extern "C" fn gamelink_shim_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// libretro.h: the version of the interface.
#[unsafe(no_mangle)]
pub extern "C" fn retro_api_version() -> c_uint {
    API_VERSION
}

/// libretro.h: takes the environment callback; may come several times, also without `retro_init` after it.
#[unsafe(no_mangle)]
pub extern "C" fn retro_set_environment(callback: Option<EnvironmentFn>) {
    guard((), || {
        callbacks::ENVIRONMENT.set(callback);
        log::find_callback();
        session().with_core((), |core| core.set_environment(environment::environment));
    });
}

/// libretro.h: takes the picture callback.
#[unsafe(no_mangle)]
pub extern "C" fn retro_set_video_refresh(callback: Option<VideoRefreshFn>) {
    callbacks::VIDEO_REFRESH.set(callback);
}

/// libretro.h: takes the sound callback.
#[unsafe(no_mangle)]
pub extern "C" fn retro_set_audio_sample(callback: Option<AudioSampleFn>) {
    callbacks::AUDIO_SAMPLE.set(callback);
}

/// libretro.h: takes the sound callback.
#[unsafe(no_mangle)]
pub extern "C" fn retro_set_audio_sample_batch(callback: Option<AudioSampleBatchFn>) {
    callbacks::AUDIO_SAMPLE_BATCH.set(callback);
}

/// libretro.h: takes the input callback.
#[unsafe(no_mangle)]
pub extern "C" fn retro_set_input_poll(callback: Option<InputPollFn>) {
    guard((), || {
        callbacks::INPUT_POLL.set(callback);
        session().with_core((), super::Core::set_input);
    });
}

/// libretro.h: takes the input callback.
#[unsafe(no_mangle)]
pub extern "C" fn retro_set_input_state(callback: Option<InputStateFn>) {
    guard((), || {
        callbacks::INPUT_STATE.set(callback);
        session().with_core((), super::Core::set_input);
    });
}

/// libretro.h: says what core this is; may come at any time, also on a mapping that is used for nothing else.
///
/// # Safety
/// `info` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn retro_get_system_info(info: *mut SystemInfo) {
    guard((), || {
        let identity = system_identity();
        let answer = SystemInfo {
            library_name: identity.name.as_ptr(),
            library_version: identity.version.as_ptr(),
            valid_extensions: identity.extensions.as_ptr(),
            need_fullpath: identity.need_fullpath,
            block_extract: identity.block_extract,
        };
        if !info.is_null() {
            // SAFETY: the caller's promise.
            unsafe { info.write(answer) };
        }
    });
}

/// libretro.h: says the picture's size and the rates of the loaded game.
///
/// # Safety
/// `info` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn retro_get_system_av_info(info: *mut SystemAvInfo) {
    guard((), || {
        if info.is_null() {
            return;
        }
        // SAFETY: the caller's promise; the structure is numbers only, for which all zero is a value.
        unsafe { info.write_bytes(0, 1) };
        // SAFETY: the caller's promise.
        session().with_core((), |core| unsafe { core.system_av_info(info) });
    });
}

/// libretro.h: starts the core.
#[unsafe(no_mangle)]
pub extern "C" fn retro_init() {
    guard((), || {
        log::find_callback();
        session().init(environment::environment);
    });
}

/// libretro.h: stops the core.
#[unsafe(no_mangle)]
pub extern "C" fn retro_deinit() {
    guard((), || {
        session().deinit();
        environment::forget_declared();
        log::forget_callback();
    });
}

/// libretro.h: loads a game.
///
/// # Safety
/// `game` is null or as libretro.h wants it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn retro_load_game(game: *const GameInfo) -> bool {
    guard(false, || {
        // SAFETY: the caller's promise.
        let has_data = unsafe { game.as_ref() }.is_some_and(|game| !game.data.is_null() && game.size != 0);
        if !has_data {
            ::log::error!("no game: the frontend gave no data to load");
            return false;
        }
        // SAFETY: the caller's promise.
        session().load(|core| unsafe { core.load_game(game) })
    })
}

/// libretro.h: loads a game of several parts.
///
/// # Safety
/// The arguments are as libretro.h wants them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn retro_load_game_special(kind: c_uint, games: *const GameInfo, count: usize) -> bool {
    guard(false, || {
        // SAFETY: the caller's promise.
        session().load(|core| unsafe { core.load_game_special(kind, games, count) })
    })
}

/// libretro.h: unloads the game.
#[unsafe(no_mangle)]
pub extern "C" fn retro_unload_game() {
    guard((), || session().unload());
}

/// libretro.h: runs one frame.
#[unsafe(no_mangle)]
pub extern "C" fn retro_run() {
    guard((), run_frame);
}

/// libretro.h: presses the reset button.
#[unsafe(no_mangle)]
pub extern "C" fn retro_reset() {
    guard((), || session().reset());
}

/// libretro.h: the size of a state.
#[unsafe(no_mangle)]
pub extern "C" fn retro_serialize_size() -> usize {
    guard(0, || session().state_size())
}

/// libretro.h: saves a state.
///
/// # Safety
/// `data` has room for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn retro_serialize(data: *mut c_void, size: usize) -> bool {
    guard(false, || {
        if data.is_null() {
            return false;
        }
        // SAFETY: the caller's promise.
        let out = unsafe { std::slice::from_raw_parts_mut(data.cast::<u8>(), size) };
        session().serialize(out)
    })
}

/// libretro.h: loads a state.
///
/// # Safety
/// `data` has `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn retro_unserialize(data: *const c_void, size: usize) -> bool {
    guard(false, || {
        if data.is_null() {
            return false;
        }
        // SAFETY: the caller's promise.
        let state = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
        session().unserialize(state)
    })
}

/// libretro.h: removes all cheats.
#[unsafe(no_mangle)]
pub extern "C" fn retro_cheat_reset() {
    guard((), || session().with_core((), super::Core::cheat_reset));
}

/// libretro.h: sets a cheat.
///
/// # Safety
/// `code` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn retro_cheat_set(index: c_uint, is_enabled: bool, code: *const c_char) {
    guard((), || {
        if code.is_null() {
            return;
        }
        // SAFETY: the caller's promise.
        session().with_core((), |core| unsafe { core.cheat_set(index, is_enabled, code) });
    });
}

/// libretro.h: plugs in a controller.
#[unsafe(no_mangle)]
pub extern "C" fn retro_set_controller_port_device(port: c_uint, device: c_uint) {
    guard((), || {
        session().with_core((), |core| core.set_controller_port_device(port, device));
    });
}

/// libretro.h: the television's standard.
#[unsafe(no_mangle)]
pub extern "C" fn retro_get_region() -> c_uint {
    guard(0, || session().with_core(0, super::Core::region))
}

/// libretro.h: where a kind of memory is.
#[unsafe(no_mangle)]
pub extern "C" fn retro_get_memory_data(id: c_uint) -> *mut c_void {
    guard(std::ptr::null_mut(), || {
        session().with_core(std::ptr::null_mut(), |core| save_ram::memory_data(core, id))
    })
}

/// libretro.h: how large a kind of memory is.
#[unsafe(no_mangle)]
pub extern "C" fn retro_get_memory_size(id: c_uint) -> usize {
    guard(0, || session().with_core(0, |core| core.memory_size(id)))
}
