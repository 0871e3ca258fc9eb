//! Does what the plan says, and keeps all figures.

use crate::instructions::{self, Instructions};
use crate::machine::Machine;
use crate::micro::{self, Cost};
use crate::ping::{self, Ping};
use crate::plan::{Case, Group, Plan};
use anyhow::Result;
use gamelink_fixtures::netns;
use gamelink_fixtures::pair::{self, Cores, PairOptions, PairReport};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// A case with one core: its figures, or why there are none.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The table that it belongs to.
    #[serde(skip)]
    pub group: Group,
    /// The case's name.
    pub name: &'static str,
    /// The core.
    pub core: &'static str,
    /// One-way delay.
    pub delay_ms: f64,
    /// Whether a relay stood between.
    pub is_relayed: bool,
    /// The figures.
    pub report: Option<PairReport>,
    /// Why there are none.
    pub fault: Option<String>,
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Version of this build.
    pub version: &'static str,
    /// Whether this was the short run, whose figures say only that everything works.
    pub is_quick: bool,
    /// Where.
    pub machine: Machine,
    /// How long all of it took.
    pub seconds: f64,
    /// The pairs.
    pub runs: Vec<Run>,
    /// The bare sockets.
    pub pings: Vec<Ping>,
    /// The pure code alone.
    pub costs: Vec<Cost>,
    /// Instructions of a frame; empty where callgrind is missing.
    pub instructions: Vec<Instructions>,
}

impl Results {
    /// What must not be, whatever the machine: a wrong byte, or no link, of ours.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let ours = self.runs.iter().filter(|run| run.core != "stock");
        ours.filter_map(|run| {
            let what = format!("{}, {} at {} ms", run.core, run.name, run.delay_ms);
            match &run.report {
                None => Some(format!(
                    "{what}: {}",
                    run.fault.as_deref().unwrap_or("no figures")
                )),
                Some(report) if report.wrong() > 0 => Some(format!("{what}: {} wrong bytes", report.wrong())),
                Some(_) => None,
            }
        })
        .collect()
    }
}

/// Runs all of a plan; `player` is the program whose subcommand `player` plays.
///
/// # Errors
/// When a part is missing or namespaces cannot be made. A pair that does not link is a result, not an error.
pub fn run(plan: &Plan, player: &Path) -> Result<Results> {
    let start = Instant::now();
    netns::sweep()?;
    let machine = Machine::here();
    let cores = contestants()?;
    let costs = micro::run();
    let mut pings = Vec::new();
    let mut runs = Vec::new();
    let total = plan.cases.len();
    for (number, case) in plan.cases.iter().enumerate() {
        // The bare socket right beside the pairs on the same path.
        let delay_ms = case.conditions.delay.as_secs_f64() * 1e3;
        let is_new = !pings
            .iter()
            .any(|ping: &Ping| ping.delay_ms == delay_ms && ping.is_relayed);
        if case.group == Group::Delays && is_new {
            pings.extend(ping::run(delay_ms, true, plan.ping_time)?);
        }
        if case.group == Group::Cable && !pings.iter().any(|ping| !ping.is_relayed) {
            pings.extend(ping::run(0.0, false, plan.ping_time)?);
        }
        for cores in &cores {
            if case.group == Group::Cable && cores.name() == "stock" {
                continue;
            }
            eprintln!(
                "[{:>3.0} s] {}/{total} {}, {}, {delay_ms} ms",
                start.elapsed().as_secs_f64(),
                number + 1,
                case.name,
                cores.name(),
            );
            runs.push(run_case(plan, case, cores, player));
        }
    }
    let mut counted = Vec::new();
    if plan.has_instructions && instructions::is_there() {
        eprintln!(
            "[{:>3.0} s] instructions of a frame",
            start.elapsed().as_secs_f64()
        );
        counted = instructions::run(player)?;
    }
    Ok(Results {
        version: env!("CARGO_PKG_VERSION"),
        is_quick: plan.is_quick,
        machine,
        seconds: start.elapsed().as_secs_f64(),
        runs,
        pings,
        costs,
        instructions: counted,
    })
}

/// The cores that take turns, the stock one first.
fn contestants() -> Result<Vec<Cores>> {
    Ok(vec![Cores::stock()?, Cores::gamelink()?])
}

fn run_case(plan: &Plan, case: &Case, cores: &Cores, player: &Path) -> Run {
    let is_relayed = case.group != Group::Cable;
    let options = PairOptions {
        conditions: case.conditions,
        is_relayed,
        rhythms: case.rhythms,
        phase: case.phase,
        settle: plan.settle,
        measured: case.measured,
        ..PairOptions::new(player.to_owned(), cores.clone(), case.rom)
    };
    let result = pair::run(&options);
    let (report, fault) = match result {
        Ok(report) => (Some(report), None),
        Err(error) => {
            eprintln!("      {error:#}");
            (None, Some(format!("{error:#}")))
        }
    };
    Run {
        group: case.group,
        name: case.name,
        core: cores.name(),
        delay_ms: case.conditions.delay.as_secs_f64() * 1e3,
        is_relayed,
        report,
        fault,
    }
}
