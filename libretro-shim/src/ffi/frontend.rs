//! The frontend's callbacks, and what we ask of it ourselves.

use super::abi::*;
use super::log::c_string;
use super::{guard, stage};
use crate::faults;
use crate::messages::Severity;
use crate::options::DISABLED;
use libc::{c_char, c_int, c_uint, c_void};
use std::ffi::{CStr, CString, OsStr};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// A C function pointer that may be missing, readable from any thread.
pub(super) struct Slot<F> {
    pointer: AtomicPtr<()>,
    kind: PhantomData<F>,
}

/// Function pointers that a [`Slot`] can hold.
///
/// # Safety
/// Only for `extern "C" fn` types, which are as large as a pointer and never null.
pub(super) unsafe trait Callback: Copy {}

// SAFETY: an `extern "C" fn` type.
unsafe impl Callback for EnvironmentFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Callback for VideoRefreshFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Callback for AudioSampleFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Callback for AudioSampleBatchFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Callback for InputPollFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Callback for InputStateFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Callback for LogPrintfFn {}

impl<F: Callback> Slot<F> {
    pub(super) const fn empty() -> Slot<F> {
        Slot {
            pointer: AtomicPtr::new(std::ptr::null_mut()),
            kind: PhantomData,
        }
    }

    pub(super) fn set(&self, callback: Option<F>) {
        // SAFETY: by `Callback` an `Option<F>` has a pointer's size and bits, null for `None`.
        let pointer = unsafe { std::mem::transmute_copy::<Option<F>, *mut ()>(&callback) };
        self.pointer.store(pointer, Ordering::Release);
    }

    pub(super) fn get(&self) -> Option<F> {
        let pointer = self.pointer.load(Ordering::Acquire);
        // SAFETY: `set` put these bits here out of an `Option<F>`, or they are null.
        unsafe { std::mem::transmute_copy::<*mut (), Option<F>>(&pointer) }
    }
}

pub(super) static ENVIRONMENT: Slot<EnvironmentFn> = Slot::empty();
pub(super) static VIDEO_REFRESH: Slot<VideoRefreshFn> = Slot::empty();
pub(super) static AUDIO_SAMPLE: Slot<AudioSampleFn> = Slot::empty();
pub(super) static AUDIO_SAMPLE_BATCH: Slot<AudioSampleBatchFn> = Slot::empty();
pub(super) static INPUT_POLL: Slot<InputPollFn> = Slot::empty();
pub(super) static INPUT_STATE: Slot<InputStateFn> = Slot::empty();

/// Pictures and sound that the core has handed over so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pictures: u64,
    audio_frames: u64,
}

static PICTURES: AtomicU64 = AtomicU64::new(0);
static AUDIO_FRAMES: AtomicU64 = AtomicU64::new(0);

/// How far the core has come; another value after a call of `retro_run` means that it emulated something.
pub(crate) fn progress() -> Progress {
    Progress {
        pictures: PICTURES.load(Ordering::Relaxed),
        audio_frames: AUDIO_FRAMES.load(Ordering::Relaxed),
    }
}

/// The core's picture; null repeats the last one.
pub(super) unsafe extern "C" fn video_refresh(
    data: *const c_void,
    width: c_uint,
    height: c_uint,
    pitch: usize,
) {
    if !data.is_null() {
        PICTURES.fetch_add(1, Ordering::Relaxed);
    }
    guard((), || hand_over_picture(data, width, height, pitch));
}

fn hand_over_picture(data: *const c_void, width: c_uint, height: c_uint, pitch: usize) {
    faults::place("video_refresh");
    let picture = stage::Picture {
        data,
        width,
        height,
        pitch,
    };
    if stage::take_picture(picture) {
        return;
    }
    if let Some(callback) = VIDEO_REFRESH.get() {
        // SAFETY: the core's own arguments, for the frontend's own callback.
        unsafe { callback(data, width, height, pitch) };
    }
    stage::keep_picture(picture);
}

/// The core's sound, one frame.
pub(super) unsafe extern "C" fn audio_sample(left: i16, right: i16) {
    AUDIO_FRAMES.fetch_add(1, Ordering::Relaxed);
    guard((), || {
        if stage::take_sound(&[left, right]) {
            return;
        }
        if let Some(callback) = AUDIO_SAMPLE.get() {
            // SAFETY: the core's own arguments, for the frontend's own callback.
            unsafe { callback(left, right) };
        }
        stage::keep_sound(&[left, right]);
    });
}

/// The core's sound, many frames.
pub(super) unsafe extern "C" fn audio_sample_batch(data: *const i16, frames: usize) -> usize {
    AUDIO_FRAMES.fetch_add(frames as u64, Ordering::Relaxed);
    let samples = match data.is_null() {
        true => &[],
        // SAFETY: the core's own pointer and count: two numbers a sample.
        false => unsafe { std::slice::from_raw_parts(data, frames.saturating_mul(2)) },
    };
    guard(frames, || {
        faults::place("audio_sample_batch");
        hand_over_sound(data, frames, samples)
    })
}

fn hand_over_sound(data: *const i16, frames: usize, samples: &[i16]) -> usize {
    if stage::take_sound(samples) {
        return frames;
    }
    let taken = match AUDIO_SAMPLE_BATCH.get() {
        // SAFETY: the core's own arguments, for the frontend's own callback.
        Some(callback) => unsafe { callback(data, frames) },
        None => frames,
    };
    // The core hands over the rest again.
    stage::keep_sound(samples.get(..taken.saturating_mul(2)).unwrap_or(samples));
    taken
}

/// Passes an environment call on.
///
/// # Safety
/// `data` is what libretro.h says this command takes.
pub(super) unsafe fn call(command: c_uint, data: *mut c_void) -> bool {
    match ENVIRONMENT.get() {
        // SAFETY: the caller's promise.
        Some(callback) => unsafe { callback(command, data) },
        None => false,
    }
}

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

/// Whether one of our own options is on, as it is unless switched off.
pub(crate) fn is_option_enabled(key: &CStr) -> bool {
    option_value(key).as_deref() != Some(DISABLED)
}

/// Whether the frontend takes null for the picture that it was handed last.
pub(super) fn can_repeat() -> bool {
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

/// What the frontend saves states for (`retro_savestate_context`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SavestateContext {
    /// A state for the player, or a rewind buffer.
    Normal,
    /// Run-ahead, in this instance or a second one.
    RunAhead,
    /// `RetroArch`'s own netplay.
    Netplay,
}

/// What states are saved for at the moment; [`SavestateContext::Normal`] where the frontend does not say.
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

/// Whether the frontend lets nobody see or hear the frame that begins; `None` where it does not say.
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

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn poll() {}

    #[test]
    fn a_slot_gives_back_what_was_put_in() {
        let slot = Slot::<InputPollFn>::empty();
        assert!(slot.get().is_none());
        slot.set(Some(poll));
        assert!(
            slot.get()
                .is_some_and(|callback| std::ptr::fn_addr_eq(callback, poll as InputPollFn))
        );
        slot.set(None);
        assert!(slot.get().is_none());
    }
}
