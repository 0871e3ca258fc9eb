use super::*;

/// The counter in a state, as the core saves it: set back as far as goes.
const SAVED: u32 = 0x8123;
const FRAME: u64 = 35_112;

/// Words between the caller of the core and a socket call, none of them a counter.
struct Stack([usize; 40]);

impl Stack {
    fn new() -> Stack {
        let junk = |word| match word % 3 {
            0 => usize::MAX - word,
            1 => word,
            _ => 0xFF00_0000 + word,
        };
        Stack(std::array::from_fn(junk))
    }

    fn range(&self) -> Range<usize> {
        let range = self.0.as_ptr_range();
        range.start.expose_provenance()..range.end.expose_provenance()
    }
}

/// Place of the counter, of the beginning of its instruction, and of the chunk's begin.
const NOW: usize = 31;
const INSTRUCTION: usize = 8;
const STALE: usize = 20;

/// Cycles of which the state and the rate are known; its frame begins at `SAVED`.
fn known(rate: u32) -> Cycles {
    let cycles = Cycles::new();
    cycles.set(Some(SAVED), false);
    cycles.end_frame(FRAME);
    cycles.set(Some(saved_after(rate)), true);
    cycles.set(Some(SAVED), false);
    cycles
}

/// Counter of a state after a frame from `SAVED` on.
fn saved_after(rate: u32) -> u32 {
    (SAVED + FRAME as u32 * rate) % SET_BACK + SET_BACK
}

/// A call of the core, so many of its cycles after the frame's begin.
fn call(cycles: &Cycles, stack: &mut Stack, counter: u32, rate: u32) -> Option<u32> {
    let length = CHUNK as u32 * rate;
    let chunk = counter / length;
    stack.0[NOW] = (SAVED + counter) as usize;
    stack.0[INSTRUCTION] = (SAVED + counter).saturating_sub(8) as usize;
    stack.0[STALE] = (SAVED + chunk * length) as usize;
    cycles.at(stack.range(), CHUNK * chunk as usize)
}

/// Has the words of these calls prove themselves.
fn learn(cycles: &Cycles, stack: &mut Stack, rate: u32) {
    for event in 0..PROOF_CALLS {
        assert_eq!(call(cycles, stack, 8 + event * 4000, rate), None, "{event}");
    }
}

#[test]
fn a_word_that_has_always_been_in_the_chunk_tells_the_cycle() {
    for rate in [2, 4] {
        let (cycles, mut stack) = (known(rate), Stack::new());
        learn(&cycles, &mut stack, rate);
        for counter in [8, 4000, 4136, 33_333, 70_000] {
            assert_eq!(
                call(&cycles, &mut stack, counter, rate),
                Some(counter / (rate / 2))
            );
        }
        // On another way through the core it is elsewhere.
        let shorter = stack.range().start + 3..stack.range().end;
        assert_eq!(cycles.at(shorter, 0), None);
    }
}

#[test]
fn nothing_is_known_without_a_state_or_between_two_speeds() {
    let mut stack = Stack::new();
    let cycles = Cycles::new();
    assert_eq!(call(&cycles, &mut stack, 8, 2), None);
    cycles.set(Some(SAVED), false);
    assert_eq!(call(&cycles, &mut stack, 8, 2), None, "nor without a rate");
    let cycles = known(2);
    learn(&cycles, &mut stack, 2);
    let is_known = |stack: &mut Stack| {
        cycles.set(Some(SAVED), false);
        call(&cycles, stack, 8, 2).is_some()
    };
    assert!(is_known(&mut stack));
    for (saved, is_right) in [(saved_after(2) + 4, false), (saved_after(2), true)] {
        cycles.set(Some(SAVED), false);
        cycles.end_frame(FRAME);
        cycles.set(Some(saved), true);
        assert_eq!(is_known(&mut stack), is_right);
    }
    cycles.lose();
    assert_eq!(call(&cycles, &mut stack, 8, 2), None);
    assert!(is_known(&mut stack));
    cycles.forget();
    assert!(!is_known(&mut stack));
}

#[test]
fn frames_after_a_state_are_counted_by_their_samples() {
    let (cycles, mut stack) = (known(2), Stack::new());
    learn(&cycles, &mut stack, 2);
    for frame in 1..100 {
        cycles.end_frame(FRAME);
        stack.0[NOW] = (SAVED + frame * 70_224 + 500) as usize;
        assert_eq!(cycles.at(stack.range(), 0), Some(500), "{frame}");
    }
    // The core sets its counter back in a frame, once in some minutes.
    cycles.set(Some(i32::MAX as u32 - 100_000), false);
    cycles.end_frame(FRAME);
    stack.0[NOW] = i32::MAX as usize - 100_000 + 70_224;
    assert_eq!(cycles.at(stack.range(), 0), Some(0));
    cycles.end_frame(FRAME);
    assert_eq!(cycles.begin.load(Ordering::Relaxed), UNKNOWN);
    cycles.set(Some(SAVED), false);
    cycles.end_frame(u64::MAX);
    assert_eq!(cycles.begin.load(Ordering::Relaxed), UNKNOWN);
}

#[test]
fn where_the_words_are_wrong_the_state_is_not_believed_until_the_next() {
    let (cycles, mut stack) = (known(2), Stack::new());
    learn(&cycles, &mut stack, 2);
    for jump in [70_000, 0xFFFF_0000] {
        cycles.set(Some(SAVED.wrapping_add(jump)), false);
        assert_eq!(call(&cycles, &mut stack, 8, 2), None);
        assert_eq!(cycles.begin.load(Ordering::Relaxed), UNKNOWN);
        cycles.set(Some(SAVED), false);
        assert_eq!(call(&cycles, &mut stack, 8, 2), Some(8));
    }
    for _ in 0..MISSES_MAX {
        cycles.set(Some(SAVED + 70_000), false);
        assert_eq!(call(&cycles, &mut stack, 8, 2), None);
    }
    cycles.set(Some(SAVED), false);
    assert_eq!(call(&cycles, &mut stack, 8, 2), None, "given up");
}

#[test]
fn a_core_without_its_counter_on_the_stack_disturbs_no_other_path() {
    let (cycles, mut stack) = (known(2), Stack::new());
    learn(&cycles, &mut stack, 2);
    let other = Stack::new();
    let elsewhere = other.range().start + 8..other.range().end;
    for _ in 0..2 * MISSES_MAX {
        assert_eq!(cycles.at(elsewhere.clone(), 0), None);
        assert_eq!(call(&cycles, &mut stack, 8, 2), Some(8));
    }
}

#[test]
fn no_stack_is_read_beyond_its_ends_and_more_paths_than_there_is_room_for_are_none() {
    let cycles = known(2);
    let mut long = vec![SAVED as usize; 4 * WORDS];
    // In the words that are looked at there is none.
    long[..WORDS].fill(0);
    let start = long.as_ptr().expose_provenance();
    let end = start + long.len() * size_of::<usize>();
    for _ in 0..2 * PROOF_CALLS {
        assert_eq!(cycles.at(start..end, 0), None);
        assert_eq!(cycles.at(end..end, 0), None);
        assert_eq!(cycles.at(end + 1 - size_of::<usize>()..end, 0), None);
        assert_eq!(cycles.at(end..start, 0), None);
        assert_eq!(cycles.at(start..end, usize::MAX), None);
    }
    for depth in 1..4 * PATHS {
        for _ in 0..2 * PROOF_CALLS {
            let is_known = cycles.at(end - depth * size_of::<usize>()..end, 0).is_some();
            assert!(!is_known || depth < PATHS, "{depth}");
        }
    }
}
