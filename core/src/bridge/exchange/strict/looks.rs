//! Looks of the core for a byte: whether the game is one that listens at all, and which looks pass the peer's
//! call over.

/// Frames since the last look in which a game is taken for one that listens between its calls: more than
/// those, a dozen, in which some call, listening for some cycles of each.
const LISTENER: u64 = 60;

/// Frames in a row in which a call may be passed over because it comes too soon: some games listen only right
/// before the place at which they call themselves.
const MOST_PASSED: u8 = 2;

/// Progress of the looks in the frame that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Looks {
    has_looked: bool,
    /// The look that runs, or was prolonged, is the frame's first.
    is_first: bool,
    /// The peer's call was passed over in this frame, and in so many before it.
    has_passed: bool,
    passed: u8,
    /// The frame of the last look.
    last: Option<u64>,
}

impl Looks {
    /// Begins a frame; true if the core looked for a byte in the frame before.
    pub(super) fn begin_frame(&mut self) -> bool {
        let has_looked = self.has_looked;
        *self = Looks {
            passed: if self.has_passed { self.passed + 1 } else { 0 },
            last: self.last,
            ..Looks::default()
        };
        has_looked
    }

    /// The core's event loop looks for a byte, in this frame.
    pub(super) fn handle_look(&mut self, frame: u64) {
        self.last = Some(frame);
        self.is_first = !std::mem::replace(&mut self.has_looked, true);
    }

    /// True in this frame for a game that listens between its calls.
    pub(super) fn is_listener(&self, frame: u64) -> bool {
        self.last
            .is_some_and(|last| frame.saturating_sub(last) < LISTENER)
    }

    /// True where the look that runs passes the peer's call over: while that comes too soon, or, where no
    /// clock tells that, at one frame's first look.
    pub(super) fn passes(&mut self, is_too_soon: Option<bool>) -> bool {
        let passes = match is_too_soon {
            Some(is_too_soon) => is_too_soon && self.passed < MOST_PASSED,
            None => self.is_first && self.passed == 0,
        };
        self.has_passed |= passes;
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_that_looks_now_and_then_is_a_listener() {
        let mut looks = Looks::default();
        assert!(!looks.is_listener(90), "it only clocks");
        looks.handle_look(90);
        assert_eq!([149, 150].map(|frame| looks.is_listener(frame)), [true, false]);
        assert!(looks.is_listener(7), "of a core that counts anew");
    }

    /// A look that may pass a call over.
    fn look(looks: &mut Looks, is_too_soon: Option<bool>) -> bool {
        looks.handle_look(90);
        looks.passes(is_too_soon)
    }

    #[test]
    fn without_a_clock_the_first_look_of_one_frame_passes_a_call_over() {
        let mut looks = Looks::default();
        looks.begin_frame();
        assert_eq!([(); 2].map(|()| look(&mut looks, None)), [true, false]);
        looks.begin_frame();
        assert!(
            !look(&mut looks, None),
            "a game that looks once a frame hears it now"
        );
    }

    #[test]
    fn a_call_is_passed_over_while_it_comes_too_soon_but_for_two_frames_at_most() {
        let mut looks = Looks::default();
        looks.begin_frame();
        let soon = [true, true, false].map(|is_too_soon| look(&mut looks, Some(is_too_soon)));
        assert_eq!(soon, [true, true, false]);
        for expected in [true, false, true] {
            looks.begin_frame();
            assert_eq!(look(&mut looks, Some(true)), expected);
        }
    }
}
