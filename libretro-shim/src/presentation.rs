//! Presentation of the game to the player while frames are rolled back: pictures, sound and input, without
//! I/O.
//!
//! A live frame's picture and sound are kept until it is known whether it stands; its inputs are recorded. A
//! replayed frame gets the recorded inputs, and nothing that it hands over reaches the frontend. Otherwise
//! everything passes.
//!
//! Pictures and sound of a frame of the game that nobody was to see are kept as well, for a frontend that
//! looks ahead: see [`crate::run_ahead`].

mod inputs;
mod sound;

pub(crate) use self::inputs::Query;

use self::inputs::Inputs;
use self::sound::Sound;

/// A picture where the core left it.
pub(crate) trait Picture: Copy {
    /// Copies its pixels; a picture that repeats the last has none, and leaves the copy as it is.
    fn copy_to(self, pixels: &mut Vec<u8>);

    /// Gives the picture with this copy of its pixels; where that is empty, the frontend repeats its own.
    fn again(self, pixels: &[u8]) -> Self;
}

/// Kind of the frame that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything passes.
    Open,
    /// Pictures and sound are kept, inputs recorded.
    Live,
    /// Nothing passes, inputs are the recorded ones.
    Replay,
    /// Everything passes, but no byte leaves and no option changes: the frame is taken back.
    Ahead,
}

/// New pictures and samples that the core has handed over so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress(u64);

/// Picture and sound for the frontend; [`Presentation::give_back`] takes the sound's buffer back.
#[derive(Clone)]
pub(crate) struct Shown<P> {
    pub(crate) picture: Option<P>,
    pub(crate) sound: Vec<i16>,
}

/// Filter between the core and the frontend.
pub(crate) struct Presentation<P> {
    mode: Mode,
    /// The frame that runs.
    frame: u64,
    progress: Progress,
    /// Picture of the live frame.
    picture: Option<P>,
    sound: Sound,
    inputs: Inputs,
    /// The live picture that was shown last.
    last: Option<P>,
    /// Its pixels, where the frontend cannot repeat a picture by itself (`GET_CAN_DUPE`): the core's memory
    /// holds others by the time they are wanted.
    pixels: Vec<u8>,
    can_repeat: bool,
    /// Pictures and sound are kept for [`repeat`](Self::repeat).
    is_kept: bool,
    kept: Shown<P>,
}

impl<P: Picture> Presentation<P> {
    /// Begins a game; `can_repeat` where the frontend repeats its last picture by itself.
    pub(crate) fn new(can_repeat: bool, progress: Progress) -> Presentation<P> {
        Presentation {
            mode: Mode::Open,
            frame: 0,
            progress,
            picture: None,
            sound: Sound::default(),
            inputs: Inputs::default(),
            last: None,
            pixels: Vec::new(),
            can_repeat,
            is_kept: false,
            kept: Shown {
                picture: None,
                sound: Vec::new(),
            },
        }
    }

