//! The tables, as markdown.

use crate::format::{four, ms, optional, pair};
use crate::patterns::PLAY;
use crate::plan::Group;
use crate::results::{Results, Run};
use crate::telemetry;
use gamelink_lab::pair::{Figures, PairReport};
use std::fmt::Write as _;

/// All tables, with the machine and the manner of the measurement.
#[must_use]
pub fn markdown(results: &Results) -> String {
    let frames: u64 = results
        .runs
        .iter()
        .flat_map(sides)
        .map(|side| side.pace.frames)
        .sum();
    let mut out = format!(
        "# Benchmarks of Gamelink {}\n\n{}. All of it took {:.0} s: {} pairs, {frames} frames.\n",
        results.version,
        results.machine.line(),
        results.seconds,
        results.runs.len(),
    );
    if results.is_quick {
        out.push_str(
            "\n**A quick run: it shows that everything works. Its figures are of less than a second each.**\n",
        );
    }
    out.push_str(LEGEND);
    let plain_us = plain_us(results);
    for (group, title) in Group::ALL {
        let runs: Vec<&Run> = results.runs.iter().filter(|run| run.group == group).collect();
        if !runs.is_empty() {
            let _ = write!(out, "\n## {title}\n\n");
            match group {
                Group::Absences => crate::absences::markdown(&mut out, &runs),
                Group::Memory => crate::memory::markdown(&mut out, results),
                _ => pairs(&mut out, &runs, plain_us),
            }
        }
    }
    crate::round_trips::markdown(&mut out, results);
    costs(&mut out, results);
    out
}

const LEGEND: &str = "
Two processes with a minimal frontend (59.7275 Hz unless said otherwise) in two network namespaces, each on processors of
its own; between them a relay in user space that adds the one-way delay, for all cores and the bare sockets alike. The
contestants take turns in one run. Where two figures stand in one field, they are of the clocking and of the armed side; where
four, they are the median, 99 %, 99.9 % and the
longest. *Fps* counts each `retro_run`, *game fps* only those in which the game went on: in a *hold* it stands still, and the last
picture stays. (Where a game waits for its bytes it stands still inside `retro_run`, and both are the same.) *Late* frames ended after
the next one was due. *Hooks* is what our own code takes of `retro_run`, since the game's start, as the core itself says. *CPU* is of
the emulation thread in one `retro_run`, median and 99 %, as a multiple of a plain frame (the stock core's armed side, one exchange a
frame). *Longest* is the longest transfer in emulated time, in T-cycles, or in frames where it is more than one. A dash: the core does
not say.
";

fn sides(run: &Run) -> impl Iterator<Item = &Figures> {
    let report = run.report.as_ref();
    report
        .into_iter()
        .flat_map(|report| report.sides.iter().map(|side| &side.figures))
}

/// Time that a frame takes of which nothing is asked, in microseconds: the stock core's armed side's median,
/// at the least delay.
fn plain_us(results: &Results) -> Option<f64> {
    let stock = results.contestants.iter().find(|one| one.is_stock())?;
    let (_, report) = results.over_delays(PLAY.name, &stock.name).next()?;
    Some(report.armed().figures.pace.run_cpu_us.p50).filter(|us| *us > 0.0)
}

fn pairs(out: &mut String, runs: &[&Run], plain_us: Option<f64>) {
    out.push_str(
        "| pattern | one way, ms | who | fps | game fps | late, % | `retro_run` clocking, ms | `retro_run` armed, ms | hooks clocking, ms \
         | hooks armed, ms | exchanges/s | corrections/s | frames replayed/s | stalls/s | predicted right, % | CPU clocking | CPU armed | wrong | longest \
         | frames |\n\
         |---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for run in runs {
        let _ = write!(out, "| {} | {} | {} ", run.title, run.delay_ms, run.contestant);
        match &run.report {
            Some(report) => figures(out, report, plain_us),
            None => {
                let fault = run.fault.as_deref().unwrap_or("no figures");
                let line = fault.lines().next().unwrap_or_default();
                let _ = writeln!(out, "| none: {} {}", line.replace('|', "/"), "|".repeat(17));
            }
        }
    }
}

fn figures(out: &mut String, report: &PairReport, plain_us: Option<f64>) {
    let (clocking, armed) = (report.clocking(), report.armed());
    let (a, b) = (&clocking.figures, &armed.figures);
    let rollback = telemetry::rollback(report);
    let run = |figures: &Figures| {
        let points = &figures.pace.run_us;
        four(points.p50, points.p99, points.p999, points.max)
    };
    let hooks = |side| {
        let hooks = telemetry::distribution(side, |link| link.times.hooks_us);
        hooks.map_or_else(
            || "-".to_owned(),
            |hooks| four(hooks.p50, hooks.p99, hooks.p999, hooks.max),
        )
    };
    let cpu = |figures: &Figures| match plain_us {
        Some(plain) => format!(
            "{:.1} / {:.1}",
            figures.pace.run_cpu_us.p50 / plain,
            figures.pace.run_cpu_us.p99 / plain
        ),
        None => format!(
            "{} / {} ms",
            ms(figures.pace.run_cpu_us.p50),
            ms(figures.pace.run_cpu_us.p99)
        ),
    };
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} | {:.1} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        pair(a.pace.fps, b.pace.fps, 2),
        pair(a.game.game_fps, b.game.game_fps, 2),
        pair(a.pace.late_percent, b.pace.late_percent, 1),
        run(a),
        run(b),
        hooks(clocking),
        hooks(armed),
        a.game.exchanges_per_second,
        optional(rollback.map(|rollback| rollback.corrections), 1),
        optional(rollback.map(|rollback| rollback.replayed), 1),
        optional(rollback.map(|rollback| rollback.stalls), 1),
        optional(rollback.and_then(|rollback| rollback.hit_percent), 1),
        cpu(a),
        cpu(b),
        report.wrong(),
        longest(a, b),
        pair(a.pace.frames as f64, b.pace.frames as f64, 0),
    );
}

/// The longest transfer of either side in emulated time.
fn longest(a: &Figures, b: &Figures) -> String {
    let frames = a.game.longest_transfer_frames.max(b.game.longest_transfer_frames);
    // One vertical blank falls into many a transfer of 4096 cycles.
    if frames > 1 {
        return format!("{frames} frames");
    }
    a.game
        .longest_transfer_cycles
        .max(b.game.longest_transfer_cycles)
        .to_string()
}

fn costs(out: &mut String, results: &Results) {
    out.push_str(
        "\n## The pure code alone\n\n| what | ns, median | of an open one | ns, least | count |\n|---|---:|---:|---:|---:|\n",
    );
    for cost in &results.costs {
        let of_open = cost.of_open.map(|times| format!("{times:.1}"));
        let _ = writeln!(
            out,
            "| {} | {:.0} | {} | {:.0} | {} |",
            cost.name,
            cost.nanos,
            of_open.unwrap_or_default(),
            cost.least_nanos,
            cost.count
        );
    }
    let Some(first) = results.instructions.first() else {
        return;
    };
    let _ = write!(
        out,
        "\n## A frame of an armed, idle game, counted by callgrind\n\n\
         | what | instructions | of the first | frames |\n|---|---:|---:|---:|\n"
    );
    for counted in &results.instructions {
        let _ = writeln!(
            out,
            "| {} | {:.0} | {:.3} | {} |",
            counted.name,
            counted.per_frame,
            counted.per_frame / first.per_frame,
            counted.frames
        );
    }
}
