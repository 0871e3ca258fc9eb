//! `peerd doctor`: compares the layers and says what is wrong, on which side, and the command that mends it.

use super::client::{AskError, CableStatus, Client, Status};
use super::firewall::{self, Firewall};
use super::{EXIT_FAULT, EXIT_NO_DAEMON};
use crate::sys::sysctl;
use gamelink_core::control::Role;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The interface, or nothing for the machine as a whole.
    pub(crate) interface: Option<String>,
    /// Whether play is impossible because of it.
    pub(crate) is_fault: bool,
    /// What it is.
    pub(crate) what: String,
    /// What to do, in words or as commands for a root shell.
    pub(crate) mend: Vec<String>,
}

/// Asks, judges and prints.
pub(crate) fn run(control: &Path, as_json: bool) -> ExitCode {
    let status = match Client::connect(control, Role::Tool).and_then(|mut client| client.status()) {
        Ok(value) => Status::parse(&value),
        Err(error) => {
            report(&[no_daemon(&error)], as_json);
            return ExitCode::from(EXIT_NO_DAEMON);
        }
    };
    let mut findings = judge(&status, &firewall::detect());
    for cable in &status.cables {
        let name = &cable.interface;
        let routes = sysctl::default_routes(name);
        judge_trust(name, sysctl::believes_routers(name), &routes, &mut findings);
    }
    report(&findings, as_json);
    let has_fault = findings.iter().any(|finding| finding.is_fault);
    if has_fault {
        ExitCode::from(EXIT_FAULT)
    } else {
        ExitCode::SUCCESS
    }
}

fn no_daemon(error: &AskError) -> Finding {
    Finding {
        interface: None,
        is_fault: true,
        what: error.to_string(),
        mend: vec!["systemctl start peerd".to_owned()],
    }
}

fn report(findings: &[Finding], as_json: bool) {
    if as_json {
        match serde_json::to_string_pretty(findings) {
            Ok(json) => println!("{json}"),
            Err(error) => eprintln!("peerd: {error}"),
        }
        return;
    }
    if findings.is_empty() {
        println!("all is well");
    }
    for finding in findings {
        let mark = if finding.is_fault { "fault" } else { "note" };
        let place = finding
            .interface
            .as_deref()
            .map(|name| format!("{name}: "))
            .unwrap_or_default();
        println!("{mark}: {place}{}", finding.what);
        for line in &finding.mend {
            println!("    {line}");
        }
    }
}

/// What the status means.
pub(crate) fn judge(status: &Status, firewalls: &[Firewall]) -> Vec<Finding> {
    let mut findings = vec![];
    if status
        .cables
        .iter()
        .all(|cable| cable.is_certain == Some(false) && cable.peer.is_none())
    {
        findings.push(Finding {
            interface: None,
            is_fault: true,
            what: "no cable is plugged in, or it is not known as one".into(),
            mend: vec![
                "plug the cable in; `ip link` should then show one interface more".into(),
                "if it does, name it: peerd run --interface NAME, or list it with --cables-file".into(),
            ],
        });
    }
    if status.games.is_empty() {
        findings.push(Finding {
            interface: None,
            is_fault: false,
            what: "no game waits for the link on this machine".into(),
            mend: vec!["start RetroArch with the Gamelink core, or `peerd relay` for a stock core".into()],
        });
    }
    for cable in &status.cables {
        judge_cable(cable, firewalls, &mut findings);
    }
    findings
}

fn judge_cable(cable: &CableStatus, firewalls: &[Firewall], findings: &mut Vec<Finding>) {
    let mut find = |is_fault, what: String, mend: Vec<String>| {
        findings.push(Finding {
            interface: Some(cable.interface.clone()),
            is_fault,
            what,
            mend,
        });
    };
    for trouble in &cable.troubles {
        let mend = cable
            .culprits
            .iter()
            .flatten()
            .map(|culprit| format!("running here: {culprit}"))
            .collect();
        find(cable.state != "linked", trouble.clone(), mend);
    }
    // What may be a phone or a modem is no fault of the link when it does not link.
    let is_cable = cable.is_certain != Some(false);
    match cable.state.as_str() {
        "down" => find(
            is_cable,
            "the interface is down".into(),
            vec![format!("ip link set {} up", cable.interface)],
        ),
        "no carrier" => find(
            is_cable,
            "the other end of the cable is not plugged in, or its machine is off".into(),
            vec!["plug it in there".into()],
        ),
        "searching" => find(
            is_cable,
            "nobody answers at the other end".into(),
            vec!["start Gamelink there: `systemctl status peerd` on that machine".into()],
        ),
        _ => {}
    }
    let (Some(peer), Some(up_ms)) = (&cable.peer, cable.up_ms) else {
        return;
    };
    // Both sides have tried by then, and said so.
    if up_ms < SETTLED_MS {
        return;
    }
    if !peer.has_game {
        let what = format!("no game waits for the link on {}", peer.name);
        find(
            false,
            what,
            vec!["start RetroArch with the Gamelink core there".into()],
        );
    }
    let udp = cable.udp;
    let open = || -> Vec<String> {
        let lines: Vec<String> = firewalls
            .iter()
            .flat_map(|firewall| firewall.commands(&cable.interface))
            .map(|command| command.join(" "))
            .collect();
        if lines.is_empty() {
            vec![
                "no firewall was found that this program knows: allow UDP 56400-56401 in on this interface"
                    .into(),
            ]
        } else {
            lines
        }
    };
    if udp.blocked_here {
        find(
            true,
            "this machine's own firewall does not let UDP out on the cable (OUTPUT drops it)".into(),
            vec![format!(
                "allow UDP 56400-56401 out on {} in the OUTPUT chain",
                cable.interface
            )],
        );
    }
    if udp.blocked_there == Some(true) {
        find(
            true,
            format!("the firewall of {} does not let UDP out on the cable", peer.name),
            vec!["run `peerd doctor` there".into()],
        );
    }
    // Frames of the handshake pass every firewall; what is heard above them tells which side drops.
    if !udp.heard_here && udp.blocked_there != Some(true) {
        find(
            true,
            "this machine's firewall drops what comes in on the cable".into(),
            open(),
        );
    }
    if udp.heard_there == Some(false) && !udp.blocked_here {
        find(
            true,
            format!("the firewall of {} drops what comes in on the cable", peer.name),
            vec!["run `peerd doctor` there: it prints the command for that machine's firewall".into()],
        );
    }
}

