//! Our own environment calls.

use super::abi::*;
use super::callbacks::call;
use super::text::c_string;
use crate::messages::Severity;
use crate::options::DISABLED;
use libc::{c_char, c_int, c_uint};
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The value of a core option as the frontend has it.
pub(crate) fn option_value(key: &CStr) -> Option<CString> {
    let mut variable = Variable {
        key: key.as_ptr(),
        value: std::ptr::null(),
    };
    // SAFETY: GET_VARIABLE takes a `retro_variable`.
    let is_known = unsafe { call(GET_VARIABLE, (&raw mut variable).cast()) };
    if !is_known || variable.value.is_null() {
        return None;
    }
    // SAFETY: the frontend's string, valid until the next environment call.
    Some(unsafe { CStr::from_ptr(variable.value) }.to_owned())
}

/// True where an option has changed since the frontend was last asked.
pub(crate) fn is_variable_update() -> bool {
    let mut is_updated = false;
    // SAFETY: GET_VARIABLE_UPDATE takes a `bool` to fill in.
    unsafe { call(GET_VARIABLE_UPDATE, (&raw mut is_updated).cast()) && is_updated }
}

/// True for one of our own options unless it is switched off.
pub(crate) fn is_option_enabled(key: &CStr) -> bool {
    option_value(key).as_deref() != Some(DISABLED)
}

/// True where the frontend takes null for the last picture (`GET_CAN_DUPE`).
pub(crate) fn can_repeat() -> bool {
    let mut can_repeat = false;
    // SAFETY: GET_CAN_DUPE takes a `bool` to fill in.
    unsafe { call(GET_CAN_DUPE, (&raw mut can_repeat).cast()) && can_repeat }
}

/// The file that the frontend loaded us from, where it says so.
pub(crate) fn libretro_path() -> Option<PathBuf> {
    let mut path: *const c_char = std::ptr::null();
    // SAFETY: GET_LIBRETRO_PATH takes a `const char *` to fill in.
    let is_known = unsafe { call(GET_LIBRETRO_PATH, (&raw mut path).cast()) };
    if !is_known || path.is_null() {
        return None;
    }
    // SAFETY: the frontend's string, valid until the next environment call.
    let path = unsafe { CStr::from_ptr(path) };
    Some(PathBuf::from(OsStr::from_bytes(path.to_bytes())))
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

/// Purpose of savestates at the moment; [`SavestateContext::Normal`] where the frontend does not tell.
pub(crate) fn savestate_context() -> SavestateContext {
    let mut context: c_int = 0;
    // SAFETY: GET_SAVESTATE_CONTEXT takes an `int` to fill in.
    let is_known = unsafe { call(GET_SAVESTATE_CONTEXT, (&raw mut context).cast()) };
    match (is_known, context) {
        (true, 1 | 2) => SavestateContext::RunAhead,
        (true, 3) => SavestateContext::Netplay,
        _ => SavestateContext::Normal,
    }
}

/// True where nobody sees or hears the frame that begins; `None` where the frontend does not tell.
pub(crate) fn is_frame_hidden() -> Option<bool> {
    /// Bits for the picture and for the sound.
    const WANTED: c_int = 0b11;
    let mut enabled: c_int = 0;
    // SAFETY: GET_AUDIO_VIDEO_ENABLE takes an `int` to fill in.
    let is_known = unsafe { call(GET_AUDIO_VIDEO_ENABLE, (&raw mut enabled).cast()) };
    is_known.then_some(enabled & WANTED == 0)
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
    let text = c_string(text.to_owned());
    let mut version: c_uint = 0;
    // SAFETY: GET_MESSAGE_INTERFACE_VERSION takes an `unsigned` to fill in.
    let has_version = unsafe { call(GET_MESSAGE_INTERFACE_VERSION, (&raw mut version).cast()) };
    if has_version && version >= 1 {
        let mut message = MessageExt {
            msg: text.as_ptr(),
            duration: seconds * 1000,
            priority,
            level,
            target: 1,
            kind: 0,
            progress: -1,
        };
        // SAFETY: SET_MESSAGE_EXT takes a `retro_message_ext`.
        unsafe { call(SET_MESSAGE_EXT, (&raw mut message).cast()) };
    } else {
        let mut message = Message {
            msg: text.as_ptr(),
            frames: seconds * RATE_HZ,
        };
        // SAFETY: SET_MESSAGE takes a `retro_message`.
        unsafe { call(SET_MESSAGE, (&raw mut message).cast()) };
    }
}
