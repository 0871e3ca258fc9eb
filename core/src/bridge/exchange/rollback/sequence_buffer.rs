//! Buffer of values with consecutive numbers, a bounded window of them.

use crate::sequence_numbers::Number;
use std::collections::VecDeque;

/// Fraction of the capacity held in reserve for one frame's transfers: a third of 2048 is more than the 548
/// bytes of a frame at 262 144 Hz (70 224 T-cycles, 128 a byte; Pan Docs, Serial Data Transfer).
const RESERVE_DIVISOR: usize = 3;

/// Values numbered from `start` on, at most as many as there are places; nothing is allocated after it was
/// made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct SequenceBuffer<N, T> {
    start: N,
    values: VecDeque<T>,
    places: usize,
}

impl<N: Number, T> SequenceBuffer<N, T> {
    pub(super) fn new(places: usize) -> SequenceBuffer<N, T> {
        SequenceBuffer {
            start: N::default(),
            values: VecDeque::with_capacity(places),
            places,
        }
    }

    /// This window, emptied, for numbers from `first` on.
    pub(super) fn emptied(mut self, first: N) -> SequenceBuffer<N, T> {
        self.values.clear();
        self.start = first;
        self
    }

    /// The number of the oldest value.
    pub(super) fn start(&self) -> N {
        self.start
    }

    /// The number behind the newest value.
    pub(super) fn end(&self) -> N {
        self.start.after(self.values.len() as u64)
    }

    /// Capacity for further values.
    pub(super) fn room(&self) -> usize {
        self.places - self.values.len()
    }

    /// True if so little room is left that the next frame's transfers might not fit.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.room() < self.places / RESERVE_DIVISOR
    }

    pub(super) fn get(&self, number: N) -> Option<&T> {
        self.values.get(self.place(number)?)
    }

    pub(super) fn get_mut(&mut self, number: N) -> Option<&mut T> {
        let place = self.place(number)?;
        self.values.get_mut(place)
    }

    /// Appends a value; false if there is no room.
    pub(super) fn push(&mut self, value: T) -> bool {
        let has_room = self.room() > 0;
        if has_room {
            self.values.push_back(value);
        }
        has_room
    }

    /// Forgets the values from this number on.
    pub(super) fn truncate(&mut self, number: N) {
        self.values.truncate(self.place(number).unwrap_or(0));
    }

    /// Forgets the values before this number.
    pub(super) fn release(&mut self, number: N) {
        let start = number.clamp(self.start, self.end());
        self.values.drain(..self.place(start).unwrap_or(0));
        self.start = start;
    }

    /// Place of this number's value; `None` for numbers before the window.
    fn place(&self, number: N) -> Option<usize> {
        let place = number.raw().checked_sub(self.start.raw())?;
        Some(usize::try_from(place).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence_numbers::OwnOffer;

    #[test]
    fn a_window_moves_over_the_numbers_and_never_grows() {
        let mut buffer = SequenceBuffer::new(4);
        let end = OwnOffer::new(100);
        for n in OwnOffer::default().until(end) {
            assert_eq!(buffer.end(), n);
            assert!(buffer.push(n));
            buffer.release(n.before(2));
            assert_eq!(buffer.get(n), Some(&n));
            assert_eq!(buffer.get(n.next()), None);
            assert!(n < OwnOffer::new(3) || buffer.get(n.before(3)).is_none());
        }
        assert_eq!(
            (buffer.get(end.before(1)), buffer.room()),
            (end.previous().as_ref(), 1)
        );
        assert!(buffer.push(end));
        assert!(!buffer.push(end));
    }

    #[test]
    fn what_is_cut_off_is_numbered_anew() {
        let mut buffer = SequenceBuffer::new(8);
        let at = OwnOffer::new;
        (0..6).for_each(|n| assert!(buffer.push(n)));
        buffer.release(at(2));
        buffer.truncate(at(4));
        assert_eq!(
            (buffer.end(), buffer.get(at(4)), buffer.get(at(3))),
            (at(4), None, Some(&3))
        );
        buffer.truncate(at(0));
        assert_eq!(buffer.end(), at(2), "never before the window");
        buffer.release(at(u64::MAX));
        assert_eq!((buffer.end(), buffer.room()), (at(2), 8));
    }
}
