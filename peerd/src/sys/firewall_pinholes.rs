//! Rules of `--manage-firewall`, for cables and LANs: opened, closed, left for a game, and cleaned up after a
//! killed run.

use super::firewall::{
    FIRST, Firewall, LAST, TAG, ZONE, detect, iptables_rule, objects, run, ufw_rule, word,
};
use crate::identity::IfIndex;
use nix::net::if_::if_indextoname;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Kinds of interface: a cable has the zone of firewalld that is ours, a LAN stays in its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Cable,
    Lan,
}

/// Orders for the rules of one interface, or of all.
#[derive(Debug)]
pub(crate) enum Order {
    /// Open it, once.
    Open(IfIndex, String, Network),
    /// Open it under the interface's new name, if it is open.
    Rename(IfIndex, String),
    Close(IfIndex),
    /// Leave it open for a game that is linked; the next start takes over.
    Leave(IfIndex),
    /// Close rules of an earlier run on interfaces that are not these cables and LANs.
    Sweep(Vec<String>),
}

/// Opens and closes the firewall on a thread of its own: its programs take seconds on a small machine, and a
/// daemon that is silent for so long is given up by its peer. All rules are removed on drop. Without a thread
/// it does nothing.
#[derive(Debug)]
pub(crate) struct Keeper(Option<(Sender<Order>, JoinHandle<()>)>);

impl Keeper {
    /// Starts the thread, if it is wanted.
    pub(crate) fn start(is_wanted: bool) -> io::Result<Keeper> {
        let start = || {
            let (orders, receiver) = channel();
            let thread = std::thread::Builder::new().name("firewall".into());
            Ok((orders, thread.spawn(|| keep(receiver))?))
        };
        is_wanted.then(start).transpose().map(Keeper)
    }

    pub(crate) fn order(&self, order: Order) {
        if let Some((orders, _)) = &self.0 {
            // The thread runs until drop.
            let _ = orders.send(order);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some((orders, thread)) = self.0.take() {
            drop(orders);
            let _ = thread.join();
        }
    }
}

fn keep(orders: Receiver<Order>) {
    let mut pinholes: BTreeMap<IfIndex, Pinhole> = BTreeMap::new();
    for order in orders {
        match order {
            Order::Open(index, interface, network) => {
                pinholes
                    .entry(index)
                    .or_insert_with(|| Pinhole::open(index, interface, network));
            }
            Order::Rename(index, interface) => {
                if let Some(old) = pinholes.remove(&index) {
                    let network = old.network;
                    drop(old);
                    pinholes.insert(index, Pinhole::open(index, interface, network));
                }
            }
            Order::Close(index) => drop(pinholes.remove(&index)),
            Order::Leave(index) => {
                if let Some(mut pinhole) = pinholes.remove(&index) {
                    pinhole.firewalls.clear();
                }
            }
            Order::Sweep(kept) => {
                for firewall in detect() {
                    close(&firewall, |interface| !kept.iter().any(|of| of == interface));
                }
            }
        }
    }
}

/// Rules for one interface, removed on drop.
#[derive(Debug)]
struct Pinhole {
    interface: String,
    index: IfIndex,
    network: Network,
    firewalls: Vec<Firewall>,
    /// The zone of a LAN, in which firewalld has opened our ports for us.
    zone: Option<String>,
}

impl Pinhole {
    /// Opens the firewalls of this machine for one interface.
    fn open(index: IfIndex, interface: String, network: Network) -> Pinhole {
        let mut pinhole = Pinhole {
            interface,
            index,
            network,
            firewalls: detect(),
            zone: None,
        };
        // Rules of a killed daemon are removed first, so that there is only one set.
        pinhole.close();
        let zone = pinhole.lan_zone();
        if zone.as_deref().is_some_and(is_open) {
            // By its owner, who keeps it so.
            return pinhole;
        }
        let commands = |firewall: &Firewall| pinhole.commands(firewall, zone.as_deref());
        let commands: Vec<String> = pinhole.firewalls.iter().flat_map(commands).collect();
        for command in commands {
            match run(&command) {
                Ok(_) => {
                    pinhole.zone.clone_from(&zone);
                    log::info!("firewall opened command=`{command}`");
                }
                Err(error) => log::warn!(
                    "cannot open this machine's firewall: run `{command}` as root, once after each plug, or open it for good; {error}"
                ),
            }
        }
        pinhole
    }

