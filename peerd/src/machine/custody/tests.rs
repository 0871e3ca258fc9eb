use super::*;

const UP: LinkState = LinkState {
    is_up: true,
    has_carrier: true,
};
const PLUGGED: Facts = Facts {
    link: UP,
    has_game: true,
    is_mutual: false,
    is_alone: true,
    peer_has_game: false,
};
const ANSWERED: Facts = Facts {
    is_mutual: true,
    is_alone: false,
    peer_has_game: true,
    ..PLUGGED
};
const LEASE: Usage = Usage::Address(IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 42, 17)));

fn at(ms: u64) -> LocalTime {
    LocalTime(ms * 1_000_000)
}

/// Runs from one time to another with these facts and this use; gives the actions but looks.
fn run(of: &mut Custody, ms: std::ops::Range<u64>, facts: Facts, usage: Option<Usage>) -> Vec<Action> {
    let mut actions = vec![];
    for now in ms.step_by(20).map(at) {
        while let Some(action) = of.poll(now, facts) {
            match action {
                Action::Look => of.handle_usage(now, usage),
                action => actions.push(action),
            }
        }
    }
    actions
}

#[test]
fn it_is_taken_when_a_peer_answers_and_not_before() {
    let mut custody = Custody::new(false, false, true);
    assert_eq!(run(&mut custody, 0..60_000, PLUGGED, None), []);
    assert!(custody.may_speak(at(60_000)) && !custody.is_ours());
    assert_eq!(run(&mut custody, 60_000..60_100, ANSWERED, None), [Action::Take]);
    assert!(!custody.is_ours());
    custody.handle_taken(at(60_100), Ok(()));
    assert!(custody.is_ours());
    assert_eq!(run(&mut custody, 60_100..90_000, ANSWERED, None), []);
}

#[test]
fn nothing_is_said_before_it_has_been_free_for_three_seconds_as_it_is_now() {
    let mut custody = Custody::new(false, false, true);
    assert_eq!(run(&mut custody, 0..2_900, ANSWERED, None), []);
    assert!(!custody.may_speak(at(2_900)));
    // Another plug.
    let down = Facts {
        link: LinkState::default(),
        ..PLUGGED
    };
    run(&mut custody, 2_900..2_940, down, None);
    assert_eq!(run(&mut custody, 2_940..5_900, ANSWERED, None), []);
    assert_eq!(run(&mut custody, 5_900..6_100, ANSWERED, None), [Action::Take]);
}

#[test]
fn what_somebody_uses_is_left_alone_for_as_long_as_that_lasts() {
    let uses = [
        Usage::Bridged,
        Usage::DefaultRoute,
        LEASE,
        Usage::Connection,
        Usage::Profile("ifupdown"),
    ];
    for usage in uses {
        let mut custody = Custody::new(false, false, true);
        assert_eq!(run(&mut custody, 0..60_000, ANSWERED, Some(usage)), [], "{usage}");
        assert_eq!(custody.usage(), Some(usage));
        assert!(!custody.may_speak(at(60_000)));
        assert_eq!(run(&mut custody, 60_000..62_900, ANSWERED, None), [], "{usage}");
        let late = run(&mut custody, 62_900..64_100, ANSWERED, None);
        assert_eq!(late, [Action::Take], "{usage}");
    }
}

#[test]
fn a_lease_that_comes_late_silences_us() {
    let mut custody = Custody::new(false, false, true);
    run(&mut custody, 0..10_000, PLUGGED, None);
    assert!(custody.may_speak(at(10_000)));
    run(&mut custody, 10_000..11_020, PLUGGED, Some(LEASE));
    assert!(!custody.may_speak(at(11_020)));
}

#[test]
fn a_profile_found_at_the_last_look_holds_for_a_while() {
    let mut custody = Custody::new(false, false, true);
    run(&mut custody, 0..4_000, PLUGGED, None);
    assert_eq!(run(&mut custody, 4_000..4_100, ANSWERED, None), [Action::Take]);
    custody.handle_taken(at(4_100), Err(Usage::Profile("NetworkManager")));
    assert_eq!(run(&mut custody, 4_100..14_000, PLUGGED, None), []);
    assert_eq!(custody.usage(), Some(Usage::Profile("NetworkManager")));
    assert!(!custody.is_ours() && !custody.may_speak(at(14_000)));
    // Looked for again.
    let again = run(&mut custody, 14_000..20_000, ANSWERED, None);
    assert_eq!(again, [Action::Take]);
}

#[test]
fn without_a_peer_it_is_given_back() {
    let mut custody = Custody::new(false, true, true);
    assert!(custody.is_ours());
    assert_eq!(run(&mut custody, 0..9_900, PLUGGED, None), []);
    // One that comes in time keeps it.
    assert_eq!(run(&mut custody, 9_900..10_100, ANSWERED, None), []);
    assert_eq!(run(&mut custody, 10_100..20_000, PLUGGED, None), []);
    let end = run(&mut custody, 20_000..20_200, PLUGGED, None);
    assert_eq!(end, [Action::GiveBack]);
    assert!(!custody.is_ours() && !custody.may_speak(at(20_200)));
}

#[test]
fn without_a_game_at_either_end_it_is_given_back() {
    let idle = Facts {
        has_game: false,
        peer_has_game: false,
        ..ANSWERED
    };
    let mut custody = Custody::new(false, true, true);
    assert_eq!(run(&mut custody, 0..29_900, idle, None), []);
    // One end is enough, and so is another game in time.
    let there = Facts {
        has_game: false,
        ..ANSWERED
    };
    assert_eq!(run(&mut custody, 29_900..60_000, there, None), []);
    assert_eq!(run(&mut custody, 60_000..89_900, idle, None), []);
    assert_eq!(run(&mut custody, 89_900..90_100, idle, None), [Action::GiveBack]);
}

#[test]
fn a_port_that_nobody_sets_up_is_up_while_a_game_waits() {
    let down = Facts {
        link: LinkState::default(),
        ..PLUGGED
    };
    let idle = Facts {
        has_game: false,
        ..PLUGGED
    };
    let mut custody = Custody::new(false, false, true);
    assert_eq!(run(&mut custody, 0..2_900, down, None), []);
    assert_eq!(run(&mut custody, 2_900..3_100, down, None), [Action::Raise]);
    assert_eq!(run(&mut custody, 3_100..9_000, PLUGGED, None), []);
    assert_eq!(run(&mut custody, 9_000..9_100, idle, None), [Action::Lower]);
    // One that its owner has taken up meanwhile stays.
    let mut custody = Custody::new(false, false, true);
    run(&mut custody, 0..3_100, down, None);
    run(&mut custody, 3_100..6_000, PLUGGED, Some(LEASE));
    assert_eq!(run(&mut custody, 6_000..9_000, idle, Some(LEASE)), []);
    // Neither is what may be a phone set up, nor without a game.
    let mut phone = Custody::new(false, false, false);
    assert_eq!(run(&mut phone, 0..60_000, down, None), []);
    let mut port = Custody::new(false, false, true);
    let down = Facts {
        link: down.link,
        ..idle
    };
    assert_eq!(run(&mut port, 0..60_000, down, None), []);
}

#[test]
fn a_certain_cable_is_ours_whatever_is_on_it() {
    let mut custody = Custody::new(true, false, false);
    custody.handle_usage(at(0), Some(LEASE));
    assert!(custody.is_ours() && custody.may_speak(at(0)));
    assert_eq!(custody.usage(), None);
    assert_eq!(run(&mut custody, 0..60_000, PLUGGED, Some(LEASE)), []);
    assert_eq!(custody.poll_timeout(), None);
}
