//! What our core says of itself, as far as the build says it: the statistics file, over the time measured.

use gamelink_fixtures::pair::{PairReport, SideReport};

/// Frames that a console shows in a second: what is counted by the frame is told by the second.
const FRAMES_PER_SECOND: f64 = 59.7275;

/// A distribution as the core sums it up, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// Median.
    pub p50: f64,
    /// 99 of 100 took at most this.
    pub p99: f64,
    /// 999 of 1000; a build may not say it.
    pub p999: Option<f64>,
    /// The longest.
    pub max: f64,
}

/// A distribution of one side by its name, since that side's start: `hooks_us`, `wait_us`.
#[must_use]
pub fn distribution(side: &SideReport, name: &str) -> Option<Said> {
    let number = |point| side.link_number(&[name, point]);
    if number("count")? <= 0.0 {
        return None;
    }
    Some(Said {
        p50: number("p50")?,
        p99: number("p99")?,
        p999: number("p999"),
        max: number("max")?,
    })
}

/// How often both sides together counted this, for each second of play.
fn per_second(report: &PairReport, counter: &str) -> Option<f64> {
    let growth = |side: &SideReport| side.link_growth_per_frame(&[counter]);
    let [a, b] = &report.sides;
    Some((growth(a)? + growth(b)?) * FRAMES_PER_SECOND)
}

/// Corrections a second, of both sides.
#[must_use]
pub fn corrections(report: &PairReport) -> Option<f64> {
    per_second(report, "corrections")
}

/// Frames replayed a second, on both sides.
#[must_use]
pub fn replayed(report: &PairReport) -> Option<f64> {
    per_second(report, "replayed_frames")
}

/// Guesses that were right, per cent.
#[must_use]
pub fn hit_percent(report: &PairReport) -> Option<f64> {
    let guesses = per_second(report, "guesses")?;
    let right = per_second(report, "guesses_right")?;
    (guesses > 0.0).then(|| right / guesses * 100.0)
}
