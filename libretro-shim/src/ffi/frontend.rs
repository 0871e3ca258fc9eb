//! Our own environment calls.

use super::abi::*;
use super::c_strings::{c_string, owned};
use super::frontend_callbacks::call;
use crate::messages::Severity;
use crate::netplay::NETPLAY;
use crate::options::DISABLED;
use libc::{c_int, c_uint};
use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Makes an environment call with this value, which the frontend may change; `None` where it does not know
/// the command.
///
/// # Safety
/// `command` takes a pointer to a `T`.
unsafe fn ask<T>(command: c_uint, mut value: T) -> Option<T> {
    // SAFETY: the caller's promise.
    let is_known = unsafe { call(command, (&raw mut value).cast()) };
    is_known.then_some(value)
}

/// The value of a core option as the frontend has it.
pub(crate) fn option_value(key: &CStr) -> Option<CString> {
    let variable = Variable {
        key: key.as_ptr(),
        value: std::ptr::null(),
    };
    // SAFETY: the command takes a `retro_variable`.
    let value = unsafe { ask(GET_VARIABLE, variable) }?.value;
    // SAFETY: the frontend's string, valid until the next environment call.
    unsafe { owned(value) }
}

/// Sets an option, where the frontend lets cores do so (`SET_VARIABLE`).
pub(crate) fn set_option(key: &CStr, value: &CStr) {
    let variable = Variable {
        key: key.as_ptr(),
        value: value.as_ptr(),
    };
    // SAFETY: the command takes a `retro_variable`.
    unsafe { ask(SET_VARIABLE, variable) };
}

/// True where an option has changed since the frontend was last asked.
pub(crate) fn is_variable_update() -> bool {
    // SAFETY: the command takes a `bool`.
    unsafe { ask(GET_VARIABLE_UPDATE, false) == Some(true) }
}

/// True for one of our own options unless it is switched off.
pub(crate) fn is_option_enabled(key: &CStr) -> bool {
    option_value(key).as_deref() != Some(DISABLED)
}

/// True where the frontend takes null for the last picture (`GET_CAN_DUPE`).
pub(crate) fn can_repeat() -> bool {
    // SAFETY: the command takes a `bool`.
    unsafe { ask(GET_CAN_DUPE, false) == Some(true) }
}

/// File that the frontend loaded us from, where it tells.
pub(crate) fn libretro_path() -> Option<PathBuf> {
    // SAFETY: the command takes a `const char *`.
    let path = unsafe { ask(GET_LIBRETRO_PATH, std::ptr::null()) }?;
    // SAFETY: the frontend's string, valid until the next environment call.
    let path = unsafe { owned(path) }?;
    Some(OsString::from_vec(path.into_bytes()).into())
}

/// Purpose of a savestate (`retro_savestate_context`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SavestateContext {
    /// A state for the player, or a rewind buffer.
    Normal,
    /// Run-ahead, in this instance or a second one.
    RunAhead,
    /// `RetroArch`'s own netplay.
    Netplay,
}

/// Purpose of savestates at the moment; [`SavestateContext::Normal`] where the frontend does not tell, and
/// while its netplay is the cable: no state is sent then, whatever it says.
pub(crate) fn savestate_context() -> SavestateContext {
    // SAFETY: the command takes an `int`.
    match unsafe { ask(GET_SAVESTATE_CONTEXT, 0 as c_int) } {
        Some(1 | 2) => SavestateContext::RunAhead,
        Some(3) if !NETPLAY.is_active() => SavestateContext::Netplay,
        _ => SavestateContext::Normal,
    }
}

/// True where nobody sees or hears the frame that begins; `None` where the frontend does not tell.
pub(crate) fn is_frame_hidden() -> Option<bool> {
    /// Bits for the picture and for the sound.
    const WANTED: c_int = 0b11;
    // SAFETY: the command takes an `int`.
    let enabled: c_int = unsafe { ask(GET_AUDIO_VIDEO_ENABLE, 0) }?;
    Some(enabled & WANTED == 0)
}

/// Shows a message on screen, in the newest way that the frontend has. Does not log.
pub(crate) fn show(severity: Severity, text: &str) {
    /// Frames a second, near enough for how long a message stands.
    const RATE_HZ: c_uint = 60;
    let (level, seconds, priority) = match severity {
        Severity::Info => (1, 3, 1),
        Severity::Warning => (2, 5, 2),
        Severity::Error => (3, 10, 3),
    };
    let text = c_string(text);
    // SAFETY: the command takes an `unsigned`.
    let version: Option<c_uint> = unsafe { ask(GET_MESSAGE_INTERFACE_VERSION, 0) };
    if version.is_some_and(|version| version >= 1) {
        let message = MessageExt {
            msg: text.as_ptr(),
            duration: seconds * 1000,
            priority,
            level,
            target: 1,
            kind: 0,
            progress: -1,
        };
        // SAFETY: the command takes a `retro_message_ext`.
        unsafe { ask(SET_MESSAGE_EXT, message) };
    } else {
        let message = Message {
            msg: text.as_ptr(),
            frames: seconds * RATE_HZ,
        };
        // SAFETY: the command takes a `retro_message`.
        unsafe { ask(SET_MESSAGE, message) };
    }
}
