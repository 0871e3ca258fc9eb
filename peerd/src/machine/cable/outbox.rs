//! Outputs of a cable's machine, and the last frame sent.

use super::io::Output;
use crate::wire::frame::Frame;
use std::collections::VecDeque;

/// A queue of outputs.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    outputs: VecDeque<Output>,
    sequence: u32,
    sent: Option<Frame>,
}

impl Outbox {
    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Number of the last frame.
    pub(super) fn sequence(&self) -> u32 {
        self.sequence
    }

    /// True if the last frame said the same.
    pub(super) fn has_sent(&self, frame: Frame) -> bool {
        let sequence = self.sequence;
        self.sent == Some(Frame { sequence, ..frame })
    }

    /// Numbers a frame and sends it.
    pub(super) fn send(&mut self, frame: Frame) {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let frame = Frame { sequence, ..frame };
        self.sent = Some(frame);
        self.push(Output::Send(frame));
    }
}
