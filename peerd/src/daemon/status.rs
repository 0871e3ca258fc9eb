//! The daemon's state, as `peerd status` shows it.

use super::Daemon;
use super::lan::LanPort;
use super::port::Port;
use crate::sys::sysfs::Certainty;
use crate::sys::{clock, environment};
use gamelink_core::control::{CableStatus, DeviceStatus, GameStatus, MAX_LINE, Status};
use gamelink_core::time::LocalTime;

/// Everything, small enough for one line of the control socket: about 800 bytes a cable.
pub(super) fn status(daemon: &Daemon, now: LocalTime) -> Status {
    let games = daemon.clients.games().map(|game| {
        let cable = game.cable.and_then(|key| {
            let cable = daemon.ports.get(&key).map(Port::name);
            let lan = || Some(daemon.lans.values().find(|lan| lan.key() == key)?.name.as_str());
            cable.or_else(lan)
        });
        GameStatus {
            pid: game.credentials.pid,
            uid: game.credentials.uid,
            command: environment::command(game.credentials.pid),
            cable: cable.map(str::to_owned),
            report: game.report.cloned(),
            reports: game.reports,
        }
    });
    cut_short(Status {
        daemon: env!("CARGO_PKG_VERSION").to_owned(),
        name: daemon.settings.name.to_string(),
        instance: daemon.instance.to_string(),
        uptime_s: clock::since_boot().saturating_sub(daemon.started).as_secs(),
        wakeups: daemon.costs.wakeups,
        resyncs: daemon.costs.resyncs,
        clients: daemon.clients.len(),
        clients_refused: daemon.clients.refused,
        cables: daemon
            .ports
            .values()
            .take(8)
            .map(|port| cable(port, now))
            .collect(),
        lans: daemon.lans.values().take(2).map(LanPort::status).collect(),
        games: games.collect(),
        is_cut_short: false,
    })
}

/// Many games or machines with long names must not cost the answer: the least important goes first, a piece
/// at a time.
fn cut_short(mut status: Status) -> Status {
    let fits = |status: &Status| serde_json::to_vec(status).is_ok_and(|line| line.len() < MAX_LINE - 256);
    // Any user may connect any number of games; those that play are to be seen.
    status.games.sort_by_key(|game| game.cable.is_none());
    while !fits(&status)
        && (status.lans.pop().is_some() || status.games.pop().is_some() || status.cables.pop().is_some())
    {
        status.is_cut_short = true;
    }
    status
}

fn cable(port: &Port, now: LocalTime) -> CableStatus {
    let mut status = port.cable.status(now);
    status.device = DeviceStatus {
        interface: port.name().to_owned(),
        index: port.link.index.0,
        driver: port.device.driver.clone(),
        usb_id: port.device.usb_id.clone(),
        usb_path: port.device.usb_path.clone(),
        is_certain: port.certainty == Certainty::Sure,
    };
    status.mac.mac_was_random = port.device.has_random_mac;
    status.up_ms = port.link_up_since.map(|at| now.since(at).as_millis() as u64);
    let is_contested = port.cable.addresses().is_contested();
    status.culprits = is_contested.then(environment::network_managers);
    status
}

/// One line for `systemctl status`.
pub(super) fn line<'a>(ports: impl Iterator<Item = &'a Port>) -> String {
    let mut words: Vec<String> = ports
        .map(|port| match port.cable.told() {
            Some((name, _)) => format!("{}: linked with {name}", port.name()),
            None => format!("{}: searching", port.name()),
        })
        .collect();
    if words.is_empty() {
        words.push("no cable".into());
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_core::control::LanStatus;

    #[test]
    fn games_that_only_wait_are_cut_before_those_that_play() {
        let game = |pid: i32, cable: Option<&str>| GameStatus {
            pid,
            cable: cable.map(str::to_owned),
            command: Some("x".repeat(600)),
            ..GameStatus::default()
        };
        let mut games: Vec<GameStatus> = (0..60).map(|pid| game(pid, None)).collect();
        games.insert(30, game(1000, Some("usb0")));
        let status = cut_short(Status {
            lans: vec![LanStatus::default()],
            games,
            cables: vec![CableStatus::default()],
            ..Status::default()
        });
        assert!(serde_json::to_vec(&status).unwrap().len() < MAX_LINE);
        assert!(status.is_cut_short);
        assert_eq!(status.games[0].pid, 1000);
        assert!(status.games.len() > 15);
        assert_eq!((status.cables.len(), status.lans.len()), (1, 0));
    }
}
