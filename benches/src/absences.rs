//! Costs to the clocking side of an armed side that is away for a while.

use crate::format::ms;
use crate::plan::{AFTER, AWAY};
use crate::results::Run;
use std::fmt::Write as _;

/// Adds the table.
pub(crate) fn markdown(out: &mut String, runs: &[&Run]) {
    let _ = write!(
        out,
        "In the middle of the measurement the armed side is away for {:.1} s: its frontend calls no `retro_run`, as in a menu, or its \
         process is stopped (SIGSTOP). The figures are of the clocking side; the right bytes are those of the {:.0} s from the armed side's \
         return, 60 a second at full speed.\n\n\
         | pattern | one way, ms | who | longest `retro_run`, ms | fps | game fps | wrong, both | read as unplugged | right \
         bytes after it |\n\
         |---|---:|---|---:|---:|---:|---:|---:|---:|\n",
        AWAY.as_secs_f64(),
        AFTER.as_secs_f64(),
    );
    for run in runs {
        let _ = write!(out, "| {} | {} | {} ", run.title, run.delay_ms, run.contestant);
        let Some(report) = &run.report else {
            let fault = run.fault.as_deref().unwrap_or("no figures");
            let line = fault.lines().next().unwrap_or_default();
            let _ = writeln!(out, "| none: {} {}", line.replace('|', "/"), "|".repeat(6));
            continue;
        };
        let side = report.clocking();
        let figures = &side.figures;
        let after = report.absence.as_ref().map(|absence| absence.ok_after);
        let _ = writeln!(
            out,
            "| {} | {:.2} | {:.2} | {} | {} | {} |",
            ms(figures.pace.run_us.max),
            figures.pace.fps,
            side.figures.game.game_fps,
            report.wrong(),
            figures.game.no_link,
            after.map_or_else(|| "-".to_owned(), |after| after.to_string()),
        );
    }
}
