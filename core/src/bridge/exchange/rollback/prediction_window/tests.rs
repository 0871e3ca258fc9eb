use super::*;

#[test]
fn the_horizon_is_the_round_trip_and_three_frames() {
    let mut window = PredictionWindow::default();
    assert_eq!(window.clocking(false), 4);
    window.set_round_trip(Duration::from_millis(200));
    assert_eq!((window.clocking(false), window.armed()), (12 + 1 + 3, 40));
    window.set_round_trip(Duration::MAX);
    assert_eq!(window.clocking(false), MAX_CLOCKING_FRAMES);
}

/// A call in which the game stands still for a peer that cannot answer.
fn wait_in_silence(window: &mut PredictionWindow) {
    window.handle_silence();
    window.handle_stall();
    window.handle_call_end();
}

#[test]
fn behind_a_silence_the_window_is_wider_by_a_round_trip_and_less_and_less_for_a_second() {
    let mut window = PredictionWindow::default();
    window.set_round_trip(Duration::from_millis(100));
    let usual = window.clocking(false);
    window.handle_silence();
    window.handle_call_end();
    window.handle_call_end();
    window.handle_verdict(3);
    assert_eq!(window.clocking(false), usual, "the game did not stand still");
    wait_in_silence(&mut window);
    assert_eq!(window.clocking(false), usual, "nothing has come through");
    window.handle_verdict(3);
    assert_eq!(window.clocking(false), usual + 7);
    (0..RESUMED_CALLS / 2).for_each(|_| window.handle_call_end());
    assert_eq!(window.clocking(false), usual + 4);
    (0..RESUMED_CALLS / 2).for_each(|_| window.handle_call_end());
    window.handle_verdict(3);
    assert_eq!(window.clocking(false), usual);
}

#[test]
fn a_silence_gives_no_frames_to_a_machine_without_the_slack_for_them() {
    let mut window = often_wrong();
    wait_in_silence(&mut window);
    window.handle_verdict(3);
    assert_eq!(window.clocking(false), 6);
}

/// The window of a slow machine on a long path, whose predictions are often wrong.
fn often_wrong() -> PredictionWindow {
    let mut window = PredictionWindow::default();
    window.set_round_trip(Duration::from_millis(200));
    window.set_slack(Duration::from_millis(12));
    correct(&mut window, 60, Duration::from_millis(2));
    window
}

/// Calls that each have corrections of all causes, so many frames dear.
fn correct(window: &mut PredictionWindow, calls: u32, cost: Duration) {
    for _ in 0..calls {
        window.handle_cost(cost);
        for cause in [Cause::Mispredicted, Cause::Replaced, Cause::Overdue] {
            window.handle_correction(cause);
        }
        window.handle_call_end();
    }
}

#[test]
fn a_slow_machine_that_is_often_wrong_runs_as_far_ahead_as_its_slack_allows() {
    let mut window = often_wrong();
    assert_eq!(
        (window.clocking(false), window.armed(), window.reach()),
        (6, 6, 6)
    );
    assert!(window.is_cut_short());
    correct(&mut window, 60, Duration::from_millis(50));
    assert_eq!(
        (window.clocking(false), window.armed(), window.reach()),
        (1, 1, 0)
    );
    correct(&mut window, 200, Duration::from_micros(100));
    assert_eq!(
        window.armed(),
        MAX_OPEN_FRAMES,
        "slowness that is over is forgotten"
    );
    assert!(!window.is_cut_short());
}

#[test]
fn a_slow_machine_that_is_rarely_wrong_runs_as_far_ahead_as_the_path_asks() {
    let mut window = PredictionWindow::default();
    window.set_round_trip(Duration::from_millis(100));
    window.set_slack(Duration::from_millis(4));
    let horizon = window.clocking(false);
    for frame in 0..6000 {
        if frame % 60 == 0 {
            window.handle_cost(Duration::from_millis(12));
            window.handle_correction(Cause::Mispredicted);
        }
        window.handle_call_end();
        assert_eq!(window.clocking(false), horizon, "{frame}");
    }
    assert!(window.is_cut_short());
}

