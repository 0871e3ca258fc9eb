//! The commands that the doctor prints, and `--manage-firewall`, with the firewalls themselves: each in a
//! machine of its own.
//!
//! Needs root. A firewall that is not installed is passed over in words: nftables, iptables, ufw, firewalld
//! (with dbus).

mod lab;

use lab::{Daemon, Lab, eventually};
use std::io::Write as _;

/// A machine whose firewall drops what comes in on the cable.
fn walled(name: &str, needs: &[&str], copies: &[&str], script: &str) -> Option<Lab> {
    let mut lab = Lab::pair(name);
    for program in needs {
        if lab.try_sh(0, &format!("command -v {program}")).is_none() {
            // Past the harness, which keeps what a test that passes has printed to itself.
            let _ = writeln!(std::io::stderr(), "{name} is skipped: {program} is not installed");
            return None;
        }
    }
    lab.furnish(copies);
    lab.sh(0, script);
    Some(lab)
}

fn rules(lab: &Lab) -> String {
    // Counters count on; ufw renumbers nothing, nft keeps the order.
    lab.sh(
        0,
        "nft -s list ruleset 2>/dev/null | sed 's/counter packets [0-9]* bytes [0-9]*/counter/'",
    )
}

fn passes(a: &Daemon, b: &Daemon) {
    eventually("UDP passes both ways", || {
        a.udp() == (true, true) && b.udp() == (true, true)
    });
}

/// The doctor finds the firewall, what it prints mends it, and the daemon does the same by itself and takes
/// it back.
fn is_found_and_opened(lab: &Lab, programs: &[&str]) {
    let before = rules(lab);
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    eventually("the side that drops", || {
        a.udp() == (false, true) && b.udp() == (true, false)
    });
    let mut commands = vec![];
    eventually("the doctor has seen enough", || {
        let (code, text) = lab.tool(0, &a, &["doctor", "--json"]);
        let findings: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
        let found = findings.iter().find(|finding| {
            finding["what"]
                .as_str()
                .is_some_and(|what| what.starts_with("this machine's firewall drops"))
        });
        let Some(found) = found else { return false };
        let lines = found["mend"].as_array().unwrap().iter();
        commands = lines.map(|line| line.as_str().unwrap().to_owned()).collect();
        code == 4
    });
    println!("{}", commands.join("\n"));
    assert!(
        programs
            .iter()
            .all(|program| commands.iter().any(|line| line.starts_with(program)))
    );
    for command in &commands {
        lab.sh(0, command);
    }
    passes(&a, &b);
    a.terminate();
    drop(b);
    // The firewall is as it was, but for what the person did: taken back as the daemon would.
    let a = lab.daemon(0, &["--manage-firewall"]);
    let b = lab.daemon(1, &[]);
    passes(&a, &b);
    let (code, text) = lab.tool(0, &a, &["doctor"]);
    assert_eq!(code, 0, "{text}");
    let mut a = a;
    a.terminate();
    assert_eq!(rules(lab), before);
}

#[test]
#[ignore = "needs root"]
fn iptables_is_opened() {
    let script = "for i in iptables ip6tables; do $i -P INPUT DROP; $i -A INPUT -i lo -j ACCEPT; done";
    let Some(lab) = walled("ipt", &["iptables", "nft"], &[], script) else {
        return;
    };
    is_found_and_opened(&lab, &["iptables -I INPUT -i usb0", "ip6tables -I INPUT -i usb0"]);
}

#[test]
#[ignore = "needs root"]
fn the_older_iptables_is_opened() {
    let script =
        "for i in iptables-legacy ip6tables-legacy; do $i -P INPUT DROP && $i -A INPUT -i lo -j ACCEPT; done";
    let Some(lab) = walled("leg", &["iptables-legacy", "nft"], &[], script) else {
        return;
    };
    let listed = || lab.sh(0, "iptables-legacy -S; ip6tables-legacy -S");
    let before = listed();
    is_found_and_opened(
        &lab,
        &[
            "iptables-legacy -I INPUT -i usb0",
            "ip6tables-legacy -I INPUT -i usb0",
        ],
    );
    assert_eq!(listed(), before);
}

/// ufw and firewalld let answers in, and both ends send from the port that they receive at: they are in
/// nobody's way. Asked to, the daemon opens them all the same, as far as its two ports on its cable, and
/// takes that back.
fn is_opened_when_asked_to(lab: &Lab, list: &str, shows: &[&str]) {
    let before = lab.sh(0, list);
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    passes(&a, &b);
    a.terminate();
    let mut a = lab.daemon(0, &["--manage-firewall"]);
    eventually("the hole", || {
        let now = lab.sh(0, list);
        shows.iter().all(|words| now.contains(words))
    });
    passes(&a, &b);
    // The programs of firewalld take a second and more, in which the daemon goes on.
    assert!(!b.log().contains("no frame received"), "{}", b.log());
    a.terminate();
    assert_eq!(lab.sh(0, list), before);
}

#[test]
#[ignore = "needs root"]
fn ufw_is_opened() {
    let Some(lab) = walled("ufw", &["ufw", "nft"], &["/etc/ufw"], "ufw --force enable") else {
        return;
    };
    is_opened_when_asked_to(&lab, "ufw status", &["56400:56401/udp on usb0"]);
}

