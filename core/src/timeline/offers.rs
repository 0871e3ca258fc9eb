//! The clocking half: what this game offers, what it read, and what is known of it by now.

use super::ring::Ring;
use crate::protocol::{Offer, Outcome};
use crate::serial::{Speed, UNPLUGGED};

/// Of the places, this part is kept free for a frame's transfers: of 2048 more than any game makes, with the fast clock too.
pub(super) const FRAME_SHARE: usize = 3;

/// Replacements that the peer may not have acknowledged; while none fits, nothing is mended.
const REPLACES: usize = 32;

/// What is guessed before anything is known.
const UNKNOWN: Outcome = Outcome::Taken { byte: UNPLUGGED };

/// Whether the game and the pairing go on alike after both.
fn are_alike(one: Outcome, other: Outcome) -> bool {
    one.reads() == other.reads() && one.is_paired() == other.is_paired()
}

/// One transfer that this game clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Own {
    pub(super) byte: u8,
    pub(super) speed: Speed,
    /// The frame in which this timeline made it.
    pub(super) frame: u64,
    /// How many of the peer's offers this timeline had judged before it.
    pub(super) judged: u64,
    /// What the game read.
    pub(super) used: Outcome,
}

/// A place of the table of hints: what is believed of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Hint {
    number: u64,
    answer: Outcome,
}

const NO_HINT: Hint = Hint {
    number: u64::MAX,
    answer: Outcome::Refused,
};

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The verdict itself.
    Known,
    /// An offer of the peer that waits.
    Crossing,
    /// The announcement, or the verdict before a replacement.
    Hint,
    /// The last verdict.
    Last,
}

/// What a request did to the list of offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// A replay sent what had been sent before.
    Again,
    /// New.
    New,
    /// Other than before: this and all behind it were replaced; so many.
    Replaced(u64),
    /// Other than before, but the peer has been told that this is final: the core is not repeatable.
    Unrepeatable,
    /// There is no room.
    Full,
}

/// All offers of this game that are still of interest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Offers {
    /// How many this timeline has made, as far as it has been emulated.
    next: u64,
    list: Ring<Own>,
    /// Verdicts, in order; the list of offers may be shorter than that while a replay goes on.
    answers: Ring<Outcome>,
    /// Offers before this one are final: the verdict is known and the game has read it.
    settled: u64,
    last: Outcome,
    hints: Box<[Hint]>,
    /// From which number each epoch replaced what was before it, the newest ones: number `n` is epoch `n + 1`.
    replaces: Ring<u64>,
    /// Offers before this one have reached the peer as they are now.
    acknowledged: u64,
}

impl Offers {
    pub(super) fn new(places: usize) -> Offers {
        Offers {
            next: 0,
            list: Ring::new(places),
            answers: Ring::new(places),
            settled: 0,
            last: UNKNOWN,
            hints: vec![NO_HINT; places].into_boxed_slice(),
            replaces: Ring::new(REPLACES),
            acknowledged: 0,
        }
    }

    /// Begins anew, as with a peer that knows of nothing.
    pub(super) fn reset(&mut self) {
        self.next = 0;
        self.list.reset();
        self.answers.reset();
        self.settled = 0;
        self.last = UNKNOWN;
        self.hints.fill(NO_HINT);
        self.replaces.reset();
        self.acknowledged = 0;
    }

    /// How many this timeline has made, as far as it has been emulated.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The core goes back to where this was the next number.
    pub(super) fn rewind(&mut self, to: u64) {
        self.next = to;
    }

