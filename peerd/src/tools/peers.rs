//! `peerd peers`: the machines on the LANs, and what is known of them.

use super::Failure;
use super::status_query::Client;
use crate::escape::visible;
use gamelink_core::control::{Acquaintance, LanStatus, MachineStatus};
use std::path::Path;
use std::process::ExitCode;

/// Prints the machines, as JSON where a program reads them.
pub(crate) fn run(control: &Path, is_json: bool) -> Result<ExitCode, Failure> {
    let status = Client::connect(control)?.status()?;
    if is_json {
        let text = serde_json::to_string_pretty(&status.lans).map_err(|error| error.to_string())?;
        println!("{text}");
    } else {
        print!("{}", describe(&status.lans, &status.known));
    }
    Ok(ExitCode::SUCCESS)
}

/// The machines that are heard, and after them those that were met and are not.
fn describe(lans: &[LanStatus], known: &[String]) -> String {
    if lans.is_empty() {
        return "no LAN is served: start the daemon with `peerd run --lan INTERFACE`\n".to_owned();
    }
    let machines = lans
        .iter()
        .flat_map(|lan| lan.machines.iter().map(move |of| (lan, of)));
    let is_heard = |name: &&String| {
        let mut heard = lans.iter().flat_map(|lan| &lan.machines);
        heard.any(|of| of.is_paired && of.name == **name)
    };
    let away = known.iter().filter(|name| !is_heard(name));
    let away = away.map(|name| [name, "-", "kept", "away"].map(|text| visible(text).to_string()));
    let rows: Vec<[String; 4]> = machines.map(|(lan, of)| row(lan, of)).chain(away).collect();
    if rows.is_empty() {
        return "no other machine is heard: is Gamelink started there? See `peerd doctor`\n".to_owned();
    }
    let head = ["NAME", "GAME", "KEY", "STATE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [0, 1, 2].map(width);
    let line = |row: &[String; 4]| {
        let [name, game, key, state] = row;
        let [a, b, c] = widths;
        format!("{name:a$}  {game:b$}  {key:c$}  {state}\n")
    };
    rows.iter().map(line).collect()
}

fn row(lan: &LanStatus, machine: &MachineStatus) -> [String; 4] {
    let acquaintance = lan.acquaintance(machine);
    let key = match acquaintance {
        Acquaintance::Met => "kept",
        Acquaintance::Open => "open",
        Acquaintance::Strangers => "none",
    };
    let state = match machine {
        MachineStatus { is_linked: true, .. } => "linked",
        MachineStatus { is_taken: true, .. } => "plays with another machine",
        MachineStatus { has_game: false, .. } => "no game yet",
        MachineStatus {
            is_same_game: false, ..
        } => "another game",
        _ if acquaintance == Acquaintance::Strangers => "strange: `peerd pair` makes a key",
        _ => "waits",
    };
    let game = if machine.title.is_empty() {
        "-"
    } else {
        &machine.title
    };
    [&machine.name, game, key, state].map(|text| visible(text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_listed_with_what_keeps_them_apart() {
        let machine = |name: &str, is_paired, is_same_game| MachineStatus {
            name: name.into(),
            has_game: true,
            title: "TETRIS".into(),
            is_same_game,
            is_paired,
            ..MachineStatus::default()
        };
        let lan = LanStatus {
            machines: vec![
                machine("ada", true, true),
                machine("ben\u{1b}[2J", false, true),
                machine("cy", true, false),
            ],
            ..LanStatus::default()
        };
        let known = ["cy", "ada", "dee"].map(str::to_owned);
        let text = describe(&[lan], &known);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].starts_with("ada ") && lines[1].ends_with("  waits"),
            "{text}"
        );
        assert!(
            lines[2].contains("none  strange") && !text.contains('\u{1b}'),
            "{text}"
        );
        assert!(lines[3].ends_with("another game"), "{text}");
        assert_eq!(lines[4], "dee      -       kept  away");
        assert_eq!(lines.len(), 5, "{text}");
        assert!(describe(&[LanStatus::default()], &[]).contains("no other machine"));
        assert!(describe(&[], &known).contains("--lan"));
    }
}
