//! The daemon on real cables: veth pairs between network namespaces, made and removed by each test.
//!
//! Needs root, `ip` (iproute2) and, for the firewall, `nft` (nftables).

mod lab;

use lab::{CableState, Client, Daemon, Lab, Message, SAME_MAC, eventually, sh};
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs root"]
fn one_mac_at_both_ends_becomes_a_link_with_two() {
    let lab = Lab::pair("mac");
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let (mut game_a, mut game_b) = (a.game(), b.game());
    let (up_a, up_b) = (game_a.peer_up(), game_b.peer_up());
    assert_eq!((up_a.name.as_str(), up_b.name.as_str()), ("player-1", "player-0"));
    assert_eq!(up_a.bind, up_b.address);
    assert_eq!(up_b.bind, up_a.address);
    let macs = || [0, 1].map(|end| lab.mac(end, "usb0"));
    eventually("distinct MACs", || macs()[0] != macs()[1]);
    // Exactly one end moved.
    assert_eq!(macs().iter().filter(|mac| mac.as_str() == SAME_MAC).count(), 1);
    // Addresses that the kernel forgot with the link down are back, and carry datagrams.
    eventually("UDP heard at both ends", || {
        a.udp() == (true, true) && b.udp() == (true, true)
    });
}

#[test]
#[ignore = "needs root"]
fn both_games_are_told_soon_after_the_plug() {
    let lab = Lab::empty("soon");
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let (mut game_a, mut game_b) = (a.game(), b.game());
    let mut times = vec![];
    for _ in 0..50 {
        lab.plug("usb0");
        let start = Instant::now();
        game_a.peer_up();
        game_b.peer_up();
        times.push(start.elapsed());
        lab.unplug("usb0");
        game_a.peer_down();
        game_b.peer_down();
    }
    times.sort();
    println!("told after median {:?}, longest of 50 {:?}", times[25], times[49]);
    // The longest of all is the machine's, when it has other work.
    assert!(times[48] < Duration::from_millis(150), "{times:?}");
}

#[test]
#[ignore = "needs root"]
fn three_cables_with_one_mac_are_three_links_for_three_games() {
    let lab = Lab::empty("three");
    let names = ["usb0", "usb1", "usb2"];
    names.iter().for_each(|name| lab.plug(name));
    let all = [
        "--interface",
        "usb0",
        "--interface",
        "usb1",
        "--interface",
        "usb2",
    ];
    let daemons = [lab.daemon(0, &all), lab.daemon(1, &all)];
    for daemon in &daemons {
        eventually("three links", || {
            daemon
                .states()
                .iter()
                .filter(|&&state| state == CableState::Linked)
                .count()
                == 3
        });
        let mut games = [daemon.game(), daemon.game(), daemon.game()];
        let mut cables = games.each_mut().map(|game| game.peer_up().cable);
        cables.sort();
        assert_eq!(cables, names);
    }
}

#[test]
#[ignore = "needs root"]
fn both_ends_in_one_box_are_named_in_words() {
    let lab = Lab::empty("onebox");
    let ns = lab.namespace(0);
    sh(&format!(
        "ip -n {ns} link add usb0 address {SAME_MAC} type veth peer name usb1 address {SAME_MAC}"
    ));
    let daemon = lab.daemon(0, &["--interface", "usb0", "--interface", "usb1"]);
    eventually("said", || {
        daemon
            .diagnostics()
            .iter()
            .any(|words| words.contains("this machine (the other is usb1)"))
    });
    eventually("no link", || daemon.states() == [CableState::Trouble; 2]);
}

#[test]
#[ignore = "needs root"]
fn without_ipv6_the_link_is_made_with_ipv4() {
    let lab = Lab::pair("v4");
    sh(&format!(
        "ip netns exec {} sysctl -qw net.ipv6.conf.usb0.disable_ipv6=1",
        lab.namespace(1)
    ));
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    assert!(a.game().peer_up().address.starts_with("169.254."));
    assert!(b.game().peer_up().address.starts_with("169.254."));
    eventually("UDP heard", || a.udp() == (true, true) && b.udp() == (true, true));
}

