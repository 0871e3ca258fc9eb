//! The tables, as markdown.

use crate::ping::Ping;
use crate::plan::Group;
use crate::run::{Results, Run};
use std::fmt::Write as _;

/// All of them, with where and how they were measured.
#[must_use]
pub fn markdown(results: &Results) -> String {
    let mut out = format!(
        "# Benchmarks of Gamelink {}\n\n{}. All of it took {:.0} s.\n",
        results.version,
        results.machine.line(),
        results.seconds
    );
    if results.is_quick {
        out.push_str("\n**A quick run: it shows that everything works. Its figures are of a second and a half each.**\n");
    }
    out.push_str(
        "\nTwo processes with a minimal frontend (59.7275 Hz unless said otherwise) in two network namespaces; between them a \
         relay in user space that adds the one-way delay, for both cores and the bare sockets alike. The cores take turns in one run. \
         `run` is the time inside `retro_run` in microseconds, `hooks` what our code takes of it; late frames ended after the \
         next one was due; CPU is that of the whole process.\n",
    );
    let groups = [
        (Group::Delays, "One exchange a frame, and back to back"),
        (Group::Patterns, "Other ways in which games use the cable"),
        (
            Group::Conditions,
            "One exchange a frame on uneven paths and frontends",
        ),
        (Group::Cable, "A plain cable, no relay"),
    ];
    for (group, title) in groups {
        let runs: Vec<&Run> = results.runs.iter().filter(|run| run.group == group).collect();
        if !runs.is_empty() {
            let _ = write!(out, "\n## {title}\n\n");
            pairs(&mut out, &runs);
        }
    }
    out.push_str("\n## The bare socket on the same path\n\n");
    pings(&mut out, &results.pings);
    out.push_str(
        "\n## The pure code alone\n\n| what | ns, median | ns, least | count |\n|---|---:|---:|---:|\n",
    );
    for cost in &results.costs {
        let _ = writeln!(
            out,
            "| {} | {:.0} | {:.0} | {} |",
            cost.name, cost.nanos, cost.least_nanos, cost.count
        );
    }
    if !results.instructions.is_empty() {
        out.push_str(
            "\n## A frame of an armed, idle game, counted by callgrind\n\n| what | instructions | frames |\n|---|---:|---:|\n",
        );
        for counted in &results.instructions {
            let _ = writeln!(
                out,
                "| {} | {:.0} | {} |",
                counted.name, counted.per_frame, counted.frames
            );
        }
    }
    out
}

fn pairs(out: &mut String, runs: &[&Run]) {
    out.push_str(
        "| pattern | delay ms | core | fps clocking | fps armed | late % | run p50 | p99 | p99.9 | max | hooks p99 | exchanges/s | \
         wrong | no link | longest transfer, frames | CPU us a frame | frames |\n\
         |---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for run in runs {
        let _ = write!(out, "| {} | {} | {} ", run.name, run.delay_ms, run.core);
        let Some(report) = &run.report else {
            let fault = run.fault.as_deref().unwrap_or("no figures");
            let line = fault.lines().next().unwrap_or_default();
            let _ = writeln!(out, "| none: {} {}", line.replace('|', "/"), "|".repeat(14));
            continue;
        };
        let (clocking, armed) = (report.clocking(), report.armed());
        let figures = &clocking.figures;
        let hooks = clocking.link_number(&["hooks_us", "p99"]);
        let _ = writeln!(
            out,
            "| {:.2} | {:.2} | {:.1} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {:.1} | {} | {} | {} | {:.0} | {} |",
            figures.fps,
            armed.figures.fps,
            figures.late_percent,
            figures.run_us.p50,
            figures.run_us.p99,
            figures.run_us.p999,
            figures.run_us.max,
            hooks.map_or_else(|| "-".to_owned(), |hooks| format!("{hooks:.0}")),
            figures.exchanges_per_second,
            report.wrong(),
            figures.no_link + armed.figures.no_link,
            figures
                .longest_transfer_frames
                .max(armed.figures.longest_transfer_frames),
            figures.cpu_us_per_frame.max(armed.figures.cpu_us_per_frame),
            figures.frames,
        );
    }
}

fn pings(out: &mut String, pings: &[Ping]) {
    out.push_str(
        "| protocol | delay ms | path | spacing | round trip p50 us | p99 | p99.9 | max | count | lost |\n\
         |---|---:|---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for ping in pings {
        let points = &ping.round_trip_us;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {} |",
            ping.protocol,
            ping.delay_ms,
            if ping.is_relayed { "relay" } else { "cable" },
            if ping.spacing_ns > 0 {
                "a frame"
            } else {
                "back to back"
            },
            points.p50,
            points.p99,
            points.p999,
            points.max,
            points.count,
            ping.lost,
        );
    }
}
