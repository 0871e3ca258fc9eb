use super::*;
use crate::ffi::tests::turn;
use std::sync::atomic::AtomicU64;

/// Data of a core, in which a test moves words as a core would.
struct Memory {
    words: Box<[AtomicU64]>,
}

/// Places in it.
const COUNT: usize = 77;
const OTHER: usize = 12;

impl Memory {
    fn new() -> Memory {
        let words = (0..100).map(|word| AtomicU64::new(word * 0x0101));
        Memory {
            words: words.collect(),
        }
    }

    fn area(&self) -> Range<usize> {
        let range = self.words.as_ptr_range();
        range.start.expose_provenance()..range.end.expose_provenance()
    }

    fn samples(&self) -> SampleCount {
        // SAFETY: each test keeps the memory longer, and has a thread of its own.
        unsafe { SampleCount::new(&[self.area()]) }
    }

    fn add(&self, word: usize, growth: u64) {
        self.words[word].fetch_add(growth, Ordering::Relaxed);
    }

    /// One frame of so many samples, in chunks and with the sound that the core gives of it; the chunk is
    /// looked at in each.
    fn frame(&self, samples: &SampleCount, length: u64) -> Vec<Option<u8>> {
        let mut looks = Vec::new();
        samples.run(|| {
            let mut left = length;
            while left > 0 {
                looks.push(CLOCK.time(0).map(|time| time.chunk.raw()));
                let chunk = left.min(CHUNK as u64 + 5);
                left -= chunk;
                self.add(COUNT, chunk);
            }
            core_callbacks::add_sound(length as usize / 64);
        });
        assert_eq!(CLOCK.time(0), None, "no frame runs");
        looks
    }

    /// A usual frame in which another word grows by this.
    fn frame_beside(&self, samples: &SampleCount, other: u64) {
        samples.run(|| {
            self.add(COUNT, 35_112);
            self.add(OTHER, other);
            core_callbacks::add_sound(549);
        });
    }

    /// Runs usual frames until the count is known.
    fn found(&self) -> SampleCount {
        let samples = self.samples();
        for _ in 0..PROOF_CALLS {
            self.frame(&samples, 35_112);
        }
        assert_eq!(samples.count.load(Ordering::Relaxed), self.words[COUNT].as_ptr());
        samples
    }
}

fn is_known(samples: &SampleCount) -> bool {
    !samples.count.load(Ordering::Relaxed).is_null()
}

fn is_searching(samples: &SampleCount) -> bool {
    let search = samples.search.take();
    let is_some = search.is_some();
    samples.search.store(search);
    is_some
}

#[test]
fn the_one_word_that_grows_as_the_sound_does_is_the_count() {
    let _turn = turn();
    let memory = Memory::new();
    let samples = memory.samples();
    for frame in 0..PROOF_CALLS {
        assert!(!is_known(&samples), "{frame}");
        let looks = memory.frame(&samples, 10_000 * u64::from(frame + 1));
        assert!(looks.iter().all(Option::is_none), "{frame}");
    }
    assert!(is_known(&samples));
    assert!(!is_searching(&samples), "its memory is free");
    let looks = memory.frame(&samples, 35_112);
    let chunks: Vec<_> = (0..17).map(Some).collect();
    assert_eq!(looks, chunks);
}

#[test]
fn a_word_that_stops_is_not_the_count() {
    let _turn = turn();
    let memory = Memory::new();
    let samples = memory.samples();
    for frame in 0..PROOF_CALLS {
        let other = if frame < PROOF_CALLS - 1 { 35_100 } else { 0 };
        memory.frame_beside(&samples, other);
    }
    assert_eq!(
        samples.count.load(Ordering::Relaxed),
        memory.words[COUNT].as_ptr()
    );
}

#[test]
fn where_two_words_behave_alike_none_is_used() {
    let _turn = turn();
    let memory = Memory::new();
    let samples = memory.samples();
    for _ in 0..PROOF_CALLS {
        memory.frame_beside(&samples, 35_100);
    }
    assert!(!is_known(&samples) && !is_searching(&samples));
}

