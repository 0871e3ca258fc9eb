use super::*;

/// A picture of one number; 0 repeats the last.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Drawn(u8);

impl Picture for Drawn {
    fn copy_to(self, pixels: &mut Vec<u8>) {
        if self.0 != 0 {
            *pixels = vec![self.0];
        }
    }

    fn again(self, pixels: &[u8]) -> Drawn {
        Drawn(pixels.first().copied().unwrap_or(0))
    }
}

const A: Query = Query {
    port: 0,
    device: 1,
    index: 0,
    id: 8,
};
const SHOULDER: Query = Query { id: 10, ..A };
const MASK: Query = Query { id: 256, ..A };

fn presentation(can_repeat: bool) -> Presentation<Drawn> {
    Presentation::new(can_repeat, Progress::default())
}

/// A frame that draws and sounds this number; true where it reached the frontend.
fn frame(presentation: &mut Presentation<Drawn>, number: u8) -> bool {
    let is_shown = presentation.handle_picture(Drawn(number), true);
    let sound = [i16::from(number); 4];
    let is_heard = presentation.handle_sound(&sound);
    if is_heard {
        presentation.handle_heard(&sound);
    }
    presentation.end();
    assert_eq!(is_shown, is_heard);
    is_shown
}

fn shown(presentation: &mut Presentation<Drawn>, shown: Shown<Drawn>) -> (Option<u8>, Vec<i16>) {
    presentation.give_back(shown.sound.clone());
    (shown.picture.map(|picture| picture.0), shown.sound)
}

#[test]
fn a_live_frame_is_shown_when_it_stands_and_a_replayed_one_never() {
    let mut presentation = presentation(true);
    presentation.begin_live(0);
    assert!(!frame(&mut presentation, 1));
    // It was undone: another takes its place.
    presentation.begin_replay(0);
    assert!(!frame(&mut presentation, 2));
    presentation.begin_live(1);
    assert!(!frame(&mut presentation, 3));
    let handed = presentation.present(false);
    assert_eq!(shown(&mut presentation, handed), (Some(3), vec![3; 4]));
    assert!(frame(&mut presentation, 4), "outside of both it passes");
}

#[test]
fn a_frame_after_a_correction_begins_where_the_sound_ended() {
    let mut presentation = presentation(true);
    presentation.begin_live(0);
    frame(&mut presentation, 100);
    presentation.present(false);
    presentation.begin_live(1);
    frame(&mut presentation, 0);
    let sound = presentation.present(true).sound;
    assert_eq!(sound[..2], [100, 100]);
    assert!(sound[2] < 100);
}

#[test]
fn a_stalled_game_shows_its_last_picture_with_as_much_silence() {
    for (can_repeat, picture) in [(true, 0), (false, 7)] {
        let mut presentation = presentation(can_repeat);
        presentation.begin_live(0);
        frame(&mut presentation, 7);
        let handed = presentation.present(false);
        shown(&mut presentation, handed);
        for _ in 0..2 {
            let handed = presentation.stall();
            let (again, sound) = shown(&mut presentation, handed);
            assert_eq!(again, Some(picture));
            assert_eq!(sound.len(), 4);
        }
    }
}

#[test]
fn a_replay_gets_the_inputs_and_the_clock_of_the_first_run_but_no_side_effects() {
    let mut presentation = presentation(true);
    for number in 0..3 {
        presentation.begin_live(number);
        assert_eq!(presentation.recorded(A), None, "the frontend is asked");
        presentation.record(A, number as i16);
        presentation.record(SHOULDER, 1);
        presentation.record(MASK, 0x0500);
        assert_eq!(presentation.time(|| 1000 + number as i64), 1000 + number as i64);
        presentation.end();
    }
    assert_eq!(presentation.recorded_end(), 3);
    for number in 1..3 {
        presentation.begin_replay(number);
        assert_eq!(presentation.recorded(A), Some(number as i16));
        assert_eq!(presentation.recorded(SHOULDER), Some(0));
        assert_eq!(presentation.recorded(MASK), Some(0x0100));
        assert_eq!(presentation.time(|| 0), 1000 + number as i64);
        presentation.end();
    }
    presentation.release(2);
    presentation.begin_replay(1);
    assert_eq!(presentation.recorded(A), Some(0), "let go");
    assert_eq!(presentation.time(|| 5), 5);
}

#[test]
fn a_frame_that_is_run_live_again_is_recorded_anew() {
    let mut presentation = presentation(true);
    for number in [0, 1, 2, 1, 50] {
        presentation.begin_live(number);
        presentation.record(A, 1 + number as i16);
        presentation.end();
        assert_eq!(presentation.recorded_end(), number + 1);
    }
    presentation.begin_replay(1);
    assert_eq!(presentation.recorded(A), Some(0), "another history");
    presentation.begin_replay(50);
    assert_eq!(presentation.recorded(A), Some(51));
}

#[test]
fn an_unseen_frame_is_shown_again_as_often_as_wanted() {
    let mut presentation = presentation(true);
    presentation.begin_own(true);
    assert!(frame(&mut presentation, 5));
    presentation.begin_ahead();
    assert!(frame(&mut presentation, 9), "frames taken back are seen");
    for _ in 0..2 {
        let handed = presentation.repeat();
        assert_eq!(shown(&mut presentation, handed), (Some(5), vec![5; 4]));
    }
    presentation.begin_own(false);
    frame(&mut presentation, 6);
    let handed = presentation.repeat();
    assert_eq!(shown(&mut presentation, handed), (None, vec![]), "not asked for");
}

#[test]
fn progress_counts_new_pictures_and_sound_in_every_mode() {
    let mut presentation = presentation(true);
    let mut last = presentation.progress();
    let mut has_advanced = |presentation: &Presentation<Drawn>| {
        let before = std::mem::replace(&mut last, presentation.progress());
        before != presentation.progress()
    };
    presentation.handle_picture(Drawn(0), false);
    assert!(!has_advanced(&presentation), "a picture that repeats the last");
    presentation.begin_replay(0);
    frame(&mut presentation, 1);
    assert!(has_advanced(&presentation));
    presentation.reset(true);
    assert!(!has_advanced(&presentation), "another game");
}
