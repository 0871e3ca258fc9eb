//! `peerd relay` between a stock core, played by this test, and a link of our own.

use gamelink_core::control::{self, BRIDGE_PORT, FromDaemon, LinkState};
use gamelink_core::serial::SerialControl;
use gamelink_driver::{Config, Link};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_nanos(16_742_706);

/// The relay and the daemon that it follows, which is this test.
struct Relay {
    child: Child,
    folder: PathBuf,
    _daemon: UnixStream,
}

impl Relay {
    /// Starts a relay at the TCP port, whose own end of the link and the other are these two.
    fn start(tcp: u16, [own, other]: [SocketAddrV4; 2]) -> Relay {
        let folder = std::env::temp_dir().join(format!("gamelink-relay-{}-{tcp}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_peerd"))
            .args(["relay", "--port", &tcp.to_string(), "--control"])
            .arg(&socket)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut daemon = listener.accept().unwrap().0;
        let up = FromDaemon::PeerUp {
            cable: "usb0".into(),
            name: "den".into(),
            address: other.to_string(),
            bind: Some(own.ip().to_string()),
            key: None,
            machine: None,
            title: String::new(),
        };
        daemon.write_all(&control::encode(&up).unwrap()).unwrap();
        Relay {
            child,
            folder,
            _daemon: daemon,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A TCP port of 127.0.0.1 that is free, among those that the stock core offers.
fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (BRIDGE_PORT..BRIDGE_PORT + 21).find(is_free).unwrap()
}

/// Both ends of a link: the process number is in their addresses, so that tests run beside each other, and
/// the port is below those that the kernel gives out.
fn ends() -> [SocketAddrV4; 2] {
    let process = std::process::id() & 0x3F_FFFF;
    [1, 2].map(|end| SocketAddrV4::new(Ipv4Addr::from_bits(127 << 24 | process << 2 | end), 9_417))
}

/// A stock core whose game listens, answers with the complement, and sits in its menu at times.
fn stock_core(tcp: u16, is_in_menu: Arc<AtomicBool>) {
    let start = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", tcp)) {
            Ok(stream) => break stream,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(10), "{error}"),
        }
        sleep(Duration::from_millis(20));
    };
    std::thread::spawn(move || {
        let mut message = [0; 2];
        // A game looks once a frame, and not at all in its menu.
        loop {
            if !is_in_menu.load(Ordering::Relaxed) {
                if stream.read_exact(&mut message).is_err() {
                    return;
                }
                while is_in_menu.load(Ordering::Relaxed) {
                    sleep(PERIOD);
                }
                if message[1] & 0x80 == 0 && stream.write_all(&[!message[0], 0x80]).is_err() {
                    return;
                }
            }
            sleep(PERIOD / 4);
        }
    });
}

/// One frame in which the game clocks this byte; what it read, and how long it waited for that.
fn exchange(link: &Link, byte: u8) -> (u8, Duration) {
    let start = Instant::now();
    link.frame_start(Some(SerialControl(0)));
    link.game_write([byte, 0], None);
    let [read, _] = link.game_read(|| gamelink_driver::Patience::GoesOn);
    let waited = start.elapsed();
    link.frame_end(true, Duration::ZERO);
    sleep(PERIOD.saturating_sub(start.elapsed()));
    (read, waited)
}

#[test]
fn a_stock_player_in_his_menu_costs_the_other_one_short_wait() {
    let (tcp, ends) = (free_port(), ends());
    let _relay = Relay::start(tcp, ends);
    let is_in_menu = Arc::new(AtomicBool::new(false));
    stock_core(tcp, Arc::clone(&is_in_menu));
    let link = Link::start(&Config {
        peer: Some(ends[0].to_string().parse().unwrap()),
        bind: Some(ends[1].ip().to_string().parse().unwrap()),
        ..Config::default()
    })
    .unwrap();
    link.game_connect();
    let mut right = 0;
    let start = Instant::now();
    for byte in (1..=254_u8).cycle() {
        right = if exchange(&link, byte).0 == !byte {
            right + 1
        } else {
            0
        };
        if right == 30 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it does not play");
    }
    is_in_menu.store(true, Ordering::Relaxed);
    let (start, mut waited) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < Duration::from_secs(5) {
        waited += exchange(&link, 0x55).1;
    }
    println!("waited {waited:?} in five seconds of the other player's menu");
    assert_eq!(link.report().state, LinkState::PeerPaused);
    assert!(waited < Duration::from_millis(1200), "{waited:?}");
    is_in_menu.store(false, Ordering::Relaxed);
    let start = Instant::now();
    while exchange(&link, 0x66).0 != !0x66 {
        assert!(start.elapsed() < Duration::from_secs(5), "it does not play on");
    }
    assert_eq!(link.report().state, LinkState::Linked);
}
