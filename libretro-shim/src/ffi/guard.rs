//! Panics end here.

use crate::lifecycle;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Makes the call; if it panics, pulls the cable out for good and gives `otherwise`.
///
/// Unwinding into the frontend or the stock core would be undefined behaviour, and a player's game is worth more than our link.
pub(crate) fn guard<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => value,
        Err(payload) => {
            // Dropping a payload may run foreign code that panics again.
            std::mem::forget(payload);
            if let Err(payload) = catch_unwind(lifecycle::handle_panic) {
                std::mem::forget(payload);
            }
            otherwise
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_gives_the_value_for_failure() {
        assert_eq!(guard(7, || panic!("on purpose")), 7);
        assert_eq!(guard(7, || 8), 8);
    }
}
