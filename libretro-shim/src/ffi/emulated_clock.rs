//! Emulated time inside a frame, by the stock core's own count of the sound samples that it has made.
//!
//! A core emulates a frame in chunks of 2064 samples, of two T-cycles each at either speed of the processor,
//! and adds each chunk's samples to a 64-bit count of its own when the chunk is over (`libretro.cpp`,
//! `retro_run`: `libretro_samples_count`, in the 2023 builds `samples_count`). So inside the socket calls
//! that a game's transfer or an armed game's event loop causes, the count says which chunk of the frame runs.
//!
//! Nothing exports the count, and its place differs by build. It is found by its behaviour: the one word of
//! the library's zero-filled data that grows in each call of `retro_run` as the sound does which the core
//! hands over in it, one sample for 64 of these (sinc resampler) or 32 (cosine). It is only ever read. In
//! each later frame its growth is checked again, in replays too; where it does not hold, the clock is given
//! up. Loading a state sets the count back (current builds) or leaves it (2023 builds), so nothing but its
//! growth within one frame means anything.
//!
//! Finer than that is what the core's stack tells ([`cycles`]).
//!
//! The length of a frame is no sign of it. A frame ends with the screen's last line, so one in which the game
//! switches the screen off or on has from 2,000 to 133,000 samples instead of 35,112, and the core makes up
//! for it with calls that emulate nothing.

mod cycles;

use self::cycles::Cycles;
use super::core_callbacks;
use super::poll_origin::DEPTHS;
use crossbeam_utils::atomic::AtomicCell;
use gamelink_core::time::{Chunk, FrameTime, Part, TCycles};
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Samples of one chunk (`SOUND_SAMPLES_PER_RUN`). A chunk ends with its last instruction, so it may have
/// some more.
const CHUNK: usize = 2064;

/// T-cycles of a sample.
const CYCLES: u64 = 2;

/// Samples of the count for one that is heard, by resampler (`CC_DECIMATION_RATE`,
/// `SOUND_SAMPLE_RATE_BLIPPER`).
const DECIMATIONS: [i64; 2] = [64, 32];

/// Limit on samples of the count that a call leaves in the resampler or takes out of it: less than one that
/// is heard each (62 seen).
const LEFT_OVER_MAX: u64 = 128;

/// Calls with sound in which the count must have proved itself: after the first, one word is left in every
/// build that is known. Some games say something in their fifth frame.
const PROOF_CALLS: u32 = 3;

/// Calls of `retro_run` after which the search ends without a result; for a core that gives no sound.
const CALLS_MAX: u32 = 600;

/// Limit on the data that is searched, in bytes; builds for x86-64 have 29 and 33 KiB.
const AREAS_MAX: usize = 256 << 10;

/// True for a count that has grown by so much in a call that gave so many samples of sound.
fn is_as_heard(growth: u64, sound: u32) -> bool {
    let growth = growth.cast_signed();
    let is_near = |by: i64| growth.abs_diff(i64::from(sound) * by) <= LEFT_OVER_MAX;
    DECIMATIONS.into_iter().any(is_near)
}

/// The chunk that begins after so many samples of a frame.
fn chunk_of(samples: usize) -> Chunk {
    Chunk::at(TCycles((samples as u64).saturating_mul(CYCLES)))
}

/// Position in the running frame.
pub(super) struct FrameClock {
    /// The core's count; null while it is not known or no frame runs.
    count: AtomicPtr<u64>,
    /// Its value at the frame's begin, as far as it fits: differences within a frame do.
    begin: AtomicUsize,
    cycles: Cycles,
}

/// Clock of the frame that the loaded core runs.
pub(super) static CLOCK: FrameClock = FrameClock::stopped();

impl FrameClock {
    const fn stopped() -> FrameClock {
        FrameClock {
            count: AtomicPtr::new(std::ptr::null_mut()),
            begin: AtomicUsize::new(0),
            cycles: Cycles::new(),
        }
    }

    /// Samples since the frame's begin, as of the last chunk that is over.
    fn samples(&self) -> Option<usize> {
        let count = self.count.load(Ordering::Relaxed);
        if count.is_null() {
            return None;
        }
        // SAFETY: not null only inside `SampleCount::run`, which has this from its search.
        let now = unsafe { count.read_volatile() } as usize;
        Some(now.wrapping_sub(self.begin.load(Ordering::Relaxed)))
    }

    /// Moment of the core's call that is being answered, on the core's thread. In a frame in which the game
    /// switches the screen there may be 64 chunks and more: then the last one lasts on. `None` where the
    /// count is not known, or no frame runs. `here` is an address of its answer's frame on the stack,
    /// exposed, and the same distance from the core's own each time.
    pub(super) fn time(&self, here: usize) -> Option<FrameTime> {
        let samples = self.samples()?;
        let cycles = DEPTHS.base().and_then(|base| self.cycles.at(here..base, samples));
        let begun = (samples as u64).saturating_mul(CYCLES);
        let since = cycles.and_then(|cycles| u64::from(cycles).checked_sub(begun));
        let chunk = chunk_of(samples);
        // The last one may be several.
        let since = since.filter(|_| chunk < Chunk::LAST);
        Some(FrameTime {
            chunk,
            part: since.and_then(|since| Part::at(TCycles(since))),
        })
    }

    /// Takes the counter of a state that the core has just saved (true) or loaded.
    pub(super) fn handle_state(&self, counter: Option<u32>, is_saved: bool) {
        self.cycles.set(counter, is_saved);
    }

    /// Forgets where the core keeps its counter: it is another core.
    pub(super) fn forget(&self) {
        self.cycles.forget();
    }

