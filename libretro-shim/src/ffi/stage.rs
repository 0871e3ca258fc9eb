//! What passes between the core and the frontend while frames are undone and emulated again.
//!
//! A live frame's picture and sound are kept until it is known whether it stands; its inputs are recorded. A replayed frame gets the
//! recorded inputs, and nothing that it hands over reaches the frontend. Otherwise everything passes.
//!
//! What a frame of the game handed over that nobody was to see is kept as well, for a frontend that looks ahead: see [`crate::ahead`].

mod picture;
mod sound;

pub(super) use self::picture::Picture;

use self::picture::Last;
use super::frontend::{AUDIO_SAMPLE_BATCH, INPUT_POLL, INPUT_STATE, VIDEO_REFRESH, can_repeat};
use super::guard;
use crate::faults;
use libc::c_uint;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What happens to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mode {
    /// It passes.
    Open = 0,
    /// Pictures and sound are kept, inputs recorded.
    Live = 1,
    /// Nothing passes, inputs are the recorded ones.
    Replay = 2,
    /// It passes, but no byte leaves and no option changes: the frame is taken back.
    Ahead = 3,
}

static MODE: AtomicU8 = AtomicU8::new(Mode::Open as u8);
static STAGE: Mutex<Stage> = Mutex::new(Stage::empty());
/// What is handed over is kept in [`Stage::echo`].
static IS_KEEPING: AtomicBool = AtomicBool::new(false);

/// Sound of more than this in one frame is dropped: a frame has about 550 samples, at most 1100.
const SAMPLES_MAX: usize = 16_384;
/// Inputs asked for in one frame; the stock core asks for 16 buttons at most.
const INPUTS_MAX: usize = 64;
/// Frames whose inputs are kept; more than any correction goes back.
const FRAMES_MAX: usize = 1024;

/// In a replay these are up: the core changes palettes with the shoulder buttons, and would do it again.
const SIDE_EFFECTS: [c_uint; 4] = [10, 11, 12, 13];
/// `RETRO_DEVICE_ID_JOYPAD_MASK`: all buttons in one number.
const BUTTON_MASK: c_uint = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Query {
    port: c_uint,
    device: c_uint,
    index: c_uint,
    id: c_uint,
}

/// What one frame was given from outside.
#[derive(Default)]
struct Inputs {
    buttons: Vec<(Query, i16)>,
    /// The wall clock, in seconds, where the core asked: cartridges with a clock do.
    time: Option<i64>,
}

/// What the game's last frame handed over.
struct Echo {
    picture: Option<Picture>,
    sound: Vec<i16>,
}

struct Stage {
    picture: Option<Picture>,
    last: Last,
    sound: Vec<i16>,
    /// Samples of the last frame that was shown.
    last_samples: usize,
    /// The last sample that was played, left and right.
    last_sample: [i16; 2],
    /// The sound that follows does not go on where the last ended.
    is_broken: bool,
    echo: Echo,
    inputs: VecDeque<Inputs>,
    spare: Vec<Inputs>,
    /// Number of the first frame in `inputs`.
    first: u64,
    /// The frame that runs.
    frame: u64,
}

impl Stage {
    const fn empty() -> Stage {
        Stage {
            picture: None,
            last: Last::none(true),
            sound: Vec::new(),
            last_samples: 0,
            last_sample: [0; 2],
            is_broken: false,
            echo: Echo {
                picture: None,
                sound: Vec::new(),
            },
            inputs: VecDeque::new(),
            spare: Vec::new(),
            first: 0,
            frame: 0,
        }
    }

    /// Lets the sound begin where the last ended, if it does not by itself.
    fn even_out(&mut self) {
        if std::mem::take(&mut self.is_broken) {
            sound::soften(&mut self.sound, self.last_sample);
        }
        if let [.., left, right] = self.sound[..] {
            self.last_sample = [left, right];
        }
    }

    fn inputs(&mut self) -> Option<&mut Inputs> {
        let place = usize::try_from(self.frame.checked_sub(self.first)?).ok()?;
        self.inputs.get_mut(place)
    }
}

fn stage() -> MutexGuard<'static, Stage> {
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn mode() -> Mode {
    match MODE.load(Ordering::Relaxed) {
        1 => Mode::Live,
        2 => Mode::Replay,
        3 => Mode::Ahead,
        _ => Mode::Open,
    }
}

/// Forgets all frames: another game.
pub(crate) fn reset() {
    let last = Last::none(can_repeat());
    *stage() = Stage {
        last,
        ..Stage::empty()
    };
}

