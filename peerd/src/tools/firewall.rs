//! The firewall of this machine: which one it is, the command that opens it for the link, and opening it when asked to.
//!
//! A hole must be in the chain that drops: an accept elsewhere does not outweigh a drop here. Only our two UDP ports on only
//! our interface; chains of Docker and FORWARD are never touched, and nothing is ever restored from a file.

use crate::sys::udp;
use gamelink_core::control::BRIDGE_PORT;
use serde_json::Value;
use std::process::{Command, Stdio};

/// Marks our rules.
const TAG: &str = "gamelink";

/// The firewalls that we can speak to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Firewall {
    Firewalld,
    Ufw,
    /// Chains of nft that hook input, as `family table chain`.
    Nft(Vec<[String; 3]>),
    /// `iptables` and `ip6tables`.
    Iptables,
}

fn ports() -> (u16, u16) {
    (BRIDGE_PORT, udp::PORT)
}

/// Runs a program and gives what it printed, if it succeeded.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Finds the firewalls of this machine, the most particular first: ufw and firewalld write nft or iptables rules themselves.
pub(crate) fn detect() -> Vec<Firewall> {
    if output("firewall-cmd", &["--state"]).is_some_and(|state| state.trim() == "running") {
        return vec![Firewall::Firewalld];
    }
    if output("ufw", &["status"]).is_some_and(|status| status.contains("Status: active")) {
        return vec![Firewall::Ufw];
    }
    let mut found = vec![];
    if let Some(chains) = output("nft", &["-j", "list", "chains"]).map(|json| input_chains(&json))
        && !chains.is_empty()
    {
        found.push(Firewall::Nft(chains));
    }
    // Those that iptables made are iptables' to change, whatever is underneath.
    let has_rules = |program| {
        output(program, &["-S", "INPUT"]).is_some_and(|rules| {
            rules
                .lines()
                .any(|line| line.starts_with("-A") || line.contains("DROP"))
        })
    };
    if has_rules("iptables") || has_rules("ip6tables") {
        found.push(Firewall::Iptables);
    }
    found
}

/// The chains that see what comes in, but for those of iptables and of other managers.
fn input_chains(json: &str) -> Vec<[String; 3]> {
    let Ok(ruleset) = serde_json::from_str::<Value>(json) else {
        return vec![];
    };
    let chains = ruleset
        .get("nftables")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    chains
        .filter_map(|object| {
            let chain = object.get("chain")?;
            let word = |key| chain.get(key).and_then(Value::as_str);
            let (family, table, name) = (word("family")?, word("table")?, word("name")?);
            let is_input = word("hook") == Some("input") && word("type") == Some("filter");
            let is_ip = ["inet", "ip", "ip6"].contains(&family);
            let is_iptables = table == "filter" && name == "INPUT";
            let is_managed = ["firewalld", "docker"]
                .iter()
                .any(|of| table.to_ascii_lowercase().contains(of));
            (is_input && is_ip && !is_iptables && !is_managed)
                .then(|| [family.to_owned(), table.to_owned(), name.to_owned()])
        })
        .collect()
}

impl Firewall {
    /// The commands that let the link through on `interface`, ready to be pasted into a root shell.
    pub(crate) fn commands(&self, interface: &str) -> Vec<Vec<String>> {
        let (first, last) = ports();
        let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        match self {
            Firewall::Firewalld => {
                vec![words(format!("firewall-cmd --zone=trusted --change-interface={interface}"))]
            }
            Firewall::Ufw => {
                vec![words(format!(
                    "ufw allow in on {interface} to any port {first}:{last} proto udp comment {TAG}"
                ))]
            }
            Firewall::Nft(chains) => chains
                .iter()
                .map(|[family, table, chain]| {
                    words(format!(
                        "nft insert rule {family} {table} {chain} iifname \"{interface}\" udp dport {first}-{last} accept comment \"{TAG}\""
                    ))
                })
                .collect(),
            Firewall::Iptables => ["iptables", "ip6tables"]
                .iter()
                .map(|program| words(format!("{program} -I INPUT {}", iptables_rule(interface))))
                .collect(),
        }
    }
}

fn iptables_rule(interface: &str) -> String {
    let (first, last) = ports();
    format!("-i {interface} -p udp --dport {first}:{last} -m comment --comment {TAG} -j ACCEPT")
}

/// A hole that we made, and that goes when this does.
#[derive(Debug)]
pub(crate) struct Hole {
    interface: String,
    undo: Vec<Vec<String>>,
}

