//! Tables, pictures and JSON of all that was measured, and of what was not.

use gamelink_benches::contestants::Contestant;
use gamelink_benches::machine::Machine;
use gamelink_benches::ping::{Ping, Spacing};
use gamelink_benches::plan::{Case, Plan};
use gamelink_benches::results::{Results, Run, SCHEMA};
use gamelink_benches::{plots, table};
use gamelink_core::bridge::Summary;
use gamelink_core::bridge::rollback::{Counters, Frames, Predictions};
use gamelink_driver::{Config, Link};
use gamelink_frontend::Pace;
use gamelink_lab::pair::{AbsenceReport, Figures, GameFigures, PaceFigures, PairReport, Points, SideReport};
use serde_json::Value;

fn points(value: f64) -> Points {
    Points {
        count: 100,
        p50: value,
        p90: value,
        p99: 2.0 * value,
        p999: 3.0 * value,
        max: 3.0 * value,
    }
}

fn summary(count: u64, p50: f64) -> Summary {
    Summary {
        p50,
        p99: 1.8 * p50,
        p999: 1.9 * p50,
        max: 2.0 * p50,
        count,
        mean: p50,
    }
}

fn side(role: &str, wrong: u32) -> SideReport {
    let of_nobody = Link::start(&Config::default()).unwrap().report();
    let link = |frames: u64, count: u64| {
        let mut report = of_nobody.clone();
        report.frames = frames;
        report.times.hooks_us = summary(frames, 50.0);
        report.times.wait_us = summary(frames, 500.0);
        report.rollback = Some(Counters {
            frames: Frames {
                live: frames,
                corrections: count,
                replayed: 2 * count,
                ..Frames::default()
            },
            predictions: Predictions {
                hinted: count,
                repeated: count,
                wrong: count,
                ..Predictions::default()
            },
            ..Counters::default()
        });
        report
    };
    let figures = Figures {
        pace: PaceFigures {
            frames: 120,
            fps: 59.7,
            run_us: points(500.0),
            run_cpu_us: points(150.0),
            ..PaceFigures::default()
        },
        game: GameFigures {
            role: role.to_owned(),
            ok: 120,
            wrong,
            exchanges_per_second: 480.0,
            ..GameFigures::default()
        },
        ..Figures::default()
    };
    SideReport::new(role, figures, Some(link(100, 10)), Some(link(200, 20)))
}

fn report(case: &Case, wrong: u32) -> PairReport {
    PairReport {
        core: "gamelink".to_owned(),
        rom: case.pattern.rom.name().to_owned(),
        delay_ms: case.delay_ms(),
        jitter_ms: 0.0,
        loss_percent: 0.0,
        rhythms: [Pace::GAME_BOY.into(); 2],
        phase_ms: 4.2,
        burn_ms: [0.0; 2],
        seconds: 2.0,
        playing_after_ms: 800.0,
        relay: None,
        absence: case.absence.map(|absence| AbsenceReport {
            away: absence.away,
            side: "a".to_owned(),
            after_ms: 500.0,
            lasts_ms: 1500.0,
            ok_after: 100,
        }),
        sides: [side("armed", 0), side("clocking", wrong)],
    }
}

/// A whole run in which each fifth pair did not link, and the last had a wrong byte.
fn results() -> Results {
    let contestants = Contestant::all();
    let plan = Plan::whole();
    let mut runs = Vec::new();
    for case in &plan.cases {
        for contestant in &contestants {
            let has_linked = runs.len() % 5 != 4;
            let outcome = match has_linked {
                true => Ok(report(case, 0)),
                false => Err("no sign | of a link\nafter 25 s".to_owned()),
            };
            runs.push(Run::new(case, contestant, outcome));
        }
    }
    if let (Some(last), Some(case)) = (runs.last_mut(), plan.cases.last()) {
        last.report = Some(report(case, 1));
        last.fault = None;
    }
    let ping = |spacing| Ping {
        protocol: "UDP",
        delay_ms: 1.0,
        is_relayed: true,
        spacing,
        round_trip_us: points(2300.0),
        lost: 0,
    };
    Results {
        schema: SCHEMA,
        version: "0",
        is_quick: false,
        machine: Machine::here(),
        seconds: 600.0,
        contestants,
        runs,
        pings: Spacing::ALL.map(ping).into(),
        costs: Vec::new(),
        instructions: Vec::new(),
    }
}

#[test]
fn every_row_of_a_table_has_all_its_columns() {
    let markdown = table::markdown(&results());
    let mut columns = None;
    let mut rows = 0;
    for line in markdown.lines() {
        if !line.starts_with('|') {
            columns = None;
            continue;
        }
        let count = line.matches('|').count();
        assert_eq!(*columns.get_or_insert(count), count, "{line}");
        rows += 1;
    }
    assert!(rows > 100, "{rows}");
}

#[test]
fn what_did_not_link_and_what_was_wrong_is_a_fault() {
    let results = results();
    let faults = results.faults();
    let without = |run: &&Run| run.contestant != "stock" && run.report.is_none();
    assert_eq!(faults.len(), results.runs.iter().filter(without).count() + 1);
    assert!(faults.iter().any(|fault| fault.contains("no sign")));
    assert!(faults.iter().any(|fault| fault.contains("1 wrong bytes")));
}

#[test]
fn every_picture_shows_who_took_part() {
    let plots = plots::all(&results());
    assert!(plots.iter().any(|(name, _)| *name == plots::OVERVIEW));
    for (name, svg) in &plots {
        assert!(svg.contains("direct automatic"), "{name}");
        assert_eq!(svg.contains(">stock<"), *name != "hooks.svg", "{name}");
    }
}

#[test]
fn the_json_has_the_fields_that_the_page_explains() {
    let page = include_str!("../README.md");
    let results: Value = serde_json::to_value(results()).unwrap();
    let run = &results["runs"][0];
    let side = &run["report"]["sides"][0];
    for object in [&results, &results["machine"], run, &run["report"], side] {
        for key in object.as_object().unwrap().keys() {
            let is_explained = page.contains(&format!("`{key}`")) || page.contains(&format!("`{key}["));
            assert!(is_explained, "{key}");
        }
    }
}