    /// Zone of firewalld in which this LAN is, if there is a firewalld that tells us.
    fn lan_zone(&self) -> Option<String> {
        let is_asked = self.network == Network::Lan && matches!(self.firewalls[..], [Firewall::Firewalld]);
        let of_interface = || {
            run(&format!(
                "firewall-cmd --get-zone-of-interface={}",
                self.interface
            ))
        };
        // An interface that nobody has put into a zone is in the default one.
        let zone = is_asked.then(|| of_interface().or_else(|_| run("firewall-cmd --get-default-zone")));
        Some(zone?.ok()?.trim().to_owned())
    }

    fn commands(&self, firewall: &Firewall, zone: Option<&str>) -> Vec<String> {
        match (firewall, zone) {
            (Firewall::Firewalld, Some(zone)) => vec![in_zone(zone, "add-port")],
            // Not asked, or refused: for a person's shell, which finds the zone.
            (Firewall::Firewalld, None) if self.network == Network::Lan => {
                firewall.lan_commands(&self.interface)
            }
            _ => firewall.commands_by("iif", &self.interface),
        }
    }

    /// Removes our rules.
    fn close(&self) {
        let interface = &self.interface;
        // A bound rule is listed by the present name, or by the number once the interface is gone.
        let number = self.index.0.to_string();
        let name = if_indextoname(self.index.0).unwrap_or_default();
        for firewall in &self.firewalls {
            close(firewall, |of| {
                of == interface || of == number || name.to_str() == Ok(of)
            });
            if let Some(zone) = &self.zone {
                let _ = run(&in_zone(zone, "remove-port"));
            }
            if let (Firewall::Firewalld, Network::Cable) = (firewall, self.network) {
                let zone = format!("firewall-cmd --zone={ZONE}");
                let _ = run(&format!("{zone} --remove-interface={interface}"));
                // Another cable may still be there.
                if run(&format!("{zone} --list-interfaces")).is_ok_and(|list| list.trim().is_empty()) {
                    let _ = run(&format!("{zone} --remove-port={FIRST}-{LAST}/udp"));
                }
            }
        }
    }
}

impl Drop for Pinhole {
    fn drop(&mut self) {
        self.close();
        if !self.firewalls.is_empty() {
            log::info!("firewall closed interface={}", self.interface);
        }
    }
}

/// The command that does this to our ports in a zone of firewalld.
fn in_zone(zone: &str, what: &str) -> String {
    format!("firewall-cmd --zone={zone} --{what}={FIRST}-{LAST}/udp")
}

/// True if our ports are open in a zone of firewalld.
fn is_open(zone: &str) -> bool {
    run(&in_zone(zone, "query-port")).is_ok()
}

/// Removes our rules, found by tag, on interfaces that satisfy `is_to_go`. firewalld is left alone: its zone
/// does not mark rules as ours, and opens no more than our two ports until it is reloaded; nor does a LAN's.
fn close(firewall: &Firewall, is_to_go: impl Fn(&str) -> bool) {
    let list = |command: &str| run(command).unwrap_or_default();
    match firewall {
        Firewall::Firewalld => {}
        Firewall::Ufw => {
            for interface in interfaces(&list("ufw show added"), "in on ") {
                if is_to_go(interface) {
                    let _ = run(&format!("ufw delete {}", ufw_rule(interface)));
                }
            }
        }
        // Elements of sets, which can be many, are not listed.
        Firewall::Nft(_) => {
            for rule in our_rules(&list("nft -j -t -a list ruleset"), is_to_go) {
                let _ = run(&format!("nft delete rule {rule}"));
            }
        }
        Firewall::Iptables(programs) => {
            for program in programs {
                for interface in interfaces(&list(&format!("{program} -S INPUT")), "-i ") {
                    if is_to_go(interface) {
                        let _ = run(&format!("{program} -D INPUT {}", iptables_rule(interface)));
                    }
                }
            }
        }
    }
}

/// Interfaces of our rules in a list of rules, one a line; `before` precedes an interface.
fn interfaces<'a>(rules: &'a str, before: &str) -> Vec<&'a str> {
    let tags = ["--comment ", "comment '", "comment \""].map(|word| format!("{word}{TAG}"));
    let ours = rules
        .lines()
        .filter(|line| tags.iter().any(|tag| line.contains(tag)));
    ours.filter_map(|line| line.split_once(before)?.1.split(' ').next())
        .collect()
}