/// Whether the other end of a cable decides where this machine's packets go.
fn judge_trust(name: &str, believes_routers: bool, routes: &[&str], findings: &mut Vec<Finding>) {
    let mut note = |what: &str, mend| {
        findings.push(Finding {
            interface: Some(name.to_owned()),
            is_fault: false,
            what: what.into(),
            mend,
        });
    };
    if believes_routers {
        note(
            "this machine takes the other end for a router if it says that it is one",
            vec![format!("sysctl -w net/ipv6/conf/{name}/accept_ra=0")],
        );
    }
    if !routes.is_empty() {
        let command = |family: &&str| format!("ip {family} route del default dev {name}");
        note(
            "what this machine sends to the internet may go over the cable",
            routes.iter().map(command).collect(),
        );
    }
}

/// After this both sides have sent several probes.
const SETTLED_MS: u64 = 4000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::client::{PeerStatus, UdpStatus};

    fn faults(status: &Status, firewalls: &[Firewall]) -> Vec<Finding> {
        judge(status, firewalls)
            .into_iter()
            .filter(|finding| finding.is_fault)
            .collect()
    }

    fn linked(udp: UdpStatus) -> Status {
        let cable = CableStatus {
            interface: "usb0".into(),
            state: "linked".into(),
            up_ms: Some(10_000),
            peer: Some(PeerStatus {
                name: "bob".into(),
                has_game: true,
                ..PeerStatus::default()
            }),
            udp,
            ..CableStatus::default()
        };
        Status {
            cables: vec![cable],
            ..Status::default()
        }
    }

    fn udp(heard_here: bool, heard_there: bool) -> UdpStatus {
        UdpStatus {
            heard_here,
            heard_there: Some(heard_there),
            ..UdpStatus::default()
        }
    }

    #[test]
    fn the_side_that_drops_is_named() {
        assert!(faults(&linked(udp(true, true)), &[]).is_empty());
        let here = faults(&linked(udp(false, true)), &[Firewall::Iptables(vec!["iptables"])]);
        assert_eq!(here.len(), 1);
        assert!(here[0].what.starts_with("this machine's firewall"));
        assert!(here[0].mend[0].starts_with("iptables -I INPUT -i usb0 -p udp --dport 56400:56401"));
        let there = faults(&linked(udp(true, false)), &[]);
        assert!(there[0].what.starts_with("the firewall of bob"));
        assert_eq!(faults(&linked(udp(false, false)), &[]).len(), 2);
    }

    #[test]
    fn a_cable_that_leads_everywhere_is_named_with_the_command_that_mends_it() {
        let mut findings = vec![];
        judge_trust("usb0", false, &[], &mut findings);
        assert!(findings.is_empty());
        judge_trust("usb0", true, &["-6"], &mut findings);
        let mends: Vec<&String> = findings.iter().flat_map(|of| &of.mend).collect();
        assert_eq!(
            mends,
            [
                "sysctl -w net/ipv6/conf/usb0/accept_ra=0",
                "ip -6 route del default dev usb0"
            ]
        );
        assert!(findings.iter().all(|finding| !finding.is_fault));
    }

    #[test]
    fn a_phone_is_no_fault_but_no_cable_either() {
        let phone = CableStatus {
            interface: "usb0".into(),
            state: "down".into(),
            is_certain: Some(false),
            ..CableStatus::default()
        };
        let status = Status {
            cables: vec![phone],
            ..Status::default()
        };
        let faults = faults(&status, &[]);
        assert!(
            faults.len() == 1 && faults[0].what.starts_with("no cable"),
            "{faults:?}"
        );
    }

    #[test]
    fn a_link_that_has_just_come_up_is_not_judged() {
        let mut status = linked(udp(false, false));
        status.cables[0].up_ms = Some(100);
        assert!(faults(&status, &[]).is_empty());
    }
}
