//! `peerd status`: what is linked with whom.

use super::client::{CableStatus, Client, GameStatus, Status};
use super::{EXIT_FAULT, EXIT_NO_DAEMON, visible};
use gamelink_core::control::Role;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Asks and prints.
pub(crate) fn run(control: &Path, as_json: bool) -> ExitCode {
    let value = match Client::connect(control, Role::Tool).and_then(|mut client| client.status()) {
        Ok(value) => value,
        Err(error) => {
            eprintln!("peerd: {error}");
            return ExitCode::from(EXIT_NO_DAEMON);
        }
    };
    let status = Status::parse(&value);
    if as_json {
        println!("{}", visible::json(&value));
    } else {
        print!("{}", describe(&status));
    }
    let is_linked = status.cables.iter().any(|cable| cable.state == "linked");
    if is_linked {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAULT)
    }
}

fn describe(status: &Status) -> String {
    let mut text = format!(
        "peerd {} on {}, up {} s\n",
        status.daemon, status.name, status.uptime_s
    );
    if status.cables.is_empty() {
        text.push_str("no cable is plugged in (`peerd run --interface NAME` serves an interface that is not known as one)\n");
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
    let driver = cable.driver.as_deref().unwrap_or("no USB driver");
    write!(text, "{} ({driver}): {}", cable.interface, cable.state)?;
    if let Some(peer) = &cable.peer {
        let game = if peer.has_game {
            "with a game waiting"
        } else {
            "with no game yet"
        };
        write!(text, ", {} {game}", peer.name)?;
        if let (Some(local), Some(address)) = (&cable.local, &peer.address) {
            write!(text, "\n  addresses {local} here, {address} there")?;
        }
    }
    writeln!(text, "\n  MAC {} (change: {})", cable.mac, cable.mac_repair)?;
    for trouble in &cable.troubles {
        writeln!(text, "  ! {trouble}")?;
    }
    if let Some(culprits) = &cable.culprits {
        writeln!(
            text,
            "  ! running here and possibly the cause: {}",
            culprits.join(", ")
        )?;
    }
    Ok(())
}

fn describe_game(text: &mut String, game: &GameStatus) -> std::fmt::Result {
    write!(text, "game of process {}", game.pid)?;
    let user = game.uid.map(|uid| format!("user {uid}"));
    let who: Vec<String> = game.command.clone().into_iter().chain(user).collect();
    if !who.is_empty() {
        write!(text, " ({})", who.join(", "))?;
    }
    write!(text, ": on {}", game.cable.as_deref().unwrap_or("no cable yet"))?;
    if let Some(report) = &game.report {
        write!(
            text,
            ", {}, {} bytes exchanged, round trip {:.2} ms median",
            report.state.words(),
            report.exchanged(),
            report.round_trip_us.p50 / 1e3
        )?;
    }
    writeln!(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn status(game: &Value) -> Status {
        Status::parse(&json!({"daemon": "1", "name": "den", "games": [game]}))
    }

    fn report(state: &str, taken: u64) -> Value {
        let times = json!({"p50": 210.0, "p99": 1.0, "max": 1.0, "count": 1});
        json!({
            "state": state, "frames": 1, "taken": taken, "peer_taken": taken, "timeouts": 0,
            "wait_us": times, "round_trip_us": times, "offset_us": null,
        })
    }

    #[test]
    fn a_game_is_shown_with_its_user_and_program() {
        let game = json!({
            "pid": 7, "uid": 1000, "command": "retroarch", "cable": "usb0", "report": report("linked", 3),
        });
        assert!(
            describe(&status(&game)).ends_with(
                "game of process 7 (retroarch, user 1000): on usb0, linked, 6 bytes exchanged, round trip 0.21 ms median\n"
            ),
            "{}",
            describe(&status(&game))
        );
    }

    #[test]
    fn a_program_that_lies_changes_no_more_than_its_own_words() {
        let game = json!({
            "pid": 7, "uid": 1000, "command": "\u{1b}[2J\u{202e}x", "cable": "\u{9b}31m",
            "report": report("\u{1b}]0;owned\u{7}", u64::MAX),
        });
        let text = describe(&status(&game));
        assert!(text.contains("unknown, 18446744073709551615 bytes"), "{text}");
        assert!(
            !text.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\u{7}']),
            "{text:?}"
        );
    }
}