    /// The core's counter may have jumped.
    pub(super) fn handle_jump(&self) {
        self.cycles.lose();
    }

    fn start(&self, count: *mut u64, begin: u64) {
        self.begin.store(begin as usize, Ordering::Relaxed);
        self.count.store(count, Ordering::Relaxed);
    }

    fn stop(&self) {
        self.count.store(std::ptr::null_mut(), Ordering::Relaxed);
    }
}

/// A loaded core's count of samples: looked for, then checked.
pub(super) struct SampleCount {
    /// Null while it is not known.
    count: AtomicPtr<u64>,
    /// Empty during a call of the core and when the search is over.
    search: AtomicCell<Option<Box<Search>>>,
}

impl SampleCount {
    /// Prepares the search in these parts of the core's memory.
    ///
    /// # Safety
    /// They can be read as long as the value lives, and are written on the thread that calls `run` only.
    pub(super) unsafe fn new(areas: &[Range<usize>]) -> SampleCount {
        SampleCount {
            count: AtomicPtr::new(std::ptr::null_mut()),
            search: AtomicCell::new(Some(Box::new(Search::new(areas)))),
        }
    }

    /// True while the count is known: then [`CLOCK`] goes in each frame.
    pub(super) fn is_known(&self) -> bool {
        !self.count.load(Ordering::Relaxed).is_null()
    }

    /// Calls the core for one frame, live or replayed, with [`CLOCK`] going where the count is known.
    pub(super) fn run(&self, core: impl FnOnce()) {
        let count = self.count.load(Ordering::Relaxed);
        if !count.is_null() {
            return self.run_known(count, core);
        }
        CLOCK.cycles.lose();
        let Some(mut search) = self.search.take() else {
            return core();
        };
        let sound = Sound::begin();
        search.begin_call();
        core();
        match search.end_call(sound.taken()) {
            Progress::Searching => self.search.store(Some(search)),
            Progress::Found(count) => {
                log::info!("emulated clock found in the core");
                self.count.store(count, Ordering::Relaxed);
            }
            Progress::Failed { left } => log::warn!("no emulated clock found in the core: candidates={left}"),
        }
    }

    fn run_known(&self, count: *mut u64, core: impl FnOnce()) {
        // SAFETY: `count` is a word of the areas of `new`.
        let read = || unsafe { count.read_volatile() };
        let (sound, begin) = (Sound::begin(), read());
        CLOCK.start(count, begin);
        core();
        CLOCK.stop();
        let (growth, sound) = (read().wrapping_sub(begin), sound.taken());
        CLOCK.cycles.end_frame(growth);
        if !is_as_heard(growth, sound) {
            log::warn!("emulated clock given up: growth={growth} sound={sound}");
            self.count.store(std::ptr::null_mut(), Ordering::Relaxed);
        }
    }
}

/// Sound that the core gives in one call.
struct Sound(u32);

impl Sound {
    fn begin() -> Sound {
        Sound(core_callbacks::sound_taken())
    }

    fn taken(&self) -> u32 {
        core_callbacks::sound_taken().wrapping_sub(self.0)
    }
}

/// The words that may still be the count.
struct Search {
    candidates: Vec<Candidate>,
    calls: u32,
    /// Those with sound.
    heard: u32,
}

struct Candidate {
    word: *mut u64,
    /// Its value before the call.
    before: u64,
}

// SAFETY: addresses alone; what is there is read on the thread that runs the core only (`SampleCount::new`).
unsafe impl Send for Search {}

/// State of the search after a call of the core.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Searching,
    Found(*mut u64),
    /// No word has proved itself, or several have.
    Failed {
        left: usize,
    },
}

impl Candidate {
    fn read(&self) -> u64 {
        // SAFETY: an aligned word of the areas of `SampleCount::new`.
        unsafe { self.word.read_volatile() }
    }

    fn growth(&self) -> u64 {
        self.read().wrapping_sub(self.before)
    }
}

impl Search {
    fn new(areas: &[Range<usize>]) -> Search {
        let is_small = areas.iter().map(ExactSizeIterator::len).sum::<usize>() <= AREAS_MAX;
        let areas = if is_small { areas } else { &[] };
        let words = areas.iter().flat_map(|area| {
            let first = area.start.next_multiple_of(align_of::<u64>());
            (first..area.end.saturating_sub(size_of::<u64>() - 1)).step_by(align_of::<u64>())
        });
        let candidate = |word| Candidate {
            word: std::ptr::with_exposed_provenance_mut(word),
            before: 0,
        };
        Search {
            candidates: words.map(candidate).collect(),
            calls: 0,
            heard: 0,
        }
    }

    fn begin_call(&mut self) {
        for candidate in &mut self.candidates {
            candidate.before = candidate.read();
        }
    }

    fn end_call(&mut self, sound: u32) -> Progress {
        self.calls += 1;
        // A call that emulates nothing says nothing of any of them.
        if sound > 0 {
            self.heard += 1;
            let is_left = |candidate: &Candidate| is_as_heard(candidate.growth(), sound);
            self.candidates.retain(is_left);
            // After the first call one is left of thousands.
            self.candidates.shrink_to_fit();
        }
        let is_over = self.heard == PROOF_CALLS || self.calls == CALLS_MAX;
        match &self.candidates[..] {
            [candidate] if self.heard == PROOF_CALLS => Progress::Found(candidate.word),
            left if is_over || left.is_empty() => Progress::Failed { left: left.len() },
            _ => Progress::Searching,
        }
    }
}

#[cfg(test)]
mod tests;
