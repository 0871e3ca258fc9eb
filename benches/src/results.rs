//! Results of a run: the schema of `bench.json`, which `benches/README.md` explains field by field.

use crate::contestants::{Contestant, STOCK};
use crate::instructions::Instructions;
use crate::machine::Machine;
use crate::micro::Cost;
use crate::ping::{Ping, Spacing};
use crate::plan::{Case, Group};
use gamelink_lab::pair::PairReport;
use gamelink_sim::rom::Rom;
use serde::Serialize;

/// Grows when a field changes its meaning or goes.
pub const SCHEMA: u32 = 3;

/// A case with one contestant: its figures, or why there are none.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The table that it belongs to.
    pub group: Group,
    /// Pattern and circumstance, for people.
    pub title: String,
    /// Pattern that the games played.
    pub pattern: &'static str,
    /// Peculiarity of path or frontends; empty where it was the delay alone.
    pub circumstance: &'static str,
    /// The ROM that both had.
    pub rom: Rom,
    /// Name of the contestant.
    pub contestant: String,
    /// One-way delay.
    pub delay_ms: f64,
    /// A relay stood between.
    pub is_relayed: bool,
    /// The figures.
    pub report: Option<PairReport>,
    /// Reason for which there are no figures.
    pub fault: Option<String>,
}

impl Run {
    /// The outcome of a case with one contestant: the report, or why there is none.
    #[must_use]
    pub fn new(case: &Case, contestant: &Contestant, outcome: Result<PairReport, String>) -> Run {
        let (report, fault) = match outcome {
            Ok(report) => (Some(report), None),
            Err(fault) => (None, Some(fault)),
        };
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
}

/// Results of a whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of this build.
    pub version: &'static str,
    /// The run was the short one, whose figures say only that everything works.
    pub is_quick: bool,
    /// Machine that was measured.
    pub machine: Machine,
    /// Time that all of it took, in seconds.
    pub seconds: f64,
    /// Contestants in the order of their turns.
    pub contestants: Vec<Contestant>,
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
    /// Faults that must not be, whatever the machine: a wrong byte, or no link, of ours.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let ours = self.runs.iter().filter(|run| run.contestant != STOCK);
        ours.filter_map(|run| {
            let fault = match &run.report {
                None => run.fault.as_deref().unwrap_or("no figures").to_owned(),
                Some(report) if report.wrong() > 0 => format!("{} wrong bytes", report.wrong()),
                Some(_) => return None,
            };
            Some(format!(
                "{}, {} at {} ms: {fault}",
                run.contestant, run.title, run.delay_ms
            ))
        })
        .collect()
    }

    /// The figures of a pattern over all delays, in the order of the delays, with one contestant.
    pub fn over_delays<'a>(
        &'a self,
        pattern: &'a str,
        contestant: &'a str,
    ) -> impl Iterator<Item = (f64, &'a PairReport)> + 'a {
        self.runs.iter().filter_map(move |run| {
            let is_it = run.group == Group::Delays && run.pattern == pattern && run.contestant == contestant;
            Some((run.delay_ms, run.report.as_ref().filter(|_| is_it)?))
        })
    }

    /// The bare socket on the path with the relay.
    #[must_use]
    pub fn ping(&self, protocol: &str, delay_ms: f64, spacing: Spacing) -> Option<&Ping> {
        self.pings.iter().find(|ping| {
            ping.protocol == protocol
                && ping.delay_ms == delay_ms
                && ping.is_relayed
                && ping.spacing == spacing
        })
    }

    /// The delays that were run, in order.
    #[must_use]
    pub fn delays(&self) -> Vec<f64> {
        let of_delays = self.runs.iter().filter(|run| run.group == Group::Delays);
        let mut delays: Vec<f64> = of_delays.map(|run| run.delay_ms).collect();
        delays.sort_by(f64::total_cmp);
        delays.dedup();
        delays
    }
}
