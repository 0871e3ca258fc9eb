//! Puts the results where readers look: one picture and one table on the front page, the rest beside
//! `benches/README.md`.

use crate::contestants::STOCK;
use crate::format::ms;
use crate::patterns::{PLAY, STREAM};
use crate::plots::{self, Plot};
use crate::results::Results;
use anyhow::{Context as _, Result};
use gamelink_lab::pair::PairReport;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Folder of tables and pictures, from the workspace's root.
const FOLDER: &str = "benches/results";
/// Round what is replaced on the front page.
const BEGIN: &str = "<!-- benchmarks: made by `cargo lab bench --publish` -->";
const END: &str = "<!-- end of the benchmarks -->";

/// Writes tables and pictures into the tree, and the front page's part of them.
///
/// # Errors
/// When a file cannot be written, or the front page has no place for it.
pub fn publish(root: &Path, results: &Results, markdown: &str, plots: &[Plot]) -> Result<()> {
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut tables = markdown.to_owned();
    tables.push_str("\n## Pictures\n\n");
    for (name, svg) in plots {
        write(&folder.join(name), svg)?;
        let _ = writeln!(tables, "![{name}]({name})");
    }
    write(&folder.join("bench.md"), &tables)?;
    let page = root.join("README.md");
    let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let text = replaced(&text, &front_page(results))
        .with_context(|| format!("{} has no lines `{BEGIN}` and `{END}`", page.display()))?;
    write(&page, &text)
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// The text with what stands between the two marks replaced.
fn replaced(text: &str, by: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{by}{END}{after}"))
}

/// One picture and one table: the stock pair beside our last contestant, which is the best we have.
fn front_page(results: &Results) -> String {
    let ours = results.contestants.iter().rev().find(|one| one.name != STOCK);
    let ours = ours.map_or("", |one| one.name.as_str());
    let mut out = format!(
        "![Frames and exchanges a second over the one-way delay]({FOLDER}/{})\n\n\
         | one way, ms | fps, one exchange a frame | its `retro_run`, 99 %, ms | exchanges/s, back to back | fps, back to back |\n\
         |---:|---:|---:|---:|---:|\n",
        plots::OVERVIEW
    );
    let cell = |pattern: &str, delay_ms: f64, value: &dyn Fn(&PairReport) -> String| {
        let of = |contestant: &str| {
            let mut reports = results.over_delays(pattern, contestant);
            let report = reports.find(|(delay, _)| *delay == delay_ms);
            report.map_or_else(|| "-".to_owned(), |(_, report)| value(report))
        };
        format!("{} → **{}**", of(STOCK), of(ours))
    };
    for delay_ms in results.delays() {
        let fps = |report: &PairReport| format!("{:.1}", report.clocking().figures.pace.fps);
        let _ = writeln!(
            out,
            "| {delay_ms} | {} | {} | {} | {} |",
            cell(PLAY.name, delay_ms, &fps),
            cell(PLAY.name, delay_ms, &|report| ms(report
                .clocking()
                .figures
                .pace
                .run_us
                .p99)),
            cell(STREAM.name, delay_ms, &|report| {
                format!("{:.0}", report.clocking().figures.game.exchanges_per_second)
            }),
            cell(STREAM.name, delay_ms, &fps),
        );
    }
    let _ = writeln!(
        out,
        "\nGambatte's own link → Gamelink ({ours}), the clocking side of two games in two network namespaces. An fps counts \
         every picture, also those in which the game stood still (*holds* in the tables). {}.\n\
         [All tables and pictures]({FOLDER}/bench.md), and [how they are made](benches/README.md).",
        results.machine.line()
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("above\n{BEGIN}\nnew\n{END}\nbelow\n"));
        assert_eq!(replaced(&new, "new\n"), Some(new.clone()));
        assert_eq!(replaced("no marks", "new"), None);
    }

    #[test]
    fn the_front_page_has_a_place_for_them() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
        assert!(replaced(&fs::read_to_string(page).unwrap(), "").is_some());
    }
}
