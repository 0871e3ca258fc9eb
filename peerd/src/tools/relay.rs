//! `peerd relay`: a stock core at this end. It is a network client of 127.0.0.1, and core's bridge carries its bytes.
//!
//! The bridge's own game port takes only its own process, so each connection of the core is joined to one of ours. Nobody sees
//! the stock core's frames or its SC register from here; the bridge is told of frames at the hardware's rate, and hands bytes
//! over whenever it has some, as a cable would.

use super::EXIT_FAILED;
use gamelink_core::control::BRIDGE_PORT;
use gamelink_core::driver::{Config, FrameEnd, FrameStart, Link, PeerAddress};
use gamelink_core::time::TCycles;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The most ports that the core's options offer: 56400 to 56420.
const PORTS: u16 = 21;
/// How often the bridge may hand a byte over; bounds what the relay adds.
const TURN: Duration = Duration::from_millis(2);

/// Where the stock core connects, and whom the relay links with.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    /// The TCP port for the core.
    pub(crate) port: u16,
    /// The daemon that knows the peer.
    pub(crate) control: PathBuf,
    /// The peer, where there is no daemon.
    pub(crate) peer: Option<PeerAddress>,
}

/// Runs until stopped.
pub(crate) fn run(relay: &Relay) -> ExitCode {
    match serve(relay) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn serve(relay: &Relay) -> Result<(), String> {
    if !(BRIDGE_PORT..BRIDGE_PORT + PORTS).contains(&relay.port) {
        return Err(format!(
            "the stock core offers only the ports {BRIDGE_PORT} to {}",
            BRIDGE_PORT + PORTS - 1
        ));
    }
    // Never to be reached from outside: the stock protocol trusts whoever connects.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, relay.port)).map_err(|error| {
        format!(
            "cannot listen on 127.0.0.1:{}: {error}; choose another with --port",
            relay.port
        )
    })?;
    let config = Config {
        peer: relay.peer.clone(),
        control: Some(relay.control.clone()),
        ..Config::default()
    };
    let link = Link::start(&config).map_err(|error| error.to_string())?;
    log::info!("waiting for the stock core port={}", relay.port);
    for stream in listener.incoming() {
        let result = stream.and_then(|stream| {
            if !is_of_this_user(&stream)? {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "it belongs to another user",
                ));
            }
            log::info!("the stock core has connected");
            join(&link, &stream)
        });
        match result {
            Ok(()) => log::info!("the stock core has gone"),
            Err(error) => log::warn!("connection of the stock core ended error={error}"),
        }
    }
    Ok(())
}

/// Carries bytes between the core and the bridge until one of them goes.
fn join(link: &Link, game: &TcpStream) -> io::Result<()> {
    let bridge = TcpStream::connect(link.game_address())?;
    for stream in [game, &bridge] {
        stream.set_nodelay(true)?;
    }
    link.core_reconnected();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| copy(game, &bridge, &is_over));
        scope.spawn(|| copy(&bridge, game, &is_over));
        // The frames of a machine that nobody sees.
        let frame = TCycles::FRAME.nominal_duration();
        let mut next = Instant::now();
        loop {
            link.frame_start(FrameStart { serial_control: None });
            let now = Instant::now();
            let has_advanced = now >= next;
            if has_advanced {
                next = now.max(next + frame);
            }
            link.frame_end(FrameEnd {
                has_advanced,
                hook_time: Duration::ZERO,
            });
            while let Some(notice) = link.poll_notice() {
                log::info!("link notice={notice:?}");
            }
            if is_over.load(Ordering::Acquire) {
                break;
            }
            std::thread::sleep(TURN);
        }
    });
    Ok(())
}

/// Both bytes of a message at once: the core takes one byte for a whole message.
fn copy(mut from: &TcpStream, mut to: &TcpStream, is_over: &AtomicBool) {
    let mut message = [0; 2];
    while from.read_exact(&mut message).is_ok() && to.write_all(&message).is_ok() {}
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
    is_over.store(true, Ordering::Release);
}

/// Whether the other end of a loopback connection belongs to whoever runs this.
fn is_of_this_user(stream: &TcpStream) -> io::Result<bool> {
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (stream.peer_addr()?, stream.local_addr()?) else {
        return Ok(false);
    };
    let table = fs::read_to_string("/proc/net/tcp")?;
    let me = nix::unistd::geteuid().as_raw();
    // In the table of sockets the other end has the same two addresses, the other way round.
    let (local, remote) = (hex(from), hex(to));
    Ok(table.lines().any(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        words.get(1) == Some(&local.as_str())
            && words.get(2) == Some(&remote.as_str())
            && words.get(7).and_then(|uid| uid.parse().ok()) == Some(me)
    }))
}

/// An address as `/proc/net/tcp` writes it: the four bytes as one number in the machine's order.
fn hex(address: SocketAddrV4) -> String {
    format!(
        "{:08X}:{:04X}",
        u32::from_ne_bytes(address.ip().octets()),
        address.port()
    )
}
