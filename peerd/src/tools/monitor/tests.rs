use super::*;
use gamelink_core::bridge::Slowness;
use gamelink_core::control::{CableState, CableStatus, DeviceStatus, LanStatus, MachineStatus};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

#[test]
fn a_slow_game_says_why() {
    let mut of = Speed {
        percent: 48,
        slow: Some(Slowness::Machine),
        ..Speed::default()
    };
    assert_eq!(speed(&of), "48 %, slow machine");
    (of.percent, of.slow) = (100, None);
    assert_eq!(speed(&of), "100 %");
}

fn status(games: &[(i32, u64, u64)]) -> Status {
    let game = |&(pid, reports, taken): &(i32, u64, u64)| GameStatus {
        pid,
        reports,
        report: Some(LinkReport {
            taken,
            stalls: taken / 10,
            corrections: taken / 5,
            ..LinkReport::default()
        }),
        ..GameStatus::default()
    };
    Status {
        games: games.iter().map(game).collect(),
        ..Status::default()
    }
}

fn bytes(bars: &Bars, width: usize) -> Vec<u64> {
    bars.newest(width, |counts| counts.bytes)
}

#[test]
fn each_report_is_one_bar_and_the_past_is_none() {
    let mut bars = Bars::default();
    for (reports, taken) in [
        (9, 5000),
        (9, 5000),
        (10, 5060),
        (10, 5060),
        (11, 5130),
        (12, 5130),
    ] {
        bars.handle_status(&status(&[(7, reports, taken)]));
    }
    assert_eq!(bytes(&bars, 5), [0, 0, 60, 70, 0]);
    assert_eq!(bytes(&bars, 2), [70, 0]);
    assert_eq!(bars.newest(3, |counts| counts.stalls), [6, 7, 0]);
    assert_eq!(bars.newest(3, |counts| counts.corrections), [12, 14, 0]);
    assert_eq!(bars.newest_of(7), Some(Counts::default()));
}

#[test]
fn reports_between_two_looks_are_a_bar_each() {
    let mut bars = Bars::default();
    for (reports, taken) in [(1, 100), (2, 110), (5, 141), (5, 141)] {
        bars.handle_status(&status(&[(7, reports, taken)]));
    }
    assert_eq!(bytes(&bars, 5), [0, 10, 10, 10, 11]);
    assert_eq!(bars.newest_of(7).unwrap().bytes, 11, "a second's, not three");
}

#[test]
fn games_that_report_in_the_same_second_share_a_bar() {
    let mut bars = Bars::default();
    for looks in [
        [(7, 1, 0), (8, 5, 0)],
        [(7, 2, 10), (8, 5, 0)],
        [(7, 2, 10), (8, 6, 3)],
        [(7, 3, 20), (8, 7, 6)],
        [(7, 5, 40), (8, 9, 12)],
    ] {
        bars.handle_status(&status(&looks));
    }
    assert_eq!(bytes(&bars, 5), [0, 13, 13, 13, 13]);
}

#[test]
fn a_game_that_reports_no_more_adds_nothing_and_takes_nothing_from_the_other() {
    let mut bars = Bars::default();
    for n in 0..6 {
        bars.handle_status(&status(&[(7, 1 + n, 10 * n), (8, 1 + n.min(2), 3 * n.min(2))]));
    }
    assert_eq!(bytes(&bars, 6), [0, 13, 13, 10, 10, 10]);
}

#[test]
fn a_game_that_starts_anew_or_lies_breaks_no_bar() {
    let mut bars = Bars::default();
    for (reports, taken) in [(1, 100), (2, 5), (3, u64::MAX), (4, 0)] {
        bars.handle_status(&status(&[(7, reports, taken), (8, reports, u64::MAX)]));
    }
    assert_eq!(bytes(&bars, 3), [0, u64::MAX - 5, 0]);
    for reports in [u64::MAX, 0, u64::MAX, 3, 2] {
        bars.handle_status(&status(&[(7, reports, u64::MAX), (8, 5, 1)]));
    }
    assert_eq!(bytes(&bars, 2 * HISTORY).len(), 2 * HISTORY);
    assert!(bars.bars.len() == HISTORY);
}

#[test]
fn the_screen_shows_links_games_and_what_came_with_the_last_report() {
    let mut bars = Bars::default();
    let of = |n: u64| Status {
        cables: vec![CableStatus {
            device: DeviceStatus {
                interface: "usb0".into(),
                ..DeviceStatus::default()
            },
            state: CableState::Linked,
            up_ms: Some(7_000),
            ..CableStatus::default()
        }],
        lans: vec![LanStatus {
            interface: "wlan0".into(),
            ..LanStatus::default()
        }],
        ..status(&[(7, n, 50 * n)])
    };
    for n in 1..=3 {
        bars.handle_status(&of(n));
    }
    let mut terminal = Terminal::new(TestBackend::new(120, 28)).unwrap();
    terminal.draw(|frame| draw(frame, &of(3), &bars)).unwrap();
    let screen = terminal.backend().to_string();
    for words in [
        "usb0            linked",
        "wlan0           searching",
        "nobody heard",
        "7 s",
        "bytes exchanged each second: 50, at most 50",
        "stalls each second: 5, at most 5",
        "corrections each second: 10, at most 10",
    ] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    assert!(
        screen.matches("██").count() >= 3,
        "two bars in each chart: {screen}"
    );
}

#[test]
fn a_lan_shows_its_state_as_a_cable_does() {
    let machine = |is_linked| MachineStatus {
        name: "ada".into(),
        address: ([192, 168, 1, 7], 56401).into(),
        has_game: true,
        title: "TETRIS".into(),
        is_same_game: true,
        is_paired: true,
        round_trip_us: Some(1234),
        is_linked,
        ..MachineStatus::default()
    };
    let row = |up_ms, machines| {
        let lan = LanStatus {
            interface: "wlan0".into(),
            up_ms,
            machines,
            ..LanStatus::default()
        };
        let status = Status {
            lans: vec![lan],
            ..Status::default()
        };
        links(&status).next().unwrap().join("|")
    };
    assert_eq!(
        row(Some(61_500), vec![machine(true)]),
        "wlan0|linked|ada|61 s|both ways, 1.2 ms|"
    );
    assert_eq!(row(None, vec![machine(false)]), "wlan0|searching|||1 heard|");
    assert!(row(None, vec![]).starts_with("wlan0|searching|||nobody heard|see `peerd doctor`"));
    assert_eq!([Some(3_600_000), Some(360_000_000)].map(up), ["60 min", "100 h"]);
}
