//! LANs: who is heard there, and what keeps games apart.

use super::Findings;
use crate::sys::firewall::Firewall;
use gamelink_core::control::{Acquaintance, LanStatus, MachineStatus};

impl Findings {
    /// Judges a LAN by who is heard there.
    pub(super) fn judge_lan(&mut self, lan: &LanStatus, firewalls: &[Firewall]) {
        let name = lan.interface.as_str();
        if lan.machines.is_empty() {
            let commands = firewalls.iter().flat_map(|firewall| firewall.lan_commands(name));
            let mut remedy = vec![
                format!("start Gamelink there: `peerd run --lan INTERFACE`, on the same network as {name}"),
                "some routers keep the machines of a wireless network apart (\"AP isolation\", guest networks)".to_owned(),
            ];
            remedy
                .extend(commands.map(|command| format!("let it through this machine's firewall: {command}")));
            self.add(Some(name), true, "no other machine is heard on this LAN", remedy);
        } else if !lan.machines.iter().any(|machine| machine.has_game) {
            let what = "no game waits for the link on any other machine of this LAN";
            self.add(
                Some(name),
                false,
                what,
                ["start RetroArch with the Gamelink core there"],
            );
        } else if !lan.machines.iter().any(|machine| machine.is_linked) {
            self.judge_strangers(lan);
        }
    }

    /// Names the machines with the same game that are not linked because the two have not met.
    fn judge_strangers(&mut self, lan: &LanStatus) {
        let is_strange = |of: &&MachineStatus| lan.acquaintance(of) == Acquaintance::Strangers;
        let waits = |of: &&MachineStatus| of.has_game && of.is_same_game && !of.is_taken;
        for machine in lan.machines.iter().filter(waits).filter(is_strange) {
            let name = &machine.name;
            let what = format!("{name} has the same game, and this machine has not met it");
            let remedy = [
                format!(
                    "make a key: `peerd pair {name}`, or choose {name} under Core Options, Link cable, Play with"
                ),
                "or let strangers link, on both: `peerd run --open`".to_owned(),
            ];
            self.add(Some(&lan.interface), false, what, remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Finding;
    use super::*;
    use gamelink_core::control::Status;

    #[test]
    fn a_lan_without_others_is_a_fault_of_the_lan_and_not_of_a_cable() {
        let lan = |machines| Status {
            lans: vec![LanStatus {
                interface: "wlan0".into(),
                machines,
                ..LanStatus::default()
            }],
            ..Status::default()
        };
        let judge = |status: &Status, firewalls: &[Firewall]| {
            let mut findings = Findings::default();
            findings.judge(status, firewalls);
            findings.0
        };
        let faults = |status: &Status, firewalls: &[Firewall]| {
            let mut found = judge(status, firewalls);
            found.retain(|finding| finding.is_fault);
            found
        };
        let faults_alone = faults(&lan(vec![]), &[Firewall::Firewalld]);
        assert_eq!(faults_alone.len(), 1, "{faults_alone:?}");
        assert_eq!(faults_alone[0].interface.as_deref(), Some("wlan0"));
        let remedy = faults_alone[0].remedy.join("\n");
        assert!(
            remedy.contains("--lan") && remedy.contains("--add-port=56400-56401/udp"),
            "{remedy}"
        );
        assert!(
            !remedy.contains("change-interface"),
            "the network of its owner stays as it is: {remedy}"
        );
        let other = MachineStatus {
            name: "ada".into(),
            address: ([192, 168, 1, 7], 56401).into(),
            has_game: true,
            title: "TETRIS".into(),
            is_same_game: true,
            is_paired: true,
            is_linked: true,
            ..MachineStatus::default()
        };
        assert!(faults(&lan(vec![other.clone()]), &[]).is_empty());
        // With one that this machine has not met nothing is wrong, and there is something to do.
        let stranger = MachineStatus {
            is_paired: false,
            is_linked: false,
            ..other
        };
        let found = judge(&lan(vec![stranger]), &[]);
        let remedy = |of: &Finding| of.remedy.iter().any(|of| of.contains("`peerd pair ada`"));
        assert!(found.iter().any(|of| !of.is_fault && remedy(of)), "{found:?}");
    }
}
