//! `peerd status`: shows cables, peers and games.

use super::status_query::Client;
use super::{EXIT_FAULT, Failure};
use crate::escape;
use gamelink_core::control::{
    Acquaintance, CableState, CableStatus, GameStatus, LanStatus, PairingStatus, Status, Transport,
};
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
    Ok(match is_linked(&status) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_FAULT),
    })
}

/// True if a cable has a link, or a game is linked over a LAN.
fn is_linked(status: &Status) -> bool {
    let by_cable = status
        .cables
        .iter()
        .map(|cable| cable.state == CableState::Linked);
    let machines = status.lans.iter().flat_map(|lan| &lan.machines);
    by_cable
        .chain(machines.map(|machine| machine.is_linked))
        .any(|is_linked| is_linked)
}

fn describe(status: &Status) -> String {
    let mut text = format!(
        "peerd {} on {}, up {} s\n",
        status.daemon, status.name, status.uptime_s
    );
    if status.cables.is_empty() && status.lans.is_empty() {
        text.push_str("no cable is plugged in (`peerd run --interface NAME` serves an interface that is not recognised as one)\n");
    }
    for cable in &status.cables {
        // Writing to a string does not fail.
        let _ = describe_cable(&mut text, cable);
    }
    for lan in &status.lans {
        let _ = describe_lan(&mut text, lan);
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
        let game = match peer.title.as_str() {
            _ if !peer.has_game => "no game yet",
            "" => "a game",
            title => title,
        };
        write!(text, ", {} with {game}", peer.name)?;
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

fn describe_lan(text: &mut String, lan: &LanStatus) -> std::fmt::Result {
    let state = match lan.machines.iter().find(|machine| machine.is_linked) {
        Some(partner) => format!("linked with {}", partner.name),
        None if lan.machines.is_empty() => "no other machine is heard".to_owned(),
        None => "not linked".to_owned(),
    };
    writeln!(text, "{} (LAN): {state}", lan.interface)?;
    for machine in &lan.machines {
        let game = match machine.title.as_str() {
            _ if !machine.has_game => "no game yet".to_owned(),
            "" => "a game waits".to_owned(),
            title if machine.is_taken => format!("{title} plays with another machine"),
            title => format!("{title} waits"),
        };
        let met = match lan.acquaintance(machine) {
            Acquaintance::Met => "",
            Acquaintance::Open => ", open",
            Acquaintance::Strangers => ", not met (`peerd pair`)",
        };
        let (name, address) = (&machine.name, machine.address.ip());
        let linked = if machine.is_linked { ", linked" } else { "" };
        let trip = machine.round_trip_us.map(|us| us as f64 / 1e3);
        let trip = trip.map_or(String::new(), |ms| format!(", round trip {ms:.2} ms"));
        writeln!(text, "  {name} at {address}: {game}{met}{linked}{trip}")?;
    }
    if let Some(name) = &lan.waits_for {
        writeln!(text, "  waits for {name}")?;
    }
    match &lan.pairing {
        PairingStatus::ShowsCode { name, code, .. } => writeln!(text, "  code for {name}: {code}")?,
        PairingStatus::WantsCode { name, .. } => {
            writeln!(
                text,
                "  {name} shows a code: `peerd pair {name} --code CODE` here"
            )?;
        }
        _ => {}
    }
    Ok(())
}

fn describe_game(text: &mut String, game: &GameStatus) -> std::fmt::Result {
    write!(text, "game of process {} (", game.pid)?;
    if let Some(command) = &game.command {
        write!(text, "{command}, ")?;
    }
    let cable = game.cable.as_deref().unwrap_or("no cable yet");
    let way = match game.report.as_ref().map(|report| report.transport) {
        Some(Transport::Netplay) => "over netplay".to_owned(),
        Some(Transport::Udp) | None => format!("on {cable}"),
    };
    write!(text, "user {}): {way}", game.uid)?;
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
    use gamelink_core::control::{LinkReport, LinkState, MachineStatus, PeerStatus};

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
    fn a_game_over_netplay_is_on_no_cable() {
        let mut game = game("usb0", "retroarch", 3);
        game.report.as_mut().unwrap().transport = Transport::Netplay;
        let text = text(game);
        assert!(text.contains("user 1000): over netplay, linked"), "{text}");
        assert!(!text.contains("usb0"), "{text}");
    }

    #[test]
    fn the_game_at_the_other_end_of_a_cable_is_named() {
        let with = |has_game, title: &str| {
            let peer = PeerStatus {
                name: "ada".into(),
                has_game,
                title: title.into(),
                ..PeerStatus::default()
            };
            let cable = CableStatus {
                peer: Some(peer),
                ..CableStatus::default()
            };
            describe(&Status {
                cables: vec![cable],
                ..Status::default()
            })
        };
        let texts = [with(true, "TETRIS"), with(true, ""), with(false, "")];
        let expected = ["ada with TETRIS\n", "ada with a game\n", "ada with no game yet\n"];
        for (text, expected) in texts.iter().zip(expected) {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_lan_is_told_of_as_a_cable_is() {
        let machine = |name: &str, host, is_linked| MachineStatus {
            name: name.into(),
            address: ([192, 168, 1, host], 56401).into(),
            has_game: is_linked,
            title: if is_linked { "TETRIS".into() } else { String::new() },
            is_same_game: is_linked,
            is_paired: is_linked,
            round_trip_us: is_linked.then_some(1234),
            is_linked,
            ..MachineStatus::default()
        };
        let of = |machines| Status {
            lans: vec![LanStatus {
                interface: "wlan0".into(),
                machines,
                ..LanStatus::default()
            }],
            ..Status::default()
        };
        let status = of(vec![machine("ada", 7, true), machine("ben", 8, false)]);
        assert!(is_linked(&status));
        let text = describe(&status);
        let expected = "wlan0 (LAN): linked with ada\n  ada at 192.168.1.7: TETRIS waits, linked, round trip 1.23 ms\n  \
                        ben at 192.168.1.8: no game yet, not met (`peerd pair`)\n";
        assert!(text.ends_with(expected) && !text.contains("no cable"), "{text}");
        let alone = of(vec![]);
        assert!(!is_linked(&alone) && describe(&alone).contains("no other machine is heard"));
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
