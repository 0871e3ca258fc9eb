//! The session's lock: once a call, and once for each question of the core.

use super::{Peer, Shim, turn};
use crate::faults;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const OWN: &str = "127.0.0.35:56435";
const OTHER: &str = "127.0.0.36:56435";

static LOCKED: AtomicU32 = AtomicU32::new(0);

/// Counts and panics never.
fn count() -> bool {
    LOCKED.fetch_add(1, Ordering::Relaxed);
    false
}

/// One frame: times that the lock was taken, and whether the game was emulated.
fn locks(shim: &Shim) -> (u32, bool) {
    LOCKED.store(0, Ordering::Relaxed);
    let pictures = shim.frame();
    (LOCKED.load(Ordering::Relaxed), !pictures.is_empty())
}

#[test]
fn a_frame_takes_the_lock_once_and_the_cores_question_for_options_once() {
    let _turn = turn();
    let shim = Shim::load(&[]);
    faults::tests::arm("session", count);
    for _ in 0..70 {
        assert_eq!(locks(&shim), (2, true));
    }
}

#[test]
fn frames_that_are_replayed_take_it_no_more_and_a_stall_asks_nothing() {
    let _turn = turn();
    let shim = Shim::load(&[]);
    let peer = Peer::link(&shim, OWN, OTHER);
    faults::tests::arm("session", count);
    for number in 0.. {
        assert!(number < 3000, "nothing is corrected");
        std::thread::sleep(Duration::from_millis(2));
        peer.frame();
        let (locked, is_emulated) = locks(&shim);
        assert_eq!(locked, 1 + u32::from(is_emulated));
        let counters = shim.link(|link| link.report().rollback);
        if counters.is_some_and(|counters| counters.frames.corrections > 10) {
            break;
        }
    }
}
