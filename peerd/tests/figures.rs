//! Figures that the daemon promises, measured: nothing is asserted but that it works at all.
//!
//! Needs root and a quiet machine:
//! `cargo test --release -p gamelink-peerd --test figures -- --ignored --nocapture --test-threads 1`

mod lab;

use lab::{CableState, Client, Daemon, Lab, eventually, sh};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, sendto, socket};
use std::fs;
use std::os::fd::AsRawFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

const RUNS: usize = 50;

/// Says the middle and the worst of some times.
fn say(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let ms = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!(
        "{what}: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, longest {:.1} ms of {}",
        ms(50),
        ms(90),
        ms(99),
        ms(100),
        times.len()
    );
}

fn all_up(games: &mut [Client]) {
    for game in games {
        game.peer_up();
    }
}

fn all_down(games: &mut [Client]) {
    for game in games {
        game.peer_down();
    }
}

fn settle(daemons: [&Daemon; 2]) {
    eventually("settled", || {
        daemons.iter().all(|daemon| daemon.udp() == (true, true))
    });
}

#[test]
#[ignore = "measures; see above"]
fn plug_and_unplug() {
    let lab = Lab::empty("fplug");
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let mut games = [a.game(), b.game()];
    let (mut plugs, mut unplugs) = (vec![], vec![]);
    for _ in 0..RUNS {
        lab.plug("usb0");
        let start = Instant::now();
        all_up(&mut games);
        plugs.push(start.elapsed());
        // The repair of the MAC belongs to the plug, and is not what is measured next.
        sleep(Duration::from_millis(300));
        let start = Instant::now();
        lab.unplug("usb0");
        all_down(&mut games);
        unplugs.push(start.elapsed());
    }
    say("interfaces there, same MAC: both games told of the peer", plugs);
    say(
        "interface pulled out (and `ip` started): both games told",
        unplugs,
    );
}

#[test]
#[ignore = "measures; see above"]
fn the_far_end_goes_without_a_trace() {
    let lab = Lab::hub("fhub", 2);
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let mut games = [a.game(), b.game()];
    all_up(&mut games);
    let mut times = vec![];
    for _ in 0..20 {
        settle([&a, &b]);
        let hub = lab.namespace(2);
        sh(&format!("ip -n {hub} link set port1 nomaster"));
        let start = Instant::now();
        games[0].peer_down();
        times.push(start.elapsed());
        games[1].peer_down();
        sh(&format!("ip -n {hub} link set port1 master hub"));
        all_up(&mut games);
    }
    say("far end gone, carrier as before: game told", times);
}

#[test]
#[ignore = "measures; see above"]
fn stops_and_restarts() {
    let lab = Lab::pair("fstop");
    let b = lab.daemon(1, &[]);
    let mut game = b.game();
    let (mut stops, mut told, mut back) = (vec![], vec![], vec![]);
    for _ in 0..20 {
        let mut a = lab.daemon(0, &[]);
        game.peer_up();
        settle([&a, &b]);
        let start = Instant::now();
        a.terminate();
        stops.push(start.elapsed());
        game.peer_down();
        told.push(start.elapsed());
        assert!(!lab.addresses(0, "usb0").contains("fe80"));
    }
    // A client that says nothing for a minute is let go.
    drop(game);
    let mut game = b.game();
    let mut a = lab.daemon(0, &[]);
    game.peer_up();
    for _ in 0..20 {
        settle([&a, &b]);
        a.kill();
        let start = Instant::now();
        a = lab.daemon(0, &[]);
        game.peer_down();
        game.peer_up();
        back.push(start.elapsed());
        eventually("nothing is left of the killed one", || {
            lab.addresses(0, "usb0").matches("fe80").count() == 1
        });
    }
    say("SIGTERM: ended, everything taken back", stops);
    say("SIGTERM: the other end's game told", told);
    say("kill -9 and a new start: linked anew", back);
}

