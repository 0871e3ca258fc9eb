//! The 25 functions of a libretro core (libretro.h, `retro_*`), and one that marks this library.
#![allow(unreachable_pub, reason = "the dynamic linker reaches them")]

use super::abi::*;
use super::{environment, frontend_callbacks, guard, log, save_ram};
use crate::lifecycle::session;
use crate::system_info::system_identity;
use gamelink_driver::Cartridge;
use libc::{c_char, c_uint, c_void};

/// Mark by which a copy of this library is not taken for the stock core ([`MARKER`](super::core::MARKER)).
#[unsafe(no_mangle)]
pub extern "C" fn gamelink_shim_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Defines functions for the frontend, each with the value that it returns after a panic of ours.
macro_rules! exports {
    ($(
        $(#[$doc:meta])*
        [$($unsafe:tt)?] fn $name:ident($($argument:ident: $kind:ty),*)
            $(-> $result:ty = ($otherwise:expr))? $body:block
    )*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub $($unsafe)? extern "C" fn $name($($argument: $kind),*) $(-> $result)? {
            guard(exports!(@ $($otherwise)?), || $body)
        }
    )*};
    (@ $otherwise:expr) => { $otherwise };
    (@) => { () };
}

/// The cartridge that the frontend has loaded; an unknown one where its image has no header.
///
/// # Safety
/// `game` is null or as libretro.h wants it.
unsafe fn cartridge(game: *const GameInfo) -> Cartridge {
    // SAFETY: the caller's promise.
    let game = unsafe { game.as_ref() }.filter(|game| !game.data.is_null());
    // SAFETY: the frontend's data of this size.
    let image = game.map(|game| unsafe { std::slice::from_raw_parts(game.data.cast::<u8>(), game.size) });
    image.and_then(Cartridge::of).unwrap_or_default()
}

exports! {
    [] fn retro_api_version() -> c_uint = (API_VERSION) { API_VERSION }

    /// May come several times, also without `retro_init` after it.
    [] fn retro_set_environment(callback: Option<EnvironmentFn>) {
        frontend_callbacks::ENVIRONMENT.set(callback);
        log::find_callback();
        session().with_core((), |core| core.set_environment(environment::environment));
    }

    [] fn retro_set_video_refresh(callback: Option<VideoRefreshFn>) { frontend_callbacks::VIDEO_REFRESH.set(callback) }

    [] fn retro_set_audio_sample(callback: Option<AudioSampleFn>) { frontend_callbacks::AUDIO_SAMPLE.set(callback) }

    [] fn retro_set_audio_sample_batch(callback: Option<AudioSampleBatchFn>) {
        frontend_callbacks::AUDIO_SAMPLE_BATCH.set(callback);
    }

    [] fn retro_set_input_poll(callback: Option<InputPollFn>) { frontend_callbacks::INPUT_POLL.set(callback) }

    [] fn retro_set_input_state(callback: Option<InputStateFn>) { frontend_callbacks::INPUT_STATE.set(callback) }

    /// May come at any time, also on a mapping that is used for nothing else.
    ///
    /// # Safety
    /// `info` is null or can be written to.
    [unsafe] fn retro_get_system_info(info: *mut SystemInfo) {
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
    }

    /// The picture's size and the rates of the loaded game.
    ///
    /// # Safety
    /// `info` is null or can be written to.
    [unsafe] fn retro_get_system_av_info(info: *mut SystemAvInfo) {
        if info.is_null() {
            return;
        }
        // SAFETY: the caller's promise; the structure is numbers only, for which all zero is a value.
        unsafe { info.write_bytes(0, 1) };
        // SAFETY: the caller's promise.
        session().with_core((), |core| unsafe { core.system_av_info(info) });
    }

    [] fn retro_init() {
        log::find_callback();
        session().init(environment::environment);
    }

    [] fn retro_deinit() {
        session().deinit();
        environment::forget_declared();
        log::forget_callback();
    }

    /// # Safety
    /// `game` is null or as libretro.h wants it.
    [unsafe] fn retro_load_game(game: *const GameInfo) -> bool = (false) {
        // SAFETY: the caller's promise.
        let has_data = unsafe { game.as_ref() }.is_some_and(|game| !game.data.is_null() && game.size != 0);
        if !has_data {
            ::log::error!("no game: the frontend gave no data to load");
            return false;
        }
        // SAFETY: the caller's promise.
        let cartridge = unsafe { cartridge(game) };
        // SAFETY: the caller's promise.
        session().load(cartridge, |core| unsafe { core.load_game(game) })
    }

    /// # Safety
    /// The arguments are as libretro.h wants them.
    [unsafe] fn retro_load_game_special(kind: c_uint, games: *const GameInfo, count: usize)
        -> bool = (false) {
        // SAFETY: the caller's promise.
        session().load(Cartridge::default(), |core| unsafe { core.load_game_special(kind, games, count) })
    }

    [] fn retro_unload_game() { session().unload() }

    [] fn retro_run() { session().run() }

    [] fn retro_reset() { session().reset() }

    [] fn retro_serialize_size() -> usize = (0) { session().state_size() }

    /// # Safety
    /// `data` is null or has room for `size` bytes.
    [unsafe] fn retro_serialize(data: *mut c_void, size: usize) -> bool = (false) {
        if data.is_null() {
            return false;
        }
        // SAFETY: the caller's promise.
        let out = unsafe { std::slice::from_raw_parts_mut(data.cast::<u8>(), size) };
        session().serialize(out)
    }

    /// # Safety
    /// `data` is null or has `size` bytes.
    [unsafe] fn retro_unserialize(data: *const c_void, size: usize) -> bool = (false) {
        if data.is_null() {
            return false;
        }
        // SAFETY: the caller's promise.
        let state = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
        session().unserialize(state)
    }

    [] fn retro_cheat_reset() { session().with_core((), super::Core::cheat_reset) }

    /// # Safety
    /// `code` is null or a C string.
    [unsafe] fn retro_cheat_set(index: c_uint, is_enabled: bool, code: *const c_char) {
        if code.is_null() {
            return;
        }
        // SAFETY: the caller's promise.
        session().with_core((), |core| unsafe { core.cheat_set(index, is_enabled, code) });
    }

    [] fn retro_set_controller_port_device(port: c_uint, device: c_uint) {
        session().with_core((), |core| core.set_controller_port_device(port, device));
    }

    [] fn retro_get_region() -> c_uint = (0) { session().with_core(0, super::Core::region) }

    [] fn retro_get_memory_data(id: c_uint) -> *mut c_void = (std::ptr::null_mut()) {
        session().with_core(std::ptr::null_mut(), |core| save_ram::memory_data(core, id))
    }

    [] fn retro_get_memory_size(id: c_uint) -> usize = (0) {
        session().with_core(0, |core| core.memory_size(id))
    }
}
