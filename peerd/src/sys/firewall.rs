//! The firewall of this machine, and the commands that open it for the link.
//!
//! A rule must be in the chain that drops: an accept elsewhere does not outweigh a drop here. Rules open our
//! two UDP ports on our interface only; chains of Docker and FORWARD are never touched, and nothing is
//! restored from a file.

use super::udp_probe;
use gamelink_core::control::BRIDGE_PORT;
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};

/// Our UDP ports: games' and the daemon's.
pub(super) const FIRST: u16 = BRIDGE_PORT;
pub(super) const LAST: u16 = udp_probe::PORT;

/// Comment that marks our rules.
pub(super) const TAG: &str = "gamelink";

/// Zone of firewalld in which only our ports of a cable are open.
pub(super) const ZONE: &str = "drop";

/// Supported firewalls.
///
/// With `CAP_NET_ADMIN` but without root, nft can be changed, and iptables over nft. The older iptables needs
/// its lock in /run, ufw needs root and firewalld authorisation: then the command is logged.
#[derive(Debug)]
pub(crate) enum Firewall {
    Firewalld,
    Ufw,
    /// Chains of nft that hook input, as `family table chain`.
    Nft(Vec<String>),
    /// The programs that have rules.
    Iptables(Vec<&'static str>),
}

/// Runs a command, its words separated by spaces; returns its output, or its first line of errors.
pub(super) fn run(command: &str) -> Result<String, String> {
    let mut words = command.split(' ');
    // nft accepts quotes in its arguments.
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let first = errors.lines().next().unwrap_or("it said nothing");
    Err(first.trim().to_owned())
}

/// Finds the firewalls of this machine, managers first: ufw and firewalld write nft or iptables rules
/// themselves.
pub(crate) fn detect() -> Vec<Firewall> {
    let json = run("nft -j list chains").unwrap_or_default();
    let is_firewallds = |chain: &Value| word(chain, "table") == "firewalld";
    // Only root may ask for its state; its table is visible.
    if objects(&json, "chain").iter().any(is_firewallds)
        || run("firewall-cmd --state").is_ok_and(|state| state.trim() == "running")
    {
        return vec![Firewall::Firewalld];
    }
    if run("ufw status").is_ok_and(|status| status.contains("Status: active")) {
        return vec![Firewall::Ufw];
    }
    let mut found = vec![];
    let chains = input_chains(&json);
    if !chains.is_empty() {
        found.push(Firewall::Nft(chains));
    }
    // Rules made by iptables are changed with iptables, whatever is underneath.
    let mut programs = iptables_programs();
    programs.retain(|program| {
        let rules = run(&format!("{program} -S INPUT")).unwrap_or_default();
        let mut rules = rules.lines();
        rules.any(|line| line.starts_with("-A") || line.contains("DROP"))
    });
    if !programs.is_empty() {
        found.push(Firewall::Iptables(programs));
    }
    found
}

/// Where `iptables` uses nft, the legacy tables have programs of their own; calling those creates the tables.
fn iptables_programs() -> Vec<&'static str> {
    let mut programs = vec!["iptables", "ip6tables"];
    if run("iptables -V").is_ok_and(|version| version.contains("nf_tables")) {
        for (program, tables) in [
            ("iptables-legacy", "/proc/net/ip_tables_names"),
            ("ip6tables-legacy", "/proc/net/ip6_tables_names"),
        ] {
            if fs::read_to_string(tables).is_ok_and(|names| names.lines().any(|name| name == "filter")) {
                programs.push(program);
            }
        }
    }
    programs
}

/// Objects of one kind in nft's JSON.
pub(super) fn objects(json: &str, kind: &str) -> Vec<Value> {
    let ruleset = serde_json::from_str::<Value>(json).unwrap_or_default();
    let all = ruleset.get("nftables").and_then(Value::as_array);
    let of_kind = |object: &Value| object.get(kind).cloned();
    all.into_iter().flatten().filter_map(of_kind).collect()
}

pub(super) fn word<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Chains on the input hook, except those of iptables and of other managers.
fn input_chains(json: &str) -> Vec<String> {
    let place = |chain: &Value| {
        let [family, table, name] = ["family", "table", "name"].map(|key| word(chain, key));
        let is_input = word(chain, "hook") == "input" && word(chain, "type") == "filter";
        let is_ip = ["inet", "ip", "ip6"].contains(&family);
        let is_iptables = (table, name) == ("filter", "INPUT");
        let lower = table.to_ascii_lowercase();
        let is_managed = lower.contains("firewalld") || lower.contains("docker");
        (is_input && is_ip && !is_iptables && !is_managed).then(|| format!("{family} {table} {name}"))
    };
    objects(json, "chain").iter().filter_map(place).collect()
}

impl Firewall {
    /// Commands that open the firewall on `interface`, for a root shell.
    pub(crate) fn commands(&self, interface: &str) -> Vec<String> {
        self.commands_by("iifname", interface)
    }

    /// The same for an interface of a LAN, which stays in the firewall's zone that it is in.
    pub(crate) fn lan_commands(&self, interface: &str) -> Vec<String> {
        match self {
            Firewall::Firewalld => vec![format!(
                "firewall-cmd --zone=$(firewall-cmd --get-zone-of-interface={interface}) --add-port={FIRST}-{LAST}/udp"
            )],
            _ => self.commands(interface),
        }
    }

    /// The same, with nft's `iifname` or `iif`, which binds a rule to the present interface instead of its
    /// name, which a phone may get after the cable is out. The others know interfaces by name only.
    pub(super) fn commands_by(&self, nft_key: &str, interface: &str) -> Vec<String> {
        match self {
            // A zone of its own, since a port is opened for all interfaces of a zone.
            Firewall::Firewalld => vec![
                format!("firewall-cmd --zone={ZONE} --change-interface={interface}"),
                format!("firewall-cmd --zone={ZONE} --add-port={FIRST}-{LAST}/udp"),
            ],
            Firewall::Ufw => vec![format!("ufw {} comment {TAG}", ufw_rule(interface))],
            // nft requires the quotes, and a shell has to pass them on.
            Firewall::Nft(chains) => {
                let rule =
                    format!("{nft_key} \"{interface}\" udp dport {FIRST}-{LAST} accept comment \"{TAG}\"");
                let insert = |chain| format!("nft insert rule {chain} {rule}");
                chains.iter().map(insert).collect()
            }
            Firewall::Iptables(programs) => {
                let rule = iptables_rule(interface);
                let insert = |program| format!("{program} -I INPUT {rule}");
                programs.iter().map(insert).collect()
            }
        }
    }
}

pub(super) fn ufw_rule(interface: &str) -> String {
    format!("allow in on {interface} to any port {FIRST}:{LAST} proto udp")
}

pub(super) fn iptables_rule(interface: &str) -> String {
    format!("-i {interface} -p udp --dport {FIRST}:{LAST} -m comment --comment {TAG} -j ACCEPT")
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
        assert_eq!(chains, ["inet filter input"]);
        let commands = Firewall::Nft(chains).commands("usb0");
        assert_eq!(
            commands[0],
            "nft insert rule inet filter input iifname \"usb0\" udp dport 56400-56401 accept comment \"gamelink\""
        );
        assert!(input_chains("nonsense").is_empty());
    }
}
