//! Inputs of the frames that may be emulated again.

use std::collections::VecDeque;

/// Limit on answers: 1024 frames of the stock core's 16 buttons, more than any correction goes back.
const INPUTS_MAX: usize = 16 * 1024;

/// `RETRO_DEVICE_ID_JOYPAD_MASK`: all buttons in one number, a bit each.
const BUTTON_MASK: u32 = 256;

/// Arguments of `retro_input_state_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) port: u32,
    pub(crate) device: u32,
    pub(crate) index: u32,
    pub(crate) id: u32,
}

/// Inputs of consecutive frames.
#[derive(Default)]
pub(super) struct Inputs {
    /// Frame, question and answer, by frame. `None` asks for the wall clock, in seconds, as cartridges with a
    /// clock do.
    answers: VecDeque<(u64, Option<Query>, i64)>,
    /// The frame after the last recorded one.
    end: u64,
}

impl Inputs {
    /// Begins to record this frame; records from it on, of a frame that was undone, and all of another
    /// history are void.
    pub(super) fn begin(&mut self, frame: u64) {
        if frame > self.end {
            self.answers.clear();
        }
        self.answers.truncate(self.start(frame));
        self.end = frame.saturating_add(1);
    }

    /// Forgets frames before this one.
    pub(super) fn release(&mut self, oldest: u64) {
        self.answers.drain(..self.start(oldest));
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn record(&mut self, frame: u64, query: Query, value: i16) {
        self.insert(frame, Some(query), value.into());
    }

    pub(super) fn recorded(&self, frame: u64, query: Query) -> i16 {
        let value = self.find(frame, Some(query)).unwrap_or(0) as i16;
        match query.id {
            // L, R, L2 and R2 are up in a replay: the core changes palettes with them, and would do it again.
            10..=13 => 0,
            BUTTON_MASK => value & !0x3C00,
            _ => value,
        }
    }

    /// The wall clock of this frame, read when it is first asked for.
    pub(super) fn time(&mut self, frame: u64, now: impl FnOnce() -> i64) -> i64 {
        self.find(frame, None).unwrap_or_else(|| {
            let time = now();
            self.insert(frame, None, time);
            time
        })
    }

    fn find(&self, frame: u64, query: Option<Query>) -> Option<i64> {
        let mut answers = self.answers.range(self.start(frame)..);
        let found = answers.find(|(at, asked, _)| *at > frame || *asked == query)?;
        (found.0 == frame).then_some(found.2)
    }

    fn insert(&mut self, frame: u64, query: Option<Query>, value: i64) {
        if self.answers.len() >= INPUTS_MAX {
            self.answers.pop_front();
        }
        let end = self.start(frame.saturating_add(1));
        self.answers.insert(end, (frame, query, value));
    }

    /// Index of the first answer of this frame or a later one.
    fn start(&self, frame: u64) -> usize {
        self.answers.partition_point(|(at, ..)| *at < frame)
    }
}
