//! Two links on real sockets, with this test in the place of both cores.

mod parts;

use gamelink_core::control::LinkState;
use gamelink_core::protocol::decode;
use gamelink_core::serial::SerialControl;
use gamelink_driver::{Config, Link, MAX_DATAGRAM, Notice};
use parts::followed::Followed;
use parts::{ARMED, IDLE, addresses, config, link_up, until, until_still_heard};
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The longest that a read waits for what never comes.
const READ_LIMIT: Duration = Duration::from_secs(60);

struct Side {
    link: Link,
    core: TcpStream,
    address: SocketAddrV4,
}

impl Side {
    fn frame(&self, serial_control: SerialControl) {
        parts::frame(&self.link, serial_control, || {});
    }

    fn read(&mut self) -> [u8; 2] {
        let mut bytes = [0; 2];
        self.core
            .read_exact(&mut bytes)
            .expect("the link answers in time");
        bytes
    }
}

fn connect(link: &Link) -> TcpStream {
    let core = TcpStream::connect(link.game_address()).unwrap();
    core.set_read_timeout(Some(READ_LIMIT)).unwrap();
    core
}

fn side(own: SocketAddrV4, peer: SocketAddrV4) -> Side {
    let link = Link::start(&config(own, peer)).unwrap();
    let core = connect(&link);
    Side {
        link,
        core,
        address: own,
    }
}

fn linked() -> (Side, Side) {
    let [a, b, ..] = addresses();
    let (a, b) = (side(a, b), side(b, a));
    link_up(&a.link, &b.link);
    (a, b)
}

#[test]
fn bytes_cross_between_two_links() {
    let (mut a, mut b) = linked();
    for n in 0..100_u8 {
        a.core.write_all(&[n, 0]).unwrap();
        until("the byte is delivered", || {
            b.frame(ARMED);
            !b.link.is_quiet()
        });
        assert_eq!(b.read(), [n, 0]);
        b.core.write_all(&[!n, 0x80]).unwrap();
        assert_eq!(a.read(), [!n, 0x80]);
    }
    until("the last answer is counted", || {
        b.link.report().counters.transfers.peer_taken == 100
    });
    let report = a.link.report();
    assert_eq!(
        (
            report.counters.transfers.taken,
            report.counters.transfers.unplugged
        ),
        (100, 0)
    );
    assert!(
        report.clock.offset_us.unwrap().abs() < 1e6,
        "one machine, one clock: {report:?}"
    );
}

#[test]
fn without_a_peer_every_request_reads_ff() {
    let link = Link::start(&Config::default()).unwrap();
    let mut core = TcpStream::connect(link.game_address()).unwrap();
    for n in 0..50 {
        core.write_all(&[n, 0]).unwrap();
        let mut bytes = [0; 2];
        core.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, [0xFF, 0x80]);
    }
}

#[test]
fn the_far_end_hears_a_link_that_is_dropped() {
    let (a, b) = linked();
    drop(a);
    until("the goodbye arrives", || {
        std::iter::from_fn(|| b.link.poll_notice()).any(|n| n == Notice::PeerGone)
    });
}

#[test]
fn a_core_that_connects_anew_is_served_by_the_same_session() {
    let (mut a, mut b) = linked();
    b.core = connect(&b.link);
    b.link.core_reconnected();
    a.core.write_all(&[7, 0]).unwrap();
    until("the byte is delivered", || {
        b.frame(ARMED);
        !b.link.is_quiet()
    });
    assert_eq!(b.read(), [7, 0]);
    assert_eq!(b.link.report().counters.links, 1);
    assert_eq!(a.link.report().counters.losses, 0);
}

#[test]
fn a_connection_of_another_process_is_refused() {
    let link = Link::start(&Config::default()).unwrap();
    let address = link.game_address();
    let script = format!(
        "exec 3<>/dev/tcp/{}/{}; printf 'ab' >&3; timeout 5 head -c 2 <&3 | wc -c",
        address.ip(),
        address.port()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "{output:?}");
}

#[test]
fn a_port_in_use_says_what_to_do() {
    let [own, peer, ..] = addresses();
    let _first = side(own, peer);
    let error = Link::start(&config(own, peer)).err().unwrap().to_string();
    assert!(error.contains("GAMELINK_BIND"), "{error}");
}

#[test]
fn links_come_and_go_without_leaving_threads_or_descriptors() {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "links_leave_nothing_alone", "--ignored", "--nocapture"])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Run by the test above in a process of its own, where no other test opens descriptors.
#[test]
#[ignore = "runs in a process of its own, started by links_come_and_go_without_leaving_threads_or_descriptors"]
fn links_leave_nothing_alone() {
    let count = |what| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    drop(linked());
    let before = (count("task"), count("fd"));
    for _ in 0..10 {
        drop(linked());
    }
    // A thread that has been joined may be listed a little longer.
    until("as few threads as before", || count("task") <= before.0);
    assert_eq!(count("fd"), before.1);
}

