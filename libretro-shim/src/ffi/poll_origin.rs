//! Origin of the stock core's looks for a byte, by their depth in the stack.
//!
//! A core looks at each turn of its event loop, and inside the game's own accesses to SB, SC and IF
//! ([`Look`]). The event loop is what calls the code of those accesses, so its own looks are the least deep
//! of all, by the same distance from the call of `retro_run` each time; the others are deeper by at least one
//! function (96 bytes in builds for x86-64). The distance is learned as the game runs: an armed game is
//! looked for 17 times a frame from the event loop.
//!
//! The core's count of emulated sound samples does not tell the two apart: a game that arms and then loads SB
//! has the first look of that stretch of emulation in its own write.

use gamelink_core::serial::Look;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Looks in a row that are deeper than the least deep one ever, after which that one is forgotten. A game
/// that polls SC makes at most three hundred between two turns of the event loop; where an event loop really
/// has become deeper, a second passes without a byte.
const DEEPER_MAX: u32 = 1024;

/// Depths of looks, in bytes from the frame that calls the core.
pub(super) struct Depths {
    /// Stack pointer when the core was called; 0 while it does not run a frame.
    base: AtomicUsize,
    least: AtomicUsize,
    /// Looks in a row that were deeper.
    deeper: AtomicU32,
}

/// Those of the core that is loaded.
pub(super) static DEPTHS: Depths = Depths::new();

impl Depths {
    const fn new() -> Depths {
        Depths {
            base: AtomicUsize::new(0),
            least: AtomicUsize::new(usize::MAX),
            deeper: AtomicU32::new(0),
        }
    }

    /// Begins anew, with another core.
    pub(super) fn forget(&self) {
        self.least.store(usize::MAX, Ordering::Relaxed);
    }

    /// Calls the core for one frame. All frames are begun here and nowhere else, so that the distance to the
    /// core is always the same.
    #[inline(never)]
    pub(super) fn run(&self, core: &dyn Fn()) {
        let here = 0_u8;
        self.base
            .store((&raw const here).expose_provenance(), Ordering::Relaxed);
        core();
        self.base.store(0, Ordering::Relaxed);
    }

    /// The least deep address of the core's part of the stack; `None` while it does not run a frame.
    pub(super) fn base(&self) -> Option<usize> {
        let base = self.base.load(Ordering::Relaxed);
        (base != 0).then_some(base)
    }

    /// From where the look comes whose frame on the stack contains this address.
    pub(super) fn look(&self, here: usize) -> Look {
        let base = self.base.load(Ordering::Relaxed);
        // Outside of frames there is no game whose access it could be.
        if base == 0 {
            return Look::EventLoop;
        }
        // Stacks grow downwards on every machine that the core's linking is known of.
        let depth = base.wrapping_sub(here);
        if depth > self.least.load(Ordering::Relaxed) {
            let deeper = self.deeper.load(Ordering::Relaxed).saturating_add(1);
            self.deeper.store(deeper, Ordering::Relaxed);
            if deeper < DEEPER_MAX {
                return Look::Access;
            }
        }
        self.least.store(depth, Ordering::Relaxed);
        self.deeper.store(0, Ordering::Relaxed);
        Look::EventLoop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: usize = 0x7FFF_0000;

    fn running() -> Depths {
        let depths = Depths::new();
        depths.base.store(BASE, Ordering::Relaxed);
        depths
    }

    #[test]
    fn deeper_looks_are_accesses_once_the_event_loop_has_looked() {
        let depths = running();
        let (event_loop, access) = (BASE - 536, BASE - 632);
        assert_eq!(depths.look(access), Look::EventLoop, "all that is known so far");
        assert_eq!(depths.look(event_loop), Look::EventLoop);
        assert_eq!(depths.look(access), Look::Access);
        assert_eq!(depths.look(event_loop), Look::EventLoop);
        depths.base.store(0, Ordering::Relaxed);
        assert_eq!(depths.look(access), Look::EventLoop, "no frame runs");
        depths.base.store(BASE - 4096, Ordering::Relaxed);
        assert_eq!(depths.look(access - 4096), Look::Access, "called from elsewhere");
        assert_eq!(depths.look(event_loop - 4096), Look::EventLoop);
    }

    #[test]
    fn an_event_loop_that_became_deeper_is_learned_anew() {
        let depths = running();
        depths.look(BASE - 100);
        for _ in 1..DEEPER_MAX {
            assert_eq!(depths.look(BASE - 536), Look::Access);
        }
        assert_eq!(depths.look(BASE - 536), Look::EventLoop);
        assert_eq!(depths.look(BASE - 536), Look::EventLoop);
        assert_eq!(depths.look(BASE - 632), Look::Access);
        depths.forget();
        assert_eq!(depths.look(BASE - 632), Look::EventLoop);
    }

    #[test]
    fn the_same_function_is_as_deep_whoever_begins_the_frame() {
        #[inline(never)]
        fn look(depths: &Depths) -> Look {
            let here = 0_u8;
            depths.look((&raw const here).addr())
        }
        #[inline(never)]
        fn from_far(depths: &Depths, core: &dyn Fn()) {
            let room = std::hint::black_box([0_u8; 777]);
            depths.run(core);
            std::hint::black_box(room);
        }
        #[inline(never)]
        fn access(depths: &Depths) -> Look {
            let room = std::hint::black_box([0_u8; 64]);
            let look = look(depths);
            std::hint::black_box(room);
            look
        }
        let depths = Depths::new();
        let frame = || {
            assert_eq!(look(&depths), Look::EventLoop);
            assert_eq!(access(&depths), Look::Access);
        };
        depths.run(&frame);
        from_far(&depths, &frame);
        depths.run(&frame);
    }
}
