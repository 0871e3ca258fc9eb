//! Rules of `--manage-firewall`: opened, closed, left for a game, and cleaned up after a killed run.

use super::firewall::{Firewall, TAG, ZONE, detect, iptables_rule, objects, output, ports, run};
use crate::identity::IfIndex;
use nix::net::if_::{if_indextoname, if_nametoindex};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Orders for the rules of an interface.
#[derive(Debug)]
enum Order {
    Open(String),
    Close,
    Leave,
    /// Close rules of earlier runs on other interfaces than these.
    Sweep(Vec<String>),
}

/// Opens and closes the firewall on a thread of its own: its programs take seconds on a small machine, and a
/// daemon that is silent for so long is given up by its peer. All rules are removed on drop. Without a thread
/// it does nothing.
#[derive(Debug)]
pub(crate) struct Keeper {
    orders: Option<Sender<(IfIndex, Order)>>,
    thread: Option<JoinHandle<()>>,
    /// Interfaces that are open.
    open: BTreeSet<IfIndex>,
}

impl Keeper {
    /// Starts the thread, if it is wanted.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(is_wanted: bool) -> io::Result<Keeper> {
        let (orders, receiver) = channel();
        let thread = std::thread::Builder::new().name("firewall".into());
        Ok(Keeper {
            thread: is_wanted.then(|| thread.spawn(|| keep(receiver))).transpose()?,
            orders: is_wanted.then_some(orders),
            open: BTreeSet::new(),
        })
    }

    /// Opens the firewall for an interface, once.
    pub(crate) fn open(&mut self, index: IfIndex, interface: &str) {
        if self.open.insert(index) {
            self.order(index, Order::Open(interface.to_owned()));
        }
    }

    /// Opens it under the interface's new name, if it was open.
    pub(crate) fn rename(&mut self, index: IfIndex, interface: &str) {
        if self.open.contains(&index) {
            self.order(index, Order::Open(interface.to_owned()));
        }
    }

    /// Closes it for an interface.
    pub(crate) fn close(&mut self, index: IfIndex) {
        if self.open.remove(&index) {
            self.order(index, Order::Close);
        }
    }

    /// Leaves it open for a game that is linked; the next start takes over.
    pub(crate) fn leave(&self, index: IfIndex) {
        self.order(index, Order::Leave);
    }

    /// Closes rules of an earlier run on interfaces that are not these cables.
    pub(crate) fn sweep(&self, cables: Vec<String>) {
        // No interface has this number.
        self.order(IfIndex::default(), Order::Sweep(cables));
    }

    fn order(&self, index: IfIndex, order: Order) {
        if let Some(orders) = &self.orders {
            // The thread runs until drop.
            let _ = orders.send((index, order));
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn keep(orders: Receiver<(IfIndex, Order)>) {
    let mut holes = BTreeMap::new();
    for (index, order) in orders {
        let old: Option<Hole> = holes.remove(&index);
        match order {
            Order::Open(interface) => {
                drop(old);
                holes.insert(index, Hole::open(&interface));
            }
            Order::Close => drop(old),
            Order::Leave => {
                if let Some(mut hole) = old {
                    hole.firewalls.clear();
                }
            }
            Order::Sweep(kept) => sweep(&detect(), &kept),
        }
    }
}

/// Rules for one interface, removed on drop.
#[derive(Debug)]
struct Hole {
    interface: String,
    index: IfIndex,
    firewalls: Vec<Firewall>,
}

impl Hole {
    /// Opens the firewalls of this machine for one interface.
    fn open(interface: &str) -> Hole {
        let hole = Hole {
            interface: interface.to_owned(),
            index: if_nametoindex(interface).map_or_else(|_| IfIndex::default(), IfIndex),
            firewalls: detect(),
        };
        for firewall in &hole.firewalls {
            // Rules of a killed daemon are removed first, so that there is only one set.
            close(firewall, interface, hole.index);
            for command in firewall.own_commands(interface) {
                match run(&command) {
                    Ok(()) => log::info!("firewall opened command=`{command}`"),
                    Err(error) => log::warn!(
                        "cannot open this machine's firewall: run `{command}` as root, once after each plug, or open it for good; {error}"
                    ),
                }
            }
        }
        hole
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        for firewall in &self.firewalls {
            close(firewall, &self.interface, self.index);
        }
        if !self.firewalls.is_empty() {
            log::info!("firewall closed interface={}", self.interface);
        }
    }
}

/// Removes our rules.
fn close(firewall: &Firewall, interface: &str, index: IfIndex) {
    let (first, last) = ports();
    match firewall {
        Firewall::Firewalld => {
            let zone = format!("--zone={ZONE}");
            let _ = run(&format!("firewall-cmd {zone} --remove-interface={interface}"));
            // Another cable may still be there.
            if output("firewall-cmd", &[&zone, "--list-interfaces"])
                .is_some_and(|list| list.trim().is_empty())
            {
                let _ = run(&format!("firewall-cmd {zone} --remove-port={first}-{last}/udp"));
            }
        }
        Firewall::Ufw => {
            let _ = run(&format!(
                "ufw delete allow in on {interface} to any port {first}:{last} proto udp"
            ));
        }
        Firewall::Nft(_) => {
            // A bound rule is listed by the present name, or by the number once the interface is gone.
            let number = index.0.to_string();
            let name = if_indextoname(index.0)
                .ok()
                .and_then(|name| name.into_string().ok());
            close_nft(|of| of == interface || of == number || Some(of) == name.as_deref());
        }
        Firewall::Iptables(programs) => {
            for program in programs {
                let _ = run(&format!("{program} -D INPUT {}", iptables_rule(interface)));
            }
        }
    }
}

/// Removes our rules on all other interfaces. firewalld is left alone: its zone does not mark rules as ours,
/// and opens no more than our two ports until it is reloaded.
fn sweep(firewalls: &[Firewall], kept: &[String]) {
    let is_left = |interface: &str| !kept.iter().any(|of| of == interface);
    for firewall in firewalls {
        match firewall {
            Firewall::Firewalld => {}
            Firewall::Ufw => {
                let added = output("ufw", &["show", "added"]).unwrap_or_default();
                for interface in tagged(&added, "in on ").iter().filter(|of| is_left(of)) {
                    close(firewall, interface, IfIndex::default());
                }
            }
            Firewall::Nft(_) => close_nft(is_left),
            Firewall::Iptables(programs) => {
                for &program in programs {
                    let rules = output(program, &["-S", "INPUT"]).unwrap_or_default();
                    let firewall = Firewall::Iptables(vec![program]);
                    for interface in tagged(&rules, "-i ").iter().filter(|of| is_left(of)) {
                        close(&firewall, interface, IfIndex::default());
                    }
                }
            }
        }
    }
}

/// Interfaces of our rules in a list of rules, one a line; `before` precedes an interface.
fn tagged(rules: &str, before: &str) -> Vec<String> {
    let rules = rules.lines().filter(|line| {
        ["--comment ", "comment '", "comment \""]
            .iter()
            .any(|word| line.contains(&format!("{word}{TAG}")))
    });
    let interface = |line: &str| Some(line.split_once(before)?.1.split(' ').next()?.to_owned());
    rules.filter_map(interface).collect()
}

/// Deletes our rules, found by tag, whose interface satisfies `is_to_go`: its name, or its number once it is
/// gone. Elements of sets, which can be many, are not listed.
fn close_nft(is_to_go: impl Fn(&str) -> bool) {
    let Some(json) = output("nft", &["-j", "-t", "-a", "list", "ruleset"]) else {
        return;
    };
    for [family, table, chain, handle] in our_rules(&json, is_to_go) {
        let _ = run(&format!(
            "nft delete rule {family} {table} {chain} handle {handle}"
        ));
    }
}

fn our_rules(json: &str, is_to_go: impl Fn(&str) -> bool) -> Vec<[String; 4]> {
    let ruleset = serde_json::from_str::<Value>(json).unwrap_or_default();
    objects(&ruleset, "rule")
        .filter_map(|rule| {
            let word = |key: &str| Some(rule.get(key)?.as_str()?.to_owned());
            let is_ours = rule.get("comment")?.as_str() == Some(TAG) && is_to_go(interface_of(rule)?);
            let handle = rule.get("handle")?.as_u64()?.to_string();
            is_ours.then_some([word("family")?, word("table")?, word("chain")?, handle])
        })
        .collect()
}

/// Interface of an nft rule.
fn interface_of(rule: &Value) -> Option<&str> {
    let matches = rule.get("expr")?.as_array()?.iter();
    matches.filter_map(|part| part.get("match")).find_map(|part| {
        let key = part.get("left")?.get("meta")?.get("key")?.as_str()?;
        ["iif", "iifname"]
            .contains(&key)
            .then(|| part.get("right")?.as_str())?
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
            rules.map(|[.., handle]| handle).collect()
        };
        assert_eq!(handles(&|of| of == "usb0" || of == "17"), ["7", "10"]);
        assert_eq!(handles(&|of| of != "usb0"), ["8", "10"]);
    }

    #[test]
    fn the_interfaces_of_our_rules_are_read_from_lists() {
        let rules = "-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n\
                     -A INPUT -i usb0 -p udp -m udp --dport 56400:56401 -m comment --comment gamelink -j ACCEPT\n";
        assert_eq!(tagged(rules, "-i "), ["usb0"]);
        let added = "Added user rules (see 'ufw status' for running firewall):\nufw allow 22\n\
                     ufw allow in on usb1 to any port 56400:56401 proto udp comment 'gamelink'\n";
        assert_eq!(tagged(added, "in on "), ["usb1"]);
    }
}
