//! The pictures.

use crate::plan::Group;
use crate::run::{Results, Run};
use crate::svg::{Chart, Series};
use gamelink_fixtures::pair::{PairReport, Points};

/// A picture: its file name and its text.
pub type Plot = (&'static str, String);

/// Of the cores, in the order in which they take turns: the stock one first.
const COLORS: [&str; 5] = ["#c0392b", "#2471a3", "#8e44ad", "#d68910", "#17202a"];
const UDP: &str = "#27ae60";
const TCP: &str = "#7d6608";

/// All of them.
#[must_use]
pub fn all(results: &Results) -> Vec<Plot> {
    vec![
        ("wait.svg", waits(results).svg()),
        ("fps.svg", fps(results).svg()),
        ("exchanges.svg", exchanges(results).svg()),
        ("retro_run.svg", percentiles(results).svg()),
    ]
}

/// The delays that were run, in order.
fn delays(results: &Results) -> Vec<f64> {
    let mut delays: Vec<f64> = results.runs.iter().map(|run| run.delay_ms).collect();
    delays.extend(results.pings.iter().map(|ping| ping.delay_ms));
    delays.sort_by(f64::total_cmp);
    delays.dedup();
    delays
}

fn chart(results: &Results, title: &str, up: &'static str, is_logarithmic: bool) -> Chart {
    Chart {
        title: title.to_owned(),
        across: "one-way delay, ms",
        up,
        places: delays(results).iter().map(f64::to_string).collect(),
        is_logarithmic,
        series: Vec::new(),
    }
}

/// One value for each delay, over all phases of one pattern with one core: the mean of what `value` gives.
fn line(results: &Results, name: &str, core: &str, value: impl Fn(&PairReport) -> f64) -> Vec<(usize, f64)> {
    let places = delays(results).into_iter().enumerate();
    let of = |delay_ms: f64| {
        let is_it = move |run: &&Run| {
            run.group == Group::Delays && run.name == name && run.core == core && run.delay_ms == delay_ms
        };
        let values: Vec<f64> = results
            .runs
            .iter()
            .filter(is_it)
            .filter_map(|run| run.report.as_ref())
            .map(&value)
            .collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    places
        .filter_map(|(place, delay_ms)| Some((place, of(delay_ms)?)))
        .collect()
}

fn ping_line(
    results: &Results,
    protocol: &str,
    is_spaced: bool,
    value: impl Fn(&Points) -> f64,
) -> Vec<(usize, f64)> {
    let places = delays(results).into_iter().enumerate();
    places
        .filter_map(|(place, delay_ms)| {
            let ping = results.pings.iter().find(|ping| {
                ping.protocol == protocol
                    && ping.delay_ms == delay_ms
                    && ping.is_relayed
                    && (ping.spacing_ns > 0) == is_spaced
            })?;
            Some((place, value(&ping.round_trip_us)))
        })
        .collect()
}

fn series(name: &str, color: &'static str, is_dashed: bool, points: Vec<(usize, f64)>) -> Series {
    Series {
        name: name.to_owned(),
        color,
        is_dashed,
        points,
    }
}

/// A point of a distribution: its name, and how to take it.
type Share = (&'static str, fn(&Points) -> f64);

/// The cores that took part, each with its colour.
fn contestants(results: &Results) -> Vec<(&'static str, &'static str)> {
    let mut names: Vec<&'static str> = Vec::new();
    for run in &results.runs {
        if !names.contains(&run.core) {
            names.push(run.core);
        }
    }
    names.into_iter().zip(COLORS).collect()
}

/// How long the game stands still for a byte, beside the bare socket.
fn waits(results: &Results) -> Chart {
    let title = "One exchange a frame: time in retro_run of the clocking side";
    let run_ms = |core, value: fn(&Points) -> f64| {
        line(results, "one a frame", core, move |report| {
            value(&report.clocking().figures.run_us) / 1e3
        })
    };
    let mut all = Vec::new();
    for (core, color) in contestants(results) {
        all.push(series(
            &format!("{core}, p99"),
            color,
            true,
            run_ms(core, |points| points.p99),
        ));
        all.push(series(
            &format!("{core}, p50"),
            color,
            false,
            run_ms(core, |points| points.p50),
        ));
    }
    for (protocol, color) in [("TCP", TCP), ("UDP", UDP)] {
        let points = ping_line(results, protocol, true, |points| points.p50 / 1e3);
        all.push(series(
            &format!("bare {protocol} round trip, p50"),
            color,
            false,
            points,
        ));
    }
    Chart {
        series: all,
        ..chart(results, title, "milliseconds", true)
    }
}

/// Frames a second.
fn fps(results: &Results) -> Chart {
    let mut all = Vec::new();
    for (core, color) in contestants(results) {
        for (pattern, is_dashed) in [("one a frame", false), ("back to back", true)] {
            let points = line(results, pattern, core, |report| report.clocking().figures.fps);
            all.push(series(&format!("{core}, {pattern}"), color, is_dashed, points));
        }
    }
    Chart {
        series: all,
        ..chart(
            results,
            "Frames a second of the clocking side",
            "frames a second",
            false,
        )
    }
}

/// Exchanges a second.
fn exchanges(results: &Results) -> Chart {
    let mut all = Vec::new();
    for (core, color) in contestants(results) {
        let points = line(results, "back to back", core, |report| {
            report.clocking().figures.exchanges_per_second
        });
        all.push(series(core, color, false, points));
    }
    for (protocol, color) in [("UDP", UDP), ("TCP", TCP)] {
        let points = ping_line(results, protocol, false, |points| match points.p50 {
            micros if micros > 0.0 => 1e6 / micros,
            _ => 0.0,
        });
        all.push(series(
            &format!("bare {protocol} round trips"),
            color,
            true,
            points,
        ));
    }
    Chart {
        series: all,
        ..chart(
            results,
            "Back to back: exchanges a second",
            "exchanges a second",
            true,
        )
    }
}

/// The distribution at one delay.
fn percentiles(results: &Results) -> Chart {
    let delay_ms = if results.is_quick { 5.0 } else { 1.0 };
    let points_of = |core: &str, value: fn(&Points) -> f64| -> Option<f64> {
        let values = line(results, "one a frame", core, move |report| {
            value(&report.clocking().figures.run_us) / 1e3
        });
        let place = delays(results).iter().position(|delay| *delay == delay_ms)?;
        values
            .into_iter()
            .find_map(|(at, value)| (at == place).then_some(value))
    };
    let shares: [Share; 4] = [
        ("50 %", |points| points.p50),
        ("99 %", |points| points.p99),
        ("99.9 %", |points| points.p999),
        ("all", |points| points.max),
    ];
    let all = contestants(results).into_iter().map(|(core, color)| {
        let points = shares.iter().enumerate();
        let points = points.filter_map(|(place, (_, value))| Some((place, points_of(core, *value)?)));
        series(core, color, false, points.collect())
    });
    Chart {
        series: all.collect(),
        across: "share of the frames that took at most this",
        places: shares.iter().map(|(name, _)| (*name).to_owned()).collect(),
        ..chart(
            results,
            &format!("One exchange a frame at {delay_ms} ms: retro_run of the clocking side"),
            "milliseconds",
            true,
        )
    }
}
