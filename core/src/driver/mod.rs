//! Runs a bridge on real sockets: one UDP port to the peer, one loopback TCP port to the game.
//!
//! The only part of this crate that touches sockets, threads, files and clocks.

mod address;

pub use crate::bridge::Notice;
pub use address::{BindAddress, ParseAddressError, PeerAddress};

use crate::serial::{GameMessage, SerialControl, UNPLUGGED};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

/// What a link needs to start.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where the peer is; without one the cable stays unplugged until [`Link::set_peer`].
    pub peer: Option<PeerAddress>,
    /// Where to receive; by default the wildcard of the peer's family and the peer's port.
    pub bind: Option<BindAddress>,
    /// Where to write statistics once a second and at the end, if anywhere.
    pub stats: Option<PathBuf>,
}

/// What the emulation thread knows before it runs a frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameStart {
    /// FF02 as the game left it, where the core's memory map shows it.
    pub serial_control: Option<SerialControl>,
}

/// What the emulation thread knows after it ran a frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameEnd {
    /// Whether the call emulated anything: a stock core sometimes only repeats its last picture.
    pub has_advanced: bool,
    /// Time spent outside the core in this call: hooks, pacing, messages.
    pub hook_time: Duration,
}

/// One end of the cable: owns the sockets and the thread that serves them.
///
/// The emulation thread calls [`frame_start`](Link::frame_start) right before and [`frame_end`](Link::frame_end) right after it
/// runs the core; neither waits. Dropping the link says goodbye to the peer and joins the thread.
pub struct Link {
    game_address: SocketAddrV4,
}

impl Link {
    /// Opens the sockets and starts to look for the peer.
    ///
    /// # Errors
    /// When a socket cannot be opened or bound, or the thread cannot be started.
    pub fn start(_config: &Config) -> io::Result<Link> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let SocketAddr::V4(game_address) = listener.local_addr()? else {
            return Err(io::Error::other("a v4 listener has a v4 address"));
        };
        std::thread::Builder::new()
            .name("gamelink".into())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    answer_unplugged(stream);
                }
            })?;
        Ok(Link { game_address })
    }

    /// Where the stock core's "Network Client" finds its server: 127.0.0.1 and a free port.
    #[must_use]
    pub fn game_address(&self) -> SocketAddrV4 {
        self.game_address
    }

    /// Plugs the cable into another peer, or pulls it out.
    pub fn set_peer(&self, _peer: Option<PeerAddress>) {}

    /// Switches the link off (every transfer reads as unplugged, the peer is told) or on again.
    pub fn set_enabled(&self, _is_enabled: bool) {}

    /// Tells the link that the core is about to run; hands a waiting byte to an armed game.
    pub fn frame_start(&self, _frame: FrameStart) {}

    /// Tells the link that the core has run.
    pub fn frame_end(&self, _frame: FrameEnd) {}

    /// Whether no byte is between the core and the bridge, so that the core may be saved or its socket replaced.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        true
    }

    /// Whether both sides know each other now.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        false
    }

    /// Tells the link that the core has just re-read its options and so opened a new connection.
    pub fn core_reconnected(&self) {}

    /// The oldest notice not yet taken.
    #[must_use]
    pub fn poll_notice(&self) -> Option<Notice> {
        None
    }
}

fn answer_unplugged(mut stream: TcpStream) {
    let mut request = [0; 2];
    while stream.read_exact(&mut request).is_ok() {
        if stream
            .write_all(&GameMessage::Reply { byte: UNPLUGGED }.encode())
            .is_err()
        {
            return;
        }
    }
}
