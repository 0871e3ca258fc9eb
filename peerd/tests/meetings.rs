//! Machines that meet on a LAN, by a code or by a cable, and who plays with whom there.

mod lab;

use gamelink_core::control::{Cartridge, Playing};
use gamelink_driver::PeerAddresses;
use lab::{Client, Daemon, Lab, SAME_MAC, eventually, sh};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A LAN of so many machines, each with an address.
fn lan(name: &str, machines: usize) -> Lab {
    let lab = Lab::hub(name, machines);
    for end in 0..machines {
        let address = format!(
            "ip addr add 10.77.0.{}/24 dev usb0 && ip link set usb0 up",
            end + 1
        );
        lab.sh(end, &address);
    }
    lab
}

fn playing(title: &str) -> Playing {
    let mut image = vec![0; 0x150];
    image[0x134..0x134 + title.len()].copy_from_slice(title.as_bytes());
    Playing {
        cartridge: Cartridge::of(&image).unwrap(),
        ..Playing::default()
    }
}

fn daemon(lab: &Lab, end: usize) -> Daemon {
    lab.daemon(end, &["--interface", "none", "--lan", "usb0"])
}

fn sees_other(daemon: &Daemon) -> bool {
    daemon.status().lans.iter().any(|lan| lan.machines.len() == 1)
}

#[test]
#[ignore = "needs root"]
fn a_code_is_entered_once_and_nobody_else_is_linked() {
    let lab = lan("meet", 2);
    let daemons = [0, 1].map(|end| daemon(&lab, end));
    let mut games = daemons
        .each_ref()
        .map(|daemon| daemon.game_of(&playing("TETRIS")));
    eventually("the two hear each other", || daemons.iter().all(sees_other));
    let (code, words) = lab.tool(0, &daemons[0], &["peers"]);
    assert_eq!(code, 0);
    assert!(words.contains("player-1  TETRIS  none  strange"), "{words}");
    // One shows a code, and a wrong one is entered at the other.
    let mut command = lab.tool_command(0, &daemons[0], &["pair", "player-1"]);
    let mut pair = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(pair.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut shown = || lines.find_map(|line| line.strip_prefix("code: ").map(str::to_owned));
    let first = shown().expect("a code");
    let wrong = if first == "00 00" { "0001" } else { "0000" };
    let invites = || daemons[1].status().lans[0].pairing != gamelink_core::control::PairingStatus::Idle;
    eventually("the other is invited", invites);
    let (exit, _) = lab.tool(1, &daemons[1], &["pair", "player-0", "--code", wrong]);
    assert_eq!(exit, 1);
    // The right one.
    let second = shown().expect("another code").replace(' ', "");
    let (exit, words) = lab.tool(1, &daemons[1], &["pair", "player-0", "--code", &second]);
    assert_eq!(exit, 0, "{words}");
    assert!(pair.wait().unwrap().success());
    let keys = games.each_mut().map(|game| game.peer_up().key.expect("a key"));
    assert_eq!(keys[0], keys[1]);
    // Other processes need no code, and have another key.
    drop((games, daemons));
    let daemons = [0, 1].map(|end| daemon(&lab, end));
    let mut games = daemons
        .each_ref()
        .map(|daemon| daemon.game_of(&playing("TETRIS")));
    let later = games.each_mut().map(|game| game.peer_up().key.expect("a key"));
    assert_eq!(later[0], later[1]);
    assert_ne!(later[0], keys[0]);
    // Until one forgets the other.
    let (exit, words) = lab.tool(0, &daemons[0], &["forget", "player-1"]);
    assert_eq!(exit, 0, "{words}");
    games[0].peer_down();
    let (exit, _) = lab.tool(0, &daemons[0], &["forget", "player-1"]);
    assert_eq!(exit, 1);
}

#[test]
#[ignore = "needs root"]
fn machines_that_had_a_cable_between_them_know_each_other_on_a_lan() {
    let lab = lan("known", 2);
    let (a, b) = (lab.namespace(0), lab.namespace(1));
    let cable = format!(
        "ip -n {a} link add cable0 address {SAME_MAC} type veth peer name cable0 netns {b} address {SAME_MAC}"
    );
    sh(&cable);
    let daemons = [0, 1].map(|end| lab.daemon(end, &["--interface", "cable0", "--lan", "usb0"]));
    let mut games = daemons
        .each_ref()
        .map(|daemon| daemon.game_of(&playing("TETRIS")));
    for game in &mut games {
        let up = game.peer_up();
        assert_eq!(
            (up.cable.as_str(), up.key),
            ("cable0", None),
            "over a cable as before"
        );
    }
    sh(&format!("ip -n {a} link del cable0"));
    games.iter_mut().for_each(|game| drop(game.peer_down()));
    let ups = games.each_mut().map(Client::peer_up);
    assert!(ups.iter().all(|up| up.cable == "usb0"));
    assert!(ups[0].key.is_some() && ups[0].key == ups[1].key);
}

#[test]
#[ignore = "needs root"]
fn a_game_is_given_the_addresses_of_both_families() {
    let lab = lan("both", 2);
    let arguments = ["--interface", "none", "--lan", "usb0", "--open"];
    let daemons = [0, 1].map(|end| lab.daemon(end, &arguments));
    let mut games = daemons
        .each_ref()
        .map(|daemon| daemon.game_of(&playing("TETRIS")));
    for (game, other) in games.iter_mut().zip(["10.77.0.2:56400", "10.77.0.1:56400"]) {
        // That of IPv6 comes later: the kernel makes sure first that nobody else has it.
        let mut up = game.peer_up();
        while !(up.address.contains(other) && up.address.contains("%usb0]:56400")) {
            up = game.peer_up();
        }
        let addresses: PeerAddresses = up.address.parse().expect("what a game reads");
        assert_eq!(addresses.iter().count(), 2, "{addresses}");
    }
}

#[test]
#[ignore = "needs root"]
fn four_pairs_that_start_at_once_are_linked_and_nobody_is_crossed() {
    let starts: u32 = std::env::var("GAMELINK_STARTS").map_or(1, |of| of.parse().expect("a number"));
    for _ in 0..starts {
        let lab = lan("eight", 8);
        let titles = ["TETRIS", "POKEMON RED", "DR.MARIO", "F1RACE"];
        let arguments = ["--interface", "none", "--lan", "usb0", "--open"];
        let daemons: Vec<Daemon> = (0..8).map(|end| lab.daemon(end, &arguments)).collect();
        let start = Instant::now();
        let games = daemons.iter().zip(titles.iter().cycle());
        let mut games: Vec<Client> = games
            .map(|(daemon, title)| daemon.game_of(&playing(title)))
            .collect();
        let mut slowest = Duration::ZERO;
        for (end, game) in games.iter_mut().enumerate() {
            let up = game.peer_up();
            assert_eq!(up.name, format!("player-{}", (end + 4) % 8));
            slowest = slowest.max(start.elapsed());
        }
        println!("eight machines linked after {slowest:?}");
        assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    }
}