/// Runs one frame for the player: recorded, and shown only with [`present`].
pub(crate) fn live<T>(frame: u64, run: impl FnOnce() -> T) -> T {
    {
        let mut stage = stage();
        let stage = &mut *stage;
        stage.picture = None;
        stage.sound.clear();
        stage.frame = frame;
        // A frame that was undone, or another history: what was recorded from here on is void.
        let keep = frame
            .checked_sub(stage.first)
            .and_then(|keep| usize::try_from(keep).ok());
        let keep = keep.filter(|keep| *keep <= stage.inputs.len());
        if keep.is_none() {
            stage.first = frame;
        }
        while stage.inputs.len() > keep.unwrap_or(0) {
            stage.spare.extend(stage.inputs.pop_back());
        }
        if stage.inputs.len() >= FRAMES_MAX {
            stage.spare.extend(stage.inputs.pop_front());
            stage.first += 1;
        }
        let mut inputs = stage.spare.pop().unwrap_or_else(|| Inputs {
            buttons: Vec::with_capacity(INPUTS_MAX),
            time: None,
        });
        inputs.buttons.clear();
        inputs.time = None;
        stage.inputs.push_back(inputs);
    }
    within(Mode::Live, run)
}

/// Runs one frame again, unseen and unheard.
pub(crate) fn replay<T>(frame: u64, run: impl FnOnce() -> T) -> T {
    stage().frame = frame;
    within(Mode::Replay, run)
}

/// Runs one frame that is taken back, with the cable out.
pub(crate) fn ahead<T>(run: impl FnOnce() -> T) -> T {
    IS_KEEPING.store(false, Ordering::Relaxed);
    within(Mode::Ahead, run)
}

/// Begins one of the game's own frames; `is_kept` where [`repeat`] may be wanted of what it hands over.
pub(crate) fn keep(is_kept: bool) {
    IS_KEEPING.store(is_kept, Ordering::Relaxed);
    let mut stage = stage();
    stage.echo.picture = None;
    stage.echo.sound.clear();
}

/// Hands over once more what the game's last frame did.
pub(crate) fn repeat() {
    IS_KEEPING.store(false, Ordering::Relaxed);
    let (picture, sound) = {
        let mut stage = stage();
        (stage.echo.picture, std::mem::take(&mut stage.echo.sound))
    };
    if let Some(picture) = picture {
        show(picture);
    }
    play(&sound);
    stage().echo.sound = sound;
}

/// The frontend has been handed this picture.
pub(super) fn keep_picture(picture: Picture) {
    if IS_KEEPING.load(Ordering::Relaxed) {
        stage().echo.picture = Some(picture);
    }
}

/// The frontend has been handed this sound.
pub(super) fn keep_sound(samples: &[i16]) {
    if IS_KEEPING.load(Ordering::Relaxed) {
        let mut stage = stage();
        if stage.echo.sound.len() + samples.len() <= SAMPLES_MAX {
            stage.echo.sound.extend_from_slice(samples);
        }
    }
}

fn within<T>(mode: Mode, run: impl FnOnce() -> T) -> T {
    /// Also after a panic: what comes then must reach the frontend.
    struct Opens;

    impl Drop for Opens {
        fn drop(&mut self) {
            MODE.store(Mode::Open as u8, Ordering::Relaxed);
        }
    }

    let _opens = Opens;
    MODE.store(mode as u8, Ordering::Relaxed);
    run()
}

/// Runs again, unseen, what has been recorded from this frame on: a correction has broken off there.
pub(crate) fn catch_up(from: u64, run: impl Fn()) {
    let end = {
        let stage = stage();
        stage.first.saturating_add(stage.inputs.len() as u64)
    };
    for frame in from..end {
        replay(frame, &run);
    }
}

/// Inputs of frames before this one are not needed again.
pub(crate) fn release(oldest: u64) {
    let mut stage = stage();
    let stage = &mut *stage;
    while stage.first < oldest
        && let Some(inputs) = stage.inputs.pop_front()
    {
        stage.spare.push(inputs);
        stage.first += 1;
    }
}

/// Shows the live frame that ran last; `is_mended` where the game was taken back before it, which resets the core's resampler.
pub(crate) fn present(is_mended: bool) {
    let (picture, mut sound) = {
        let mut stage = stage();
        stage.is_broken |= is_mended;
        stage.even_out();
        let picture = stage.picture.take();
        if let Some(picture) = picture {
            stage.last.keep(picture);
        }
        stage.last_samples = stage.sound.len() / 2;
        (picture, std::mem::take(&mut stage.sound))
    };
    if let Some(picture) = picture {
        show(picture);
    }
    play(&sound);
    // The buffer goes back: no frame allocates another.
    sound.clear();
    stage().sound = sound;
}

