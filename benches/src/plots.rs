//! The pictures.

use crate::patterns::{PLAY, Pattern, STREAM};
use crate::ping::Spacing;
use crate::results::Results;
use crate::svg::{Figure, Panel, Series};
use crate::telemetry;
use gamelink_core::bridge::Summary;
use gamelink_lab::pair::{PairReport, Points, SideReport};

/// A picture: its file name and its text.
pub type Plot = (&'static str, String);

/// The one that the front page shows.
pub const OVERVIEW: &str = "overview.svg";

/// Colors of the contestants, in the order of their turns: the stock one first.
const COLORS: [&str; 6] = ["#d1495b", "#8d99ae", "#e09f3e", "#1f6feb", "#7b2cbf", "#17202a"];
const UDP: &str = "#2d6a4f";
const TCP: &str = "#95b46a";

const FULL_SPEED: (f64, &str) = (59.7275, "full speed");
const ONE_FRAME: (f64, &str) = (16.743, "one frame");

/// All plots of a run.
#[must_use]
pub fn all(results: &Results) -> Vec<Plot> {
    let figure = |mut panels: Vec<Panel>| {
        // A short run has not every delay.
        panels.retain(|panel| panel.series.iter().any(|series| !series.points.is_empty()));
        let caption = format!("Gamelink {}; {}", results.version, results.machine.short());
        Figure { panels, caption }.svg()
    };
    vec![
        (
            OVERVIEW,
            figure(vec![
                fps(results, PLAY, "clocking", PairReport::clocking),
                exchanges(results),
            ]),
        ),
        (
            "fps.svg",
            figure(vec![
                fps(results, STREAM, "clocking", PairReport::clocking),
                fps(results, STREAM, "armed", PairReport::armed),
            ]),
        ),
        (
            "wait.svg",
            figure(vec![
                waits(results, "clocking", PairReport::clocking),
                waits(results, "armed", PairReport::armed),
            ]),
        ),
        (
            "percentiles.svg",
            figure(vec![percentiles(results, 1.0), percentiles(results, 20.0)]),
        ),
        (
            "hooks.svg",
            figure(vec![hooks(results, PLAY), hooks(results, STREAM)]),
        ),
    ]
}

/// A panel over the delays, with nothing in it yet.
fn over_delays(results: &Results, title: String, up: &'static str, is_logarithmic: bool) -> Panel {
    Panel {
        title,
        across: "one-way delay, ms",
        up,
        places: results.delays().iter().map(f64::to_string).collect(),
        is_logarithmic,
        mark: None,
        series: Vec::new(),
    }
}

/// The contestants' names and colours.
fn contestants(results: &Results) -> impl Iterator<Item = (&str, &'static str)> {
    let names = results.contestants.iter().map(|one| one.name.as_str());
    names.zip(COLORS.iter().copied().cycle())
}

/// One value for each delay.
fn points(
    results: &Results,
    pattern: Pattern,
    contestant: &str,
    value: impl Fn(&PairReport) -> Option<f64>,
) -> Vec<(usize, f64)> {
    let delays = results.delays();
    results
        .over_delays(pattern.name, contestant)
        .filter_map(|(delay_ms, report)| {
            let place = delays.iter().position(|delay| *delay == delay_ms)?;
            Some((place, value(report)?))
        })
        .collect()
}

/// The bare socket, one value for each delay.
fn bare(
    results: &Results,
    protocol: &str,
    color: &'static str,
    spacing: Spacing,
    value: impl Fn(&Points) -> f64,
) -> Series {
    let delays = results.delays().into_iter().enumerate();
    let points = delays.filter_map(|(place, delay_ms)| {
        let ping = results.ping(protocol, delay_ms, spacing)?;
        Some((place, value(&ping.round_trip_us)))
    });
    Series {
        name: format!("bare {protocol} round trip"),
        color,
        is_dashed: true,
        points: points.collect(),
        reach: Vec::new(),
    }
}

fn series(name: &str, color: &'static str, points: Vec<(usize, f64)>) -> Series {
    Series {
        name: name.to_owned(),
        color,
        is_dashed: false,
        points,
        reach: Vec::new(),
    }
}

/// Frames a second.
fn fps(results: &Results, pattern: Pattern, side: &str, of: fn(&PairReport) -> &SideReport) -> Panel {
    let lines = contestants(results).map(|(name, color)| {
        let value = |report: &PairReport| Some(of(report).figures.pace.fps);
        series(name, color, points(results, pattern, name, value))
    });
    let title = format!("Frames a second of the {side} side, {}", pattern.name);
    Panel {
        series: lines.collect(),
        mark: Some(FULL_SPEED),
        ..over_delays(results, title, "frames a second", false)
    }
}

/// Bytes a second, back to back.
fn exchanges(results: &Results) -> Panel {
    let mut lines: Vec<Series> = contestants(results)
        .map(|(name, color)| {
            let value = |report: &PairReport| Some(report.clocking().figures.game.exchanges_per_second);
            series(name, color, points(results, STREAM, name, value))
        })
        .collect();
    for (protocol, color) in [("UDP", UDP), ("TCP", TCP)] {
        lines.push(bare(results, protocol, color, Spacing::BackToBack, |points| {
            1e6 / points.p50.max(1.0)
        }));
    }
    let title = "Exchanges a second, back to back".to_owned();
    Panel {
        series: lines,
        ..over_delays(results, title, "exchanges a second", true)
    }
}

/// Time that one call of `retro_run` takes: half of them up to the point, 99 of 100 up to the end of the
/// shade.
fn waits(results: &Results, side: &str, of: fn(&PairReport) -> &SideReport) -> Panel {
    let mut lines: Vec<Series> = contestants(results)
        .map(|(name, color)| {
            let at = |value: fn(&Points) -> f64| {
                points(results, PLAY, name, move |report| {
                    Some(value(&of(report).figures.pace.run_us) / 1e3)
                })
            };
            Series {
                reach: at(|points| points.p99),
                ..series(name, color, at(|points| points.p50))
            }
        })
        .collect();
    lines.push(bare(results, "UDP", UDP, Spacing::Frame, |points| {
        points.p50 / 1e3
    }));
    let title = format!("In retro_run, {side} side, one a frame; shade to 99 %");
    Panel {
        series: lines,
        mark: Some(ONE_FRAME),
        ..over_delays(results, title, "milliseconds", true)
    }
}

/// A point of a distribution: its name, and how to take it.
type Share = (&'static str, fn(&Points) -> f64);

const SHARES: [Share; 5] = [
    ("50 %", |points| points.p50),
    ("90 %", |points| points.p90),
    ("99 %", |points| points.p99),
    ("99.9 %", |points| points.p999),
    ("all", |points| points.max),
];

/// The distribution of `retro_run` at one delay.
fn percentiles(results: &Results, delay_ms: f64) -> Panel {
    let in_ms = |points: &Points| {
        let values = SHARES.iter().enumerate();
        values
            .map(|(place, (_, value))| (place, value(points) / 1e3))
            .collect::<Vec<_>>()
    };
    let mut lines: Vec<Series> = contestants(results)
        .filter_map(|(name, color)| {
            let mut reports = results.over_delays(PLAY.name, name);
            let (_, report) = reports.find(|(delay, _)| *delay == delay_ms)?;
            Some(series(name, color, in_ms(&report.clocking().figures.pace.run_us)))
        })
        .collect();
    if let Some(ping) = results.ping("UDP", delay_ms, Spacing::Frame) {
        let color = UDP;
        lines.push(Series {
            is_dashed: true,
            ..series("bare UDP round trip", color, in_ms(&ping.round_trip_us))
        });
    }
    Panel {
        across: "of all frames took at most this",
        places: SHARES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        series: lines,
        mark: Some(ONE_FRAME),
        ..over_delays(
            results,
            format!("In retro_run, clocking side, one a frame, {delay_ms} ms"),
            "milliseconds",
            true,
        )
    }
}

/// Time that our own code takes of each call of `retro_run`: half up to the point, 99 of 100 up to the end of
/// the shade.
fn hooks(results: &Results, pattern: Pattern) -> Panel {
    let lines = contestants(results)
        .filter(|(name, _)| *name != crate::contestants::STOCK)
        .map(|(name, color)| {
            let at = |value: fn(Summary) -> f64| {
                points(results, pattern, name, move |report| {
                    let hooks = telemetry::distribution(report.clocking(), |link| link.times.hooks_us)?;
                    Some(value(hooks) / 1e3)
                })
            };
            Series {
                reach: at(|hooks| hooks.p99),
                ..series(name, color, at(|hooks| hooks.p50))
            }
        });
    let title = format!("In our own code: {}; shade to 99 %", pattern.name);
    Panel {
        series: lines.collect(),
        mark: Some((1.0, "1 ms")),
        ..over_delays(results, title, "milliseconds a frame", true)
    }
}
