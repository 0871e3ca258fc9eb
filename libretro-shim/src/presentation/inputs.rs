//! Inputs of the frames that may be emulated again.

use std::collections::VecDeque;

/// Inputs kept: 1024 frames, more than any correction goes back, of the 16 buttons that the stock core asks for.
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

/// Answer to the core.
#[derive(Clone, Copy)]
enum Input {
    Button(Query, i16),
    /// The wall clock, in seconds, which cartridges with a clock ask for.
    Clock(i64),
}

/// Inputs of consecutive frames.
#[derive(Default)]
pub(super) struct Inputs {
    /// By frame, each frame's in the order in which it asked.
    inputs: VecDeque<(u64, Input)>,
    /// The frame after the last recorded one.
    end: u64,
}

impl Inputs {
    /// Begins to record this frame; records from it on, of a frame that was undone, and all of another history
    /// are void.
    pub(super) fn begin(&mut self, frame: u64) {
        if frame > self.end {
            self.inputs.clear();
        }
        self.inputs.truncate(self.start(frame));
        self.end = frame.saturating_add(1);
    }

    /// Forgets frames before this one.
    pub(super) fn release(&mut self, oldest: u64) {
        self.inputs.drain(..self.start(oldest));
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn record(&mut self, frame: u64, query: Query, value: i16) {
        self.insert(frame, Input::Button(query, value));
    }

    pub(super) fn recorded(&self, frame: u64, query: Query) -> i16 {
        let value = self.find(frame, |input| match input {
            Input::Button(asked, value) => (asked == query).then_some(value),
            Input::Clock(_) => None,
        });
        match query.id {
            // L, R, L2 and R2 are up in a replay: the core changes palettes with them, and would do it again.
            10..=13 => 0,
            BUTTON_MASK => value.unwrap_or(0) & !0x3C00,
            _ => value.unwrap_or(0),
        }
    }

    /// The wall clock of this frame, read when it is first asked for.
    pub(super) fn time(&mut self, frame: u64, now: impl FnOnce() -> i64) -> i64 {
        let recorded = self.find(frame, |input| match input {
            Input::Clock(time) => Some(time),
            Input::Button(..) => None,
        });
        recorded.unwrap_or_else(|| {
            let time = now();
            self.insert(frame, Input::Clock(time));
            time
        })
    }

    fn find<T>(&self, frame: u64, answer: impl Fn(Input) -> Option<T>) -> Option<T> {
        let inputs = self.inputs.range(self.start(frame)..);
        let mut inputs = inputs.take_while(|(at, _)| *at == frame);
        inputs.find_map(|(_, input)| answer(*input))
    }

    fn insert(&mut self, frame: u64, input: Input) {
        if self.inputs.len() >= INPUTS_MAX {
            self.inputs.pop_front();
        }
        let end = self.start(frame.saturating_add(1));
        self.inputs.insert(end, (frame, input));
    }

    /// Index of the first input of this frame or a later one.
    fn start(&self, frame: u64) -> usize {
        self.inputs.partition_point(|(at, _)| *at < frame)
    }
}
