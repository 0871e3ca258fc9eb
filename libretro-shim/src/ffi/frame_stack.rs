//! A stack of its own for the core's frame, so that a call of the frontend can end in the midst of it.
//!
//! In strict mode a game waits for each byte inside the core, inside `retro_run`. Where that takes long, the
//! call is left: the frame stays on its stack as it stands, and a later call goes on with it.

use super::Core;
#[cfg(target_arch = "arm")]
use super::arm_coroutine::{CoroutineResult, DefaultStack, Frame, WayOut};
use super::replaced_sockets::{self, End};
use crate::strict::Progress;
#[cfg(not(target_arch = "arm"))]
use corosensei::{CoroutineResult, stack::DefaultStack};
use gamelink_driver::Patience;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

/// As the main thread's: a frontend that is handed its first picture may compile shaders. Only what is used
/// takes memory.
const STACK: usize = 8 << 20;

#[cfg(not(target_arch = "arm"))]
type Frame = corosensei::Coroutine<Patience, (), (), DefaultStack>;
#[cfg(not(target_arch = "arm"))]
type WayOut = corosensei::Yielder<Patience, ()>;

/// Way out of the frame that runs on a stack of its own; null while none does.
static WAY_OUT: AtomicPtr<WayOut> = AtomicPtr::new(std::ptr::null_mut());

/// Ends the frontend's call, if the core runs on a stack of its own; returns in a later one.
pub(super) fn leave() -> Patience {
    // SAFETY: it lives on the stack on which this runs: it is set only while that does.
    match unsafe { WAY_OUT.load(Ordering::Relaxed).as_ref() } {
        Some(way_out) => way_out.suspend(()),
        None => Patience::IsShort,
    }
}

/// Where the frame stands.
enum Stage {
    Between(DefaultStack),
    Open {
        frame: Frame,
        way_out: *mut WayOut,
    },
    /// Only inside a call.
    Taken,
}

/// A stack, and the frame on it that was left, if there is one.
pub(crate) struct FrameStack(Stage);

// SAFETY: what lies on the stack is the core's part of a call of `retro_run`, and ours, which holds no lock
// where it leaves; a frontend that changes its thread between two calls does so with all that the core keeps.
unsafe impl Send for FrameStack {}

impl FrameStack {
    /// Makes a stack.
    ///
    /// # Errors
    /// When there is no memory for one.
    pub(crate) fn new() -> io::Result<FrameStack> {
        Ok(FrameStack(Stage::Between(DefaultStack::new(STACK)?)))
    }

    /// True while a frame waits to be gone on with: until then the core must not be called.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.0, Stage::Open { .. })
    }

    /// Emulates about one frame; none may be open.
    pub(crate) fn run(&mut self, core: &Arc<Core>) -> Progress {
        match std::mem::replace(&mut self.0, Stage::Taken) {
            Stage::Between(stack) => {
                let core = Arc::clone(core);
                let frame = Frame::with_stack(stack, move |way_out, _| {
                    WAY_OUT.store(std::ptr::from_ref(way_out).cast_mut(), Ordering::Relaxed);
                    core.run();
                });
                self.resume(frame, Patience::GoesOn)
            }
            other => {
                debug_assert!(false, "a frame is open");
                self.0 = other;
                self.go_on()
            }
        }
    }

    /// Goes on with the frame that is open, if one is.
    pub(crate) fn go_on(&mut self) -> Progress {
        self.enter(Patience::GoesOn)
    }

    /// Ends the frame that is open, if one is, on an unplugged cable.
    pub(crate) fn finish(&mut self) {
        replaced_sockets::with_end(End::Unplugged, || {
            while self.enter(Patience::IsOver) == Progress::Left {}
        });
    }

    fn enter(&mut self, patience: Patience) -> Progress {
        match std::mem::replace(&mut self.0, Stage::Taken) {
            Stage::Open { frame, way_out } => {
                WAY_OUT.store(way_out, Ordering::Relaxed);
                self.resume(frame, patience)
            }
            other => {
                self.0 = other;
                Progress::Done
            }
        }
    }

    fn resume(&mut self, mut frame: Frame, patience: Patience) -> Progress {
        let result = frame.resume(patience);
        let way_out = WAY_OUT.swap(std::ptr::null_mut(), Ordering::Relaxed);
        match result {
            CoroutineResult::Yield(()) => {
                self.0 = Stage::Open { frame, way_out };
                Progress::Left
            }
            CoroutineResult::Return(()) => {
                self.0 = Stage::Between(frame.into_stack());
                Progress::Done
            }
        }
    }
}

impl Drop for FrameStack {
    fn drop(&mut self) {
        if let Stage::Open { frame, .. } = &mut self.0 {
            // SAFETY: the core's frames cannot be unwound, and what they own goes with the core; nothing
            // points into this stack once nobody goes on with it.
            unsafe { frame.force_reset() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that leaves so often.
    fn leaving(times: u32) -> Frame {
        let stack = DefaultStack::new(STACK).unwrap();
        Frame::with_stack(stack, move |way_out, _| {
            WAY_OUT.store(std::ptr::from_ref(way_out).cast_mut(), Ordering::Relaxed);
            for _ in 0..times {
                leave();
            }
        })
    }

    #[test]
    fn a_frame_that_leaves_is_gone_on_with_until_it_is_over() {
        let _turn = crate::ffi::tests::turn();
        assert_eq!(
            leave(),
            Patience::IsShort,
            "on the frontend's own stack nothing is left"
        );
        let mut stack = FrameStack(Stage::Taken);
        assert_eq!(stack.resume(leaving(2), Patience::GoesOn), Progress::Left);
        assert!(stack.is_open());
        assert_eq!(leave(), Patience::IsShort, "outside of the frame nothing is left");
        assert_eq!(stack.go_on(), Progress::Left);
        assert_eq!(stack.go_on(), Progress::Done);
        assert!(!stack.is_open());
        assert_eq!(stack.go_on(), Progress::Done, "nothing is open");
    }

    #[test]
    fn a_frame_is_finished_and_one_that_is_not_goes_with_its_stack() {
        let _turn = crate::ffi::tests::turn();
        let mut stack = FrameStack(Stage::Taken);
        stack.resume(leaving(3), Patience::GoesOn);
        stack.finish();
        assert!(!stack.is_open());
        let mut dropped = FrameStack(Stage::Taken);
        assert_eq!(dropped.resume(leaving(1), Patience::GoesOn), Progress::Left);
    }
}