#[test]
#[ignore = "needs root"]
fn an_ipv4_address_that_this_machine_reaches_elsewhere_is_not_the_peers() {
    let lab = Lab::pair("taken");
    let ns = lab.namespace(0);
    // One of each pair, by another interface: which pair it will be is drawn at random.
    sh(&format!(
        "ip -n {ns} link add other0 type veth peer name other1 && ip -n {ns} link set other0 up"
    ));
    sh(&format!(
        "for a in $(seq 1 254); do for b in $(seq 1 2 255); do echo route add 169.254.$a.$b dev other0; done; done | \
         ip -n {ns} -batch -"
    ));
    let (a, b) = (lab.daemon(0, &["--ipv4"]), lab.daemon(1, &["--ipv4"]));
    eventually("refused", || {
        a.diagnostics()
            .iter()
            .any(|words| words.contains("uses an address of this link"))
    });
    assert!(!lab.addresses(0, "usb0").contains("169.254"));
    assert_ne!(b.states(), [CableState::Linked]);
    sh(&format!("ip -n {ns} link del other0"));
    lab.unplug("usb0");
    lab.plug("usb0");
    assert!(a.game().peer_up().address.starts_with("169.254."));
}

#[test]
#[ignore = "needs root"]
fn the_other_end_becomes_no_router_of_this_machine() {
    let lab = Lab::pair("router");
    // The daemon has the rights of the packaged service, and may write /proc/sys besides.
    lab.drop_privileges();
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    a.game().peer_up();
    b.game().peer_up();
    lab.advertise_router(1, "usb0");
    eventually("the advertisement", || {
        lab.sh(0, "cat /proc/net/snmp6")
            .lines()
            .any(|line| line.starts_with("Icmp6InRouterAdvertisements") && !line.trim_end().ends_with("\t0"))
    });
    let routes = || lab.sh(0, "ip -6 route show default; ip -6 addr show scope global");
    assert_eq!(routes(), "");
    // Somebody switches it on again: then it is said, with what mends it.
    lab.sh(0, "sysctl -qw net.ipv6.conf.usb0.accept_ra=1");
    lab.advertise_router(1, "usb0");
    eventually("the route", || routes().contains("default via fe80"));
    let (_, text) = lab.tool(0, &a, &["doctor"]);
    let mends = text
        .lines()
        .filter(|line| line.contains("sysctl") || line.contains("route del"));
    for command in mends {
        lab.sh(0, command);
    }
    assert!(!routes().contains("default"), "{text}");
    let (_, text) = lab.tool(0, &a, &["doctor"]);
    assert!(!text.contains("router") && !text.contains("internet"), "{text}");
    a.terminate();
    assert_eq!(
        lab.sh(0, "sysctl -n net.ipv6.conf.usb0.accept_redirects").trim(),
        "1"
    );
}

#[test]
#[ignore = "needs root"]
fn a_flushed_address_comes_back() {
    let lab = Lab::pair("flush");
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let address = a.game().peer_up().bind;
    b.game().peer_up();
    let address = address
        .trim_start_matches('[')
        .split('%')
        .next()
        .unwrap()
        .to_owned();
    eventually("settled", || a.udp() == (true, true));
    sh(&format!("ip -n {} addr flush dev usb0", lab.namespace(0)));
    eventually("address back", || lab.addresses(0, "usb0").contains(&address));
}

