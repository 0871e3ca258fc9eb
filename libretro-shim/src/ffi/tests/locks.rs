//! The session's lock: once a call of `retro_run`, with all that the core asks in it.

use super::{Peer, Shim, ends, turn};
use crate::fail_points;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static LOCKED: AtomicU32 = AtomicU32::new(0);

/// Counts and panics never.
fn count() -> bool {
    LOCKED.fetch_add(1, Ordering::Relaxed);
    false
}

/// Times that one frame takes the lock.
fn locks(shim: &Shim) -> u32 {
    LOCKED.store(0, Ordering::Relaxed);
    shim.frame();
    LOCKED.load(Ordering::Relaxed)
}

#[test]
fn a_frame_takes_the_lock_once() {
    let _turn = turn();
    let shim = Shim::load(&[]);
    fail_points::tests::arm("session", count);
    assert_eq!(
        locks(&shim),
        2,
        "the options were read: the core may have to be told"
    );
    for _ in 0..70 {
        assert_eq!(locks(&shim), 1);
    }
}

#[test]
fn a_call_that_replays_frames_or_stalls_takes_it_once() {
    let _turn = turn();
    let shim = Shim::load(&[]);
    let [own, other] = ends(9_435);
    let peer = Peer::link(&shim, &own, &other);
    shim.frame();
    fail_points::tests::arm("session", count);
    for number in 0.. {
        assert!(number < 3000, "nothing is corrected");
        std::thread::sleep(Duration::from_millis(2));
        peer.frame();
        assert_eq!(locks(&shim), 1);
        let counters = shim.link(|link| link.report().rollback);
        if counters.is_some_and(|counters| counters.frames.corrections > 10) {
            break;
        }
    }
}