    /// Forgets all frames: another game.
    pub(crate) fn reset(&mut self, can_repeat: bool) {
        *self = Presentation::new(can_repeat, self.progress);
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Progress of the core; another value after a call of `retro_run` means that it emulated something.
    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// Begins one of the game's own frames; `is_kept` where [`repeat`](Self::repeat) may be wanted of it.
    pub(crate) fn begin_own(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
        self.kept.picture = None;
        self.kept.sound.clear();
    }

    /// Begins a frame for the player: recorded, and shown only with [`present`](Self::present).
    pub(crate) fn begin_live(&mut self, frame: u64) {
        self.mode = Mode::Live;
        self.frame = frame;
        self.picture = None;
        self.sound.clear();
        self.inputs.begin(frame);
    }

    /// Goes on with the frame that [`wait`](Self::wait) has interrupted.
    pub(crate) fn resume_live(&mut self) {
        self.mode = Mode::Live;
        self.sound.take_up();
    }

    /// Begins a recorded frame again, unseen and unheard.
    pub(crate) fn begin_replay(&mut self, frame: u64) {
        self.mode = Mode::Replay;
        self.frame = frame;
    }

    /// Begins a frame that is taken back.
    pub(crate) fn begin_ahead(&mut self) {
        self.mode = Mode::Ahead;
        self.is_kept = false;
    }

    pub(crate) fn end(&mut self) {
        self.mode = Mode::Open;
    }

    /// Keeps or drops the core's picture; true where it is to be passed on. `is_new` unless it repeats the
    /// last one.
    pub(crate) fn handle_picture(&mut self, picture: P, is_new: bool) -> bool {
        self.progress.0 += u64::from(is_new);
        match self.mode {
            Mode::Open | Mode::Ahead => self.keep_picture(Some(picture)),
            Mode::Live => self.picture = Some(picture),
            Mode::Replay => {}
        }
        matches!(self.mode, Mode::Open | Mode::Ahead)
    }

    /// Keeps or drops the core's sound; true where it is to be passed on, with
    /// [`handle_heard`](Self::handle_heard) after that.
    pub(crate) fn handle_sound(&mut self, samples: &[i16]) -> bool {
        self.progress.0 += samples.len() as u64;
        if self.mode == Mode::Live {
            self.sound.push(samples);
        }
        matches!(self.mode, Mode::Open | Mode::Ahead)
    }

    /// The frontend has taken this sound.
    pub(crate) fn handle_heard(&mut self, samples: &[i16]) {
        if self.is_kept {
            sound::push(&mut self.kept.sound, samples);
        }
    }

    /// The input that was recorded; `None` where the frontend is to be asked, with [`record`](Self::record)
    /// after that.
    pub(crate) fn recorded(&self, query: Query) -> Option<i16> {
        (self.mode == Mode::Replay).then(|| self.inputs.recorded(self.frame, query))
    }

    /// Records the frontend's answer in a live frame.
    pub(crate) fn record(&mut self, query: Query, value: i16) {
        if self.mode == Mode::Live {
            self.inputs.record(self.frame, query, value);
        }
    }

    /// The wall clock as the core sees it: in a replay that of the frame when it was first run.
    pub(crate) fn time(&mut self, now: impl FnOnce() -> i64) -> i64 {
        match self.mode {
            Mode::Open | Mode::Ahead => now(),
            Mode::Live | Mode::Replay => self.inputs.time(self.frame, now),
        }
    }

    /// Forgets the inputs of frames before this one.
    pub(crate) fn release(&mut self, oldest: u64) {
        self.inputs.release(oldest);
    }

    /// The frame after the last whose inputs were recorded.
    pub(crate) fn recorded_end(&self) -> u64 {
        self.inputs.end()
    }

    /// Shows the live frame that ran last; `is_corrected` where the game was taken back before it.
    pub(crate) fn present(&mut self, is_corrected: bool) -> Shown<P> {
        let picture = self.picture.take();
        if let Some(picture) = picture.filter(|_| !self.can_repeat) {
            picture.copy_to(&mut self.pixels);
        }
        self.last = picture.or(self.last);
        let sound = self.sound.take(is_corrected);
        self.show(picture, sound)
    }

    /// Shows the last picture again, with as much silence as its sound was long.
    pub(crate) fn stall(&mut self) -> Shown<P> {
        self.picture = None;
        let sound = self.sound.take_silence();
        self.show(self.last.map(|last| last.again(&self.pixels)), sound)
    }

    /// Shows the last picture again, with silence, while the live frame stands still in its midst.
    pub(crate) fn wait(&mut self) -> Shown<P> {
        self.sound.put_aside();
        let sound = self.sound.take_silence();
        self.show(self.last.map(|last| last.again(&self.pixels)), sound)
    }

    /// Shows the game's last own frame once more.
    pub(crate) fn repeat(&mut self) -> Shown<P> {
        self.is_kept = false;
        self.kept.clone()
    }

    pub(crate) fn give_back(&mut self, sound: Vec<i16>) {
        self.sound.give_back(sound);
    }

    fn show(&mut self, picture: Option<P>, sound: Vec<i16>) -> Shown<P> {
        self.keep_picture(picture);
        self.handle_heard(&sound);
        Shown { picture, sound }
    }

    fn keep_picture(&mut self, picture: Option<P>) {
        if self.is_kept && picture.is_some() {
            self.kept.picture = picture;
        }
    }
}

#[cfg(test)]
mod tests;
