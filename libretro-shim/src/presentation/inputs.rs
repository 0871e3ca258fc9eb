//! Inputs of the frames that may be emulated again.

use std::collections::VecDeque;

/// Inputs asked for in one frame; the stock core asks for 16 buttons at most.
const INPUTS_MAX: usize = 64;
/// Frames whose inputs are kept; more than any correction goes back.
const FRAMES_MAX: usize = 1024;

/// Buttons that are up in a replay (L, R, L2, R2): the core changes palettes with them, and would do it
/// again.
const SIDE_EFFECTS: [u32; 4] = [10, 11, 12, 13];
/// `RETRO_DEVICE_ID_JOYPAD_MASK`: all buttons in one number.
const BUTTON_MASK: u32 = 256;

/// Arguments of `retro_input_state_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) port: u32,
    pub(crate) device: u32,
    pub(crate) index: u32,
    pub(crate) id: u32,
}

/// Inputs of one frame.
#[derive(Default)]
struct Frame {
    buttons: Vec<(Query, i16)>,
    /// The wall clock, in seconds, where the core asked: cartridges with a clock do.
    time: Option<i64>,
}

/// Inputs of consecutive frames.
#[derive(Default)]
pub(super) struct Inputs {
    frames: VecDeque<Frame>,
    spare: Vec<Frame>,
    /// Number of the first frame in `frames`.
    first: u64,
}

impl Inputs {
    /// Begins to record this frame; records from it on, of a frame that was undone or of another history, are
    /// void.
    pub(super) fn begin(&mut self, frame: u64) {
        let kept = frame
            .checked_sub(self.first)
            .and_then(|kept| usize::try_from(kept).ok())
            .filter(|kept| *kept <= self.frames.len());
        if kept.is_none() {
            self.first = frame;
        }
        while self.frames.len() > kept.unwrap_or(0) {
            self.spare.extend(self.frames.pop_back());
        }
        if self.frames.len() >= FRAMES_MAX {
            self.spare.extend(self.frames.pop_front());
            self.first += 1;
        }
        let mut inputs = self.spare.pop().unwrap_or_else(|| Frame {
            buttons: Vec::with_capacity(INPUTS_MAX),
            time: None,
        });
        inputs.buttons.clear();
        inputs.time = None;
        self.frames.push_back(inputs);
    }

    /// Forgets frames before this one.
    pub(super) fn release(&mut self, oldest: u64) {
        while self.first < oldest
            && let Some(inputs) = self.frames.pop_front()
        {
            self.spare.push(inputs);
            self.first += 1;
        }
    }

    /// The frame after the last recorded one.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.frames.len() as u64)
    }

    pub(super) fn record(&mut self, frame: u64, query: Query, value: i16) {
        if let Some(inputs) = self.at(frame)
            && inputs.buttons.len() < INPUTS_MAX
        {
            inputs.buttons.push((query, value));
        }
    }

    pub(super) fn recorded(&mut self, frame: u64, query: Query) -> i16 {
        if SIDE_EFFECTS.contains(&query.id) {
            return 0;
        }
        let value = self
            .at(frame)
            .and_then(|inputs| inputs.buttons.iter().find(|(asked, _)| *asked == query))
            .map_or(0, |(_, value)| *value);
        if query.id == BUTTON_MASK {
            let up: i16 = SIDE_EFFECTS.iter().fold(0, |up, id| up | 1 << id);
            value & !up
        } else {
            value
        }
    }

    /// The wall clock of this frame, read when it is first asked for.
    pub(super) fn time(&mut self, frame: u64, now: impl FnOnce() -> i64) -> i64 {
        match self.at(frame) {
            Some(inputs) => *inputs.time.get_or_insert_with(now),
            None => now(),
        }
    }

    fn at(&mut self, frame: u64) -> Option<&mut Frame> {
        let place = usize::try_from(frame.checked_sub(self.first)?).ok()?;
        self.frames.get_mut(place)
    }
}
