//! A daemon that is stopped or started again under two games that play.
//!
//! Needs root.

mod lab;

use lab::client::PeerUp;
use lab::{Client, Daemon, Lab, Message, eventually};
use std::time::{Duration, Instant};

/// Two games that play over the cable, as far as their daemons know; and the assignment of the first.
fn playing(lab: &Lab, daemons: [&Daemon; 2]) -> ([Client; 2], PeerUp) {
    let mut games = daemons.map(Daemon::game);
    let [up, _] = games.each_mut().map(Client::peer_up);
    for game in &mut games {
        game.plays_on("usb0");
    }
    for daemon in daemons {
        eventually("settled", || {
            let game = daemon.status().games.into_iter().next();
            let cable = game.and_then(|game| game.report?.cable);
            daemon.udp() == (true, true) && cable.as_deref() == Some("usb0")
        });
    }
    // The MAC of one end changes once.
    eventually("two MACs", || lab.mac(0, "usb0") != lab.mac(1, "usb0"));
    (games, up)
}

#[test]
#[ignore = "needs root"]
fn a_stop_leaves_two_games_their_path_and_a_later_start_takes_it_over() {
    let lab = Lab::pair("later");
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let ([mut game_a, mut game_b], old) = playing(&lab, [&a, &b]);
    assert!(lab.carries(&old.bind, &old.address));
    a.terminate();
    assert!(game_a.is_closed(), "its own game is told nothing");
    // Like one that has died: the games are asked whether they hear each other.
    assert!(matches!(game_b.next(), Message::PeerDown { cause, .. } if cause.may_be_daemon_only()));
    game_b.plays_on("usb0");
    assert!(lab.carries(&old.bind, &old.address));
    // A new one, for which the game looks.
    let a = lab.daemon(0, &[]);
    let mut game_a = a.game_that_plays("usb0");
    let new = game_a.peer_up();
    game_b.peer_up();
    assert!(new.bind != old.bind && lab.carries(&new.bind, &new.address));
    for end in 0..2 {
        eventually("one address", || {
            lab.addresses(end, "usb0").matches("fe80").count() == 1
        });
        eventually("one neighbour", || {
            lab.neighbours(end).matches("PERMANENT").count() == 1
        });
    }
}

#[test]
#[ignore = "needs root"]
fn a_restart_under_two_games_leaves_no_gap_of_a_second() {
    let lab = Lab::pair("again");
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let ([game_a, mut game_b], old) = playing(&lab, [&a, &b]);
    let start = Instant::now();
    a.terminate();
    drop(game_a);
    let a = lab.daemon(0, &[]);
    let mut game_a = a.game_that_plays("usb0");
    // Until here the old path is there.
    assert!(lab.carries(&old.bind, &old.address));
    assert!(matches!(game_b.next(), Message::PeerDown { cause, .. } if cause.may_be_daemon_only()));
    let down = Instant::now();
    game_b.peer_up();
    let up_b = down.elapsed();
    let up = game_a.peer_up();
    let up_a = down.elapsed();
    println!(
        "path changed {:?} after the stop; told anew after {up_a:?} and {up_b:?}",
        down - start
    );
    assert!(up_a.max(up_b) < Duration::from_millis(500));
    assert!(lab.carries(&up.bind, &up.address));
}

#[test]
#[ignore = "needs root"]
fn a_cable_on_which_nobody_plays_any_more_is_cleaned_after_a_start() {
    let lab = Lab::pair("clean");
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let (games, _) = playing(&lab, [&a, &b]);
    a.terminate();
    drop((games, b));
    assert!(lab.addresses(0, "usb0").contains("fe80"));
    let _a = lab.daemon(0, &[]);
    eventually("nothing left", || {
        !lab.addresses(0, "usb0").contains("fe80") && !lab.neighbours(0).contains("PERMANENT")
    });
}

#[test]
#[ignore = "needs root"]
fn a_hole_in_the_firewall_stays_for_a_game_that_plays_and_there_is_one_again() {
    let lab = Lab::pair("hole");
    lab.sh(0, "nft add table inet mine");
    lab.sh(
        0,
        "nft add chain inet mine in '{ type filter hook input priority 0; policy drop; }'",
    );
    lab.sh(0, "nft add rule inet mine in meta l4proto ipv6-icmp accept");
    let (mut a, b) = (lab.daemon(0, &["--manage-firewall"]), lab.daemon(1, &[]));
    let rules = || lab.sh(0, "nft list ruleset");
    let holes = || rules().matches("comment \"gamelink\"").count();
    let ([game_a, game_b], _) = playing(&lab, [&a, &b]);
    a.terminate();
    assert_eq!(holes(), 1);
    drop((game_a, game_b));
    let mut a = lab.daemon(0, &["--manage-firewall"]);
    a.game().peer_up();
    eventually("one hole", || a.udp() == (true, true) && holes() == 1);
    a.terminate();
    assert_eq!(holes(), 0);
}

#[test]
#[ignore = "needs root"]
fn a_hole_that_a_killed_daemon_left_lets_no_phone_in() {
    let lab = Lab::pair("killed");
    lab.sh(0, "nft add table inet mine");
    lab.sh(
        0,
        "nft add chain inet mine in '{ type filter hook input priority 0; policy drop; }'",
    );
    let (mut a, mut b) = (lab.daemon(0, &["--manage-firewall"]), lab.daemon(1, &[]));
    let rules = || lab.sh(0, "nft list ruleset");
    eventually("a hole", || rules().contains("comment \"gamelink\""));
    a.kill();
    b.kill();
    // The cable is out, and something else has its name.
    lab.unplug("usb0");
    lab.plug("usb0");
    for (end, host) in [(0, 1), (1, 2)] {
        lab.sh(
            end,
            &format!("ip addr add 10.9.0.{host}/24 dev usb0 && ip link set usb0 up"),
        );
    }
    assert!(rules().contains("gamelink"));
    assert!(!lab.lets_in("10.9.0.1:56400"));
    lab.sh(0, "nft add rule inet mine in iifname usb0 udp dport 56400 accept");
    assert!(lab.lets_in("10.9.0.1:56400"), "nothing else is in the way");
    // The next daemon cleans up, whatever it serves.
    let _a = lab.daemon(0, &["--manage-firewall", "--interface", "none"]);
    eventually("no hole", || !rules().contains("gamelink"));
}

#[test]
#[ignore = "needs root"]
fn a_hole_stays_one_under_a_new_name() {
    let lab = Lab::pair("holename");
    lab.sh(0, "nft add table inet mine");
    lab.sh(
        0,
        "nft add chain inet mine in '{ type filter hook input priority 0; policy drop; }'",
    );
    let (mut a, b) = (lab.daemon(0, &["--manage-firewall"]), lab.daemon(1, &[]));
    let rules = || lab.sh(0, "nft list ruleset");
    eventually("passes", || a.udp() == (true, true));
    lab.sh(0, "ip link set usb0 name gamelink0");
    eventually("the new name", || rules().matches("\"gamelink0\"").count() == 1);
    eventually("passes", || a.udp() == (true, true) && b.udp() == (true, true));
    a.terminate();
    assert!(!rules().contains("comment"));
}