    /// Offers before this one have reached the peer as they are now.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    pub(super) fn get(&self, number: u64) -> Option<&Own> {
        self.list.get(number)
    }

    /// What the peer is told of this number.
    pub(super) fn offer(&self, id: u64) -> Option<Offer> {
        let own = self.list.get(id)?;
        Some(Offer {
            id,
            byte: own.byte,
            speed: own.speed,
            frame: own.frame,
            judged: own.judged,
        })
    }

    /// The number behind the last offer that the peer may know; more than [`next`](Self::next) while some were not sent again.
    pub(super) fn end(&self) -> u64 {
        self.list.end()
    }

    /// How many verdicts are known.
    pub(super) fn answered(&self) -> u64 {
        self.answers.end()
    }

    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// Counts the replacements.
    pub(super) fn epoch(&self) -> u32 {
        u32::try_from(self.replaces.end()).unwrap_or(u32::MAX)
    }

    /// Whether the newest verdict is a refusal.
    pub(super) fn is_refused(&self) -> bool {
        self.last == Outcome::Refused
    }

    /// Whether every offer of this timeline has its verdict, and no more than these are known.
    pub(super) fn are_all_answered(&self) -> bool {
        self.next == self.answered()
    }

    /// The oldest offer that may still change, if this timeline has made it.
    pub(super) fn first_open(&self) -> Option<&Own> {
        (self.settled < self.next)
            .then(|| self.list.get(self.settled))
            .flatten()
    }

    /// The oldest offer without a verdict, if this timeline has made it.
    pub(super) fn first_unanswered(&self) -> Option<&Own> {
        (self.answered() < self.next)
            .then(|| self.list.get(self.answered()))
            .flatten()
    }

    /// Whether so little room is left that the next frame's transfers might not fit.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.list.room().min(self.answers.room()) < self.list.places() / FRAME_SHARE
    }

    /// Whether a correction could replace offers now.
    pub(super) fn may_replace(&self) -> bool {
        self.replaces.room() >= 4
    }

    /// The game clocks its next transfer.
    pub(super) fn send(&mut self, byte: u8, speed: Speed, frame: u64, judged: u64) -> Sent {
        let number = self.next;
        let own = Own {
            byte,
            speed,
            frame,
            judged,
            used: Outcome::Refused,
        };
        let mut sent = Sent::New;
        let before = self.list.get_mut(number);
        if let Some(before) = before {
            let is_same = (before.byte, before.speed, before.judged) == (own.byte, own.speed, own.judged);
            if is_same {
                before.frame = own.frame;
                sent = Sent::Again;
            } else if number < self.settled {
                sent = Sent::Unrepeatable;
            } else {
                sent = Sent::Replaced(self.replace_from(number));
            }
        }
        if number == self.list.end() && !self.list.push(own) {
            return Sent::Full;
        }
        self.next = number + 1;
        sent
    }

    /// What the game reads in the transfer that it has just begun; `crossing` is the byte of an offer that waits here.
    pub(super) fn answer(&mut self, crossing: Option<u8>) -> (Outcome, Source) {
        let number = self.next.saturating_sub(1);
        let mut answered = self.best(number);
        if answered.1 != Source::Known
            && let Some(byte) = crossing
        {
            answered = (Outcome::Paired { byte }, Source::Crossing);
        }
        if let Some(own) = self.list.get_mut(number) {
            own.used = answered.0;
        }
        answered
    }

    /// The best that is known of this number.
    pub(super) fn best(&self, number: u64) -> (Outcome, Source) {
        if let Some(answer) = self.answers.get(number) {
            return (*answer, Source::Known);
        }
        match self.hint(number) {
            Some(answer) => (answer, Source::Hint),
            None => (self.last, Source::Last),
        }
    }

    /// Withdraws what this timeline has not sent again; how many that were.
    pub(super) fn withdraw_unsent(&mut self) -> u64 {
        if self.end() <= self.next {
            return 0;
        }
        self.replace_from(self.next)
    }

    /// Everything from this number on is void; how many offers that were. Their verdicts become hints.
    fn replace_from(&mut self, number: u64) -> u64 {
        let cancelled = self.end().saturating_sub(number);
        // Nothing is mended while none fits, but when the stretch ends and the peer is told nothing more.
        self.replaces.push(number);
        for void in number..self.answered() {
            if let Some(answer) = self.answers.get(void).copied() {
                self.suppose(void, answer);
            }
        }
        self.list.truncate(number);
        self.answers.truncate(number);
        self.acknowledged = self.acknowledged.min(number);
        cancelled
    }

    /// What is believed of a number until its verdict comes.
    pub(super) fn suppose(&mut self, number: u64, answer: Outcome) {
        let place = self.place(number);
        if let Some(hint) = self.hints.get_mut(place) {
            *hint = Hint { number, answer };
        }
    }

    fn hint(&self, number: u64) -> Option<Outcome> {
        let hint = self.hints.get(self.place(number))?;
        (hint.number == number).then_some(hint.answer)
    }

    fn place(&self, number: u64) -> usize {
        usize::try_from(number % self.hints.len() as u64).unwrap_or_default()
    }

    /// The verdict on the oldest offer without one.
    pub(super) fn handle_answer(&mut self, answer: Outcome) -> bool {
        let is_kept = self.answered() < self.end() && self.answers.push(answer);
        if is_kept {
            self.last = answer;
        }
        is_kept
    }

    /// Settles what was guessed right; the first offer that was not, if there is one.
    ///
    /// With `is_unplugged`, what has no verdict reads as unplugged.
    pub(super) fn check(&mut self, is_unplugged: bool) -> Option<&Own> {
        while self.settled < self.next {
            let truth = match self.answers.get(self.settled) {
                Some(answer) => *answer,
                None if is_unplugged => Outcome::Refused,
                None => return None,
            };
            let own = self.list.get(self.settled)?;
            if !are_alike(own.used, truth) {
                return self.list.get(self.settled);
            }
            self.settled += 1;
        }
        None
    }

    /// How many of the settled offers from this number on ended with a byte of the peer's game.
    pub(super) fn exchanged_since(&self, number: u64) -> u64 {
        let has_byte = |n: &u64| self.answers.get(*n).is_some_and(|answer| answer.byte().is_some());
        (number..self.settled).filter(has_byte).count() as u64
    }

    /// The replacements that the peer lacks: first epoch, and from which number each replaced.
    pub(super) fn replaces(&self) -> impl Iterator<Item = (u32, u64)> + Clone {
        let end = self.replaces.end();
        let first = end - (REPLACES - self.replaces.room()) as u64;
        (first..end).filter_map(|n| Some((u32::try_from(n + 1).ok()?, *self.replaces.get(n)?)))
    }

    /// Whether a verdict that the peer gave in this epoch of ours is void for this number.
    pub(super) fn is_void(&self, epoch: u32, number: u64) -> bool {
        self.replaces()
            .any(|(later, from)| later > epoch && from <= number)
    }

    /// The peer has our offers before `received` as they were in this epoch.
    pub(super) fn handle_acknowledgement(&mut self, epoch: u32, received: u64) {
        let valid = self
            .replaces()
            .filter(|(later, _)| *later > epoch)
            .map(|(_, from)| from)
            .fold(received, u64::min);
        // What is no longer kept had been acknowledged before: a peer that takes that back gets what there is.
        self.acknowledged = valid.clamp(self.list.start(), self.end());
        self.replaces.release(u64::from(epoch));
    }

    /// Forgets what no replay can reach: the oldest state was saved before this number.
    pub(super) fn release(&mut self, number: u64) {
        self.list.release(number.min(self.acknowledged));
        self.answers.release(number.min(self.acknowledged));
    }
}
