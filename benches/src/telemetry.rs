//! Our core's own statistics over the time measured.

use gamelink_core::bridge::Summary;
use gamelink_core::bridge::rollback::Counters;
use gamelink_driver::Report;
use gamelink_lab::pair::{PairReport, SideReport};

/// Frames that a console shows in a second: what is counted by the frame is told by the second.
const FRAMES_PER_SECOND: f64 = 59.7275;

/// A distribution of one side since its start, where anything was recorded.
pub fn distribution(side: &SideReport, pick: impl Fn(&Report) -> Summary) -> Option<Summary> {
    side.link.as_ref().map(pick).filter(|summary| summary.count > 0)
}

/// Work of the rollback exchange, of both sides together, for each second of play.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rollback {
    /// Corrections.
    pub corrections: f64,
    /// Frames emulated again.
    pub replayed: f64,
    /// Calls in which a game stood still.
    pub stalls: f64,
    /// Predictions that were right, per cent; nothing where none was made.
    pub hit_percent: Option<f64>,
}

/// Reads it; nothing where the core predicts nothing.
#[must_use]
pub fn rollback(report: &PairReport) -> Option<Rollback> {
    let per_second = |count: fn(&Counters) -> u64| {
        let growth = |side: &SideReport| side.growth_per_frame(|link| link.rollback.as_ref().map(count));
        let [a, b] = &report.sides;
        Some((growth(a)? + growth(b)?) * FRAMES_PER_SECOND)
    };
    let predictions = per_second(|counters| counters.predictions.hinted + counters.predictions.repeated)?;
    let wrong = per_second(|counters| counters.predictions.wrong)?;
    Some(Rollback {
        corrections: per_second(|counters| counters.frames.corrections)?,
        replayed: per_second(|counters| counters.frames.replayed)?,
        // The games' own memory tells of the time measured alone.
        stalls: report
            .sides
            .iter()
            .map(|side| (side.figures.pace.fps - side.figures.game.game_fps).max(0.0))
            .sum(),
        hit_percent: (predictions > 0.0).then(|| (1.0 - wrong / predictions) * 100.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_driver::{Config, Link};
    use gamelink_lab::pair::Figures;

    #[test]
    fn a_distribution_without_values_is_none() {
        let mut report = Link::start(&Config::default()).unwrap().report();
        let hooks = |count| Summary {
            p50: 1.0,
            p99: 2.0,
            p999: 2.5,
            max: 3.0,
            count,
            mean: 1.0,
        };
        for (count, is_there) in [(0, false), (9, true)] {
            report.times.hooks_us = hooks(count);
            let side = SideReport::new("a", Figures::default(), None, Some(report.clone()));
            assert_eq!(
                distribution(&side, |link| link.times.hooks_us),
                is_there.then(|| hooks(9))
            );
        }
    }
}
