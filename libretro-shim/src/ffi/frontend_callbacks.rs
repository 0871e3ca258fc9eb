//! The frontend's callbacks.

use super::abi::*;
use crate::unpoisoned_lock::lock;
use libc::{c_uint, c_void};
use std::sync::Mutex;

/// A C function that may be missing.
pub(super) struct Callback<F>(Mutex<Option<F>>);

impl<F: Copy> Callback<F> {
    pub(super) const fn missing() -> Callback<F> {
        Callback(Mutex::new(None))
    }

    pub(super) fn set(&self, function: Option<F>) {
        *lock(&self.0) = function;
    }

    /// The function, to be called without the lock.
    pub(super) fn get(&self) -> Option<F> {
        *lock(&self.0)
    }
}

pub(super) static ENVIRONMENT: Callback<EnvironmentFn> = Callback::missing();
pub(super) static VIDEO_REFRESH: Callback<VideoRefreshFn> = Callback::missing();
pub(super) static AUDIO_SAMPLE: Callback<AudioSampleFn> = Callback::missing();
pub(super) static AUDIO_SAMPLE_BATCH: Callback<AudioSampleBatchFn> = Callback::missing();
pub(super) static INPUT_POLL: Callback<InputPollFn> = Callback::missing();
pub(super) static INPUT_STATE: Callback<InputStateFn> = Callback::missing();

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

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn poll() {}

    #[test]
    fn a_callback_gives_back_what_was_put_in() {
        let callback = Callback::<InputPollFn>::missing();
        assert!(callback.get().is_none());
        callback.set(Some(poll));
        let is_same = |function| std::ptr::fn_addr_eq(function, poll as InputPollFn);
        assert!(callback.get().is_some_and(is_same));
        callback.set(None);
        assert!(callback.get().is_none());
    }
}
