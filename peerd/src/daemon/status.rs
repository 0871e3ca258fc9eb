//! The daemon's state, as `peerd status` shows it.

use super::Daemon;
use super::lan::LanPort;
use super::port::Port;
use crate::machine::health::Health;
use crate::machine::mac;
use crate::sys::{clock, environment};
use crate::wire::frame::Flags;
use gamelink_core::control::MAX_LINE;
use gamelink_core::time::LocalTime;
use serde_json::{Value, json};

/// Everything, small enough for one line of the control socket: about 800 bytes a cable.
pub(super) fn status(daemon: &Daemon, now: LocalTime) -> Value {
    cut_short(everything(daemon, now))
}

/// Many games or machines with long names must not cost the answer: the least important goes first, a piece
/// at a time.
fn cut_short(mut status: Value) -> Value {
    if let Some(games) = status["games"].as_array_mut() {
        // Any user may connect any number of games; those that play are to be seen.
        games.sort_by_key(|game| game["cable"].is_null());
    }
    for part in ["lans", "games", "cables"] {
        while status.to_string().len() >= MAX_LINE - 256 {
            if status[part].as_array_mut().and_then(Vec::pop).is_none() {
                break;
            }
            status["is_cut_short"] = json!(true);
        }
    }
    status
}

fn everything(daemon: &Daemon, now: LocalTime) -> Value {
    let games: Vec<Value> = daemon
        .clients
        .games()
        .map(|game| {
            let cable = game.cable.and_then(|key| {
                let cable = daemon.ports.get(&key).map(Port::name);
                let lan = || Some(daemon.lans.values().find(|lan| lan.key() == key)?.name.as_str());
                cable.or_else(lan)
            });
            json!({
                "pid": game.credentials.pid,
                "uid": game.credentials.uid,
                "command": environment::command(game.credentials.pid),
                "cable": cable,
                "report": game.report,
                "reports": game.reports,
            })
        })
        .collect();
    json!({
        "daemon": env!("CARGO_PKG_VERSION"),
        "name": daemon.settings.name.to_string(),
        "instance": daemon.instance.to_string(),
        "uptime_s": clock::since_boot().saturating_sub(daemon.started).as_secs(),
        "wakeups": daemon.costs.wakeups,
        "resyncs": daemon.costs.resyncs,
        "clients": daemon.clients.len(),
        "clients_refused": daemon.clients.refused,
        "cables": daemon.ports.values().take(8).map(|port| cable(port, now)).collect::<Vec<_>>(),
        "lans": daemon.lans.values().take(2).map(LanPort::status).collect::<Vec<_>>(),
        "games": games,
    })
}

fn cable(port: &Port, now: LocalTime) -> Value {
    let cable = &port.cable;
    let carrier = cable.carrier().state();
    let (peer, counters) = (cable.peer(), cable.counters());
    let has = |flag| peer.map(|peer| peer.flags.has(flag));
    let contested = cable.addresses().is_contested();
    json!({
        "interface": port.name(),
        "index": port.link.index,
        "driver": port.device.driver,
        "usb_id": port.device.usb_id,
        "usb_path": port.device.usb_path,
        "is_certain": port.certainty == crate::sys::sysfs::Certainty::Sure,
        "is_up": carrier.is_up,
        "has_carrier": carrier.has_carrier,
        "state": state(port, now),
        "up_ms": port.link_up_since.map(|at| now.since(at).as_millis() as u64),
        "mac": cable.repair().mine().to_string(),
        "mac_was_random": port.device.has_random_mac,
        "mac_repair": match cable.repair().state() {
            mac::State::Distinct => "none needed",
            mac::State::Refused => "refused by the driver",
            _ => "under way",
        },
        "local": cable.told().map(|(_, plan)| plan.local.to_string()),
        "peer": peer.map(|peer| json!({
            "name": peer.identity.name.to_string(),
            "instance": peer.identity.instance.to_string(),
            "mac": peer.mac.to_string(),
            "address": cable.told().map(|(_, plan)| plan.peer.to_string()),
            "has_game": peer.flags.has(Flags::GAME),
        })),
        "udp": {
            "heard_here": cable.hears_udp(now),
            "heard_there": has(Flags::IP_HEARD),
            "blocked_here": cable.is_udp_blocked(),
            "blocked_there": has(Flags::SEND_BLOCKED),
        },
        "troubles": cable.troubles(now).map(|trouble| trouble.to_string()).collect::<Vec<_>>(),
        "culprits": contested.then(environment::network_managers),
        "frames": {
            "sent": counters.sent,
            "received": counters.received,
            "malformed": counters.malformed,
            "foreign": counters.foreign,
            "stale": counters.stale,
        },
        "links": counters.links,
        "mac_changes": counters.mac_changes,
    })
}

/// One word for where a cable stands.
pub(super) fn state(port: &Port, now: LocalTime) -> &'static str {
    let carrier = port.cable.carrier().state();
    match (port.cable.told().is_some(), port.cable.health(now)) {
        (true, Health::Suspect) => "suspect",
        (true, _) => "linked",
        _ if !carrier.is_up => "down",
        _ if !carrier.has_carrier => "no carrier",
        _ if port.cable.troubles(now).any(|trouble| !trouble.is_harmless()) => "trouble",
        (false, Health::Silent) => "searching",
        (false, _) => "linking",
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

    #[test]
    fn games_that_only_wait_are_cut_before_those_that_play() {
        let game =
            |pid: u32, cable: Option<&str>| json!({"pid": pid, "cable": cable, "report": "x".repeat(600)});
        let mut games: Vec<Value> = (0..60).map(|pid| game(pid, None)).collect();
        games.insert(30, game(1000, Some("usb0")));
        let status = cut_short(
            json!({"name": "den", "lans": [{}], "games": games, "cables": [{"interface": "usb0"}]}),
        );
        assert!(status.to_string().len() < MAX_LINE);
        assert_eq!(status["is_cut_short"], true);
        assert_eq!(status["games"][0]["pid"], 1000);
        assert!(status["games"].as_array().unwrap().len() > 15);
        assert_eq!(status["cables"][0]["interface"], "usb0");
    }
}
