//! What is run: patterns, paths and cores, interleaved so that a noisy minute spoils no one alone.

use gamelink_fixtures::frontend::Pace;
use gamelink_fixtures::impair::Conditions;
use gamelink_fixtures::pair::Rhythm;
use gamelink_fixtures::rom::Rom;
use std::time::Duration;

/// The one-way delays of a whole run, in milliseconds.
pub const DELAYS_MS: [f64; 7] = [0.0, 0.25, 1.0, 5.0, 20.0, 50.0, 100.0];

/// The table that a case belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// One exchange a frame and back to back, over all delays.
    Delays,
    /// The other ways in which games use the cable.
    Patterns,
    /// Paths and frontends that are not even.
    Conditions,
    /// Our core over a plain cable, where the stock pair would need its relay.
    Cable,
}

/// One thing to measure with each core.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its table.
    pub group: Group,
    /// What it is called there.
    pub name: &'static str,
    /// The game.
    pub rom: Rom,
    /// The path.
    pub conditions: Conditions,
    /// How frames follow each other on each side.
    pub rhythms: [Rhythm; 2],
    /// By how much the second side's frames start later.
    pub phase: Duration,
    /// How long is measured.
    pub measured: Duration,
}

/// How much is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether it is the short one.
    pub is_quick: bool,
    /// What is measured with each core.
    pub cases: Vec<Case>,
    /// Delays of the bare sockets.
    pub ping_delays_ms: Vec<f64>,
    /// How long each bare socket is measured.
    pub ping_time: Duration,
    /// How long a pair plays before it is measured.
    pub settle: Duration,
    /// Whether instructions are counted.
    pub has_instructions: bool,
}

const FREE: Pace = Pace::GAME_BOY;

fn case(group: Group, name: &'static str, rom: Rom, delay_ms: f64, seconds: f64) -> Case {
    Case {
        group,
        name,
        rom,
        conditions: Conditions::delayed(Duration::from_secs_f64(delay_ms / 1e3)),
        rhythms: [FREE.into(); 2],
        phase: Duration::from_micros(4200),
        measured: Duration::from_secs_f64(seconds),
    }
}

impl Plan {
    /// Under a minute: whether everything works, not how well.
    #[must_use]
    pub fn quick() -> Plan {
        let roms = [
            ("one a frame", Rom::TetrisAuto),
            ("back to back", Rom::PokemonAuto),
        ];
        let cases = roms.into_iter().flat_map(|(name, rom)| {
            [0.0, 5.0]
                .into_iter()
                .map(move |delay_ms| case(Group::Delays, name, rom, delay_ms, 1.5))
        });
        Plan {
            is_quick: true,
            cases: cases.collect(),
            ping_delays_ms: vec![0.0, 5.0],
            ping_time: Duration::from_millis(500),
            settle: Duration::from_millis(500),
            has_instructions: false,
        }
    }

    /// About ten minutes.
    #[must_use]
    pub fn whole() -> Plan {
        let mut cases = Vec::new();
        for delay_ms in DELAYS_MS {
            // The wait for the other side's sleep depends on the phase: a quarter of a frame and three quarters.
            for phase_us in [4200, 12600] {
                cases.push(Case {
                    phase: Duration::from_micros(phase_us),
                    ..case(Group::Delays, "one a frame", Rom::TetrisAuto, delay_ms, 3.0)
                });
            }
            cases.push(case(
                Group::Delays,
                "back to back",
                Rom::PokemonAuto,
                delay_ms,
                4.0,
            ));
        }
        cases.push(case(Group::Cable, "one a frame", Rom::TetrisAuto, 0.0, 3.0));
        cases.push(case(Group::Cable, "back to back", Rom::PokemonAuto, 0.0, 3.0));
        let patterns = [
            ("one a frame, halting", Rom::TetrisHalt),
            ("alternating", Rom::Alternate),
            ("both clocking", Rom::Both),
            ("late re-arm", Rom::Late),
            ("each byte depends on the last", Rom::Depend),
        ];
        for (name, rom) in patterns {
            for delay_ms in [0.25, 5.0, 20.0] {
                cases.push(case(Group::Patterns, name, rom, delay_ms, 3.0));
            }
        }
        cases.extend(uneven());
        Plan {
            is_quick: false,
            cases,
            ping_delays_ms: DELAYS_MS.to_vec(),
            ping_time: Duration::from_secs(2),
            settle: Duration::from_secs(1),
            has_instructions: true,
        }
    }
}

/// One exchange a frame on paths and frontends that are not even.
fn uneven() -> impl Iterator<Item = Case> {
    let one = |name, delay_ms| case(Group::Conditions, name, Rom::TetrisAuto, delay_ms, 4.0);
    let grid = |rate_hz| Rhythm::from(Pace::Grid { rate_hz });
    let free = Rhythm::from(FREE);
    [
        Case {
            rhythms: [grid(60.0), grid(60.0)],
            ..one("vsync 60 on both, 5 ms", 5.0)
        },
        Case {
            rhythms: [grid(60.0), grid(59.94)],
            ..one("vsync 60 against 59.94, 5 ms", 5.0)
        },
        Case {
            conditions: Conditions {
                jitter: Duration::from_millis(2),
                ..Conditions::delayed(Duration::from_millis(1))
            },
            ..one("1 ms with 2 ms jitter", 1.0)
        },
        Case {
            conditions: Conditions {
                loss: 0.01,
                ..Conditions::delayed(Duration::from_millis(1))
            },
            ..one("1 ms with 1 % loss", 1.0)
        },
        Case {
            rhythms: [free, free.faster_by(0.5)],
            ..one("clocks 0.5 % apart, 1 ms", 1.0)
        },
    ]
    .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_run_has_every_delay_with_both_patterns() {
        let plan = Plan::whole();
        for delay_ms in DELAYS_MS {
            for rom in [Rom::TetrisAuto, Rom::PokemonAuto] {
                let delay = Duration::from_secs_f64(delay_ms / 1e3);
                let is_there = |case: &Case| case.rom == rom && case.conditions.delay == delay;
                assert!(plan.cases.iter().any(is_there), "{rom:?} {delay_ms}");
            }
        }
    }
}
