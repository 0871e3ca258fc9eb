//! The firewall of this machine, and the commands that open it for the link.
//!
//! A rule must be in the chain that drops: an accept elsewhere does not outweigh a drop here. Rules open our
//! two UDP ports on our interface only; chains of Docker and FORWARD are never touched, and nothing is
//! restored from a file.

use super::udp;
use gamelink_core::control::BRIDGE_PORT;
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};

/// Comment that marks our rules.
pub(super) const TAG: &str = "gamelink";

/// Zone of firewalld in which only our ports of a cable are open.
pub(super) const ZONE: &str = "drop";

/// Supported firewalls.
///
/// With `CAP_NET_ADMIN` but without root, nft can be changed, and iptables over nft. The older iptables needs
/// its lock in /run, ufw needs root and firewalld authorisation: then the command is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Firewall {
    Firewalld,
    Ufw,
    /// Chains of nft that hook input, as `family table chain`.
    Nft(Vec<[String; 3]>),
    /// The programs that have rules.
    Iptables(Vec<&'static str>),
}

pub(super) fn ports() -> (u16, u16) {
    (BRIDGE_PORT, udp::PORT)
}

/// Runs a program; returns its output, if it succeeded.
pub(super) fn output(program: &str, arguments: &[&str]) -> Option<String> {
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

/// Finds the firewalls of this machine, managers first: ufw and firewalld write nft or iptables rules
/// themselves.
pub(crate) fn detect() -> Vec<Firewall> {
    let chains = output("nft", &["-j", "list", "chains"]).unwrap_or_default();
    let is_running = || output("firewall-cmd", &["--state"]).is_some_and(|state| state.trim() == "running");
    // Only root may ask for its state; its table is visible.
    if has_table(&chains, "firewalld") || is_running() {
        return vec![Firewall::Firewalld];
    }
    if output("ufw", &["status"]).is_some_and(|status| status.contains("Status: active")) {
        return vec![Firewall::Ufw];
    }
    let mut found = vec![];
    let chains = input_chains(&chains);
    if !chains.is_empty() {
        found.push(Firewall::Nft(chains));
    }
    // Rules made by iptables are changed with iptables, whatever is underneath.
    let programs: Vec<_> = iptables_programs()
        .into_iter()
        .filter(|program| {
            output(program, &["-S", "INPUT"]).is_some_and(|rules| {
                rules
                    .lines()
                    .any(|line| line.starts_with("-A") || line.contains("DROP"))
            })
        })
        .collect();
    if !programs.is_empty() {
        found.push(Firewall::Iptables(programs));
    }
    found
}

/// Where `iptables` uses nft, the legacy tables have programs of their own; calling those creates the tables.
fn iptables_programs() -> Vec<&'static str> {
    let mut programs = vec!["iptables", "ip6tables"];
    for (program, tables) in [
        ("iptables-legacy", "/proc/net/ip_tables_names"),
        ("ip6tables-legacy", "/proc/net/ip6_tables_names"),
    ] {
        let is_other = output("iptables", &["-V"]).is_some_and(|version| version.contains("nf_tables"));
        let is_used =
            fs::read_to_string(tables).is_ok_and(|names| names.lines().any(|name| name == "filter"));
        if is_other && is_used {
            programs.push(program);
        }
    }
    programs
}

pub(super) fn objects<'a>(ruleset: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let all = ruleset.get("nftables").and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .filter_map(move |object| object.get(kind))
}

fn has_table(json: &str, name: &str) -> bool {
    let ruleset = serde_json::from_str::<Value>(json).unwrap_or_default();
    objects(&ruleset, "chain").any(|chain| chain.get("table").and_then(Value::as_str) == Some(name))
}

/// Chains on the input hook, except those of iptables and of other managers.
fn input_chains(json: &str) -> Vec<[String; 3]> {
    let ruleset = serde_json::from_str::<Value>(json).unwrap_or_default();
    objects(&ruleset, "chain")
        .filter_map(|chain| {
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
    /// Commands that open the firewall on `interface`, for a root shell.
    pub(crate) fn commands(&self, interface: &str) -> Vec<String> {
        self.commands_by(interface, "iifname")
    }

    /// Commands of the daemon. nft can bind a rule to the present interface instead of its name, which a
    /// phone may get after the cable is out. The others know interfaces by name only.
    pub(super) fn own_commands(&self, interface: &str) -> Vec<String> {
        self.commands_by(interface, "iif")
    }

    fn commands_by(&self, interface: &str, nft_key: &str) -> Vec<String> {
        let (first, last) = ports();
        match self {
            // A zone of its own, since a port is opened for all interfaces of a zone.
            Firewall::Firewalld => vec![
                format!("firewall-cmd --zone={ZONE} --change-interface={interface}"),
                format!("firewall-cmd --zone={ZONE} --add-port={first}-{last}/udp"),
            ],
            Firewall::Ufw => vec![format!(
                "ufw allow in on {interface} to any port {first}:{last} proto udp comment {TAG}"
            )],
            // nft requires the quotes, and a shell has to pass them on.
            Firewall::Nft(chains) => {
                let rule =
                    format!("{nft_key} \"{interface}\" udp dport {first}-{last} accept comment \"{TAG}\"");
                let insert = |chain: &[String; 3]| format!("nft insert rule {} {rule}", chain.join(" "));
                chains.iter().map(insert).collect()
            }
            Firewall::Iptables(programs) => {
                let rule = iptables_rule(interface);
                let insert = |program: &&str| format!("{program} -I INPUT {rule}");
                programs.iter().map(insert).collect()
            }
        }
    }
}

pub(super) fn iptables_rule(interface: &str) -> String {
    let (first, last) = ports();
    format!("-i {interface} -p udp --dport {first}:{last} -m comment --comment {TAG} -j ACCEPT")
}

/// Runs a command; its first line of errors, if it failed.
pub(super) fn run(command: &str) -> Result<(), String> {
    let mut words = command.split(' ');
    // nft accepts quotes in its arguments.
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(words
        .lines()
        .next()
        .unwrap_or("it said nothing")
        .trim()
        .to_owned())
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
            commands[0],
            "nft insert rule inet filter input iifname \"usb0\" udp dport 56400-56401 accept comment \"gamelink\""
        );
        assert!(input_chains("nonsense").is_empty());
    }
}
