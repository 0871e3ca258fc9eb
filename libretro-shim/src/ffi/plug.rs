//! The loaded game's cable within reach of the core's own calls, thousands a second: a pointer, without a
//! lock or a count.

use crate::cable::Cable;
use std::ops::Deref;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The cable of the newest [`Plug`]; null without one.
static CABLE: AtomicPtr<Cable> = AtomicPtr::new(std::ptr::null_mut());

/// Owns a game's cable and keeps it within reach of [`with_cable`].
pub(crate) struct Plug {
    cable: *mut Cable,
}

// SAFETY: the pointer is that of a box that this owns; `Cable` is `Send` and `Sync`.
unsafe impl Send for Plug {}
// SAFETY: as above.
unsafe impl Sync for Plug {}

impl Plug {
    pub(crate) fn new(cable: Cable) -> Plug {
        let cable = Box::into_raw(Box::new(cable));
        CABLE.store(cable, Ordering::Release);
        Plug { cable }
    }
}

impl Deref for Plug {
    type Target = Cable;

    fn deref(&self) -> &Cable {
        // SAFETY: the box that `new` made, which goes with this value.
        unsafe { &*self.cable }
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        // A newer game's cable stays.
        let _ = CABLE.compare_exchange(
            self.cable,
            std::ptr::null_mut(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        // SAFETY: the box that `new` made, which nobody reaches any more.
        drop(unsafe { Box::from_raw(self.cable) });
    }
}

/// Calls the cable of the loaded game, if there is one; on the thread that runs the core.
pub(crate) fn with_cable<T>(otherwise: T, call: impl FnOnce(&Cable) -> T) -> T {
    // SAFETY: a `Plug` owns it, and goes only when that thread unloads the game, which no call of the cable
    // does.
    match unsafe { CABLE.load(Ordering::Acquire).as_ref() } {
        Some(cable) => call(cable),
        None => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::tests::turn;
    use gamelink_driver::Config;

    #[test]
    fn the_newest_cable_is_reached_as_long_as_its_plug_is_there() {
        let _turn = turn();
        let reached = || with_cable(None, |cable| Some(cable.link().game_address()));
        assert_eq!(reached(), None);
        let plug = || Plug::new(Cable::start(&Config::default()).unwrap());
        let older = plug();
        assert_eq!(reached(), Some(older.link().game_address()));
        let newer = plug();
        drop(older);
        assert_eq!(reached(), Some(newer.link().game_address()));
        drop(newer);
        assert_eq!(reached(), None);
    }
}
