//! `peerd doctor`: finds faults, names the side, and prints the remedy.

mod lans;
mod managers;

use super::retroarch;
use super::status_query::Client;
use super::{EXIT_FAULT, EXIT_NO_DAEMON};
use crate::escape;
use crate::sys::firewall::{self, Firewall};
use crate::sys::sysctl;
use gamelink_core::control::{CableState, CableStatus, PeerStatus, Status};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Time after which both sides have sent several probes.
const SETTLED_MS: u64 = 4000;

/// A finding.
#[derive(Debug, Serialize)]
struct Finding {
    /// The interface; `None` for the whole machine.
    interface: Option<String>,
    /// True if it prevents a link.
    is_fault: bool,
    /// Description.
    what: String,
    /// Remedy, in words or as commands for a root shell.
    #[serde(rename = "mend")]
    remedy: Vec<String>,
}

#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add<T: Into<String>>(
        &mut self,
        interface: Option<&str>,
        is_fault: bool,
        what: impl Into<String>,
        remedy: impl IntoIterator<Item = T>,
    ) {
        self.0.push(Finding {
            interface: interface.map(str::to_owned),
            is_fault,
            what: what.into(),
            remedy: remedy.into_iter().map(T::into).collect(),
        });
    }

    fn report(&self, as_json: bool) {
        if as_json {
            let json = serde_json::to_string_pretty(&self.0).expect("text and flags are JSON");
            return println!("{json}");
        }
        if self.0.is_empty() {
            println!("no problem found");
        }
        for finding in &self.0 {
            let mark = if finding.is_fault { "fault" } else { "note" };
            let place = finding.interface.iter().map(|name| format!("{name}: "));
            println!("{mark}: {}{}", place.collect::<String>(), finding.what);
            for line in &finding.remedy {
                println!("    {line}");
            }
        }
    }

    /// Judges a status.
    fn judge(&mut self, status: &Status, firewalls: &[Firewall]) {
        let is_none = |cable: &CableStatus| !cable.device.is_certain && cable.peer.is_none();
        if status.cables.iter().all(is_none) && status.lans.is_empty() {
            let remedy = [
                "plug the cable in; `ip link` should then show one more interface",
                "if it does, name it: peerd run --interface NAME, or list it with --cables-file",
            ];
            let what = "no cable is plugged in, or it is not recognised as one";
            self.add(None, true, what, remedy);
        }
        if status.games.is_empty() {
            let remedy = "start RetroArch with the Gamelink core, or `peerd relay` for a stock core";
            self.add(
                None,
                false,
                "no game waits for the link on this machine",
                [remedy],
            );
        }
        for lan in &status.lans {
            self.judge_lan(lan, firewalls);
        }
        for cable in &status.cables {
            self.judge_state(cable);
            // Both sides have sent and reported probes by then.
            if let Some(peer) = &cable.peer
                && cable.up_ms.is_some_and(|ms| ms >= SETTLED_MS)
            {
                self.judge_peer(cable, peer, firewalls);
            }
        }
    }

    /// Judges the cable itself.
    fn judge_state(&mut self, cable: &CableStatus) {
        let name = cable.device.interface.as_str();
        for diagnostic in &cable.diagnostics {
            let culprits = cable.culprits.iter().flatten();
            let remedy = culprits.map(|culprit| format!("running here: {culprit}"));
            let is_fault = cable.state != CableState::Linked;
            self.add(Some(name), is_fault, diagnostic, remedy);
        }
        if cable.in_use.is_some() {
            return;
        }
        let (what, remedy) = match cable.state {
            CableState::Down => ("the interface is down", &*format!("ip link set {name} up")),
            CableState::NoCarrier => (
                "the other end of the cable is not plugged in, or its machine is off",
                "plug it in there",
            ),
            CableState::Searching => (
                "no answer from the other end",
                "start Gamelink there: `systemctl status peerd` on that machine",
            ),
            _ => return,
        };
        // A possible phone or modem that does not link is no fault.
        self.add(Some(name), cable.device.is_certain, what, [remedy]);
    }

    /// Judges what both ends hear over UDP; handshake frames pass every firewall, so this tells which side
    /// drops.
    fn judge_peer(&mut self, cable: &CableStatus, peer: &PeerStatus, firewalls: &[Firewall]) {
        let (name, udp, there) = (cable.device.interface.as_str(), cable.udp, &peer.name);
        let of = Some(name);
        if !peer.has_game {
            let what = format!("no game waits for the link on {there}");
            self.add(of, false, what, ["start RetroArch with the Gamelink core there"]);
        }
        if udp.blocked_here {
            let what = "this machine's firewall drops outgoing UDP on the cable (OUTPUT chain)";
            let remedy = format!("allow UDP 56400-56401 out on {name} in the OUTPUT chain");
            self.add(of, true, what, [remedy]);
        }
        if udp.blocked_there == Some(true) {
            let what = format!("the firewall of {there} drops outgoing UDP on the cable");
            self.add(of, true, what, ["run `peerd doctor` there"]);
        }
        if !udp.heard_here && udp.blocked_there != Some(true) {
            let commands = firewalls.iter().flat_map(|firewall| firewall.commands(name));
            let mut remedy: Vec<String> = commands.collect();
            if remedy.is_empty() {
                let port = "allow UDP 56400-56401 in on this interface";
                remedy.push(format!("no known firewall was found: {port}"));
            }
            let what = "this machine's firewall drops incoming traffic on the cable";
            self.add(of, true, what, remedy);
        }
        if udp.heard_there == Some(false) && !udp.blocked_here {
            let what = format!("the firewall of {there} drops incoming traffic on the cable");
            let remedy = "run `peerd doctor` there: it prints the command for that machine's firewall";
            self.add(of, true, what, [remedy]);
        }
    }

    /// Judges routes: the other end must not become this machine's router.
    fn judge_trust(&mut self, name: &str, believes_routers: bool, routes: &[&str]) {
        if believes_routers {
            let what = "this machine accepts router advertisements from the other end";
            let remedy = format!("sysctl -w net/ipv6/conf/{name}/accept_ra=0");
            self.add(Some(name), false, what, [remedy]);
        }
        if !routes.is_empty() {
            let what = "traffic to the internet may go over the cable (default route)";
            let command = |family: &&str| format!("ip {family} route del default dev {name}");
            self.add(Some(name), false, what, routes.iter().map(command));
        }
    }
}

