//! Guard against unwinding into C.

use super::loaded_cable::with_cable;
use crate::cable_state::Reason;
use crate::messages;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// A panic of ours was caught since [`forget_failure`].
static HAS_FAILED: AtomicBool = AtomicBool::new(false);

/// Makes the call; if it panics, pulls the cable out for good and gives `otherwise`.
///
/// Unwinding into the frontend or the stock core would be undefined behaviour, and a player's game is worth
/// more than our link.
pub(crate) fn guard<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => value,
        Err(payload) => {
            // Dropping a payload may run foreign code that panics again.
            std::mem::forget(payload);
            if let Err(payload) = catch_unwind(handle_failure) {
                std::mem::forget(payload);
            }
            otherwise
        }
    }
}

fn handle_failure() {
    if !HAS_FAILED.swap(true, Ordering::Relaxed) {
        with_cable(false, |cable| cable.set_unplugged(Reason::Broken, true));
        log::error!("{}", messages::BROKEN);
    }
}

/// True after a panic in this game: of the link, only what answers the core is called.
pub(crate) fn has_failed() -> bool {
    HAS_FAILED.load(Ordering::Relaxed)
}

/// Begins anew, with another game.
pub(crate) fn forget_failure() {
    HAS_FAILED.store(false, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::tests::turn;

    #[test]
    fn a_panic_gives_the_value_for_failure() {
        let _turn = turn();
        forget_failure();
        assert_eq!(guard(7, || 8), 8);
        assert!(!has_failed());
        assert_eq!(guard(7, || panic!("on purpose")), 7);
        assert!(has_failed());
        forget_failure();
    }
}