#[test]
#[ignore = "needs root"]
fn a_clean_stop_tells_the_peer_at_once_and_leaves_nothing() {
    let lab = Lab::pair("stop");
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let mut game = b.game();
    game.peer_up();
    a.game().peer_up();
    eventually("settled", || a.udp() == (true, true));
    let start = Instant::now();
    a.terminate();
    let stopped = start.elapsed();
    assert_eq!(game.peer_down(), "its daemon has stopped");
    println!("stopped after {stopped:?}, peer told after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_millis(200));
    assert!(!lab.addresses(0, "usb0").contains("fe80") && !lab.neighbours(0).contains("PERMANENT"));
    assert!(!a.socket().exists());
}

#[test]
#[ignore = "needs root"]
fn what_a_killed_daemon_left_is_removed_at_the_next_start() {
    let lab = Lab::pair("kill");
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let mut game = b.game();
    let old = game.peer_up().address;
    eventually("settled", || a.udp() == (true, true));
    a.kill();
    assert!(lab.addresses(0, "usb0").contains("fe80"));
    let start = Instant::now();
    let a = lab.daemon(0, &[]);
    game.peer_down();
    let new = game.peer_up().address;
    println!("linked again {:?} after the new start", start.elapsed());
    // Sooner than the old one would have been given up.
    assert!(
        start.elapsed() < Duration::from_millis(1000),
        "{:?}",
        start.elapsed()
    );
    assert_ne!(old, new);
    eventually("only the new address", || {
        lab.addresses(0, "usb0").matches("fe80").count() == 1
    });
    eventually("only one neighbour", || {
        lab.neighbours(0).matches("PERMANENT").count() == 1
    });
    drop(a);
}

#[test]
#[ignore = "needs root"]
fn a_far_end_that_dies_without_carrier_loss_is_noticed_in_time() {
    let lab = Lab::hub("silent", 2);
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let mut game = b.game();
    game.peer_up();
    a.game().peer_up();
    eventually("settled", || a.udp() == (true, true));
    let start = Instant::now();
    a.kill();
    game.peer_down();
    println!("noticed after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_millis(1500));
}

#[test]
#[ignore = "needs root"]
fn a_second_claimant_is_refused_and_named() {
    let lab = Lab::hub("claim", 3);
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    a.game().peer_up();
    b.game().peer_up();
    let c = lab.daemon(2, &[]);
    eventually("named at the linked ends", || {
        a.diagnostics()
            .iter()
            .any(|words| words.contains("player-2 also answers"))
    });
    eventually("said to the third", || {
        c.diagnostics()
            .iter()
            .any(|words| words.contains("is linked with another"))
    });
    assert_eq!(
        (a.states(), b.states()),
        (vec![CableState::Linked], vec![CableState::Linked])
    );
}

#[test]
#[ignore = "needs root"]
fn a_second_daemon_leaves_the_interface_to_the_first() {
    let lab = Lab::pair("two");
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    a.game().peer_up();
    let second = lab.second_daemon(0);
    eventually("said", || {
        second.log().contains("another peerd serves interface=usb0")
    });
    assert!(second.states().is_empty());
    a.terminate();
    eventually("taken over", || second.states() == [CableState::Linked]);
    drop(b);
}

#[test]
#[ignore = "needs root"]
fn renaming_a_linked_interface_disturbs_nothing() {
    let lab = Lab::pair("name");
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let mut game = a.game();
    let old = game.peer_up();
    b.game().peer_up();
    eventually("settled", || a.udp() == (true, true));
    sh(&format!(
        "ip -n {} link set usb0 name gamelink0",
        lab.namespace(0)
    ));
    eventually("new name", || a.cable().device.interface == "gamelink0");
    // The game has to know by which name it will be told that the cable is out, and where its peer is now.
    let new = game.peer_up();
    assert_eq!(new.cable, "gamelink0");
    assert_eq!(new.address, old.address.replace("usb0", "gamelink0"));
    assert_eq!(a.cable().links, 1);
    assert_eq!(b.states(), [CableState::Linked]);
}

#[test]
#[ignore = "needs root"]
fn a_firewall_is_found_on_its_side_and_opened_when_asked_to() {
    let lab = Lab::pair("wall");
    let ns = lab.namespace(0);
    let nft = |line: &str| sh(&format!("ip netns exec {ns} nft '{line}'"));
    nft("add table inet mine");
    nft("add chain inet mine in { type filter hook input priority 0; policy drop; }");
    nft("add rule inet mine in iifname lo accept");
    let (mut a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    eventually("the side that drops", || {
        a.udp() == (false, true) && b.udp() == (true, false)
    });
    eventually("the doctor has seen enough", || {
        let (code, text) = lab.tool(0, &a, &["doctor"]);
        code == 4
            && text.contains("this machine's firewall drops")
            && text.contains("nft insert rule inet mine in iifname \"usb0\" udp dport 56400-56401 accept")
    });
    let (code, text) = lab.tool(1, &b, &["doctor"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("the firewall of player-0 drops"), "{text}");
    a.terminate();
    let rules = || sh(&format!("ip netns exec {ns} nft list ruleset"));
    let before = rules();
    let mut a = lab.daemon(0, &["--manage-firewall"]);
    eventually("UDP passes", || {
        a.udp() == (true, true) && b.udp() == (true, true)
    });
    assert!(rules().contains("comment \"gamelink\""));
    let (code, text) = lab.tool(0, &a, &["doctor"]);
    assert_eq!(code, 0, "{text}");
    a.terminate();
    assert_eq!(rules(), before);
}

#[test]
#[ignore = "needs root"]
fn what_the_kernel_could_not_say_for_want_of_buffers_is_looked_up() {
    let lab = Lab::empty("bufs");
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let mut game = a.game();
    a.stop();
    // Far more than fits into a netlink socket, and the plug is somewhere behind it.
    let ns = lab.namespace(0);
    sh(&format!("ip -n {ns} link add other0 type veth peer name other1"));
    sh(&format!(
        "for i in $(seq 500); do for mtu in 1400 1500; do echo link set other0 mtu $mtu; done; done | ip -n {ns} -batch -"
    ));
    lab.plug("usb0");
    a.go_on();
    game.peer_up();
    assert!(a.status().resyncs > 0, "{:?}", a.status());
    drop(b);
}

#[test]
#[ignore = "needs root"]
fn clients_that_misbehave_are_refused_and_others_served() {
    let lab = Lab::pair("bad");
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    for line in [
        b"\xff\xfe nonsense\n".as_slice(),
        b"{\"type\":\"hello\",\"version\":99,\"role\":\"game\"}\n",
        &[b'x'; 40_000],
    ] {
        let reason = a.raw(line).refused();
        assert!(!reason.is_empty());
    }
    assert!(
        a.raw(b"{\"type\":\"hello\",\"version\":99,\"role\":\"game\"}\n")
            .refused()
            .contains("update peerd")
    );
    // A crowd: the last are turned away in words, and leave room when they go.
    let mut crowd: Vec<_> = (0..40)
        .map(|_| a.raw(b"{\"type\":\"hello\",\"version\":1,\"role\":\"tool\"}\n"))
        .collect();
    let answers = crowd.iter_mut().filter_map(Client::first);
    let refused = answers.filter(|answer| matches!(answer, Message::Refused { .. }));
    assert_eq!(refused.count(), 8, "root has 32 places");
    drop(crowd);
    eventually("served again", || {
        a.try_game().is_some_and(|mut game| game.try_peer_up().is_some())
    });
    drop(b);
}

#[test]
#[ignore = "needs root"]
fn it_refuses_to_run_without_its_capabilities_and_names_them() {
    let output = std::process::Command::new("setpriv")
        .args([
            "--bounding-set=-net_raw",
            "--inh-caps=-net_raw",
            env!("CARGO_BIN_EXE_peerd"),
            "run",
        ])
        .output()
        .expect("setpriv (util-linux) runs");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && words.contains("peerd needs CAP_NET_RAW:"),
        "{words}"
    );
}

#[test]
#[ignore = "needs root"]
fn a_daemon_without_cables_and_clients_stops_when_asked_to() {
    let lab = Lab::empty("idle");
    let mut a: Daemon = lab.daemon(0, &["--exit-idle", "1"]);
    assert!(a.wait(Duration::from_secs(5)));
}