#[test]
fn a_replay_that_was_held_up_does_not_hold_the_game_back() {
    let mut window = PredictionWindow::default();
    window.set_round_trip(Duration::from_millis(40));
    window.set_slack(Duration::from_millis(15));
    let horizon = window.clocking(false);
    for frame in 0..600 {
        // Another program has this processor for 30 ms twice a second.
        let is_held_up = frame % 30 == 0 && frame > 0;
        let cost = if is_held_up { 30_000 } else { 300 };
        correct(&mut window, 1, Duration::from_micros(cost));
        assert_eq!(window.clocking(false), horizon, "{frame}");
    }
}

#[test]
fn a_bad_moment_is_forgotten_by_time_where_nothing_is_replayed() {
    let mut window = PredictionWindow::default();
    window.set_round_trip(Duration::from_millis(200));
    window.set_slack(Duration::from_millis(15));
    correct(&mut window, 32, Duration::from_micros(100));
    correct(&mut window, 20, Duration::from_millis(4));
    assert!(window.clocking(false) < 6);
    (0..120).for_each(|_| window.handle_call_end());
    assert!(window.clocking(false) >= 8, "{:?}", window.cost);
}

#[test]
fn a_call_has_time_for_its_own_frame_while_replays_fit_into_the_slack() {
    let mut window = PredictionWindow::default();
    window.set_slack(Duration::from_millis(10));
    window.handle_cost(Duration::from_millis(4));
    assert!(window.has_time_after(3), "rarely");
    correct(&mut window, 60, Duration::from_millis(4));
    assert!(window.has_time_after(2) && !window.has_time_after(3));
}

#[test]
fn the_window_follows_the_peers_best_rate() {
    let mut window = PredictionWindow::default();
    assert_eq!(window.most_outstanding(), 11);
    (0..9).for_each(|_| window.handle_verdict(2));
    window.handle_call_end();
    assert_eq!(window.most_outstanding(), 19);
    (0..RATE_CALLS).for_each(|_| window.handle_call_end());
    assert_eq!(window.most_outstanding(), 11);
}

#[test]
fn a_queue_that_never_empties_shows_in_the_quickest_verdict() {
    let mut window = PredictionWindow::default();
    for call in 0..u64::from(RATE_CALLS) {
        window.handle_verdict(4 + call % 3);
        window.handle_call_end();
    }
    assert_eq!(window.standing(), 3);
    window.handle_verdict(1);
    assert_eq!(window.standing(), 0, "it was empty once");
}

/// Plays so many calls, one exchange each; how often the game stood still. `helps`: by how much a stall
/// shortens the queue; a frame is gained on the peer every `gains` calls.
fn play(calls: u64, helps: u64, gains: u64) -> (u64, u64) {
    let mut window = PredictionWindow::default();
    let (mut stalls, mut queue) = (0, 0);
    for call in 1..=calls {
        if window.must_drain(0) {
            window.handle_stall();
            stalls += 1;
            queue = u64::saturating_sub(queue, helps);
        } else {
            window.handle_verdict(1 + queue);
        }
        queue = (queue + u64::from(call % gains == 0)).min(3);
        window.handle_call_end();
    }
    (stalls, queue)
}

#[test]
fn a_clock_half_a_percent_fast_stands_still_once_in_two_hundred_frames() {
    let (stalls, queue) = play(60_000, 1, 200);
    assert!((290..=301).contains(&stalls) && queue <= 1, "{stalls} {queue}");
}

#[test]
fn a_queue_that_does_not_get_shorter_is_soon_left_alone() {
    let (stalls, _) = play(60_000, 0, 200);
    assert!(stalls < 20, "{stalls}");
}

#[test]
fn the_answer_to_a_turn_in_the_past_stays_open_for_no_longer_than_a_game_waits() {
    let mut window = PredictionWindow::default();
    for round_trip in (0..450).map(Duration::from_millis) {
        window.set_round_trip(round_trip);
        let reach = window.turn_reach();
        if window.is_path_too_long() {
            assert!(round_trip > Duration::from_millis(430), "{round_trip:?}");
        } else {
            assert!(
                reach >= 10 && reach + window.clocking(false) <= MAX_OPEN_FRAMES,
                "{round_trip:?}"
            );
        }
    }
}
