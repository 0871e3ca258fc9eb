//! `peerd status`: what is linked with whom.

use super::client::{CableStatus, Client, Status};
use super::{EXIT_FAULT, EXIT_NO_DAEMON};
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
        println!("{value:#}");
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
        let cable = game.cable.as_deref().unwrap_or("no cable yet");
        let _ = write!(text, "game of process {}: on {cable}", game.pid);
        if let Some(report) = &game.report {
            let _ = write!(
                text,
                ", {}, {} bytes exchanged, round trip {:.2} ms median",
                report.state,
                report.taken + report.peer_taken,
                report.round_trip_us.p50 / 1e3
            );
        }
        text.push('\n');
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
