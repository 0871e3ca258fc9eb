//! Values with consecutive numbers, a bounded window of them.

use std::hash::{Hash, Hasher};

/// The values numbered `start..end`, at most as many as there are places; nothing is allocated after it was made.
#[derive(Clone, Debug)]
pub(super) struct Ring<T> {
    places: Box<[T]>,
    start: u64,
    end: u64,
}

/// Two windows are alike where they hold the same values under the same numbers.
impl<T: PartialEq> PartialEq for Ring<T> {
    fn eq(&self, other: &Ring<T>) -> bool {
        (self.start, self.end) == (other.start, other.end) && self.values().eq(other.values())
    }
}

impl<T: Eq> Eq for Ring<T> {}

impl<T: Hash> Hash for Ring<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.start, self.end).hash(hasher);
        self.values().for_each(|value| value.hash(hasher));
    }
}

impl<T> Ring<T> {
    fn values(&self) -> impl Iterator<Item = &T> {
        (self.start..self.end).filter_map(|number| self.places.get(self.place(number)))
    }

    fn place(&self, number: u64) -> usize {
        let mask = self.places.len() as u64 - 1;
        usize::try_from(number & mask).unwrap_or_default()
    }
}

impl<T: Copy + Default> Ring<T> {
    /// An empty window at number 0; `places` must be a power of two.
    pub(super) fn new(places: usize) -> Ring<T> {
        debug_assert!(places.is_power_of_two());
        Ring {
            places: vec![T::default(); places].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    /// Empties the window; numbers begin at 0 again.
    pub(super) fn reset(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// The number of the oldest value.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The number behind the newest value.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// How many values fit.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// How many more values fit.
    pub(super) fn room(&self) -> usize {
        self.places.len() - self.len()
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        self.contains(number)
            .then(|| self.places.get(self.place(number)))
            .flatten()
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
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
        self.end += 1;
        true
    }

    /// Forgets the values from this number on.
    pub(super) fn truncate(&mut self, number: u64) {
        self.end = self.end.min(number.max(self.start));
    }

    /// Forgets the values before this number.
    pub(super) fn release(&mut self, number: u64) {
        self.start = self.start.max(number.min(self.end));
    }

    fn contains(&self, number: u64) -> bool {
        (self.start..self.end).contains(&number)
    }

    fn len(&self) -> usize {
        // Never more than there are places, so it fits.
        usize::try_from(self.end - self.start).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_moves_over_the_numbers_and_never_grows() {
        let mut ring = Ring::new(4);
        for n in 0..100_u64 {
            assert_eq!(ring.end(), n);
            assert!(ring.push(n));
            ring.release(n.saturating_sub(2));
            assert_eq!(ring.get(n), Some(&n));
            assert_eq!(ring.get(n + 1), None);
            assert_eq!(n.checked_sub(3).and_then(|old| ring.get(old)), None);
        }
        assert_eq!((ring.get(99), ring.room()), (Some(&99), 1));
        assert!(ring.push(0));
        assert!(!ring.push(0));
    }

    #[test]
    fn what_is_cut_off_is_numbered_anew() {
        let mut ring = Ring::new(8);
        (0..6).for_each(|n| assert!(ring.push(n)));
        ring.release(2);
        ring.truncate(4);
        assert_eq!((ring.end(), ring.get(4), ring.get(3)), (4, None, Some(&3)));
        ring.truncate(0);
        assert_eq!(ring.end(), 2, "never before the window");
        ring.release(u64::MAX);
        assert_eq!((ring.end(), ring.room()), (2, 8));
    }
}
