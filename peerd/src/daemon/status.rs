//! The daemon's state, as `peerd status` shows it.

use super::Daemon;
use super::lan::LanPort;
use super::port::Port;
use crate::machine::health::Health;
use crate::machine::mac;
use crate::sys::sysfs::Certainty;
use crate::sys::{clock, environment};
use crate::wire::frame::Flags;
use gamelink_core::control::{
    CableState, CableStatus, DeviceStatus, GameStatus, MAX_LINE, MacRepair, MacStatus, PeerStatus, Status,
    UdpStatus,
};
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
    let cable = &port.cable;
    let carrier = cable.carrier().state();
    let (peer, counters) = (cable.peer(), cable.counters());
    let has = |flag| peer.map(|peer| peer.flags.has(flag));
    let plan = cable.told().map(|(_, plan)| plan);
    let contested = cable.addresses().is_contested();
    CableStatus {
        device: DeviceStatus {
            interface: port.name().to_owned(),
            index: port.link.index.0,
            driver: port.device.driver.clone(),
            usb_id: port.device.usb_id.clone(),
            usb_path: port.device.usb_path.clone(),
            is_certain: port.certainty == Certainty::Sure,
        },
        is_up: carrier.is_up,
        has_carrier: carrier.has_carrier,
        state: state(port, now),
        up_ms: port.link_up_since.map(|at| now.since(at).as_millis() as u64),
        mac: MacStatus {
            mac: cable.repair().mine().to_string(),
            mac_was_random: port.device.has_random_mac,
            mac_repair: match cable.repair().state() {
                mac::State::Distinct => MacRepair::Unneeded,
                mac::State::Refused => MacRepair::Refused,
                _ => MacRepair::UnderWay,
            },
            mac_changes: counters.mac_changes,
        },
        local: plan.map(|plan| plan.local),
        peer: peer.map(|peer| PeerStatus {
            name: peer.identity.name.to_string(),
            instance: peer.identity.instance.to_string(),
            mac: peer.mac.to_string(),
            address: plan.map(|plan| plan.peer),
            has_game: peer.flags.has(Flags::GAME),
        }),
        udp: UdpStatus {
            heard_here: cable.hears_udp(now),
            heard_there: has(Flags::IP_HEARD),
            blocked_here: cable.is_udp_blocked(),
            blocked_there: has(Flags::SEND_BLOCKED),
        },
        troubles: cable.troubles(now).map(|trouble| trouble.to_string()).collect(),
        culprits: contested.then(environment::network_managers),
        frames: counters.frames,
        links: counters.links,
    }
}

/// Where a cable stands.
fn state(port: &Port, now: LocalTime) -> CableState {
    let carrier = port.cable.carrier().state();
    match (port.cable.told().is_some(), port.cable.health(now)) {
        (true, Health::Suspect) => CableState::Suspect,
        (true, _) => CableState::Linked,
        _ if !carrier.is_up => CableState::Down,
        _ if !carrier.has_carrier => CableState::NoCarrier,
        _ if port.cable.troubles(now).any(|trouble| !trouble.is_harmless()) => CableState::Trouble,
        (false, Health::Silent) => CableState::Searching,
        (false, _) => CableState::Linking,
    }
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
