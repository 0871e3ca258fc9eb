//! Strict mode: the game waits for each byte inside the core's frame. Where the peer is not heard, or paused,
//! or the frame cannot end in time, a call of `retro_run` that has lasted for nearly a frame ends there. It
//! shows the last picture again, with silence, as do the calls after it until the byte is there; meanwhile the
//! player has menu and buttons.

use crate::ffi::core_callbacks::{self, presentation};
use crate::ffi::frame_stack::FrameStack;
use crate::ffi::{self, Core};
use crate::presentation::{self, Presentation};
use gamelink_core::bridge::rollback::Step;
use gamelink_driver::Link;
use std::sync::Arc;

/// End of a frame, or of a call in its midst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Done,
    /// The call ends; [`LeavableFrame::go_on`] goes on with the frame.
    Left,
}

/// Outcome of a call of `retro_run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A frame is over.
    Frame,
    /// The game stood still for its peer, between two frames.
    Stall,
    /// The game waits inside its frame.
    Wait,
}

/// The frame of a game that may be left while it waits for a byte.
pub(crate) struct LeavableFrame {
    stack: FrameStack,
    /// Number of the frame that runs, and the core's progress before it.
    number: u64,
    before: presentation::Progress,
}

impl LeavableFrame {
    /// Makes the stack, and tells the link that calls can be left; `None` where there is no memory for one.
    pub(crate) fn new(link: &Link) -> Option<LeavableFrame> {
        let stack = FrameStack::new()
            .inspect_err(|error| log::info!("a strict game waits inside its call error={error}"))
            .ok()?;
        link.set_patient(true);
        Some(LeavableFrame {
            stack,
            number: 0,
            before: presentation::Progress::default(),
        })
    }

    /// True while the game waits in a frame that was left: the core must not be called.
    pub(crate) fn is_open(&self) -> bool {
        self.stack.is_open()
    }

    /// Runs this frame, live, or as much of it as can be run now.
    pub(crate) fn run(&mut self, core: &Arc<Core>, number: u64) -> Progress {
        self.number = number;
        self.before = presentation().progress();
        core_callbacks::frame(
            |presentation| presentation.begin_live(number),
            || self.stack.run(core),
        )
    }

    /// Goes on with the frame that was left.
    pub(crate) fn go_on(&mut self) -> Progress {
        core_callbacks::frame(Presentation::resume_live, || self.stack.go_on())
    }

    /// Number of the frame that has just run.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// True if the core emulated something in the frame that has just run.
    pub(crate) fn has_advanced(&self) -> bool {
        presentation().progress() != self.before
    }

    /// Ends a frame that was left, on an unplugged cable, unseen: the core is about to be called. True where
    /// there was one.
    pub(crate) fn finish(&mut self) -> bool {
        let is_open = self.is_open();
        if is_open {
            let number = self.number;
            let begin = |presentation: &mut Presentation<_>| presentation.begin_replay(number);
            core_callbacks::frame(begin, || self.stack.finish());
        }
        is_open
    }
}

/// Runs one call of `retro_run` of a game that is never taken back, without the link after a panic.
pub(crate) fn call(frame: &mut LeavableFrame, core: &Arc<Core>, link: Option<&Link>) -> Call {
    let between = link.filter(|_| !frame.is_open());
    let step = between.map(|link| ffi::guard(Step::Done, || link.step()));
    if step == Some(Step::Stall) {
        core_callbacks::show(Presentation::stall);
        return Call::Stall;
    }
    let progress = match frame.is_open() {
        true => frame.go_on(),
        false => frame.run(core, frame.number().wrapping_add(1)),
    };
    if progress == Progress::Left {
        core_callbacks::show(Presentation::wait);
        return Call::Wait;
    }
    core_callbacks::show(|presentation| presentation.present(false));
    presentation().release(frame.number() + 1);
    Call::Frame
}