#[test]
fn the_daemon_says_where_the_peer_is_and_may_come_and_go() {
    let (mut a, b, [own, peer, ..]) = Followed::pair("come");
    assert_eq!(a.link.peer_name().as_deref(), Some("den"));
    let path = a.folder.join("control.sock");
    std::fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    a.daemon.get_ref().shutdown(Shutdown::Both).unwrap();
    a.daemon = BufReader::new(listener.accept().unwrap().0);
    // In its first breath, so that a daemon which was started again leaves it where it is.
    assert!(a.is_on_cable());
    // A type that it does not know is passed over.
    a.say(r#"{"type":"future"}"#);
    a.peer_up(peer, own);
    assert!(a.is_on_cable());
    assert_eq!(a.links_and_losses(), (1, 0), "the session goes on");
    assert_eq!(a.link.peer_title(), None, "as an older daemon says");
    a.peer_plays("TETRIS", peer, own);
    until("its game", || a.link.peer_title().as_deref() == Some("TETRIS"));
    assert!(a.is_on_cable());
    assert_eq!(a.links_and_losses(), (1, 0), "the session goes on");
    a.peer_down("unplugged");
    until("unplugged through the daemon", || !a.link.is_linked());
    until("the far end hears the goodbye", || !b.link.is_linked());
    assert_eq!(a.link.peer_name(), None);
}

#[test]
fn daemons_that_lose_each_other_do_not_unplug_two_games_that_hear_each_other() {
    let (mut a, b, _) = Followed::pair("lose");
    for cause in ["silent", "restarted"] {
        a.peer_down(cause);
        until("a report that follows", || a.is_on_cable());
        assert!(a.is_on_cable() && a.link.is_linked() && b.link.is_linked());
    }
    assert_eq!(a.links_and_losses(), (1, 0));
    // The session ends when the games do not hear each other either, and the daemon is told so.
    drop(b);
    until("unplugged", || a.report().state == LinkState::Unplugged);
    assert_eq!(a.link.peer_name(), None);
}

#[test]
fn daemons_that_lose_each_other_unplug_a_game_that_hears_nobody() {
    let (mut a, b, _) = Followed::pair("nobody");
    drop(b);
    until("the goodbye arrives", || !a.link.is_linked());
    a.peer_down("silent");
    until("unplugged", || a.report().state == LinkState::Unplugged);
}

#[test]
fn two_games_of_which_one_is_given_a_new_address_play_on() {
    let (mut a, mut b, [_, peer, new, newest]) = Followed::pair("move");
    b.peer_down("restarted");
    b.peer_up(new, peer);
    // The one whose daemon was started again has a new address, and its peer has the old one.
    a.peer_up(peer, new);
    // At the old address nothing arrives any more: what is heard after a second came to the new one.
    until_still_heard([&a.link, &b.link]);
    // The cable is given another name.
    a.peer_up_on("gamelink0", peer, newest);
    b.peer_up(newest, peer);
    until("a report of the new name", || {
        a.report().cable.as_deref() == Some("gamelink0")
    });
    until_still_heard([&a.link, &b.link]);
    assert!(a.link.is_linked() && b.link.is_linked());
    assert_eq!((a.links_and_losses(), b.links_and_losses()), ((1, 0), (1, 0)));
}

#[test]
fn a_game_that_is_told_more_of_its_peer_before_they_are_linked_begins_no_other_session() {
    let [own, peer, second, _] = addresses();
    let sockets = [peer, second].map(|at| UdpSocket::bind(at).unwrap());
    let mut a = Followed::new("more");
    let sender = |socket: &UdpSocket| {
        let mut buffer = [0; MAX_DATAGRAM];
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let len = socket.recv(&mut buffer).expect("a datagram");
        decode(&buffer[..len]).unwrap().0.from
    };
    a.peer_up(peer, own);
    let first = sender(&sockets[0]);
    // The peer may have answered, and be linked, when the other address is found.
    let ip = own.ip();
    a.say(&format!(
        r#"{{"type":"peer_up","cable":"usb0","name":"den","address":"{peer},{second}","bind":"{ip}"}}"#
    ));
    assert_eq!(sender(&sockets[1]), first);
    assert_eq!(a.links_and_losses(), (0, 0));
}

#[test]
fn a_key_of_the_daemons_seals_the_link_and_another_one_takes_its_place() {
    let [own, peer, ..] = addresses();
    let [mut a, mut b] = ["a", "b"].map(|end| Followed::new(&format!("key-{end}")));
    let keys = [3, 5].map(|n| gamelink_driver::Key::new([n; 16]).reveal());
    // One end alone has a key: no link.
    a.peer_up_with_key("usb0", peer, own, &keys[0]);
    b.peer_up(own, peer);
    until("the end with the key has dropped something", || {
        a.link.report().counters.dropped.unauthentic > 2
    });
    assert!(!a.link.is_linked() && !b.link.is_linked());
    b.peer_up_with_key("usb0", own, peer, &keys[0]);
    until("linked with the key", || a.link.is_linked() && b.link.is_linked());
    let links = (a.links_and_losses(), b.links_and_losses());
    // Both daemons were started again, one after the other.
    a.peer_up_with_key("usb0", peer, own, &keys[1]);
    std::thread::sleep(Duration::from_millis(300));
    b.peer_up_with_key("usb0", own, peer, &keys[1]);
    until_still_heard([&a.link, &b.link]);
    assert_eq!(
        (a.links_and_losses(), b.links_and_losses()),
        links,
        "the session goes on"
    );
    // What is no key is not taken for an open link.
    a.peer_up_with_key("usb0", peer, own, "secret");
    until_still_heard([&a.link, &b.link]);
}

#[test]
fn an_assigned_peer_is_linked_once_its_port_can_be_opened() {
    let [own, peer, ..] = addresses();
    let [mut a, mut b] = ["a", "b"].map(|end| Followed::new(&format!("taken-{end}")));
    b.peer_up(own, peer);
    // As an address that is not there for a moment, or a port of another game.
    let other = UdpSocket::bind(own).unwrap();
    a.peer_up(peer, own);
    until("its name", || a.link.peer_name().is_some());
    assert_eq!(a.report().state, LinkState::Unplugged);
    drop(other);
    until("linked", || a.link.is_linked() && b.link.is_linked());
}

#[test]
fn a_game_that_moves_to_an_address_which_is_not_there_yet_is_linked_when_it_is() {
    let (mut a, mut b, [_, peer, new, _]) = Followed::pair("late");
    let other = UdpSocket::bind(new).unwrap();
    a.peer_up(peer, new);
    until("unplugged", || a.report().state == LinkState::Unplugged);
    b.peer_up(new, peer);
    drop(other);
    until("linked again", || a.link.is_linked() && b.link.is_linked());
}

#[test]
fn after_a_panic_the_game_is_answered_and_the_player_told() {
    let (mut a, b) = linked();
    a.link
        .set_serial_probe(Some(Box::new(|| panic!("a probe that fails, as the test wants"))));
    a.core.write_all(&[7, 0]).unwrap();
    assert_eq!(a.read(), [0xFF, 0x80]);
    until("the player is told", || {
        std::iter::from_fn(|| a.link.poll_notice()).any(|n| n == Notice::Failed)
    });
    a.core.write_all(&[8, 0]).unwrap();
    assert_eq!(a.read(), [0xFF, 0x80], "an unplugged cable, but no frozen game");
    a.frame(IDLE);
    until("the peer finds the silence", || !b.link.is_linked());
}

#[test]
fn strangers_at_the_game_port_do_not_hold_up_the_frames() {
    let (a, _b) = linked();
    let address = a.link.game_address();
    let script = format!(
        "for i in $(seq 300); do exec 3<>/dev/tcp/{}/{}; exec 3>&-; done",
        address.ip(),
        address.port()
    );
    let mut flood = std::process::Command::new("bash")
        .args(["-c", &script])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut longest = Duration::ZERO;
    while flood.try_wait().unwrap().is_none() {
        let start = Instant::now();
        a.frame(IDLE);
        longest = longest.max(start.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
    // Seconds before connections were bounded; generous, as the machine may be busy.
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    assert!(a.link.is_linked());
}

#[test]
fn a_plug_that_is_pulled_is_told() {
    for (cause, notice) in [
        ("unplugged", Notice::Unplugged),
        ("stopped", Notice::Unplugged),
        ("replaced", Notice::PeerGone),
    ] {
        let (mut a, b, _) = Followed::pair(&format!("pull-{cause}"));
        a.peer_down(cause);
        until("unplugged through the daemon", || !a.link.is_linked());
        until("the far end hears the goodbye", || !b.link.is_linked());
        let told = |link: &Link| std::iter::from_fn(|| link.poll_notice()).collect::<Vec<_>>();
        assert_eq!(told(&a.link), [Notice::Linked, notice], "{cause}");
        assert_eq!(told(&b.link), [Notice::Linked, Notice::PeerGone], "{cause}");
    }
}

#[test]
fn a_link_that_is_held_says_nothing_until_it_is_let_go() {
    let [a, b, ..] = addresses();
    let held = Link::start(&Config {
        is_held: true,
        ..config(a, b)
    })
    .unwrap();
    let other = Link::start(&config(b, a)).unwrap();
    until("the other looks for it", || other.report().counters.sent >= 3);
    assert_eq!(held.report().counters.sent, 0);
    held.set_rollback(true);
    assert_eq!(held.report().counters.sent, 0, "still being loaded");
    held.set_enabled(true);
    until("both are linked", || held.is_linked() && other.is_linked());
    let told = std::iter::from_fn(|| other.poll_notice()).collect::<Vec<_>>();
    assert_eq!(told, [Notice::Linked], "once");
}

#[test]
fn datagrams_of_strangers_take_no_room() {
    let (a, b) = linked();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..10_000 {
        stranger.send_to(b"GBLC hello", a.address).unwrap();
    }
    let received = a.link.report().counters.received;
    until("more of the peer", || {
        a.link.report().counters.received > received + 3
    });
    assert_eq!(
        a.link.report().counters.dropped.foreign,
        0,
        "the kernel keeps them"
    );
    assert!(a.link.is_linked() && b.link.is_linked());
    let _ = stranger.set_nonblocking(true);
    assert_eq!(
        stranger.recv(&mut [0; 8]).unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "strangers get no answer"
    );
}
