//! Does what the plan says, and keeps all figures. The contestants take turns, so that a noisy minute spoils no one alone.

use crate::contestants::{Absent, Contestant};
use crate::instructions;
use crate::machine::Machine;
use crate::micro;
use crate::ping::{self, Ping};
use crate::plan::{Case, Group, Plan};
use crate::results::{Results, Run, SCHEMA};
use anyhow::Result;
use gamelink_fixtures::netns;
use gamelink_fixtures::pair::{self, PairOptions, PairReport};
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
        absent: Vec::new(),
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
            match run_case(plan, case, &contestant, player) {
                Ok(report) => take(&mut results, case, &contestant, report),
                Err(error) => {
                    eprintln!("      {error:#}");
                    let fault = Some(format!("{error:#}"));
                    results.runs.push(entry(case, &contestant, None, fault));
                }
            }
        }
    }
    if plan.has_instructions && instructions::is_there() {
        say("instructions of a frame");
        results.instructions = instructions::run(player, &results.contestants)?;
    }
    results.seconds = start.elapsed().as_secs_f64();
    Ok(results)
}

/// Keeps a report; that of a core which worked otherwise than told shows that this build has no such contestant.
fn take(results: &mut Results, case: &Case, contestant: &Contestant, report: PairReport) {
    let Some(why) = contestant.mismatch(&report) else {
        results.runs.push(entry(case, contestant, Some(report), None));
        return;
    };
    let has_worked = |run: &Run| run.contestant == contestant.name && run.report.is_some();
    if results.runs.iter().any(has_worked) {
        // It can, but did not here: that is a result.
        results.runs.push(entry(case, contestant, None, Some(why)));
        return;
    }
    eprintln!(
        "      {} is not in this build and is left out: {why}",
        contestant.name
    );
    results.contestants.retain(|one| one != contestant);
    results.runs.retain(|run| run.contestant != contestant.name);
    results.absent.push(Absent {
        name: contestant.name.clone(),
        why,
    });
}

fn entry(case: &Case, contestant: &Contestant, report: Option<PairReport>, fault: Option<String>) -> Run {
    Run {
        group: case.group,
        title: case.title(),
        pattern: case.pattern.name,
        circumstance: case.circumstance,
        rom: case.pattern.rom,
        contestant: contestant.name.clone(),
        delay_ms: case.delay_ms(),
        is_relayed: case.is_relayed(),
        report,
        fault,
    }
}

fn run_case(plan: &Plan, case: &Case, contestant: &Contestant, player: &Path) -> Result<PairReport> {
    pair::run(&PairOptions {
        conditions: case.conditions,
        is_relayed: case.is_relayed(),
        rhythms: case.rhythms,
        phase: case.phase,
        settle: if contestant.guesses() {
            plan.settle_guessing
        } else {
            plan.settle
        },
        measured: case.measured,
        absence: case.absence,
        environment: contestant.environment.clone().unwrap_or_default(),
        ..PairOptions::new(player.to_owned(), contestant.cores()?, case.pattern.rom)
    })
}
