//! Replay window: the newest datagrams of a peer, so that one that comes twice is used once (as in RFC 4303,
//! section 3.4.3).

use crate::protocol::Sequence;

/// Datagrams behind the newest that may still come: those of a second of play on a path that reorders. A
/// multiple of 64.
const SIZE: u64 = 1024;
const WORDS: usize = (SIZE / 64) as usize;

/// Datagrams that have been used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ReplayWindow {
    newest: Sequence,
    /// A bit for each of the newest, at its number modulo [`SIZE`].
    used: [u64; WORDS],
}

impl ReplayWindow {
    /// Notes that a datagram is used; false where it was before, or is too old to know.
    pub(super) fn admit(&mut self, Sequence(number): Sequence) -> bool {
        let Sequence(newest) = self.newest;
        if newest.saturating_sub(number) >= SIZE {
            return false;
        }
        if let Some(ahead) = number.checked_sub(newest) {
            for skipped in 1..=ahead.min(SIZE) {
                self.set(newest.wrapping_add(skipped), false);
            }
            self.newest = Sequence(number.max(newest));
            if ahead > 0 {
                self.set(number, true);
                return true;
            }
        }
        let is_new = !self.get(number);
        self.set(number, true);
        is_new
    }

    fn get(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.used.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn set(&mut self, number: u64, is_used: bool) {
        let (word, bit) = place(number);
        if let Some(bits) = self.used.get_mut(word) {
            *bits = if is_used { *bits | bit } else { *bits & !bit };
        }
    }
}

/// Word and bit of a number.
fn place(number: u64) -> (usize, u64) {
    let place = number % SIZE;
    (usize::try_from(place / 64).unwrap_or_default(), 1 << (place % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt as _, SeedableRng as _};
    use std::collections::HashSet;

    #[test]
    fn each_number_is_admitted_once_in_whatever_order() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let (mut window, mut used, mut newest) = (ReplayWindow::default(), HashSet::new(), 0_u64);
        for _ in 0..200_000 {
            let number = match random.random_range(0..10) {
                0 => newest + random.random_range(0..3 * SIZE),
                1 => newest + 1,
                _ => newest.saturating_sub(random.random_range(0..2 * SIZE)).max(1),
            };
            let is_known = number + SIZE > newest;
            newest = newest.max(number);
            assert_eq!(
                window.admit(Sequence(number)),
                is_known && used.insert(number),
                "{number} after {newest}"
            );
        }
    }

    #[test]
    fn the_ends_of_the_numbers_are_no_matter() {
        let mut window = ReplayWindow::default();
        assert!(window.admit(Sequence(u64::MAX)));
        assert!(!window.admit(Sequence(u64::MAX)));
        assert!(window.admit(Sequence(u64::MAX - SIZE + 1)));
        assert!(!window.admit(Sequence(u64::MAX - SIZE)));
        assert!(!window.admit(Sequence(1)));
    }
}
