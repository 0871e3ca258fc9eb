//! The loaded game's cable within reach of the core's own calls, thousands a second: a pointer, without a
//! lock or a count.

use crate::cable_state::Cable;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The cable of the newest [`Plug`]; null without one.
static CABLE: AtomicPtr<Cable> = AtomicPtr::new(std::ptr::null_mut());

/// Owns a game's cable and keeps it within reach of [`with_cable`].
pub(crate) struct Plug(Arc<Cable>);

impl Plug {
    pub(crate) fn new(cable: Cable) -> Plug {
        let cable = Arc::new(cable);
        CABLE.store(Arc::as_ptr(&cable).cast_mut(), Ordering::Release);
        Plug(cable)
    }
}

impl Deref for Plug {
    type Target = Cable;

    fn deref(&self) -> &Cable {
        &self.0
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        let own = Arc::as_ptr(&self.0).cast_mut();
        // A newer game's cable stays.
        let _ = CABLE.compare_exchange(own, std::ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed);
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
