//! Runs the benchmarks and writes `bench.json`, `bench.md` and the pictures; `cargo lab bench` starts it with
//! all parts in place.

use anyhow::{Context as _, Result};
use clap::Parser;
use gamelink_benches::contestants::Contestant;
use gamelink_benches::plan::Plan;
use gamelink_benches::{machine, micro, plots, publish, run, table};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Latency and cost of Gamelink, beside the stock link and the bare socket in the same run.
#[derive(Debug, Parser)]
struct Arguments {
    /// Under a minute: whether everything works, not how well.
    #[arg(long)]
    quick: bool,
    /// Measure only the pure code, which needs neither root nor a core.
    #[arg(long)]
    micro: bool,
    /// All that is measured goes before ordinary programs: for a machine that is busy with other things.
    #[arg(long)]
    real_time: bool,
    /// Contestants: stock, loopback, direct strict, direct automatic, or NAME:KEY=VALUE,...; may be given
    /// again.
    #[arg(long = "who", value_name = "NAME")]
    contestants: Vec<Contestant>,
    /// Measure only the rows whose pattern and circumstance contain this.
    #[arg(long, value_name = "TEXT")]
    pattern: Option<String>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "target/lab/bench")]
    out: PathBuf,
    /// Put the results on the front page and beside benches/README.md, in this source tree, too.
    #[arg(long, value_name = "ROOT")]
    publish: Option<PathBuf>,
    /// The program that plays: a `lab`.
    #[arg(long, value_name = "FILE", required_unless_present = "micro")]
    lab: Option<PathBuf>,
}

fn main() -> ExitCode {
    match bench(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: Arguments) -> Result<ExitCode> {
    if arguments.real_time {
        machine::go_before_others()?;
    }
    let lab = match &arguments.lab {
        Some(lab) if !arguments.micro => lab,
        _ => {
            for cost in micro::run() {
                let of_open = cost
                    .of_open
                    .map(|times| format!(", {times:.1} times an open one"));
                println!(
                    "{:>8.0} ns (least {:.0})  {}{}",
                    cost.nanos,
                    cost.least_nanos,
                    cost.name,
                    of_open.unwrap_or_default()
                );
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut plan = if arguments.quick {
        Plan::quick()
    } else {
        Plan::whole()
    };
    if let Some(pattern) = &arguments.pattern {
        plan.keep(pattern);
    }
    let contestants = match arguments.contestants.is_empty() {
        true => Contestant::all(),
        false => arguments.contestants,
    };
    let results = run::run(&plan, contestants, lab)?;
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let write = |name: &str, text: &str| {
        let file = out.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    let markdown = table::markdown(&results);
    let plots = plots::all(&results);
    write("bench.json", &serde_json::to_string_pretty(&results)?)?;
    write("bench.md", &markdown)?;
    for (name, svg) in &plots {
        write(name, svg)?;
    }
    println!("{markdown}");
    println!("written to {}", out.display());
    let faults = results.faults();
    for fault in &faults {
        eprintln!("bench: {fault}");
    }
    if !faults.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    if let Some(root) = &arguments.publish {
        publish::publish(root, &results, &markdown, &plots)?;
    }
    Ok(ExitCode::SUCCESS)
}
