//! Values with consecutive numbers, a bounded window of them.

use crate::number::Number;
use std::hash::{Hash, Hasher};

/// The values numbered `start..end`, at most as many as there are places; nothing is allocated after it was
/// made.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring<N, T> {
    places: Box<[T]>,
    start: N,
    end: N,
}

/// Two windows are alike where they hold the same values under the same numbers.
impl<N: Number, T: PartialEq> PartialEq for Ring<N, T> {
    fn eq(&self, other: &Ring<N, T>) -> bool {
        let Ring {
            places: _,
            start,
            end,
        } = self;
        (*start, *end) == (other.start, other.end) && self.values().eq(other.values())
    }
}

impl<N: Number, T: Eq> Eq for Ring<N, T> {}

impl<N: Number, T: Hash> Hash for Ring<N, T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Ring {
            places: _,
            start,
            end,
        } = self;
        (start, end).hash(hasher);
        self.values().for_each(|value| value.hash(hasher));
    }
}

impl<N: Number, T> Ring<N, T> {
    fn values(&self) -> impl Iterator<Item = &T> {
        self.start
            .until(self.end)
            .filter_map(|number| self.places.get(self.place(number)))
    }

    fn place(&self, number: N) -> usize {
        let mask = self.places.len() as u64 - 1;
        usize::try_from(number.raw() & mask).unwrap_or_default()
    }
}

impl<N: Number, T: Copy + Default> Ring<N, T> {
    /// An empty window at number 0; `places` must be a power of two.
    pub(super) fn new(places: usize) -> Ring<N, T> {
        debug_assert!(places.is_power_of_two());
        Ring {
            places: vec![T::default(); places].into_boxed_slice(),
            ..Ring::default()
        }
    }

    /// This window, emptied: numbers begin at 0 again.
    pub(super) fn emptied(&mut self) -> Ring<N, T> {
        Ring {
            places: std::mem::take(&mut self.places),
            ..Ring::default()
        }
    }

    /// The number of the oldest value.
    pub(super) fn start(&self) -> N {
        self.start
    }

    /// The number behind the newest value.
    pub(super) fn end(&self) -> N {
        self.end
    }

    /// Capacity.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// Capacity for further values.
    pub(super) fn room(&self) -> usize {
        self.places.len() - self.len()
    }

    pub(super) fn get(&self, number: N) -> Option<&T> {
        let place = self.place(number);
        self.places.get(place).filter(|_| self.contains(number))
    }

    pub(super) fn get_mut(&mut self, number: N) -> Option<&mut T> {
        let place = self.place(number);
        self.contains(number)
            .then(|| self.places.get_mut(place))
            .flatten()
    }

    /// Appends a value; false if there is no room.
    pub(super) fn push(&mut self, value: T) -> bool {
        let place = self.place(self.end);
        if self.room() == 0 {
            return false;
        }
        let Some(free) = self.places.get_mut(place) else {
            return false;
        };
        *free = value;
        self.end = self.end.next();
        true
    }

    /// Forgets the values from this number on.
    pub(super) fn truncate(&mut self, number: N) {
        self.end = self.end.min(number.max(self.start));
    }

    /// Forgets the values before this number.
    pub(super) fn release(&mut self, number: N) {
        self.start = self.start.max(number.min(self.end));
    }

    fn contains(&self, number: N) -> bool {
        (self.start..self.end).contains(&number)
    }

    fn len(&self) -> usize {
        // Never more than there are places, so it fits.
        usize::try_from(self.end.since(self.start)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::OwnOffer;

    #[test]
    fn a_window_moves_over_the_numbers_and_never_grows() {
        let mut ring = Ring::new(4);
        let end = OwnOffer::new(100);
        for n in OwnOffer::default().until(end) {
            assert_eq!(ring.end(), n);
            assert!(ring.push(n));
            ring.release(n.before(2));
            assert_eq!(ring.get(n), Some(&n));
            assert_eq!(ring.get(n.next()), None);
            assert!(n < OwnOffer::new(3) || ring.get(n.before(3)).is_none());
        }
        assert_eq!(
            (ring.get(end.before(1)), ring.room()),
            (end.previous().as_ref(), 1)
        );
        assert!(ring.push(end));
        assert!(!ring.push(end));
    }

    #[test]
    fn what_is_cut_off_is_numbered_anew() {
        let mut ring = Ring::new(8);
        let at = OwnOffer::new;
        (0..6).for_each(|n| assert!(ring.push(n)));
        ring.release(at(2));
        ring.truncate(at(4));
        assert_eq!(
            (ring.end(), ring.get(at(4)), ring.get(at(3))),
            (at(4), None, Some(&3))
        );
        ring.truncate(at(0));
        assert_eq!(ring.end(), at(2), "never before the window");
        ring.release(at(u64::MAX));
        assert_eq!((ring.end(), ring.room()), (at(2), 8));
    }
}