/// Our nft rules whose interface satisfies `is_to_go`: its name, or its number once it is gone.
fn our_rules(json: &str, is_to_go: impl Fn(&str) -> bool) -> Vec<String> {
    let place = |rule: &Value| {
        let is_ours = word(rule, "comment") == TAG && is_to_go(interface_of(rule)?);
        let [family, table, chain] = ["family", "table", "chain"].map(|key| word(rule, key));
        let handle = rule.get("handle")?.as_u64()?;
        is_ours.then(|| format!("{family} {table} {chain} handle {handle}"))
    };
    objects(json, "rule").iter().filter_map(place).collect()
}

fn interface_of(rule: &Value) -> Option<&str> {
    rule.get("expr")?.as_array()?.iter().find_map(|part| {
        let key = part.pointer("/match/left/meta/key")?.as_str()?;
        let interface = part.pointer("/match/right")?.as_str()?;
        ["iif", "iifname"].contains(&key).then_some(interface)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_rules_are_found_again() {
        let rule = |handle: u64, comment: &str, key: &str, interface: &str| {
            let left = serde_json::json!({ "meta": { "key": key } });
            serde_json::json!({ "rule": {
                "family": "inet", "table": "filter", "chain": "input", "handle": handle, "comment": comment,
                "expr": [{ "match": { "op": "==", "left": left, "right": interface } }, { "accept": null }],
            }})
        };
        let rules = [
            rule(7, "gamelink", "iifname", "usb0"),
            rule(8, "gamelink", "iif", "usb01"),
            rule(9, "mine", "iif", "usb0"),
            rule(10, "gamelink", "iif", "17"),
            rule(11, "gamelink", "oifname", "usb0"),
        ];
        let json = serde_json::json!({ "nftables": rules }).to_string();
        let handles = |is_to_go: &dyn Fn(&str) -> bool| -> Vec<String> {
            let rules = our_rules(&json, is_to_go).into_iter();
            let handle = |rule: String| rule.strip_prefix("inet filter input handle ").map(str::to_owned);
            rules.filter_map(handle).collect()
        };
        assert_eq!(handles(&|of| of == "usb0" || of == "17"), ["7", "10"]);
        assert_eq!(handles(&|of| of != "usb0"), ["8", "10"]);
    }

    #[test]
    fn the_interfaces_of_our_rules_are_read_from_lists() {
        let rules = "-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n\
                     -A INPUT -i usb0 -p udp -m udp --dport 56400:56401 -m comment --comment gamelink -j ACCEPT\n";
        assert_eq!(interfaces(rules, "-i "), ["usb0"]);
        let added = "Added user rules (see 'ufw status' for running firewall):\nufw allow 22\n\
                     ufw allow in on usb1 to any port 56400:56401 proto udp comment 'gamelink'\n";
        assert_eq!(interfaces(added, "in on "), ["usb1"]);
    }
}
