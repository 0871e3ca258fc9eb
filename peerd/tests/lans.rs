//! The daemon on real LANs: bridges between network namespaces, made and removed by each test.
//!
//! Needs root and `ip` (iproute2).

mod lab;

use lab::{Client, Daemon, Lab, SAME_MAC, eventually, sh};
use std::time::Instant;

/// Machines on a LAN, with the addresses 10.77.0.1 and so on.
fn lan(name: &str, machines: usize) -> Lab {
    let lab = Lab::hub(name, machines);
    for end in 0..machines {
        let address = format!("10.77.0.{}/24", end + 1);
        let commands = format!("ip addr add {address} dev usb0 && ip link set usb0 up");
        lab.sh(end, &commands);
    }
    lab
}

#[test]
#[ignore = "needs root"]
fn machines_on_a_lan_with_games_find_each_other_and_nothing_of_theirs_is_touched() {
    let lab = lan("lan", 3);
    let before = [0, 1, 2].map(|end| (lab.mac(end, "usb0"), lab.addresses(end, "usb0")));
    let daemons = [0, 1, 2].map(|end| lab.daemon(end, &["--interface", "none", "--lan", "usb0", "--open"]));
    let (mut first, mut last) = (daemons[0].game(), daemons[2].game());
    assert_eq!(
        (first.peer_up().name, last.peer_up().name),
        ("player-2".to_owned(), "player-0".to_owned())
    );
    eventually("all are listed", || {
        daemons[1]
            .status()
            .lans
            .first()
            .is_some_and(|lan| lan.machines.len() == 2)
    });
    drop(last);
    assert!(first.peer_down().contains("not any more"));
    // The interface itself goes.
    let mut last = daemons[2].game();
    assert_eq!(first.peer_up().name, "player-2");
    last.peer_up();
    sh(&format!("ip -n {} link del usb0", lab.namespace(2)));
    assert_eq!(last.peer_down(), "the interface is gone");
    first.peer_down();
    let after = [0, 1].map(|end| (lab.mac(end, "usb0"), lab.addresses(end, "usb0")));
    let words = |text: &str| text.matches("inet").count();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.0, words(&before.1)), (&after.0, words(&after.1)));
    }
}

#[test]
#[ignore = "needs root"]
fn a_new_address_of_a_lan_peer_is_told_to_the_game_that_plays_with_it() {
    let lab = lan("move", 2);
    for end in 0..2 {
        lab.sh(end, "sysctl -qw net.ipv6.conf.usb0.disable_ipv6=1");
    }
    let daemons = [0, 1].map(|end| lab.daemon(end, &["--interface", "none", "--lan", "usb0", "--open"]));
    let (mut first, mut second) = (daemons[0].game(), daemons[1].game());
    assert_eq!(first.peer_up().address, "10.77.0.2:56400");
    second.peer_up();
    lab.sh(1, "ip addr flush dev usb0 && ip addr add 10.77.0.22/24 dev usb0");
    let start = Instant::now();
    assert_eq!(first.peer_up().address, "10.77.0.22:56400");
    println!("told of the new address after {:?}", start.elapsed());
}

#[test]
#[ignore = "needs root"]
fn a_game_that_joins_netplay_leaves_its_lan_to_the_others_until_that_ends() {
    let lab = lan("netplay", 3);
    let daemons = [0, 1, 2].map(|end| lab.daemon(end, &["--interface", "none", "--lan", "usb0", "--open"]));
    let (mut first, mut second) = (daemons[0].game(), daemons[1].game());
    assert_eq!(first.peer_up().name, "player-1");
    second.peer_up();
    first.is_in_netplay(true);
    first.peer_down();
    second.peer_down();
    let mut third = daemons[2].game();
    assert_eq!(second.peer_up().name, "player-2");
    assert_eq!(third.peer_up().name, "player-1");
    drop(third);
    second.peer_down();
    first.is_in_netplay(false);
    assert_eq!(first.peer_up().name, "player-1");
    assert_eq!(second.peer_up().name, "player-0");
}

#[test]
#[ignore = "needs root"]
fn a_cable_comes_before_a_lan() {
    let lab = Lab::hub("both", 2);
    let (a, b) = (lab.namespace(0), lab.namespace(1));
    sh(&format!(
        "ip -n {a} link set usb0 up && ip -n {b} link set usb0 up"
    ));
    let daemons = [0, 1].map(|end| lab.daemon(end, &["--interface", "cable0", "--lan", "usb0", "--open"]));
    let mut games = daemons.each_ref().map(Daemon::game);
    assert!(
        games
            .each_mut()
            .map(Client::peer_up)
            .iter()
            .all(|up| up.cable == "usb0")
    );
    sh(&format!(
        "ip -n {a} link add cable0 address {SAME_MAC} type veth peer name cable0 netns {b} address {SAME_MAC}"
    ));
    for game in &mut games {
        // For the cable, or because the other end has already left for it.
        game.peer_down();
        assert_eq!(game.peer_up().cable, "cable0");
    }
    // Without the cable the LAN serves again.
    sh(&format!("ip -n {a} link del cable0"));
    for game in &mut games {
        game.peer_down();
    }
    assert!(
        games
            .each_mut()
            .map(Client::peer_up)
            .iter()
            .all(|up| up.cable == "usb0")
    );
}
