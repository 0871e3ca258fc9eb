//! Which stretch of the link both sides are in: from one plugging in to the next unplugging, on either side.
//!
//! A cable that is pulled ends the histories of both sides at places that they cannot agree on any more. So each side
//! counts its stretches, says its own number and the other's as it knows it, and numbers begin at 0 where both are new.

/// What one side knows of the stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Joint {
    ours: u32,
    theirs: Option<u32>,
    is_joined: bool,
}

/// What a word of the peer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Both sides mean the same stretch.
    Joined,
    /// The peer's stretch ended, so ours does.
    Ended,
    /// The peer does not know our number yet.
    Apart,
}

impl Default for Joint {
    fn default() -> Self {
        Joint {
            ours: 1,
            theirs: None,
            is_joined: false,
        }
    }
}

impl Joint {
    /// Whether both sides mean the same stretch.
    pub(super) fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// Our number, and the peer's or 0.
    pub(super) fn numbers(&self) -> (u32, u32) {
        (self.ours, self.theirs.unwrap_or(0))
    }

    /// Our stretch ends here.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.is_joined) {
            self.ours = self.ours.saturating_add(1);
        }
    }

    /// The peer is another one than before; call [`end`](Self::end) first.
    pub(super) fn forget_peer(&mut self) {
        self.theirs = None;
    }

    /// The peer says its number, and ours as it knows it. Hand over only words that are newer than those before.
    pub(super) fn handle_numbers(&mut self, theirs: u32, ours: u32) -> Heard {
        if self.theirs != Some(theirs) {
            self.theirs = Some(theirs);
            if self.is_joined {
                self.end();
                return Heard::Ended;
            }
        }
        if ours != self.ours {
            return Heard::Apart;
        }
        self.is_joined = true;
        Heard::Joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(from: Joint, to: &mut Joint) -> Heard {
        let (own, other) = from.numbers();
        to.handle_numbers(own, other)
    }

    #[test]
    fn three_words_join_both_sides() {
        let (mut a, mut b) = (Joint::default(), Joint::default());
        assert_eq!(say(a, &mut b), Heard::Apart);
        assert_eq!(say(b, &mut a), Heard::Joined);
        assert_eq!(say(a, &mut b), Heard::Joined);
    }

    #[test]
    fn the_end_of_one_sides_stretch_ends_the_others_and_both_begin_anew() {
        let (mut a, mut b) = (Joint::default(), Joint::default());
        say(a, &mut b);
        say(b, &mut a);
        say(a, &mut b);
        let late = b;
        a.end();
        assert_eq!(say(late, &mut a), Heard::Apart, "still of the old stretch");
        assert_eq!(say(a, &mut b), Heard::Ended);
        assert_eq!(say(b, &mut a), Heard::Joined);
        assert_eq!(say(a, &mut b), Heard::Joined);
        assert_eq!((a.numbers(), b.numbers()), ((2, 2), (2, 2)));
    }
}
