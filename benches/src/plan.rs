//! Plan of a run: patterns, paths and frontends, and times such that all of it takes less than a quarter of
//! an hour.

use crate::contestants::{Contestant, LOOPBACK};
use crate::patterns::{self, Pattern};
use gamelink_frontend::Pace;
use gamelink_lab::pair::{Absence, Away, Rhythm};
use gamelink_sim::impair::Conditions;
use serde::Serialize;
use std::time::Duration;

/// The one-way delays of a whole run, in milliseconds.
pub const DELAYS_MS: [f64; 7] = [0.0, 0.25, 1.0, 5.0, 20.0, 50.0, 100.0];

/// The table that a case belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// One exchange a frame and back to back, over all delays.
    Delays,
    /// The other ways in which games use the cable.
    Patterns,
    /// Paths and frontends that are not even.
    Conditions,
    /// The armed side pauses or is stopped for a while.
    Absences,
    /// Our core over a plain cable, where the stock pair would need its relay.
    Cable,
    /// Memory that a process takes; for games with large states.
    Memory,
}

impl Group {
    /// All groups, with their headings.
    pub const ALL: [(Group, &'static str); 6] = [
        (Group::Delays, "Over the delay"),
        (Group::Patterns, "Other ways in which games use the cable"),
        (Group::Conditions, "Uneven paths and frontends"),
        (Group::Absences, "A peer that pauses or stops"),
        (Group::Cable, "A plain cable, no relay"),
        (Group::Memory, "Memory"),
    ];
}

/// One thing to measure with each contestant.
#[derive(Clone, Debug)]
pub struct Case {
    /// Table of the case.
    pub group: Group,
    /// Pattern that the two games play.
    pub pattern: Pattern,
    /// Peculiarity of path or frontends, for people; empty where it is the delay alone.
    pub circumstance: &'static str,
    /// The path.
    pub conditions: Conditions,
    /// Rhythm of frames on each side.
    pub rhythms: [Rhythm; 2],
    /// Time by which the second side's frames start later.
    pub phase: Duration,
    /// Time that is measured.
    pub measured: Duration,
    /// Absence of the armed side during a part of that time.
    pub absence: Option<Absence>,
}

impl Case {
    fn new(group: Group, pattern: Pattern, delay_ms: f64, seconds: f64) -> Case {
        Case {
            group,
            pattern,
            circumstance: "",
            conditions: Conditions::delayed(Duration::from_secs_f64(delay_ms / 1e3)),
            rhythms: [FREE.into(); 2],
            phase: pattern.phase,
            measured: Duration::from_secs_f64(seconds),
            absence: None,
        }
    }

    /// The pattern, and what is special.
    #[must_use]
    pub fn title(&self) -> String {
        let parts = [self.pattern.name, self.circumstance];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join("; ")
    }

    /// One-way delay in milliseconds.
    #[must_use]
    pub fn delay_ms(&self) -> f64 {
        self.conditions.delay.as_secs_f64() * 1e3
    }

    /// Tells if a relay stands between the two, as it always does between a stock pair.
    #[must_use]
    pub fn is_relayed(&self) -> bool {
        self.group != Group::Cable
    }

    /// Tells if this contestant takes part: the stock pair cannot without its relay, and nine bytes a frame
    /// are far beyond the loopback port, whose row over the delays says so already, and which keeps no
    /// states.
    #[must_use]
    pub fn is_for(&self, contestant: &Contestant) -> bool {
        let is_beyond =
            [patterns::PACED, patterns::BATTERY].contains(&self.pattern) && contestant.name == LOOPBACK;
        !is_beyond && (self.is_relayed() || !contestant.is_stock())
    }
}

/// Cases and times of a whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The plan is the short one.
    pub is_quick: bool,
    /// Cases to measure with each contestant.
    pub cases: Vec<Case>,
    /// Time for which each bare socket is measured.
    pub ping_time: Duration,
    /// Time that a pair plays before it is measured.
    pub settle: Duration,
    /// Time that a pair plays before it is measured where games go on with predictions: what stood in a queue
    /// when the two found each other is gone by then.
    pub settle_predicting: Duration,
    /// Instructions are counted, too.
    pub has_instructions: bool,
}

const FREE: Pace = Pace::GAME_BOY;

impl Plan {
    /// Under a minute: whether everything works, not how well.
    #[must_use]
    pub fn quick() -> Plan {
        let case = |pattern, delay_ms| Case::new(Group::Delays, pattern, delay_ms, 0.8);
        Plan {
            is_quick: true,
            cases: vec![case(patterns::PLAY, 1.0), case(patterns::STREAM, 1.0)],
            ping_time: Duration::from_millis(500),
            settle: Duration::from_millis(300),
            settle_predicting: Duration::from_millis(300),
            has_instructions: false,
        }
    }

