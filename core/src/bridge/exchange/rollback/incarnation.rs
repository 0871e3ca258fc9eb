//! Incarnation of the link, and how far it has got: from one plugging in to the next unplugging, on either
//! side.
//!
//! A cable that is pulled ends the histories of both sides at places that they cannot agree on any more. So
//! each side counts its incarnations of the link, says its own number and the other's as it knows it, and
//! numbers begin at 0 where both are new.

/// One side's view of the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Incarnation {
    /// Incarnations that have ended here.
    ended: u32,
    /// The peer's number of its own.
    theirs: Option<u32>,
    /// Both sides mean the same incarnation, the one that follows these.
    is_joined: bool,
    past: Past,
}

/// State of the history behind the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Past {
    /// None: no snapshot has been saved in this incarnation.
    #[default]
    Unsaved,
    /// There is a first snapshot: what crosses the port is history from there on.
    Open,
    /// The incarnation is over; what was open has not yet been replayed as unplugged.
    Closing,
}

/// Consequence of the numbers that the peer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Both sides mean the same incarnation.
    Joined,
    /// The peer's incarnation ended, so ours does: call [`end`](Incarnation::end).
    Ended,
    /// The peer does not know our number yet.
    Apart,
}

impl Incarnation {
    /// Our number, from 1, and the peer's or 0.
    pub(super) fn numbers(&self) -> (u32, u32) {
        (self.ended.saturating_add(1), self.theirs.unwrap_or(0))
    }

    /// True if both sides mean this incarnation, and a first snapshot is wanted.
    pub(super) fn is_joining(&self) -> bool {
        self.is_joined && self.past == Past::Unsaved
    }

    /// True if anything may still change.
    pub(super) fn is_open(&self) -> bool {
        self.past != Past::Unsaved
    }

    /// True if bytes can cross.
    pub(super) fn is_linked(&self) -> bool {
        self.past == Past::Open
    }

    /// True if what is open reads as unplugged.
    pub(super) fn is_closing(&self) -> bool {
        self.past == Past::Closing
    }

    /// The peer says its number, and ours as it knows it. Hand over only numbers that are newer than those
    /// before.
    pub(super) fn handle_numbers(&mut self, theirs: u32, ours: u32) -> Heard {
        let is_new = self.theirs.replace(theirs) != Some(theirs);
        if is_new && self.is_joined {
            return Heard::Ended;
        }
        if ours != self.numbers().0 {
            return Heard::Apart;
        }
        self.is_joined = true;
        Heard::Joined
    }

    /// The first snapshot of this incarnation is saved; false if there is no incarnation by now.
    pub(super) fn open(&mut self) -> bool {
        let is_joining = self.is_joining();
        if is_joining {
            self.past = Past::Open;
        }
        is_joining
    }

    /// Our incarnation ends here.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.is_joined) {
            self.ended = self.ended.saturating_add(1);
        }
        if self.past == Past::Open {
            self.past = Past::Closing;
        }
    }

    /// Gives up what was open; [`end`](Self::end) came before.
    pub(super) fn close(&mut self) {
        self.past = Past::Unsaved;
    }

    /// The peer is another one than before; call [`end`](Self::end) first.
    pub(super) fn forget_peer(&mut self) {
        self.theirs = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(from: Incarnation, to: &mut Incarnation) -> Heard {
        let (own, other) = from.numbers();
        let heard = to.handle_numbers(own, other);
        if heard == Heard::Ended {
            to.end();
        }
        heard
    }

    #[test]
    fn three_words_join_both_sides() {
        let (mut a, mut b) = (Incarnation::default(), Incarnation::default());
        assert_eq!(say(a, &mut b), Heard::Apart);
        assert_eq!(say(b, &mut a), Heard::Joined);
        assert_eq!(say(a, &mut b), Heard::Joined);
    }

    #[test]
    fn the_end_of_one_sides_incarnation_ends_the_others_and_both_begin_anew() {
        let (mut a, mut b) = (Incarnation::default(), Incarnation::default());
        say(a, &mut b);
        say(b, &mut a);
        say(a, &mut b);
        let late = b;
        a.end();
        assert_eq!(say(late, &mut a), Heard::Apart, "still of the old incarnation");
        assert_eq!(say(a, &mut b), Heard::Ended);
        assert_eq!(say(b, &mut a), Heard::Joined);
        assert_eq!(say(a, &mut b), Heard::Joined);
        assert_eq!((a.numbers(), b.numbers()), ((2, 2), (2, 2)));
    }

    #[test]
    fn the_next_incarnation_may_be_joined_while_the_last_one_closes() {
        let mut link = Incarnation::default();
        assert_eq!(link.handle_numbers(1, 1), Heard::Joined);
        assert!(link.open() && link.is_linked() && !link.open());
        assert_eq!(link.handle_numbers(2, 1), Heard::Ended);
        link.end();
        assert!(link.is_closing() && link.is_open());
        assert_eq!(link.handle_numbers(2, 2), Heard::Joined);
        assert!(link.is_closing(), "what was open is replayed first");
        link.close();
        assert!(link.is_joining() && !link.is_open());
    }
}
