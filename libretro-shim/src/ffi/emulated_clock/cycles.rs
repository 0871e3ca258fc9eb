//! Time of a socket call in its frame, to the T-cycle, from the core's own stack.
//!
//! The core hands its cycle counter down from function to function (`gambatte-memory.cpp`, `cc`), so while
//! one of them calls us it stands on the stack, and on one way through the core always at the same distance.
//! Which words are it is found by behaviour, for each depth at which we are called: those that lie in the
//! chunk that runs, by the count of samples, each time. A stale copy of an earlier moment of the chunk may be
//! among them, so the latest counts. Some words between the caller of the core and ourselves are read, never
//! written.
//!
//! The counter at a frame's begin is what the last state that was saved or loaded has as its present time
//! (field `cc`), and two cycles for each sample since (four at double speed, which is told by the next state:
//! it must fit, but for the multiple of 8000 by which the core sets its counter back when it saves). Without
//! such a state, and in the frame in which a game switches its speed, the time is not known.

use super::CHUNK;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Ways through the core to a socket call: the event loop's look, one in each kind of access, a send.
const PATHS: usize = 8;

/// Limit on the words that are read. Builds for x86-64 have 46 to 66 between their caller and a socket call.
const WORDS: usize = 128;

/// Calls in which a word must have proved itself.
const PROOF_CALLS: u32 = 16;

/// Calls in a row without any word that is right, after which a path is no longer looked at.
const MISSES_MAX: u32 = 64;

/// Limit on the cycles by which a chunk's last instruction goes beyond it.
const SLACK: u32 = 64;

/// Not known, as no counter of the core's is (`CPU::runFor` sets it back before).
const UNKNOWN: u32 = u32::MAX;

/// A saved counter is as before but for a multiple of this (`Memory::resetCounters`).
const SET_BACK: u32 = 0x8000;

/// The counter's place in time and on the stack.
pub(super) struct Cycles {
    /// The counter now, between frames; at the frame's begin, inside one.
    begin: AtomicU32,
    /// The last state's counter, and the samples since.
    anchor: AtomicU32,
    samples: AtomicU32,
    /// Powers of two: cycles a sample; 0 while not known.
    rate: AtomicU32,
    paths: [Path; PATHS],
}

/// Knowledge of the calls at one depth.
struct Path {
    /// In bytes from the caller of the core; 0 while this is free.
    depth: AtomicUsize,
    /// The words that may be the counter, a bit each, from the call's end of the stack.
    words: [AtomicU64; WORDS / 64],
    proofs: AtomicU32,
    misses: AtomicU32,
}

impl Path {
    const fn free() -> Path {
        Path {
            depth: AtomicUsize::new(0),
            words: [const { AtomicU64::new(u64::MAX) }; WORDS / 64],
            proofs: AtomicU32::new(0),
            misses: AtomicU32::new(0),
        }
    }

    /// Begins the search among all words.
    fn restart(&self) {
        self.proofs.store(0, Ordering::Relaxed);
        for word in &self.words {
            word.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// The latest counter among the words of this stack that lie in the chunk.
    fn latest(&self, stack: Range<usize>, chunk: &Range<u32>) -> Option<u32> {
        let is_proved = self.proofs.load(Ordering::Relaxed) >= PROOF_CALLS;
        let mut latest = None;
        for (group, kept) in self.words.iter().enumerate() {
            let all = kept.load(Ordering::Relaxed);
            let (mut left, mut right) = (all, 0);
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                let place = stack.start + (group * 64 + bit as usize) * size_of::<usize>();
                if place + size_of::<usize>() > stack.end {
                    break;
                }
                let word = std::ptr::with_exposed_provenance::<usize>(place);
                // SAFETY: an aligned word of this thread's stack, between us and the caller of the core.
                let value = u32::try_from(unsafe { word.read_volatile() });
                if let Ok(value) = value
                    && chunk.contains(&value)
                {
                    right |= 1 << bit;
                    latest = latest.max(Some(value));
                }
            }
            if !is_proved {
                kept.store(right, Ordering::Relaxed);
            }
        }
        latest
    }
}

impl Cycles {
    pub(super) const fn new() -> Cycles {
        Cycles {
            begin: AtomicU32::new(UNKNOWN),
            anchor: AtomicU32::new(UNKNOWN),
            samples: AtomicU32::new(0),
            rate: AtomicU32::new(0),
            paths: [const { Path::free() }; PATHS],
        }
    }

