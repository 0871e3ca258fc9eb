//! One byte there and back: our link beside the bare socket on the same path, done the same way.

use crate::contestants::STOCK;
use crate::format::ms;
use crate::patterns::STREAM;
use crate::ping::{Ping, Spacing};
use crate::plan::Group;
use crate::results::{Results, Run};
use crate::telemetry;
use std::fmt::Write as _;

/// Adds both tables.
pub(crate) fn markdown(out: &mut String, results: &Results) {
    out.push_str(
        "\n## One byte there and back\n\n\
         How long the clocking game waited for each byte, back to back, beside the bare UDP socket on the same path, waiting in the \
         kernel: with eight pings in each frame and idle between, as the game is, and with one ping after the other all the time. The armed \
         side of the direct port waits for the byte in its poll; that of the loopback port takes it at its next frame.\n\n\
         | path | one way, ms | who | p50, ms | p99 | 99.9 % | longest | of bare UDP's p50, eight a frame | back to back |\n\
         |---|---:|---|---:|---:|---:|---:|---:|---:|\n",
    );
    let runs = results.runs.iter().filter(|run| {
        let is_path = matches!(run.group, Group::Delays | Group::Cable);
        is_path && run.pattern == STREAM.name && run.contestant != STOCK
    });
    for run in runs {
        row(out, results, run);
    }
    out.push_str("\n## The bare socket on the same path\n\n");
    pings(out, &results.pings);
}

fn row(out: &mut String, results: &Results, run: &Run) {
    let waited = run
        .report
        .as_ref()
        .and_then(|report| telemetry::distribution(report.clocking(), |link| link.times.wait_us));
    let Some(waited) = waited else {
        return;
    };
    let share = |spacing| {
        let bare = results.pings.iter().find(|ping| {
            ping.protocol == "UDP"
                && ping.spacing == spacing
                && ping.delay_ms == run.delay_ms
                && ping.is_relayed == run.is_relayed
        });
        bare.map(|ping| ping.round_trip_us.p50)
            .filter(|bare_us| *bare_us > 0.0)
            .map_or_else(
                || "-".to_owned(),
                |bare_us| format!("{:.2}", waited.p50 / bare_us),
            )
    };
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        path(run.is_relayed),
        run.delay_ms,
        run.contestant,
        ms(waited.p50),
        ms(waited.p99),
        ms(waited.p999),
        ms(waited.max),
        share(Spacing::Burst),
        share(Spacing::BackToBack),
    );
}

fn path(is_relayed: bool) -> &'static str {
    if is_relayed { "relay" } else { "cable" }
}

fn pings(out: &mut String, pings: &[Ping]) {
    out.push_str(
        "| protocol | path | one way, ms | spacing | round trip p50, ms | p99 | 99.9 % | longest | count | lost |\n\
         |---|---|---:|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for ping in pings {
        let points = &ping.round_trip_us;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            ping.protocol,
            path(ping.is_relayed),
            ping.delay_ms,
            ping.spacing.name(),
            ms(points.p50),
            ms(points.p99),
            ms(points.p999),
            ms(points.max),
            points.count,
            ping.lost,
        );
    }
}
