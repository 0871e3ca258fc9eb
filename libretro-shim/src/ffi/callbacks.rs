//! The frontend's callbacks.

use super::abi::*;
use libc::{c_uint, c_void};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A C function pointer that may be missing, readable from any thread.
pub(super) struct Callback<F> {
    pointer: AtomicPtr<()>,
    kind: PhantomData<F>,
}

/// Function pointers that a [`Callback`] can hold.
///
/// # Safety
/// Only for `extern "C" fn` types, which are as large as a pointer and never null.
pub(super) unsafe trait Function: Copy {}

// SAFETY: an `extern "C" fn` type.
unsafe impl Function for EnvironmentFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Function for VideoRefreshFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Function for AudioSampleFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Function for AudioSampleBatchFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Function for InputPollFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Function for InputStateFn {}
// SAFETY: an `extern "C" fn` type.
unsafe impl Function for LogPrintfFn {}

impl<F: Function> Callback<F> {
    pub(super) const fn missing() -> Callback<F> {
        Callback {
            pointer: AtomicPtr::new(std::ptr::null_mut()),
            kind: PhantomData,
        }
    }

    pub(super) fn set(&self, function: Option<F>) {
        // SAFETY: by `Function` an `Option<F>` has a pointer's size and bits, null for `None`.
        let pointer = unsafe { std::mem::transmute_copy::<Option<F>, *mut ()>(&function) };
        self.pointer.store(pointer, Ordering::Release);
    }

    pub(super) fn get(&self) -> Option<F> {
        let pointer = self.pointer.load(Ordering::Acquire);
        // SAFETY: `set` put these bits here out of an `Option<F>`, or they are null.
        unsafe { std::mem::transmute_copy::<*mut (), Option<F>>(&pointer) }
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
        assert!(
            callback
                .get()
                .is_some_and(|function| std::ptr::fn_addr_eq(function, poll as InputPollFn))
        );
        callback.set(None);
        assert!(callback.get().is_none());
    }
}