    /// Forgets all, with another core.
    pub(super) fn forget(&self) {
        self.lose();
        self.rate.store(0, Ordering::Relaxed);
        for path in &self.paths {
            path.depth.store(0, Ordering::Relaxed);
        }
    }

    /// Takes the counter of a state that the core has just saved (true) or loaded; `None` where the state has
    /// none.
    pub(super) fn set(&self, counter: Option<u32>, is_saved: bool) {
        let (anchor, samples) = (
            self.anchor.load(Ordering::Relaxed),
            self.samples.load(Ordering::Relaxed),
        );
        let counter = counter.unwrap_or(UNKNOWN);
        if is_saved && anchor != UNKNOWN && samples > 0 {
            let fits = |rate: &u32| {
                let since = anchor.wrapping_add(samples.wrapping_mul(*rate));
                since.wrapping_sub(counter).is_multiple_of(SET_BACK)
            };
            let rate = [2, 4].into_iter().find(fits).unwrap_or(0);
            self.rate.store(rate, Ordering::Relaxed);
        }
        self.anchor.store(counter, Ordering::Relaxed);
        self.begin.store(counter, Ordering::Relaxed);
        self.samples.store(0, Ordering::Relaxed);
    }

    /// Not known until the next state.
    pub(super) fn lose(&self) {
        self.set(None, false);
    }

    /// Ends a frame of so many samples.
    pub(super) fn end_frame(&self, samples: u64) {
        let all = u64::from(self.samples.load(Ordering::Relaxed)).saturating_add(samples);
        let begin = u64::from(self.begin.load(Ordering::Relaxed));
        let now = begin.saturating_add(samples.saturating_mul(self.rate.load(Ordering::Relaxed).into()));
        // Before this the core sets its counter back inside a frame.
        match (u32::try_from(all), u32::try_from(now)) {
            (Ok(all), Ok(now)) if now < i32::MAX as u32 => {
                self.samples.store(all, Ordering::Relaxed);
                self.begin.store(now, Ordering::Relaxed);
            }
            _ => self.lose(),
        }
    }

    /// Cycles since the frame's begin, of the processor at its normal speed; `stack` goes from our own end of
    /// the stack to the caller of the core, `samples` is the count since the frame's begin.
    pub(super) fn at(&self, stack: Range<usize>, samples: usize) -> Option<u32> {
        let (begin, rate) = (
            self.begin.load(Ordering::Relaxed),
            self.rate.load(Ordering::Relaxed),
        );
        if begin == UNKNOWN || rate == 0 {
            return None;
        }
        let depth = stack.end.checked_sub(stack.start)?;
        let is_its = |path: &&Path| [0, depth].contains(&path.depth.load(Ordering::Relaxed));
        let path = self.paths.iter().find(is_its)?;
        if path.depth.swap(depth, Ordering::Relaxed) == 0 {
            path.restart();
            path.misses.store(0, Ordering::Relaxed);
        }
        let misses = path.misses.load(Ordering::Relaxed);
        if misses == MISSES_MAX {
            return None;
        }
        let start = begin.checked_add(u32::try_from(samples).ok()?.checked_mul(rate)?)?;
        let chunk = start..start.checked_add(CHUNK as u32 * rate + SLACK)?;
        let first = stack.start.next_multiple_of(size_of::<usize>());
        let proofs = path.proofs.load(Ordering::Relaxed);
        let Some(latest) = path.latest(first..stack.end, &chunk) else {
            path.misses.store(misses + 1, Ordering::Relaxed);
            match proofs {
                // The counter is elsewhere in time, not on the stack.
                PROOF_CALLS => self.lose(),
                _ => path.restart(),
            }
            return None;
        };
        if proofs < PROOF_CALLS {
            path.proofs.store(proofs + 1, Ordering::Relaxed);
            return None;
        }
        path.misses.store(0, Ordering::Relaxed);
        Some((latest - begin) / (rate / 2))
    }
}

#[cfg(test)]
mod tests;
