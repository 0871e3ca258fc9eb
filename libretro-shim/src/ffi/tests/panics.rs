//! A panic of ours anywhere costs the cable and nothing else: the game runs on, seen and heard, with its
//! buttons and its save.

use super::{Peer, Shim, ends, seen, turn};
use crate::fail_points;
use crate::ffi::core_callbacks::presentation;
use crate::messages;
use crate::presentation::Mode;
use std::time::Duration;

/// Limit on calls until the link, a wrong prediction and the place have come.
const CALLS_MAX: u32 = 3000;
/// Time of one call here.
const CALL: Duration = Duration::from_millis(2);

fn always() -> bool {
    true
}

fn in_replay() -> bool {
    presentation().mode() == Mode::Replay
}

/// Links, has this place panic, and plays on.
fn plays_on(place: &'static str, when: fn() -> bool) {
    let shim = Shim::load(&[]);
    let [own, other] = ends(9_431);
    let peer = Peer::link(&shim, &own, &other);
    let (save_ram, _) = shim.save_ram();
    let call = || {
        std::thread::sleep(CALL);
        peer.frame();
        shim.frame()
    };
    let mut shown = 0;
    // Corrections have come, so all is under way.
    for number in 0.. {
        assert!(number < CALLS_MAX, "{place}: nothing is corrected");
        shown = call().first().map_or(shown, |[frame, ..]| *frame);
        if shim.link(|link| {
            link.report()
                .rollback
                .map_or(0, |counters| counters.frames.corrections)
        }) > 3
        {
            break;
        }
    }
    fail_points::tests::arm(place, when);
    for number in 0.. {
        assert!(number < CALLS_MAX, "{place}: not passed");
        let pictures = call();
        if !fail_points::tests::is_armed() {
            // The picture of this very call may be missing.
            let last = shown;
            shown = pictures.last().map_or(shown, |[frame, ..]| *frame);
            assert!(
                shown >= last,
                "{place}: the game is where it was: {last}, {shown}"
            );
            break;
        }
        shown = pictures.first().map_or(shown, |[frame, ..]| *frame);
    }

    for number in 0..40_u16 {
        let held = number % 0x200;
        seen().held = held;
        seen().samples = 0;
        let pictures = call();
        let [[frame, buttons, _]] = pictures[..] else {
            panic!("{place}: one picture a frame: {pictures:?}");
        };
        // Where the panic took a frame's picture with it, there is a gap.
        let gap = frame.wrapping_sub(shown);
        assert!(
            gap == 1 || (number == 0 && (1..4).contains(&gap)),
            "{place}: the picture runs on: {shown}, {frame}"
        );
        shown = frame;
        assert_eq!(buttons, held, "{place}: buttons pass");
        assert_eq!(seen().samples, 549, "{place}: sound passes");
        let (data, saved) = shim.save_ram();
        assert_eq!(data, save_ram, "{place}: where the frontend has it");
        assert_eq!(saved, u32::from(frame), "{place}: what the game saved is there");
    }
    // What the frontend puts there reaches the game, and comes back.
    // SAFETY: the last byte of the stand-in's save, which its game does not touch; no frame runs.
    unsafe { save_ram.wrapping_add(255).write(0xAB) };
    call();
    let state_size = super::exports::retro_serialize_size();
    let mut state = vec![0; state_size];
    // SAFETY: of the size that was asked for.
    assert!(unsafe { super::exports::retro_serialize(state.as_mut_ptr().cast(), state_size) });
    let field = state.windows(5).position(|bytes| bytes == b"sram\0").unwrap();
    assert_eq!(state[field + 8 + 255], 0xAB, "{place}: the game has it");
    call();
    // SAFETY: as above.
    assert_eq!(unsafe { save_ram.wrapping_add(255).read() }, 0xAB, "{place}");
    let said = seen().messages.clone();
    let told = said.iter().filter(|text| *text == messages::BROKEN).count();
    assert_eq!(told, 1, "{place}: {said:?}");
}

#[test]
fn a_panic_in_any_hook_step_or_callback_leaves_the_game_running() {
    let _turn = turn();
    for place in [
        "next_run",
        "before_run",
        "after_run",
        "take_over",
        "keep",
        "publish",
        "load",
        "save",
        "replay",
        "live",
        "boundary",
        "present",
        "environment",
        "video_refresh",
        "audio_sample_batch",
        "input_poll",
        "input_state",
        "with_link",
        "time",
    ] {
        plays_on(place, always);
    }
    for place in [
        "keep",
        "boundary",
        "environment",
        "video_refresh",
        "audio_sample_batch",
        "input_poll",
        "input_state",
        "with_link",
        "time",
    ] {
        plays_on(place, in_replay);
    }
}

#[test]
fn a_panic_while_a_game_is_loaded_leaves_it_playing_unplugged() {
    let _turn = turn();
    fail_points::tests::arm("handle_loaded", always);
    let shim = Shim::load(&[]);
    assert!(!fail_points::tests::is_armed());
    for frame in 1..10 {
        assert_eq!(shim.frame(), [[frame, 0, 0xFF]]);
    }
    assert_eq!(seen().messages, [messages::BROKEN]);
}
