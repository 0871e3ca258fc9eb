//! What our core says of itself, as far as the build says it: the statistics file, over the time measured.

use gamelink_lab::pair::{PairReport, SideReport};

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

/// What going on and mending did, of both sides together, for each second of play.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mending {
    /// Corrections.
    pub corrections: f64,
    /// Frames emulated again.
    pub replayed: f64,
    /// Slots in which a game stood still.
    pub holds: f64,
    /// Guesses that were right, per cent; nothing where none was made.
    pub hit_percent: Option<f64>,
}

/// Reads it; nothing where the core does not mend.
#[must_use]
pub fn mending(report: &PairReport) -> Option<Mending> {
    let per_second = |counter: &str| {
        let growth = |side: &SideReport| side.link_growth_per_frame(&["rollback", counter]);
        let [a, b] = &report.sides;
        Some((growth(a)? + growth(b)?) * FRAMES_PER_SECOND)
    };
    let guesses = per_second("hinted")? + per_second("repeated")?;
    let wrong = per_second("wrong")?;
    Some(Mending {
        corrections: per_second("corrections")?,
        replayed: per_second("replayed")?,
        // The games' own memory tells of the time measured alone.
        holds: report
            .sides
            .iter()
            .map(|side| (side.figures.fps - side.figures.game_fps).max(0.0))
            .sum(),
        hit_percent: (guesses > 0.0).then(|| (1.0 - wrong / guesses) * 100.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_lab::pair::Figures;
    use serde_json::{Value, json};

    fn side(link_before: Value, link: Value) -> SideReport {
        SideReport::new("a", Figures::default(), Some(link_before), Some(link))
    }

    #[test]
    fn a_distribution_without_values_is_none() {
        let points = |count| json!({"hooks_us": {"p50": 1.0, "p99": 2.0, "max": 3.0, "count": count}});
        assert_eq!(distribution(&side(json!({}), points(0)), "hooks_us"), None);
        let said = distribution(&side(json!({}), points(9)), "hooks_us").unwrap();
        assert_eq!((said.p50, said.p999, said.max), (1.0, None, 3.0));
    }
}
