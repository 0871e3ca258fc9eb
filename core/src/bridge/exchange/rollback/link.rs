//! Incarnation of the link, and how far it has got: from one plugging in to the next unplugging, on either
//! side.
//!
//! A cable that is pulled ends the histories of both sides at places that they cannot agree on any more. So
//! each side counts its incarnations of the link, says its own number and the other's as it knows it, and
//! numbers begin at 0 where both are new.

/// One side's view of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    ours: u32,
    theirs: Option<u32>,
    state: State,
}

/// State of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    /// The peer does not mean this incarnation yet.
    Apart,
    /// Both sides mean the same incarnation; no snapshot has been saved in it.
    Joining,
    /// There is a first snapshot: what crosses the port is history from there on.
    Open,
    /// The incarnation is over; what was open has not yet been replayed as unplugged.
    Closing,
    /// Closing, while both sides mean the next incarnation already.
    Rejoining,
}

/// Consequence of the numbers that the peer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Both sides mean the same incarnation.
    Joined,
    /// The peer's incarnation ended, so ours does: call [`end`](Link::end).
    Ended,
    /// The peer does not know our number yet.
    Apart,
}

impl Default for Link {
    fn default() -> Self {
        Link {
            ours: 1,
            theirs: None,
            state: State::Apart,
        }
    }
}

impl Link {
    /// Our number, and the peer's or 0.
    pub(super) fn numbers(&self) -> (u32, u32) {
        (self.ours, self.theirs.unwrap_or(0))
    }

    /// True if both sides mean this incarnation, and a first snapshot is wanted.
    pub(super) fn is_joining(&self) -> bool {
        self.state == State::Joining
    }

    /// True if anything may still change.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Closing | State::Rejoining)
    }

    /// True if bytes can cross.
    pub(super) fn is_linked(&self) -> bool {
        self.state == State::Open
    }

    /// True if what is open reads as unplugged.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing | State::Rejoining)
    }

    /// The peer says its number, and ours as it knows it. Hand over only numbers that are newer than those
    /// before.
    pub(super) fn handle_numbers(&mut self, theirs: u32, ours: u32) -> Heard {
        let is_new = self.theirs.replace(theirs) != Some(theirs);
        let joined = match self.state {
            State::Apart => State::Joining,
            State::Closing => State::Rejoining,
            _ if is_new => return Heard::Ended,
            joined => joined,
        };
        if ours != self.ours {
            return Heard::Apart;
        }
        self.state = joined;
        Heard::Joined
    }

    /// The first snapshot of this incarnation is saved; false if there is no incarnation by now.
    pub(super) fn open(&mut self) -> bool {
        let is_joining = self.is_joining();
        if is_joining {
            self.state = State::Open;
        }
        is_joining
    }

    /// Our incarnation ends here.
    pub(super) fn end(&mut self) {
        let (state, is_over) = match self.state {
            State::Apart => (State::Apart, false),
            State::Joining => (State::Apart, true),
            State::Closing => (State::Closing, false),
            State::Open | State::Rejoining => (State::Closing, true),
        };
        self.state = state;
        self.ours = self.ours.saturating_add(u32::from(is_over));
    }

    /// Gives up what was open; [`end`](Self::end) came before.
    pub(super) fn close(&mut self) {
        self.state = match self.state {
            State::Joining | State::Rejoining => State::Joining,
            State::Apart | State::Open | State::Closing => State::Apart,
        };
    }

    /// The peer is another one than before; call [`end`](Self::end) first.
    pub(super) fn forget_peer(&mut self) {
        self.theirs = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(from: Link, to: &mut Link) -> Heard {
        let (own, other) = from.numbers();
        let heard = to.handle_numbers(own, other);
        if heard == Heard::Ended {
            to.end();
        }
        heard
    }

    #[test]
    fn three_words_join_both_sides() {
        let (mut a, mut b) = (Link::default(), Link::default());
        assert_eq!(say(a, &mut b), Heard::Apart);
        assert_eq!(say(b, &mut a), Heard::Joined);
        assert_eq!(say(a, &mut b), Heard::Joined);
    }

    #[test]
    fn the_end_of_one_sides_incarnation_ends_the_others_and_both_begin_anew() {
        let (mut a, mut b) = (Link::default(), Link::default());
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
        let mut link = Link::default();
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
