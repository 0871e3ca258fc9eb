use super::*;
use crate::time::LocalTime;

const PERIOD: Duration = Duration::from_nanos(16_742_706);
const MS: Duration = Duration::from_millis(1);

/// Plays for half a minute with one transfer a frame, where so many frames of a hundred are no stalls by
/// each choice; the choices in order.
fn play(cost: Duration, round_trip: Duration, live: impl Fn(Choice) -> u64) -> Vec<Choice> {
    let (mut trials, mut budget) = (SpeedTrials::default(), FrameBudget::default());
    let (mut now, mut transfers, mut choices) = (LocalTime(1_000_000_000), 0, vec![trials.choice()]);
    for call in 0..1800 {
        budget.handle_frame_start(now);
        let has_frame = call * live(trials.choice()) / 100 > (call.max(1) - 1) * live(trials.choice()) / 100;
        transfers += u64::from(has_frame);
        trials.handle_clocked();
        budget.handle_frame_end(now.after(cost), has_frame);
        let call = Call {
            has_frame,
            transfers,
            slack_stalls: if cost > MS { call } else { 0 },
            is_cut_short: cost > MS,
            round_trip,
            is_steady: true,
        };
        trials.handle_call(call, &budget);
        if choices.last() != Some(&trials.choice()) {
            choices.push(trials.choice());
        }
        now = now.after(PERIOD);
    }
    choices
}

#[test]
fn a_game_at_full_speed_is_left_alone() {
    assert_eq!(play(8 * MS, MS, |_| 100), [Choice::Predict]);
}

#[test]
fn a_quick_machine_whose_peer_is_slow_predicts() {
    assert_eq!(play(MS / 2, MS, |_| 50), [Choice::Predict]);
}

#[test]
fn a_slow_machine_on_a_short_path_waits_and_stays_with_it() {
    let live = |choice| if choice == Choice::Predict { 50 } else { 100 };
    assert_eq!(play(8 * MS, MS, live), [Choice::Predict, Choice::Wait]);
}

#[test]
fn a_game_that_stays_slow_is_slow_after_seconds() {
    let mut trials = SpeedTrials::default();
    let mut budget = FrameBudget::default();
    budget.handle_frame_start(LocalTime(1));
    let mut calls = 0;
    while !trials.is_slow() && calls < 1000 {
        trials.handle_clocked();
        let call = Call {
            has_frame: calls % 2 == 0,
            transfers: calls / 2,
            slack_stalls: 0,
            is_cut_short: false,
            round_trip: MS,
            is_steady: true,
        };
        trials.handle_call(call, &budget);
        calls += 1;
    }
    assert!((120..=160).contains(&calls), "{calls}");
    assert!((0.4..0.6).contains(&trials.speed()), "{}", trials.speed());
}

#[test]
fn a_wait_that_cannot_be_faster_is_not_tried() {
    assert_eq!(play(8 * MS, 100 * MS, |_| 50), [Choice::Predict]);
}

#[test]
fn waits_that_were_right_for_a_menu_are_given_up_for_a_block() {
    let (mut trials, mut budget) = (SpeedTrials::default(), FrameBudget::default());
    let (mut now, mut transfers, mut blocks) = (LocalTime(1_000_000_000), 0, 0);
    for n in 0..1200_u64 {
        let is_block = trials.choice() == Choice::Wait && n > 400;
        // A transfer a frame, with every other call a stall unless it waits; then nine with a round trip
        // each.
        let (has_frame, gap) = match (trials.choice(), is_block) {
            (Choice::Predict, _) => (n % 2 == 0, PERIOD),
            (Choice::Wait, false) => (true, PERIOD),
            (Choice::Wait, true) => (true, 100 * MS),
        };
        budget.handle_frame_start(now);
        trials.handle_clocked();
        transfers += if is_block { 9 } else { u64::from(has_frame) };
        blocks += u64::from(is_block);
        budget.handle_frame_end(now.after(4 * MS), has_frame);
        let call = Call {
            has_frame,
            transfers,
            slack_stalls: n,
            is_cut_short: true,
            round_trip: 10 * MS,
            is_steady: true,
        };
        trials.handle_call(call, &budget);
        now = now.after(gap);
    }
    assert!((1..=40).contains(&blocks), "{blocks}");
}

#[test]
fn a_wait_that_proves_no_faster_is_given_up_for_predictions_on_time() {
    let live = |_| 75;
    assert_eq!(
        play(3 * MS, MS / 2, live),
        [Choice::Predict, Choice::Wait, Choice::Predict]
    );
}

#[test]
fn a_wait_that_proves_slower_is_given_up_and_not_tried_again_soon() {
    let live = |choice| if choice == Choice::Predict { 50 } else { 20 };
    assert_eq!(
        play(8 * MS, MS, live),
        [Choice::Predict, Choice::Wait, Choice::Predict]
    );
}