/// Shows the last picture again, with as much silence as its sound was long.
pub(crate) fn hold() {
    let (last, mut sound) = {
        let mut stage = stage();
        stage.picture = None;
        let samples = stage.last_samples;
        stage.sound.clear();
        stage.sound.resize(samples * 2, 0);
        stage.is_broken = true;
        stage.even_out();
        // Nor does what follows the silence go on from there.
        stage.is_broken = true;
        (stage.last.again(), std::mem::take(&mut stage.sound))
    };
    if let Some(picture) = last {
        show(picture);
    }
    play(&sound);
    sound.clear();
    stage().sound = sound;
}

fn show(picture: Picture) {
    keep_picture(picture);
    let Picture {
        data,
        width,
        height,
        pitch,
    } = picture;
    if let Some(callback) = VIDEO_REFRESH.get() {
        // SAFETY: the core's own picture, which it overwrites only when it runs again, or a copy, or null for the last one.
        unsafe { callback(data, width, height, pitch) };
    }
}

fn play(mut sound: &[i16]) {
    keep_sound(sound);
    let Some(callback) = AUDIO_SAMPLE_BATCH.get() else {
        return;
    };
    while !sound.is_empty() {
        // SAFETY: pointer and count of the slice: two numbers a sample.
        let taken = unsafe { callback(sound.as_ptr(), sound.len() / 2) };
        match sound.get(taken * 2..) {
            Some(rest) if taken > 0 => sound = rest,
            _ => return,
        }
    }
}

/// The wall clock as the core sees it: in a replay that of the frame when it was first run.
pub(super) fn time(now: impl Fn() -> i64) -> i64 {
    guard(None, || Some(recorded_time(&now))).unwrap_or_else(now)
}

fn recorded_time(now: impl Fn() -> i64) -> i64 {
    faults::place("time");
    if matches!(mode(), Mode::Open | Mode::Ahead) {
        return now();
    }
    let mut stage = stage();
    match stage.inputs() {
        Some(inputs) => *inputs.time.get_or_insert_with(now),
        None => now(),
    }
}

/// Keeps or drops a picture; false where it is to be passed on.
pub(super) fn take_picture(picture: Picture) -> bool {
    match mode() {
        Mode::Open | Mode::Ahead => false,
        Mode::Live => {
            stage().picture = Some(picture);
            true
        }
        Mode::Replay => true,
    }
}

/// Keeps or drops sound; false where it is to be passed on.
pub(super) fn take_sound(samples: &[i16]) -> bool {
    match mode() {
        Mode::Open | Mode::Ahead => false,
        Mode::Live => {
            let mut stage = stage();
            if stage.sound.len() + samples.len() <= SAMPLES_MAX {
                stage.sound.extend_from_slice(samples);
            }
            true
        }
        Mode::Replay => true,
    }
}

/// The core's input poll.
pub(super) unsafe extern "C" fn input_poll() {
    guard((), || {
        faults::place("input_poll");
        if mode() != Mode::Replay
            && let Some(callback) = INPUT_POLL.get()
        {
            // SAFETY: the frontend's own callback, made for this.
            unsafe { callback() };
        }
    });
}

/// The core asks for a button.
pub(super) unsafe extern "C" fn input_state(port: c_uint, device: c_uint, index: c_uint, id: c_uint) -> i16 {
    guard(0, || {
        input(Query {
            port,
            device,
            index,
            id,
        })
    })
}

fn input(query: Query) -> i16 {
    faults::place("input_state");
    if mode() == Mode::Replay {
        return recorded(query);
    }
    let Some(callback) = INPUT_STATE.get() else {
        return 0;
    };
    let Query {
        port,
        device,
        index,
        id,
    } = query;
    // SAFETY: the core's own arguments, for the frontend's own callback.
    let value = unsafe { callback(port, device, index, id) };
    if mode() == Mode::Live
        && let Some(inputs) = stage().inputs()
        && inputs.buttons.len() < INPUTS_MAX
    {
        inputs.buttons.push((query, value));
    }
    value
}

fn recorded(query: Query) -> i16 {
    if SIDE_EFFECTS.contains(&query.id) {
        return 0;
    }
    let mut stage = stage();
    let value = stage
        .inputs()
        .and_then(|inputs| inputs.buttons.iter().find(|(asked, _)| *asked == query))
        .map_or(0, |(_, value)| *value);
    if query.id == BUTTON_MASK {
        let up: i16 = SIDE_EFFECTS.iter().fold(0, |up, id| up | 1 << id);
        value & !up
    } else {
        value
    }
}
