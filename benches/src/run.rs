//! Does what the plan says, and keeps all figures. The contestants take turns, so that a noisy minute spoils
//! no one alone.

use crate::contestants::Contestant;
use crate::instructions;
use crate::machine::Machine;
use crate::micro;
use crate::ping::{self, Ping};
use crate::plan::{Case, Group, Plan};
use crate::results::{Results, Run, SCHEMA};
use anyhow::{Result, bail};
use gamelink_lab::netns;
use gamelink_lab::pair::{self, PairOptions, PairReport};
use std::path::Path;
use std::time::Instant;

/// Runs all of a plan; `player` is the program whose subcommand `player` plays.
///
/// # Errors
/// When a part is missing or namespaces cannot be made. A pair that does not link is a result, not an error.
pub fn run(plan: &Plan, contestants: Vec<Contestant>, player: &Path) -> Result<Results> {
    let start = Instant::now();
    netns::sweep()?;
    let mut results = Results {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        is_quick: plan.is_quick,
        machine: Machine::here(),
        seconds: 0.0,
        contestants,
        runs: Vec::new(),
        pings: Vec::new(),
        costs: micro::run(),
        instructions: Vec::new(),
    };
    let say = |what: &str| eprintln!("[{:>3.0} s] {what}", start.elapsed().as_secs_f64());
    for (number, case) in plan.cases.iter().enumerate() {
        // The bare socket right beside the pairs on the same path.
        let is_known = |ping: &Ping| ping.delay_ms == case.delay_ms() && ping.is_relayed == case.is_relayed();
        if matches!(case.group, Group::Delays | Group::Cable) && !results.pings.iter().any(is_known) {
            let pings = ping::run(case.delay_ms(), case.is_relayed(), plan.ping_time)?;
            results.pings.extend(pings);
        }
        for contestant in results.contestants.clone() {
            if !case.is_for(&contestant) {
                continue;
            }
            say(&format!(
                "{}/{} {}, {} ms: {}",
                number + 1,
                plan.cases.len(),
                case.title(),
                case.delay_ms(),
                contestant.name,
            ));
            let outcome = run_case(plan, case, &contestant, player).map_err(|error| {
                eprintln!("      {error:#}");
                format!("{error:#}")
            });
            results.runs.push(Run::new(case, &contestant, outcome));
        }
    }
    if plan.has_instructions && instructions::is_there() {
        say("instructions of a frame");
        results.instructions = instructions::run(player, &results.contestants)?;
    }
    results.seconds = start.elapsed().as_secs_f64();
    Ok(results)
}

fn run_case(plan: &Plan, case: &Case, contestant: &Contestant, player: &Path) -> Result<PairReport> {
    let report = pair::run(&PairOptions {
        conditions: case.conditions,
        is_relayed: case.is_relayed(),
        rhythms: case.rhythms,
        phase: case.phase,
        settle: if contestant.predicts() {
            plan.settle_predicting
        } else {
            plan.settle
        },
        measured: case.measured,
        absence: case.absence,
        environment: contestant.environment.clone().unwrap_or_default(),
        ..PairOptions::new(player.to_owned(), contestant.cores()?, case.pattern.rom)
    })?;
    // Figures of a core that worked otherwise than told would be another contestant's.
    match contestant.mismatch(&report) {
        Some(mismatch) => bail!(mismatch),
        None => Ok(report),
    }
}
