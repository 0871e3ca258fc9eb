//! The pictures.

use crate::plan::Group;
use crate::run::{Results, Run};
use crate::svg::{Chart, Series};
use gamelink_fixtures::pair::{PairReport, Points};

/// A picture: its file name and its text.
pub type Plot = (&'static str, String);

const STOCK: &str = "#c0392b";
const OURS: &str = "#2471a3";
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

/// How long the game stands still for a byte, beside the bare socket.
fn waits(results: &Results) -> Chart {
    let title = "One exchange a frame: time in retro_run of the clocking side";
    let one = "one a frame";
    let run_us = |core, value: fn(&Points) -> f64| {
        line(results, one, core, move |report| {
            value(&report.clocking().figures.run_us)
        })
    };
    Chart {
        series: vec![
            series("stock, p99", STOCK, true, run_us("stock", |points| points.p99)),
            series("stock, p50", STOCK, false, run_us("stock", |points| points.p50)),
            series(
                "gamelink, p99",
                OURS,
                true,
                run_us("gamelink", |points| points.p99),
            ),
            series(
                "gamelink, p50",
                OURS,
                false,
                run_us("gamelink", |points| points.p50),
            ),
            series(
                "bare TCP round trip, p50",
                TCP,
                false,
                ping_line(results, "TCP", true, |points| points.p50),
            ),
            series(
                "bare UDP round trip, p50",
                UDP,
                false,
                ping_line(results, "UDP", true, |points| points.p50),
            ),
        ],
        ..chart(results, title, "microseconds", true)
    }
}

/// Frames a second.
fn fps(results: &Results) -> Chart {
    let of = |pattern, core| line(results, pattern, core, |report| report.clocking().figures.fps);
    Chart {
        series: vec![
            series(
                "gamelink, one a frame",
                OURS,
                false,
                of("one a frame", "gamelink"),
            ),
            series(
                "gamelink, back to back",
                OURS,
                true,
                of("back to back", "gamelink"),
            ),
            series("stock, one a frame", STOCK, false, of("one a frame", "stock")),
            series("stock, back to back", STOCK, true, of("back to back", "stock")),
        ],
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
    let of = |core| {
        line(results, "back to back", core, |report| {
            report.clocking().figures.exchanges_per_second
        })
    };
    let per_second = |points: &Points| if points.p50 > 0.0 { 1e6 / points.p50 } else { 0.0 };
    Chart {
        series: vec![
            series("gamelink", OURS, false, of("gamelink")),
            series("stock", STOCK, false, of("stock")),
            series(
                "bare UDP round trips",
                UDP,
                false,
                ping_line(results, "UDP", false, per_second),
            ),
            series(
                "bare TCP round trips",
                TCP,
                false,
                ping_line(results, "TCP", false, per_second),
            ),
        ],
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
    let delay_ms = 1.0;
    let points_of = |core: &str| -> Vec<(usize, f64)> {
        let is_it = |run: &&Run| {
            run.group == Group::Delays
                && run.name == "one a frame"
                && run.core == core
                && run.delay_ms == delay_ms
        };
        let Some(report) = results
            .runs
            .iter()
            .filter(is_it)
            .find_map(|run| run.report.as_ref())
        else {
            return Vec::new();
        };
        let Points {
            p50, p99, p999, max, ..
        } = report.clocking().figures.run_us;
        [p50, p99, p999, max].into_iter().enumerate().collect()
    };
    Chart {
        title: "One exchange a frame at 1 ms: retro_run of the clocking side".to_owned(),
        across: "share of the frames that took at most this",
        places: ["50 %", "99 %", "99.9 %", "all"].map(str::to_owned).to_vec(),
        series: vec![
            series("stock", STOCK, false, points_of("stock")),
            series("gamelink", OURS, false, points_of("gamelink")),
        ],
        ..chart(results, "", "microseconds", true)
    }
}