/// Prints RetroArch's folders for a program: one line each, of cores and of their descriptions, a tab
/// between.
pub(crate) fn print_folders() -> ExitCode {
    print!("{}", retroarch::Found::probe().for_programs());
    ExitCode::SUCCESS
}

/// Requests the status, judges it and prints the findings, and where RetroArch keeps its cores.
pub(crate) fn run(control: &Path, as_json: bool) -> ExitCode {
    let mut findings = Findings::default();
    let code = match Client::connect(control).and_then(|mut client| client.status()) {
        Ok(status) => {
            let status = escape::shown(&status);
            findings.judge(&status, &firewall::detect());
            for cable in &status.cables {
                let name = &cable.device.interface;
                let routes = sysctl::default_routes(name);
                managers::judge(&mut findings, cable);
                findings.judge_trust(name, sysctl::believes_routers(name), &routes);
            }
            let has_fault = findings.0.iter().any(|finding| finding.is_fault);
            if has_fault { EXIT_FAULT } else { 0 }
        }
        Err(error) => {
            findings.add(None, true, error.to_string(), ["systemctl start peerd"]);
            EXIT_NO_DAEMON
        }
    };
    let folders = retroarch::Found::probe();
    for (what, remedy) in folders.gaps() {
        findings.add(None, false, what, remedy);
    }
    findings.report(as_json);
    if !as_json {
        folders.lines().iter().for_each(|line| println!("{line}"));
    }
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_core::control::{DeviceStatus, UdpStatus};

    fn device(is_certain: bool) -> DeviceStatus {
        DeviceStatus {
            interface: "usb0".into(),
            is_certain,
            ..DeviceStatus::default()
        }
    }

    fn faults(status: &Status, firewalls: &[Firewall]) -> Vec<Finding> {
        let mut findings = Findings::default();
        findings.judge(status, firewalls);
        findings.0.retain(|finding| finding.is_fault);
        findings.0
    }

    fn linked(udp: UdpStatus) -> Status {
        let cable = CableStatus {
            device: device(true),
            state: CableState::Linked,
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
        assert!(here[0].remedy[0].starts_with("iptables -I INPUT -i usb0 -p udp --dport 56400:56401"));
        let there = faults(&linked(udp(true, false)), &[]);
        assert!(there[0].what.starts_with("the firewall of bob"));
        assert_eq!(faults(&linked(udp(false, false)), &[]).len(), 2);
    }

    #[test]
    fn a_cable_that_leads_everywhere_is_named_with_the_command_that_mends_it() {
        let mut findings = Findings::default();
        findings.judge_trust("usb0", false, &[]);
        assert!(findings.0.is_empty());
        findings.judge_trust("usb0", true, &["-6"]);
        let mends: Vec<&String> = findings.0.iter().flat_map(|of| &of.remedy).collect();
        assert_eq!(
            mends,
            [
                "sysctl -w net/ipv6/conf/usb0/accept_ra=0",
                "ip -6 route del default dev usb0"
            ]
        );
        assert!(findings.0.iter().all(|finding| !finding.is_fault));
    }

    #[test]
    fn a_phone_is_no_fault_but_no_cable_either() {
        let phone = CableStatus {
            device: device(false),
            state: CableState::Down,
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
