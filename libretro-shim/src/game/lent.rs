//! Values that are away from their place for a while.

use crate::sync::lock;
use std::sync::Mutex;

/// What is taken out of its place while no lock may be held, and comes back there whatever happens.
pub(super) struct Lent<'a, T> {
    place: &'a Mutex<Option<T>>,
    value: Option<T>,
}

impl<'a, T> Lent<'a, T> {
    pub(super) fn take(place: &'a Mutex<Option<T>>) -> Lent<'a, T> {
        let value = lock(place).take();
        Lent { place, value }
    }

    pub(super) fn as_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut()
    }
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        *lock(self.place) = self.value.take();
    }
}