#[test]
fn where_no_word_behaves_so_the_search_ends() {
    let _turn = turn();
    let memory = Memory::new();
    let samples = memory.samples();
    samples.run(|| core_callbacks::add_sound(549));
    assert!(!is_known(&samples) && !is_searching(&samples));
    // A word that begins to grow later is nobody's any more.
    for _ in 0..PROOF_CALLS {
        memory.frame(&samples, 35_112);
    }
    assert!(!is_known(&samples));
}

#[test]
fn where_nothing_is_heard_the_search_ends() {
    let _turn = turn();
    let memory = Memory::new();
    let samples = memory.samples();
    for call in 1..=CALLS_MAX {
        assert!(is_searching(&samples), "{call}");
        samples.run(|| memory.add(COUNT, 35_112));
    }
    assert!(!is_known(&samples) && !is_searching(&samples));
}

#[test]
fn calls_that_emulate_nothing_disturb_nothing() {
    let _turn = turn();
    let memory = Memory::new();
    let samples = memory.samples();
    for call in 1..=3 * PROOF_CALLS {
        samples.run(|| ());
        // Other words move all the same.
        samples.run(|| memory.add(OTHER, 1));
        assert_eq!(is_known(&samples), call > PROOF_CALLS);
        memory.frame(&samples, 35_112);
    }
    for _ in 0..2 * CALLS_MAX {
        samples.run(|| ());
    }
    assert!(is_known(&samples));
}

#[test]
fn either_resampler_and_a_frame_of_any_length_prove_the_count() {
    let _turn = turn();
    for decimation in [64, 32] {
        let memory = Memory::new();
        let samples = memory.samples();
        for length in [35_112, 133_000, 2_000, 64, 8_482, 66_499].repeat(4) {
            samples.run(|| {
                memory.add(COUNT, length);
                core_callbacks::add_sound((length / decimation) as usize);
            });
        }
        assert!(is_known(&samples), "{decimation}");
    }
}

#[test]
fn a_state_that_sets_the_count_back_disturbs_nothing() {
    let _turn = turn();
    let memory = Memory::new();
    let samples = memory.samples();
    for call in 0..2 * PROOF_CALLS {
        memory.words[COUNT].store(0, Ordering::Relaxed);
        let looks = memory.frame(&samples, 35_112);
        assert_eq!(looks[16], (call >= PROOF_CALLS).then_some(16));
    }
    // As one that goes on does at its end.
    memory.words[COUNT].store(u64::MAX - 4000, Ordering::Relaxed);
    assert_eq!(memory.frame(&samples, 35_112)[16], Some(16));
    assert!(is_known(&samples));
}

#[test]
fn a_count_that_grows_otherwise_is_given_up_for_good() {
    let _turn = turn();
    for (growth, sound) in [
        (0, 549),
        (35_112, 0),
        (35_112, 545),
        (35_112, 1080),
        (u64::MAX - 35_000, 549),
    ] {
        let memory = Memory::new();
        let samples = memory.found();
        samples.run(|| {
            memory.add(COUNT, growth);
            core_callbacks::add_sound(sound);
        });
        assert!(!is_known(&samples), "{growth}");
        for _ in 0..2 * PROOF_CALLS {
            let looks = memory.frame(&samples, 35_112);
            assert!(looks.iter().all(Option::is_none), "{growth}");
        }
    }
}

#[test]
fn areas_need_not_begin_or_end_at_words_and_large_ones_are_not_searched() {
    let _turn = turn();
    let memory = Memory::new();
    let Range { start, end } = memory.area();
    let places = |area: Range<usize>| -> Vec<usize> {
        let candidates = Search::new(&[area]).candidates;
        candidates.iter().map(|candidate| candidate.word.addr()).collect()
    };
    let second = start + size_of::<u64>();
    assert_eq!(places(start + 1..second + 2 * size_of::<u64>() - 1), [second]);
    assert_eq!(places(start + 1..second), [0; 0]);
    assert_eq!(places(start..start + 1), [0; 0]);
    assert_eq!(places(end - 8..end), [end - 8]);
    assert_eq!(places(start..start + AREAS_MAX + 1), [0; 0]);
    assert_eq!(Search::new(&[start..second, second..end]).candidates.len(), 100);
    // SAFETY: nothing of it can be read.
    let samples = unsafe { SampleCount::new(&[]) };
    samples.run(|| core_callbacks::add_sound(549));
    assert!(!is_searching(&samples), "there is nothing to look for");
}