    /// Plan of a whole run: less than a quarter of an hour.
    #[must_use]
    pub fn whole() -> Plan {
        let seconds = 2.0;
        let mut cases = Vec::new();
        for delay_ms in DELAYS_MS {
            cases.push(Case::new(Group::Delays, patterns::PLAY, delay_ms, seconds));
            if [20.0, 50.0, 100.0].contains(&delay_ms) {
                cases.push(Case::new(Group::Delays, patterns::CHANGING, delay_ms, seconds));
            }
            cases.push(Case::new(Group::Delays, patterns::STREAM, delay_ms, seconds));
            cases.push(Case::new(Group::Delays, patterns::PACED, delay_ms, seconds));
            if [20.0, 50.0].contains(&delay_ms) {
                cases.push(Case::new(Group::Delays, patterns::FOLLOW, delay_ms, seconds));
            }
        }
        for (pattern, delay_ms) in [
            (patterns::HALTING, 20.0),
            (patterns::ALTERNATING, 0.25),
            (patterns::ALTERNATING, 20.0),
            (patterns::BOTH, 20.0),
            (patterns::LATE, 0.25),
            (patterns::LATE, 20.0),
            (patterns::BLOCKS, 20.0),
        ] {
            cases.push(Case::new(Group::Patterns, pattern, delay_ms, seconds));
        }
        cases.extend(uneven(seconds));
        cases.extend(absences());
        for pattern in [patterns::PLAY, patterns::STREAM] {
            cases.push(Case::new(Group::Cable, pattern, 0.0, seconds));
        }
        let longest = DELAYS_MS[DELAYS_MS.len() - 1];
        cases.push(Case::new(Group::Memory, patterns::BATTERY, longest, 1.0));
        Plan {
            is_quick: false,
            cases,
            ping_time: Duration::from_millis(1500),
            settle: Duration::from_millis(300),
            settle_predicting: Duration::from_secs(2),
            has_instructions: true,
        }
    }

    /// Leaves only the cases whose title contains this, and no counted instructions.
    pub fn keep(&mut self, text: &str) {
        self.cases.retain(|case| case.title().contains(text));
        self.has_instructions = false;
    }
}

/// One exchange a frame, of bytes that nobody can predict, on paths and frontends that are not even.
fn uneven(seconds: f64) -> impl Iterator<Item = Case> {
    let one = move |circumstance, delay_ms| Case {
        circumstance,
        ..Case::new(Group::Conditions, patterns::CHANGING, delay_ms, seconds)
    };
    let grid = |rate_hz| Rhythm::from(Pace::Grid { rate_hz });
    let free = Rhythm::from(FREE);
    [
        Case {
            rhythms: [grid(60.0), grid(60.0)],
            ..one("vsync, 60 on both", 5.0)
        },
        Case {
            rhythms: [grid(60.0), grid(59.94)],
            ..one("vsync, 60 against 59.94", 5.0)
        },
        Case {
            conditions: Conditions {
                jitter: Duration::from_millis(2),
                ..Conditions::delayed(Duration::from_millis(1))
            },
            ..one("2 ms jitter", 1.0)
        },
        Case {
            conditions: Conditions {
                loss: 0.01,
                ..Conditions::delayed(Duration::from_millis(1))
            },
            ..one("1 % loss", 1.0)
        },
        Case {
            rhythms: [free, free.faster_by(0.5)],
            ..one("clocks 0.5 % apart", 1.0)
        },
    ]
    .into_iter()
}

/// Time for which the armed side is away: longer than the silence that ends a session.
pub(crate) const AWAY: Duration = Duration::from_millis(1500);
/// Time that the armed side plays before and after its absence.
const BEFORE: Duration = Duration::from_millis(500);
pub(crate) const AFTER: Duration = Duration::from_millis(2000);

/// One exchange a frame, of bytes that nobody can predict, with an armed side that is away for a while.
fn absences() -> impl Iterator<Item = Case> {
    let one = |circumstance, away| Case {
        circumstance,
        measured: BEFORE + AWAY + AFTER,
        absence: Some(Absence {
            away,
            after: BEFORE,
            lasts: AWAY,
        }),
        ..Case::new(Group::Absences, patterns::CHANGING, 1.0, 0.0)
    };
    [
        one("the armed side in a menu for 1.5 s", Away::Paused),
        one("the armed side's process stopped for 1.5 s", Away::Stopped),
    ]
    .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_run_has_every_delay_with_the_patterns_that_are_compared() {
        let plan = Plan::whole();
        for delay_ms in DELAYS_MS {
            for pattern in [patterns::PLAY, patterns::STREAM, patterns::PACED] {
                let is_there = |case: &Case| case.pattern == pattern && case.delay_ms() == delay_ms;
                assert!(plan.cases.iter().any(is_there), "{} {delay_ms}", pattern.name);
            }
        }
    }

    #[test]
    fn a_plan_can_be_cut_to_one_pattern_or_circumstance() {
        for (text, cases) in [(patterns::LATE.name, 2), ("the armed side", 2)] {
            let mut plan = Plan::whole();
            plan.keep(text);
            assert_eq!(plan.cases.len(), cases, "{text}");
        }
    }
}
