//! A frontend may call any export from inside any of its callbacks: it gets an answer, and the game plays on.

use super::{NESTED, Peer, Shim, ends, exports, seen, turn};
use crate::ffi::loaded_cable::with_cable;
use crate::ffi::{abi, has_failed};
use crate::unpoisoned_lock::lock;
use std::mem::MaybeUninit;
use std::time::Duration;

const CALLBACKS: [&str; 5] = [
    "environment",
    "video_refresh",
    "audio_sample_batch",
    "input_poll",
    "input_state",
];

/// Asks everything that may be asked at any time.
fn ask() {
    // SAFETY: room for the answer.
    unsafe { exports::retro_get_system_info(MaybeUninit::<abi::SystemInfo>::uninit().as_mut_ptr()) };
    // SAFETY: as above.
    unsafe { exports::retro_get_system_av_info(MaybeUninit::<abi::SystemAvInfo>::uninit().as_mut_ptr()) };
    assert!(!exports::retro_get_memory_data(0).is_null());
    assert_eq!(exports::retro_get_memory_size(0), 256);
    exports::retro_get_region();
    exports::retro_cheat_reset();
    exports::retro_set_controller_port_device(0, 1);
    exports::retro_set_environment(Some(super::environment));
    exports::retro_set_input_poll(Some(super::input_poll));
}

/// Runs, resets, saves and loads the game, which is being run: none of it happens.
fn disturb() {
    let mut state = vec![0; exports::retro_serialize_size()];
    // SAFETY: of the size that was asked for.
    assert!(!unsafe { exports::retro_serialize(state.as_mut_ptr().cast(), state.len()) });
    // SAFETY: as above.
    assert!(!unsafe { exports::retro_unserialize(state.as_ptr().cast(), state.len()) });
    exports::retro_reset();
    exports::retro_run();
}

fn unload() {
    exports::retro_unload_game();
    exports::retro_run();
}

fn is_pending() -> bool {
    lock(&NESTED).is_some()
}

#[test]
fn a_call_from_inside_a_callback_is_answered_and_the_game_plays_on() {
    let _turn = turn();
    let shim = Shim::load(&[]);
    let mut frame = 0;
    for callback in CALLBACKS {
        for call in [ask, disturb] {
            *lock(&NESTED) = Some((callback, call));
            for _ in 0..3 {
                frame += 1;
                assert_eq!(shim.frame(), [[frame, 0, 0xFF]], "{callback}");
            }
            assert!(!is_pending(), "{callback}: never called");
        }
    }
    assert!(!has_failed());
}

#[test]
fn the_same_while_frames_are_rolled_back() {
    let _turn = turn();
    let shim = Shim::load(&[]);
    let [own, other] = ends(9_433);
    let peer = Peer::link(&shim, &own, &other);
    let mut shown = 0;
    for number in 0.. {
        assert!(number < 3000, "nothing is corrected");
        std::thread::sleep(Duration::from_millis(2));
        peer.frame();
        let callback = CALLBACKS[number % CALLBACKS.len()];
        if !is_pending() {
            *lock(&NESTED) = Some((callback, if number % 2 == 0 { ask } else { disturb }));
        }
        let pictures = shim.frame();
        if let [[frame, ..]] = pictures[..] {
            assert!(frame > shown, "{callback}: {shown}, {frame}");
            shown = frame;
        }
        if shim.link(|link| {
            link.report()
                .rollback
                .map_or(0, |counters| counters.frames.corrections)
        }) > 10
        {
            break;
        }
    }
    assert!(!has_failed());
    lock(&NESTED).take();
}

#[test]
fn a_game_that_is_unloaded_from_inside_a_callback_is_gone_after_the_call() {
    let _turn = turn();
    for callback in CALLBACKS {
        let shim = Shim::load(&[]);
        shim.frame();
        *lock(&NESTED) = Some((callback, unload));
        shim.frame();
        assert!(!is_pending(), "{callback}: never called");
        assert!(with_cable(true, |_| false), "{callback}: the cable is gone");
        assert_eq!(shim.frame().len(), 0, "{callback}: nothing runs");
        assert!(
            exports::retro_get_memory_size(0) > 0,
            "{callback}: the core is there"
        );
        assert!(!has_failed() && seen().messages.is_empty(), "{callback}");
    }
}