#[test]
#[ignore = "measures; see above"]
fn three_cables() {
    let lab = Lab::empty("fthree");
    let names = ["usb0", "usb1", "usb2"];
    let all: Vec<&str> = names.iter().flat_map(|name| ["--interface", name]).collect();
    let daemons = [lab.daemon(0, &all), lab.daemon(1, &all)];
    let mut games: Vec<Client> = (0..6).map(|n| daemons[n % 2].game()).collect();
    let mut times = vec![];
    for _ in 0..20 {
        names.iter().for_each(|name| lab.plug(name));
        let start = Instant::now();
        all_up(&mut games);
        times.push(start.elapsed());
        sleep(Duration::from_millis(500));
        names.iter().for_each(|name| lab.unplug(name));
        all_down(&mut games);
    }
    say("three cables, one MAC on six ends: six games told", times);
}

/// Resident kB, CPU seconds and turns of the poll so far.
fn cost(daemon: &Daemon) -> (u64, f64, u64) {
    let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", daemon.pid())).unwrap();
    let status = read("status");
    let rss = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    let rss = rss.split_whitespace().nth(1).unwrap().parse().unwrap();
    let nanos: u64 = read("schedstat")
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    (rss, nanos as f64 / 1e9, daemon.status().wakeups)
}

fn cost_over(daemon: &Daemon, seconds: u64) -> (u64, f64, f64) {
    let before = cost(daemon);
    let start = Instant::now();
    sleep(Duration::from_secs(seconds));
    let after = cost(daemon);
    let span = start.elapsed().as_secs_f64();
    (
        after.0,
        (after.1 - before.1) / span * 100.0,
        (after.2 - before.2) as f64 / span,
    )
}

#[test]
#[ignore = "measures; see above"]
fn idle_and_under_a_flood() {
    let lab = Lab::hub("fcost", 3);
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let mut games = [a.game(), b.game()];
    all_up(&mut games);
    settle([&a, &b]);
    // The daemon searches eagerly for some seconds after something has happened.
    sleep(Duration::from_secs(6));
    let (rss, cpu, wakeups) = cost_over(&a, 20);
    println!("idle and linked: {rss} kB resident, {cpu:.3} % CPU, {wakeups:.1} wake-ups a second");

    sh(&format!("ip -n {} link set usb0 up", lab.namespace(2)));
    let program = std::env::current_exe().unwrap();
    let mut flood = lab
        .program(2, program.to_str().unwrap())
        .args(["--exact", "flood_from_here", "--ignored", "--nocapture"])
        .env("GAMELINK_FLOOD", "1")
        .spawn()
        .unwrap();
    sleep(Duration::from_secs(1));
    let (rss, cpu, wakeups) = cost_over(&a, 8);
    println!("under the flood: {rss} kB resident, {cpu:.2} % CPU, {wakeups:.1} wake-ups a second");
    assert_eq!(
        (a.states(), b.states()),
        (vec![CableState::Linked], vec![CableState::Linked])
    );
    assert_eq!(a.cable().links, 1, "the peer was never lost");
    flood.wait().unwrap();
}

/// Sends 10^5 frames a second for ten seconds, each of another stranger; started in a machine of its own.
#[test]
#[ignore = "started by idle_and_under_a_flood"]
fn flood_from_here() {
    if std::env::var_os("GAMELINK_FLOOD").is_none() {
        return;
    }
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let interfaces = nix::ifaddrs::getifaddrs().unwrap();
    let to = interfaces
        .filter(|of| of.interface_name == "usb0")
        .find_map(|of| of.address?.as_link_addr().copied())
        .expect("usb0");
    let mut frame = [0; 14 + 116];
    frame[..6].fill(0xFF);
    // A bridge forwards nothing from nobody.
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&0x88B5_u16.to_be_bytes());
    frame[14..20].copy_from_slice(b"GLNK\x01\x01");
    let start = Instant::now();
    let mut sent = 0_u32;
    while start.elapsed() < Duration::from_secs(10) {
        while f64::from(sent) < start.elapsed().as_secs_f64() * 1e5 {
            sent += 1;
            frame[22..26].copy_from_slice(&sent.to_be_bytes());
            frame[98..102].copy_from_slice(&sent.to_be_bytes());
            let _ = sendto(socket.as_raw_fd(), &frame, &to, MsgFlags::empty());
        }
        sleep(Duration::from_micros(200));
    }
    println!(
        "flood: {:.0} frames a second",
        f64::from(sent) / start.elapsed().as_secs_f64()
    );
}
