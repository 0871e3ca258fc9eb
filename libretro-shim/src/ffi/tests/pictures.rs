//! A stalled game shows its last picture again, with any frontend.

use super::{Seen, attach_frontend, seen, turn};
use crate::ffi::core_callbacks::{self, presentation};
use crate::ffi::{self, exports};
use crate::presentation::Presentation;

const WIDTH: u32 = 4;
const HEIGHT: u32 = 3;
/// A little more than four pixels of two bytes.
const PITCH: usize = 12;

/// Shows one frame, which the core overwrites afterwards, then stalls twice.
fn stall(can_repeat: bool) {
    *seen() = Seen {
        can_repeat,
        ..Seen::default()
    };
    attach_frontend();
    assert_eq!(ffi::can_repeat(), can_repeat);
    presentation().reset(can_repeat);
    let mut memory = [0_u16; PITCH / 2 * HEIGHT as usize];
    memory[..3].copy_from_slice(&[7, 8, 9]);
    let draw = |memory: &[u16]| {
        // SAFETY: what the shim gives the core as its callback, with a picture of that size.
        unsafe { core_callbacks::video_refresh(memory.as_ptr().cast(), WIDTH, HEIGHT, PITCH) };
    };
    core_callbacks::frame(|presentation| presentation.begin_live(0), || draw(&memory));
    core_callbacks::show(|presentation| presentation.present(false));
    memory.fill(1);
    core_callbacks::frame(|presentation| presentation.begin_replay(0), || draw(&memory));
    core_callbacks::show(Presentation::stall);
    core_callbacks::show(Presentation::stall);
    exports::retro_set_environment(None);
    presentation().reset(can_repeat);
}

#[test]
fn a_frontend_that_repeats_pictures_is_asked_to() {
    let _turn = turn();
    stall(true);
    assert_eq!(seen().pictures, [[7, 8, 9]]);
    assert_eq!(seen().repeated, 2);
}

#[test]
fn a_frontend_that_does_not_gets_the_picture_itself() {
    let _turn = turn();
    stall(false);
    assert_eq!(seen().pictures, [[7, 8, 9]; 3]);
    assert_eq!(seen().repeated, 0);
}