#[test]
#[ignore = "needs root"]
fn firewalld_is_opened() {
    let script = "mkdir -p /run/dbus && dbus-daemon --system --fork && (firewalld --nofork --nopid >/dev/null 2>&1 &) && \
                  for i in $(seq 60); do firewall-cmd --state >/dev/null 2>&1 && exit; sleep 0.25; done; exit 1";
    let needs = ["firewalld", "firewall-cmd", "dbus-daemon", "nft"];
    let Some(lab) = walled("fwd", &needs, &[], script) else {
        return;
    };
    let list = "firewall-cmd --zone=drop --list-all";
    is_opened_when_asked_to(&lab, list, &["interfaces: usb0", "ports: 56400-56401/udp"]);
}

/// Two machines on a LAN, of which the first one's firewall drops what comes in.
fn walled_lan(name: &str) -> Lab {
    let script = "nft add table inet mine; \
                  nft add chain inet mine in '{ type filter hook input priority 0; policy drop; }'; \
                  nft add rule inet mine in iif lo accept";
    let lab = walled(name, &["nft"], &[], script).expect("the tests need nftables");
    for end in 0..2 {
        let address = format!(
            "ip addr add 10.77.0.{}/24 dev usb0 && ip link set usb0 up",
            end + 1
        );
        lab.sh(end, &address);
    }
    lab
}

const ON_LAN: [&str; 5] = ["--interface", "none", "--lan", "usb0", "--open"];
const MANAGED: [&str; 6] = [
    "--interface",
    "none",
    "--lan",
    "usb0",
    "--open",
    "--manage-firewall",
];

#[test]
#[ignore = "needs root"]
fn a_lan_is_opened_while_it_is_served() {
    let lab = walled_lan("lanfw");
    let before = rules(&lab);
    let b = lab.daemon(1, &ON_LAN);
    let mut a = lab.daemon(0, &MANAGED);
    let (mut first, mut second) = (a.game(), b.game());
    assert_eq!(
        (first.peer_up().name, second.peer_up().name),
        ("player-1".into(), "player-0".into())
    );
    let open = rules(&lab);
    assert_eq!(
        open.matches("udp dport 56400-56401 accept comment \"gamelink\"")
            .count(),
        1,
        "{open}"
    );
    assert!(
        open.contains("iif \"usb0\""),
        "bound to the interface itself: {open}"
    );
    // The interface goes, and comes back under the same name.
    lab.sh(0, "ip link set usb0 name away0");
    drop((first, second));
    a.terminate();
    assert_eq!(rules(&lab), before, "closed by its number, whatever its name");
}

#[test]
#[ignore = "needs root"]
fn what_a_killed_daemon_left_open_on_a_lan_is_closed_by_the_next() {
    let lab = walled_lan("lankill");
    let before = rules(&lab);
    let opened = |lab: &Lab| rules(lab).matches("gamelink").count();
    let mut a = lab.daemon(0, &MANAGED);
    eventually("the hole", || opened(&lab) == 1);
    a.kill();
    assert_eq!(opened(&lab), 1);
    // One that serves the LAN again takes the rule over.
    let mut a = lab.daemon(0, &MANAGED);
    a.game();
    eventually("one hole", || opened(&lab) == 1);
    a.kill();
    // One that does not closes it.
    let mut a = lab.daemon(0, &["--interface", "none", "--manage-firewall"]);
    eventually("no hole", || opened(&lab) == 0);
    a.terminate();
    assert_eq!(rules(&lab), before);
}

#[test]
#[ignore = "needs root"]
fn a_lan_over_which_a_game_plays_stays_open_until_the_next_start() {
    let lab = walled_lan("lanplay");
    let before = rules(&lab);
    let b = lab.daemon(1, &ON_LAN);
    let mut a = lab.daemon(0, &MANAGED);
    let (mut first, mut second) = (a.game(), b.game());
    first.peer_up();
    second.peer_up();
    first.plays_on("usb0");
    eventually("the daemon knows", || {
        a.status().games.iter().any(|game| game.reports > 0)
    });
    a.terminate();
    assert_ne!(rules(&lab), before);
    drop((first, second));
    let mut a = lab.daemon(0, &MANAGED);
    a.terminate();
    assert_eq!(rules(&lab), before);
}

/// The daemon runs as the shipped unit runs it: as nobody, with two rights. What nft is underneath can be
/// changed so; for the rest a person is told the command.
#[test]
#[ignore = "needs root"]
fn without_root_the_daemon_opens_what_nft_is_underneath() {
    let script = "iptables -P INPUT DROP; ip6tables -P INPUT DROP; nft add table inet mine; \
                  nft add chain inet mine in '{ type filter hook input priority 0; policy drop; }'";
    let Some(lab) = walled("cap", &["iptables", "nft", "setpriv"], &[], script) else {
        return;
    };
    let before = rules(&lab);
    lab.drop_privileges();
    let (mut a, b) = (lab.daemon(0, &["--manage-firewall"]), lab.daemon(1, &[]));
    passes(&a, &b);
    a.terminate();
    assert_eq!(rules(&lab), before);
    drop(b);
    // firewalld wants a person's authority: here it is only its table, which is how the daemon knows it.
    lab.sh(
        0,
        "iptables -P INPUT ACCEPT; ip6tables -P INPUT ACCEPT; nft delete table inet mine",
    );
    lab.sh(
        0,
        "nft add table inet firewalld; nft add chain inet firewalld filter_INPUT '{ type filter hook input priority 10; policy drop; }'",
    );
    let (a, _b) = (lab.daemon(0, &["--manage-firewall"]), lab.daemon(1, &[]));
    eventually("the command for a person", || {
        a.log()
            .contains("run `firewall-cmd --zone=drop --change-interface=usb0` as root")
    });
}
