//! `peerd relay`: links a stock core, a network client of 127.0.0.1, by core's bridge.
//!
//! The bridge's game port accepts only its own process, so each connection of the core is joined to one of
//! ours. The stock core's frames and SC register are unknown here; the bridge is given frames at the
//! hardware's rate, and delivers bytes at once, as a cable would.
//!
//! A byte without an answer is the only sign of a stock player's menu. Meanwhile no frames are given: after a
//! quarter of a second the bridge reports a pause to the peer, and the other game does not wait.

use super::status_query::Control;
use clap::Args;
use gamelink_core::control::BRIDGE_PORT;
use gamelink_core::serial::GameMessage;
use gamelink_core::time::TCycles;
use gamelink_driver::{Config, Link, PeerHosts};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Ports that the core's options offer: 56400 to 56420.
const PORTS: u16 = 21;
/// Interval at which the bridge delivers bytes; bounds the relay's delay.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Frames missed during a late answer are made up within this; the core takes a frame to answer.
const MAX_CATCH_UP: Duration = Duration::from_millis(50);

/// Options of `peerd relay`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Relay {
    #[command(flatten)]
    control: Control,
    /// The TCP port that the stock core connects to: 56400 to 56420.
    #[arg(long, default_value_t = BRIDGE_PORT)]
    port: u16,
    /// The other end, where no daemon knows it: ADDRESS:PORT or [ADDRESS%INTERFACE]:PORT, several with
    /// commas.
    #[arg(long)]
    peer: Option<PeerHosts>,
    /// Log more; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Runs until stopped.
pub(crate) fn run(relay: &Relay) -> Result<(), String> {
    if !(BRIDGE_PORT..BRIDGE_PORT + PORTS).contains(&relay.port) {
        return Err(format!(
            "the stock core offers only the ports {BRIDGE_PORT} to {}",
            BRIDGE_PORT + PORTS - 1
        ));
    }
    // Local only: the stock protocol trusts any client.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, relay.port)).map_err(|error| {
        format!(
            "cannot listen on 127.0.0.1:{}: {error}; choose another with --port",
            relay.port
        )
    })?;
    let config = Config {
        peer: relay.peer.clone(),
        control: Some(relay.control.control.clone()),
        ..Config::default()
    };
    let link = Link::start(&config).map_err(|error| error.to_string())?;
    log::info!("waiting for the stock core port={}", relay.port);
    for stream in listener.incoming() {
        match stream.and_then(|stream| serve(&link, &stream)) {
            Ok(()) => log::info!("stock core disconnected"),
            Err(error) => log::warn!("stock core connection failed error={error}"),
        }
    }
    Ok(())
}

/// Carries bytes between the core and the bridge until one of them closes.
fn serve(link: &Link, game: &TcpStream) -> io::Result<()> {
    if !is_of_this_user(game)? {
        let kind = io::ErrorKind::PermissionDenied;
        return Err(io::Error::new(kind, "it belongs to another user"));
    }
    log::info!("stock core connected");
    let bridge = TcpStream::connect(link.game_address())?;
    for stream in [game, &bridge] {
        stream.set_nodelay(true)?;
    }
    link.core_reconnected();
    let (is_over, is_owing) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            copy(game, &bridge, &is_over, |_| {
                is_owing.store(false, Ordering::Release);
            });
        });
        scope.spawn(|| {
            copy(&bridge, game, &is_over, |message| {
                if let GameMessage::Request { .. } = message {
                    is_owing.store(true, Ordering::Release);
                }
            });
        });
        let mut frames = Frames(Instant::now());
        loop {
            if let Some(has_advanced) = frames.poll(Instant::now(), is_owing.load(Ordering::Acquire)) {
                link.frame_start(None);
                link.frame_end(has_advanced, Duration::ZERO);
            }
            while let Some(notice) = link.poll_notice() {
                log::info!("link notice={notice:?}");
            }
            if is_over.load(Ordering::Acquire) {
                break;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    });
    Ok(())
}

/// Time of the next frame of an unseen machine: at the hardware's rate, but none while the core owes an
/// answer.
struct Frames(Instant);

impl Frames {
    /// A frame boundary for the bridge, if there is one, and whether a frame has passed before it.
    fn poll(&mut self, now: Instant, is_owing: bool) -> Option<bool> {
        if is_owing {
            return None;
        }
        let has_advanced = now >= self.0;
        if has_advanced {
            self.0 += TCycles::FRAME.nominal_duration();
            if now > self.0 + MAX_CATCH_UP {
                self.0 = now;
            }
        }
        Some(has_advanced)
    }
}

/// Copies messages until one side closes, passing each to `tell` first. A message is two bytes written at
/// once: the core takes one byte for a whole message.
fn copy(mut from: &TcpStream, mut to: &TcpStream, is_over: &AtomicBool, tell: impl Fn(GameMessage)) {
    let mut message = [0; 2];
    while from.read_exact(&mut message).is_ok() {
        tell(GameMessage::decode(message));
        if to.write_all(&message).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
    is_over.store(true, Ordering::Release);
}

/// True if the other end of a loopback connection belongs to this user.
fn is_of_this_user(stream: &TcpStream) -> io::Result<bool> {
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (stream.peer_addr()?, stream.local_addr()?) else {
        return Ok(false);
    };
    let me = nix::unistd::geteuid().to_string();
    // The table has the other end with the same two addresses, exchanged.
    let (local, remote) = (hex(from), hex(to));
    Ok(fs::read_to_string("/proc/net/tcp")?.lines().any(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        words.next() == Some(&local) && words.next() == Some(&remote) && words.nth(4) == Some(&me)
    }))
}

/// An address as `/proc/net/tcp` has it: four bytes as one native number.
fn hex(address: SocketAddrV4) -> String {
    let ip = u32::from_ne_bytes(address.ip().octets());
    format!("{ip:08X}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Frames in this time, with a look every two milliseconds; the core owes an answer as `is_owing` says.
    fn frames(
        frames: &mut Frames,
        from: Instant,
        time: Duration,
        is_owing: impl Fn(Duration) -> bool,
    ) -> u32 {
        let mut count = 0;
        let mut at = Duration::ZERO;
        while at < time {
            count += u32::from(frames.poll(from + at, is_owing(at)) == Some(true));
            at += POLL_INTERVAL;
        }
        count
    }

    #[test]
    fn frames_pass_at_the_hardwares_rate_though_each_has_a_byte() {
        let start = Instant::now();
        assert_eq!(
            frames(&mut Frames(start), start, Duration::from_secs(1), |_| false),
            60
        );
        // The core looks once a frame: it owes an answer for most of each.
        let is_owing = |at: Duration| at.as_micros() % 16_742 < 14_000;
        let count = frames(&mut Frames(start), start, Duration::from_secs(1), is_owing);
        assert!((58..=60).contains(&count), "{count}");
    }

    #[test]
    fn there_are_none_while_an_answer_is_owed_and_none_are_made_up_after_a_menu() {
        let start = Instant::now();
        let mut of = Frames(start);
        assert_eq!(frames(&mut of, start, 3000 * MS, |_| true), 0);
        assert_eq!(
            of.poll(start + 3000 * MS, false),
            Some(true),
            "the peer hears of it at once"
        );
        assert!(frames(&mut of, start + 3000 * MS, 100 * MS, |_| false) <= 7);
    }
}