impl Hole {
    /// Opens the firewalls of this machine for one interface.
    pub(crate) fn open(interface: &str) -> Hole {
        let mut hole = Hole {
            interface: interface.to_owned(),
            undo: vec![],
        };
        for firewall in detect() {
            // One left by a daemon that was killed is the same hole: closed first, so that there is only one.
            close(&firewall, interface);
            for command in firewall.commands(interface) {
                let is_done = run(&command);
                log::info!("firewall opened command=`{}` done={is_done}", command.join(" "));
            }
            hole.undo.extend(undo(&firewall, interface));
        }
        hole
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        close_nft(&self.interface);
        for command in &self.undo {
            let is_done = run(command);
            log::info!("firewall closed command=`{}` done={is_done}", command.join(" "));
        }
    }
}

fn close(firewall: &Firewall, interface: &str) {
    if matches!(firewall, Firewall::Nft(_)) {
        close_nft(interface);
    }
    for command in undo(firewall, interface) {
        run(&command);
    }
}

fn undo(firewall: &Firewall, interface: &str) -> Vec<Vec<String>> {
    let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (first, last) = ports();
    match firewall {
        Firewall::Firewalld => {
            vec![words(format!(
                "firewall-cmd --zone=trusted --remove-interface={interface}"
            ))]
        }
        Firewall::Ufw => vec![words(format!(
            "ufw delete allow in on {interface} to any port {first}:{last} proto udp"
        ))],
        // By handle, which is found when it is to go.
        Firewall::Nft(_) => vec![],
        Firewall::Iptables => ["iptables", "ip6tables"]
            .iter()
            .map(|program| words(format!("{program} -D INPUT {}", iptables_rule(interface))))
            .collect(),
    }
}

/// Deletes our rules for this interface, found by tag and name, wherever they are.
fn close_nft(interface: &str) {
    let Some(json) = output("nft", &["-j", "-a", "list", "ruleset"]) else {
        return;
    };
    for [family, table, chain, handle] in our_rules(&json, interface) {
        let command = [
            "nft", "delete", "rule", &family, &table, &chain, "handle", &handle,
        ]
        .map(str::to_owned);
        run(&command);
    }
}

fn our_rules(json: &str, interface: &str) -> Vec<[String; 4]> {
    let Ok(ruleset) = serde_json::from_str::<Value>(json) else {
        return vec![];
    };
    let objects = ruleset
        .get("nftables")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    objects
        .filter_map(|object| {
            let rule = object.get("rule")?;
            let word = |key: &str| Some(rule.get(key)?.as_str()?.to_owned());
            let is_ours = rule.get("comment")?.as_str() == Some(TAG)
                && rule
                    .get("expr")?
                    .to_string()
                    .contains(&format!("\"{interface}\""));
            let handle = rule.get("handle")?.as_u64()?.to_string();
            is_ours.then_some([word("family")?, word("table")?, word("chain")?, handle])
        })
        .collect()
}

fn run(command: &[String]) -> bool {
    let Some((program, arguments)) = command.split_first() else {
        return false;
    };
    // What nft wants quoted in a shell's line is plain for the program itself, but for its own quotes.
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chains_that_see_what_comes_in_are_opened_and_dockers_are_left_alone() {
        let json = r#"{"nftables":[{"metainfo":{}},
            {"chain":{"family":"inet","table":"filter","name":"input","type":"filter","hook":"input","policy":"drop"}},
            {"chain":{"family":"inet","table":"filter","name":"forward","type":"filter","hook":"forward"}},
            {"chain":{"family":"ip","table":"docker-bridges","name":"x","type":"filter","hook":"input"}},
            {"chain":{"family":"ip","table":"filter","name":"INPUT","type":"filter","hook":"input"}},
            {"chain":{"family":"ip","table":"nat","name":"in","type":"nat","hook":"input"}}]}"#;
        let chains = input_chains(json);
        assert_eq!(chains, [["inet", "filter", "input"].map(str::to_owned)]);
        let commands = Firewall::Nft(chains).commands("usb0");
        assert_eq!(
            commands[0].join(" "),
            "nft insert rule inet filter input iifname \"usb0\" udp dport 56400-56401 accept comment \"gamelink\""
        );
        assert!(input_chains("nonsense").is_empty());
    }

    #[test]
    fn only_our_own_rules_are_found_again() {
        let json = r#"{"nftables":[
            {"rule":{"family":"inet","table":"filter","chain":"input","handle":7,"comment":"gamelink","expr":[{"match":{"right":"usb0"}}]}},
            {"rule":{"family":"inet","table":"filter","chain":"input","handle":8,"comment":"gamelink","expr":[{"match":{"right":"usb01"}}]}},
            {"rule":{"family":"inet","table":"filter","chain":"input","handle":9,"expr":[{"match":{"right":"usb0"}}]}}]}"#;
        assert_eq!(
            our_rules(json, "usb0"),
            [["inet", "filter", "input", "7"].map(str::to_owned)]
        );
    }
}
