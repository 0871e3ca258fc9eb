//! No stack of its own for the core's frame, on ARM of 32 bits: the library that switches stacks cannot be
//! built for all of them. A strict game waits inside the frontend's call there, for two seconds at most.

use super::Core;
use crate::strict::Progress;
use gamelink_driver::Patience;
use std::io;
use std::sync::Arc;

/// Nothing can be left.
pub(super) fn leave() -> Patience {
    Patience::IsShort
}

/// A stack that cannot be made.
pub(crate) struct FrameStack(());

impl FrameStack {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn new() -> io::Result<FrameStack> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn is_open(&self) -> bool {
        false
    }

    pub(crate) fn run(&mut self, core: &Arc<Core>) -> Progress {
        core.run();
        Progress::Done
    }

    pub(crate) fn go_on(&mut self) -> Progress {
        Progress::Done
    }

    pub(crate) fn finish(&mut self) {}
}
