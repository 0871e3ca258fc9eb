//! Resident memory of a player's process, ours beside the stock core's, where states are kept for all of a
//! long path.

use crate::contestants::STOCK;
use crate::format::optional;
use crate::patterns::{PLAY, STREAM};
use crate::plan::Group;
use crate::results::{Results, Run};
use gamelink_lab::pair::PairReport;
use std::fmt::Write as _;

/// Adds the table.
pub(crate) fn markdown(out: &mut String, results: &Results) {
    out.push_str(
        "The most memory that a player's process ever had resident (VmHWM): frontend, core, game and all libraries, the larger of the \
         two sides. *Beside stock* is what ours adds to the same process with the stock core alone. The way is as long as it gets, so \
         that as many states are kept as ever: up to 48, which share what has not changed. On a machine of 512 MB ours is to stay \
         under 8 MiB.\n\n\
         | pattern | one way, ms | a state, kB | who | peak, MiB | beside stock, MiB |\n\
         |---|---:|---:|---|---:|---:|\n",
    );
    let longest = results.delays().last().copied();
    let is_shown = |run: &&Run| match run.group {
        Group::Memory => true,
        Group::Delays => Some(run.delay_ms) == longest && [PLAY.name, STREAM.name].contains(&run.pattern),
        _ => false,
    };
    for run in results.runs.iter().filter(is_shown) {
        let Some(report) = &run.report else { continue };
        let peak = peak_mib(report);
        let beside = stock_beside(results, run).map(|stock| peak - peak_mib(stock));
        let _ = writeln!(
            out,
            "| {} | {} | {:.0} | {} | {peak:.1} | {} |",
            run.title,
            run.delay_ms,
            report.clocking().figures.process.state_bytes as f64 / 1e3,
            run.contestant,
            optional(beside, 1),
        );
    }
}

fn peak_mib(report: &PairReport) -> f64 {
    let sides = report.sides.iter();
    let peaks_kb = sides.map(|side| side.figures.process.peak_rss_kb);
    peaks_kb.max().unwrap_or_default() as f64 / 1024.0
}

/// The stock pair's report on the same case, unless this is it.
fn stock_beside<'a>(results: &'a Results, run: &Run) -> Option<&'a PairReport> {
    let is_it = |other: &&Run| {
        other.contestant == STOCK
            && other.group == run.group
            && other.title == run.title
            && other.delay_ms == run.delay_ms
    };
    let stock = results.runs.iter().find(is_it)?;
    stock.report.as_ref().filter(|_| run.contestant != STOCK)
}
