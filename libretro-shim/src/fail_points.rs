//! Panics on purpose, so that tests see what one of ours does to a game; in the product there is nothing
//! here.

/// A place at which a test may want a panic.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn place(_name: &'static str) {}

#[cfg(test)]
pub(crate) use self::tests::place;

#[cfg(test)]
pub(crate) mod tests {
    use crate::unpoisoned_lock::lock;
    use std::sync::{Mutex, MutexGuard};

    /// The place that panics, and when.
    type Armed = Option<(&'static str, fn() -> bool)>;

    static ARMED: Mutex<Armed> = Mutex::new(None);

    fn armed() -> MutexGuard<'static, Armed> {
        lock(&ARMED)
    }

    /// Has this place panic once, when it is passed and this is so.
    pub(crate) fn arm(name: &'static str, when: fn() -> bool) {
        *armed() = Some((name, when));
    }

    /// True while the panic is still to come.
    pub(crate) fn is_armed() -> bool {
        armed().is_some()
    }

    pub(crate) fn place(name: &'static str) {
        let is_it = armed().is_some_and(|(wanted, when)| wanted == name && when());
        if is_it {
            *armed() = None;
            panic!("on purpose: {name}");
        }
    }
}
