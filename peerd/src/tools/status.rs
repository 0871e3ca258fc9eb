//! `peerd status`: shows cables, peers and games.

use super::status_query::Client;
use super::{EXIT_FAULT, Failure};
use crate::escape;
use gamelink_core::control::{CableState, CableStatus, GameStatus, Status};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Requests the status and prints it.
pub(crate) fn run(control: &Path, as_json: bool) -> Result<ExitCode, Failure> {
    let status = Client::connect(control)?.status()?;
    if as_json {
        println!("{}", escape::json(&serde_json::json!(status)));
    } else {
        print!("{}", describe(&escape::shown(&status)));
    }
    let is_linked = |cable: &CableStatus| cable.state == CableState::Linked;
    Ok(match status.cables.iter().any(is_linked) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_FAULT),
    })
}

fn describe(status: &Status) -> String {
    let mut text = format!(
        "peerd {} on {}, up {} s\n",
        status.daemon, status.name, status.uptime_s
    );
    if status.cables.is_empty() {
        text.push_str("no cable is plugged in (`peerd run --interface NAME` serves an interface that is not recognised as one)\n");
    }
    for cable in &status.cables {
        // Writing to a string does not fail.
        let _ = describe_cable(&mut text, cable);
    }
    for game in &status.games {
        let _ = describe_game(&mut text, game);
    }
    text
}

fn describe_cable(text: &mut String, cable: &CableStatus) -> std::fmt::Result {
    let driver = cable.device.driver.as_deref().unwrap_or("no USB driver");
    write!(text, "{} ({driver}): {}", cable.device.interface, cable.state)?;
    if let Some(peer) = &cable.peer {
        let game = match peer.has_game {
            true => "with a game waiting",
            false => "with no game yet",
        };
        write!(text, ", {} {game}", peer.name)?;
        if let (Some(local), Some(address)) = (&cable.local, &peer.address) {
            write!(text, "\n  addresses {local} here, {address} there")?;
        }
    }
    let mac = &cable.mac;
    writeln!(text, "\n  MAC {} (change: {})", mac.mac, mac.mac_repair)?;
    if let Some(usage) = &cable.in_use {
        writeln!(text, "  left alone: {usage}")?;
    }
    for diagnostic in &cable.diagnostics {
        writeln!(text, "  ! {diagnostic}")?;
    }
    if let Some(culprits) = &cable.culprits {
        let culprits = culprits.join(", ");
        writeln!(text, "  ! running here and possibly the cause: {culprits}")?;
    }
    Ok(())
}

fn describe_game(text: &mut String, game: &GameStatus) -> std::fmt::Result {
    write!(text, "game of process {} (", game.pid)?;
    if let Some(command) = &game.command {
        write!(text, "{command}, ")?;
    }
    let cable = game.cable.as_deref().unwrap_or("no cable yet");
    write!(text, "user {}): on {cable}", game.uid)?;
    if let Some(report) = &game.report {
        let (state, bytes) = (report.state, report.exchanged());
        let ms = report.round_trip_us.p50 / 1e3;
        write!(
            text,
            ", {state}, {bytes} bytes exchanged, round trip {ms:.2} ms median"
        )?;
    }
    writeln!(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_core::control::{LinkReport, LinkState};

    fn text(game: GameStatus) -> String {
        describe(&escape::shown(&Status {
            games: vec![game],
            ..Status::default()
        }))
    }

    fn game(cable: &str, command: &str, taken: u64) -> GameStatus {
        let mut report = LinkReport {
            state: LinkState::Linked,
            taken,
            peer_taken: taken,
            ..LinkReport::default()
        };
        report.round_trip_us.p50 = 210.0;
        GameStatus {
            pid: 7,
            uid: 1000,
            command: Some(command.into()),
            cable: Some(cable.into()),
            report: Some(report),
            reports: 1,
        }
    }

    #[test]
    fn a_game_is_shown_with_its_user_and_program() {
        let text = text(game("usb0", "retroarch", 3));
        assert!(
            text.ends_with(
                "game of process 7 (retroarch, user 1000): on usb0, linked, 6 bytes exchanged, round trip 0.21 ms median\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_program_that_lies_changes_no_more_than_its_own_words() {
        let mut game = game("\u{9b}31m", "\u{1b}[2J\u{202e}x", u64::MAX);
        let state = serde_json::json!("\u{1b}]0;owned\u{7}");
        game.report.as_mut().unwrap().state = serde_json::from_value(state).unwrap();
        let text = text(game);
        assert!(text.contains("unknown, 18446744073709551615 bytes"), "{text}");
        assert!(
            !text.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\u{7}']),
            "{text:?}"
        );
    }
}
