//! C callbacks of the core for pictures, sound and input; [`crate::presentation`] decides what reaches the
//! frontend's.
//!
//! Its lock is held during none of the frontend's callbacks.

use super::frontend_callbacks::{AUDIO_SAMPLE, AUDIO_SAMPLE_BATCH, INPUT_POLL, INPUT_STATE, VIDEO_REFRESH};
use super::guard;
use crate::fail_points;
use crate::presentation::{self, Mode, Presentation, Progress, Query, Shown};
use crate::unpoisoned_lock::lock;
use libc::{c_uint, c_void};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};

/// No pixel has more bytes (`retro_pixel_format`: two or four).
const PIXEL_MAX: usize = 4;

/// Samples that the core has got rid of, in all frames, wrapping.
static SOUND: AtomicU32 = AtomicU32::new(0);

/// Adds to [`sound_taken`].
pub(super) fn add_sound(samples: usize) {
    SOUND.fetch_add(samples as u32, Ordering::Relaxed);
}

/// Samples of sound that were taken from the core, shown or not, in all frames so far; it wraps.
pub(super) fn sound_taken() -> u32 {
    SOUND.load(Ordering::Relaxed)
}

/// Locks the presentation; neither core nor frontend may be called as long as the value lives.
pub(crate) fn presentation() -> MutexGuard<'static, Presentation<Picture>> {
    static PRESENTATION: LazyLock<Mutex<Presentation<Picture>>> =
        LazyLock::new(|| Mutex::new(Presentation::new(true, Progress::default())));
    lock(&PRESENTATION)
}

/// In the core's own memory, where it stays until the core runs again; null repeats the last one.
#[derive(Clone, Copy)]
pub(crate) struct Picture {
    data: *const c_void,
    width: c_uint,
    height: c_uint,
    pitch: usize,
}

// SAFETY: an address alone; what is there is touched on the thread that runs the core only.
unsafe impl Send for Picture {}

impl presentation::Picture for Picture {
    fn copy_to(self, pixels: &mut Vec<u8>) {
        if self.data.is_null() {
            return;
        }
        let rows = self
            .pitch
            .saturating_mul((self.height as usize).saturating_sub(1));
        let last = self.pitch.min((self.width as usize).saturating_mul(PIXEL_MAX));
        let len = rows.saturating_add(last);
        // SAFETY: the core's picture, rows that lie `pitch` bytes apart; the core does not run now.
        let bytes = unsafe { std::slice::from_raw_parts(self.data.cast::<u8>(), len) };
        pixels.clear();
        pixels.extend_from_slice(bytes);
    }

    fn again(self, pixels: &[u8]) -> Picture {
        let data = match pixels.is_empty() {
            true => std::ptr::null(),
            false => pixels.as_ptr().cast(),
        };
        Picture { data, ..self }
    }
}

/// Runs one frame that `begin` begins.
pub(crate) fn frame<T>(begin: impl FnOnce(&mut Presentation<Picture>), run: impl FnOnce() -> T) -> T {
    /// Also after a panic: what comes then must reach the frontend.
    struct Ends;

    impl Drop for Ends {
        fn drop(&mut self) {
            presentation().end();
        }
    }

    let _ends = Ends;
    begin(&mut presentation());
    run()
}

/// Hands the frontend what `choose` gives.
pub(crate) fn show(choose: impl FnOnce(&mut Presentation<Picture>) -> Shown<Picture>) {
    let Shown { picture, sound } = choose(&mut presentation());
    if let Some(picture) = picture {
        hand_over(picture);
    }
    if let Some(callback) = AUDIO_SAMPLE_BATCH.get() {
        let mut rest = &sound[..];
        while !rest.is_empty() {
            // SAFETY: pointer and count of the slice: two numbers a sample.
            let taken = unsafe { callback(rest.as_ptr(), rest.len() / 2) };
            match rest.get(taken * 2..) {
                Some(left) if taken > 0 => rest = left,
                _ => break,
            }
        }
    }
    presentation().give_back(sound);
}

fn hand_over(picture: Picture) {
    if let Some(callback) = VIDEO_REFRESH.get() {
        // SAFETY: the core's own picture, which it overwrites only when it runs again, or a copy, or null for
        // the last one.
        unsafe { callback(picture.data, picture.width, picture.height, picture.pitch) };
    }
}

/// The wall clock as the core sees it: see [`Presentation::time`].
pub(super) fn time(now: impl Fn() -> i64) -> i64 {
    let recorded = || {
        fail_points::place("time");
        Some(presentation().time(&now))
    };
    guard(None, recorded).unwrap_or_else(now)
}

/// The core's picture; null repeats the last one.
pub(super) unsafe extern "C" fn video_refresh(
    data: *const c_void,
    width: c_uint,
    height: c_uint,
    pitch: usize,
) {
    guard((), || {
        let picture = Picture {
            data,
            width,
            height,
            pitch,
        };
        let is_passed = presentation().handle_picture(picture, !data.is_null());
        fail_points::place("video_refresh");
        if is_passed {
            hand_over(picture);
        }
    });
}

/// The core's sound, one sample.
pub(super) unsafe extern "C" fn audio_sample(left: i16, right: i16) {
    add_sound(1);
    guard((), || {
        let samples = [left, right];
        if !presentation().handle_sound(&samples) {
            return;
        }
        if let Some(callback) = AUDIO_SAMPLE.get() {
            // SAFETY: the core's own arguments, for the frontend's own callback.
            unsafe { callback(left, right) };
        }
        presentation().handle_heard(&samples);
    });
}

/// The core's sound, many samples.
pub(super) unsafe extern "C" fn audio_sample_batch(data: *const i16, count: usize) -> usize {
    let samples = match data.is_null() {
        true => &[],
        // SAFETY: the core's own pointer and count: two numbers a sample.
        false => unsafe { std::slice::from_raw_parts(data, count.saturating_mul(2)) },
    };
    let taken = guard(count, || {
        let is_passed = presentation().handle_sound(samples);
        fail_points::place("audio_sample_batch");
        if !is_passed {
            return count;
        }
        let taken = match AUDIO_SAMPLE_BATCH.get() {
            // SAFETY: the core's own arguments, for the frontend's own callback.
            Some(callback) => unsafe { callback(data, count) },
            None => count,
        };
        // The core hands over the rest again.
        presentation().handle_heard(samples.get(..taken.saturating_mul(2)).unwrap_or(samples));
        taken
    });
    add_sound(taken.min(count));
    taken
}

/// The core's input poll.
pub(super) unsafe extern "C" fn input_poll() {
    guard((), || {
        fail_points::place("input_poll");
        let is_asked = presentation().mode() != Mode::Replay;
        if is_asked && let Some(callback) = INPUT_POLL.get() {
            // SAFETY: the frontend's own callback, made for this.
            unsafe { callback() };
        }
    });
}

/// The core asks for a button.
pub(super) unsafe extern "C" fn input_state(port: c_uint, device: c_uint, index: c_uint, id: c_uint) -> i16 {
    guard(0, || {
        fail_points::place("input_state");
        let query = Query {
            port,
            device,
            index,
            id,
        };
        if let Some(value) = presentation().recorded(query) {
            return value;
        }
        let Some(callback) = INPUT_STATE.get() else {
            return 0;
        };
        // SAFETY: the core's own arguments, for the frontend's own callback.
        let value = unsafe { callback(port, device, index, id) };
        presentation().record(query, value);
        value
    })
}
