//! A core whose serial registers are not where its memory map says plays on with the cable out, and the
//! player is told.

use super::{Shim, seen, turn};
use crate::messages;

fn times_told() -> usize {
    let seen = seen();
    let told = seen.messages.iter().filter(|text| *text == messages::BLIND);
    told.count()
}

#[test]
fn a_map_that_shows_another_memory_is_seen_through_at_load() {
    let _turn = turn();
    let shim = Shim::load(&["-DFALSE_MAP"]);
    for frame in 1..40 {
        assert_eq!(shim.frame(), [[frame, 0, 0xFF]], "the game runs, unplugged");
    }
    assert_eq!(times_told(), 1);
}

#[test]
fn registers_that_do_not_hold_what_is_sent_are_given_up_in_the_middle_of_a_game() {
    let _turn = turn();
    let shim = Shim::load(&["-DSENDS_OTHERS"]);
    for frame in 1..60 {
        assert_eq!(shim.frame(), [[frame, 0, 0xFF]]);
        let is_told = frame > 31;
        assert_eq!(times_told(), usize::from(is_told), "{frame}");
    }
}

#[test]
fn a_core_without_a_link_plays_and_is_named() {
    let _turn = turn();
    let shim = Shim::load(&["-DNO_LINK"]);
    for frame in 1..10 {
        assert_eq!(shim.frame(), [[frame, 0, 0xFF]]);
    }
    assert_eq!(seen().messages, [super::NO_LINK]);
}

#[test]
fn a_core_that_is_as_it_says_is_told_nothing() {
    let _turn = turn();
    let shim = Shim::load(&[]);
    for _ in 0..60 {
        shim.frame();
    }
    assert_eq!(times_told(), 0);
}
