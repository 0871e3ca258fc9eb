//! Runs a bridge on real sockets: one UDP port to the peer, one loopback TCP port to the game.
//!
//! The bridge stands behind a mutex that nobody holds while waiting. The emulation thread serves the peer
//! while frames run, and its core finds a byte in a poll of its own, so that a listening game costs no thread
//! hop; a helper thread serves the peer where no frames run, the loopback port and the daemon.

mod address;
mod conversation_file;
mod daemon_client;
mod deferred_log;
mod direct;
mod direct_port;
mod flood_guard;
mod game_socket;
mod hub;
mod known_machines;
mod packets;
mod peer_hosts;
mod peer_path;
mod peer_port;
mod poll_gate;
mod report;
mod thread;
mod time;
mod udp_socket;

pub use address::{BindAddress, MOST_ADDRESSES, ParseAddressError, PeerAddress, PeerAddresses};
pub use direct::Patience;
pub use gamelink_core::bridge::conversation;
pub use gamelink_core::bridge::{Cost, Mode, Notice, Slowness};
pub use gamelink_core::control::{
    Acquaintance, Cartridge, LanStatus, MachineStatus, PairingStatus, Playing, Transport,
};
pub use gamelink_core::protocol::{Key, KeyError, MAX_DATAGRAM};
pub use known_machines::known_machines;
pub use packets::PacketExchange;
pub use peer_hosts::{LookupError, PeerHosts};
pub use report::{ClockReport, Report, TimesReport};

use conversation_file::ConversationFile;
use crossbeam_channel::Receiver;
use gamelink_core::serial::SerialControl;
use hub::Hub;
use poll_gate::PollGate;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use thread::Files;

/// Settings of a link.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where the peer is; without one the cable stays unplugged until [`Link::set_peer`]. Where several
    /// addresses are given, the peer is looked for at all of them; names are looked up again and again while
    /// there is no link.
    pub peer: Option<PeerHosts>,
    /// Where to receive; by default the peer's (first) port, in the peer's family. With a key, or where the
    /// peer has addresses of both families, in both.
    pub bind: Option<BindAddress>,
    /// The key that both sides have, if they have one: datagrams are sealed with it, and the peer may move to
    /// another address.
    pub key: Option<Key>,
    /// The daemon's control socket, which says where the peer is; not used together with `peer`.
    pub control: Option<PathBuf>,
    /// The game, as the daemon is told of it in the first breath: see [`Link::set_playing`].
    pub playing: Playing,
    /// Where to write statistics once a second and at the end, if anywhere.
    pub stats: Option<PathBuf>,
    /// Where to write what the two games say to each other, if anywhere: see [`conversation`].
    pub conversation: Option<PathBuf>,
    /// The cable stays unplugged until [`Link::set_enabled`], as while the core is still loading its game.
    pub is_held: bool,
}

/// Why a link, or its way to a peer, cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener that the stock core connects to.
    #[error("cannot listen on 127.0.0.1 for the Gambatte core: {0}")]
    GamePort(#[source] io::Error),
    /// The UDP port to the peer.
    #[error("{}", port_error(.0, .1))]
    PeerPort(SocketAddr, #[source] io::Error),
    /// The helper thread.
    #[error("cannot start the link's thread: {0}")]
    Thread(#[source] io::Error),
}

fn port_error(address: &SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "UDP port {} is in use: another game on this machine has it; for two players on one machine give each its own \
             address (GAMELINK_BIND=127.0.0.1 and 127.0.0.2)",
            address.port()
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!("{address} is not an address of this machine: correct or leave out GAMELINK_BIND")
        }
        _ => format!("cannot open UDP port {address}: {error}"),
    }
}

/// Standing of a link at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Both sides know each other.
    pub is_linked: bool,
    /// No byte is between the core and the bridge, so the core may be saved or its socket replaced.
    ///
    /// A byte is handed over only at the start of a frame, to a listening game, and taken at the core's first
    /// poll; so its 4096 cycles are over before the frame is.
    pub is_quiet: bool,
    /// The exchange that serves this session.
    pub mode: Mode,
    /// A byte was asked for or answered here in the last two seconds.
    pub is_busy: bool,
}

/// Reads FF02 out of the core's memory; called only while the emulation thread waits for a byte inside the
/// core.
pub type SerialProbe = Box<dyn Fn() -> SerialControl + Send>;

/// One end of the cable: owns the sockets and the thread that serves them.
///
/// The emulation thread calls [`frame_start`](Link::frame_start) right before and
/// [`frame_end`](Link::frame_end) right after it runs the core; neither waits. Dropping the link says goodbye
/// to the peer and joins the thread.
pub struct Link {
    shared: Arc<Shared>,
    notices: Receiver<Notice>,
    thread: Option<JoinHandle<()>>,
}

/// State that the emulation thread and the helper thread share.
struct Shared {
    hub: Mutex<Hub>,
    gate: PollGate,
    waker: mio::Waker,
    must_stop: AtomicBool,
}

impl Shared {
    /// The hub, made fit for use again if a panic left it half changed: the cable then reads as unplugged.
    fn lock(&self) -> HubGuard<'_> {
        let mut hub = self.hub.lock().unwrap_or_else(|poisoned| {
            self.hub.clear_poison();
            let mut hub = poisoned.into_inner();
            hub.fail();
            hub
        });
        if let Some((event_loop, accesses)) = self.gate.take() {
            direct::handle_skipped(&mut hub, event_loop, accesses);
        }
        let gate = &self.gate;
        HubGuard { hub, gate }
    }
}

/// The hub, locked; the gate is set when it is given back.
struct HubGuard<'a> {
    hub: MutexGuard<'a, Hub>,
    gate: &'a PollGate,
}

impl Deref for HubGuard<'_> {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl DerefMut for HubGuard<'_> {
    fn deref_mut(&mut self) -> &mut Hub {
        &mut self.hub
    }
}

impl Drop for HubGuard<'_> {
    fn drop(&mut self) {
        // A half changed hub is not asked.
        let is_whole = !std::thread::panicking();
        let until = is_whole.then(|| direct::finds_nothing_until(&self.hub));
        self.gate.close_until(until.unwrap_or_default());
    }
}

/// Begins the trace of the conversation, where one is wanted and its file can be made.
fn conversation_file(path: Option<&Path>, shared: &Shared) -> Option<ConversationFile> {
    let path = path?;
    let file = ConversationFile::create(path)
        .inspect_err(|error| log::warn!("conversation not written file={} error={error}", path.display()))
        .ok()?;
    shared.lock().bridge_mut().trace_conversation();
    Some(file)
}

impl Link {
    /// Opens the sockets and starts to look for the peer.
    ///
    /// # Errors
    /// When a socket cannot be opened or bound, or the thread cannot be started. A peer whose address or
    /// interface is not there yet is no error: the link is made when it comes. An own address in
    /// [`Config::bind`] must be there.
    pub fn start(config: &Config) -> Result<Link, StartError> {
        let poll = mio::Poll::new().map_err(StartError::Thread)?;
        let waker = mio::Waker::new(poll.registry(), thread::WAKER).map_err(StartError::Thread)?;
        let registry = poll.registry().try_clone().map_err(StartError::Thread)?;
        let (hub, notices) = Hub::open(registry).map_err(StartError::GamePort)?;
        let shared = Arc::new(Shared {
            hub: Mutex::new(hub),
            gate: PollGate::default(),
            waker,
            must_stop: AtomicBool::new(false),
        });
        if config.is_held {
            shared.lock().set_enabled(false);
        }
        shared.lock().bridge_mut().set_key(config.key.clone());
        shared
            .lock()
            .set_hosts(config.peer.clone(), config.bind.clone())?;
        if let (None, Some(path)) = (&config.peer, &config.control) {
            shared.lock().follow_daemon(path.clone(), config.playing.clone());
        }
        let conversation = conversation_file(config.conversation.as_deref(), &shared);
        let files = Files::new(config.stats.clone(), conversation);
        let link = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("gamelink".into())
            .spawn(move || thread::run(poll, &link, files))
            .map_err(StartError::Thread)?;
        Ok(Link {
            shared,
            notices,
            thread: Some(thread),
        })
    }

    /// Where the stock core's "Network Client" finds its server: 127.0.0.1 and a free port.
    #[must_use]
    pub fn game_address(&self) -> SocketAddrV4 {
        self.shared.lock().game_address()
    }

    /// Plugs the cable into another peer, or pulls it out.
    ///
    /// # Errors
    /// When the UDP port cannot be opened; the cable is then unplugged.
    pub fn set_peer(&self, peer: Option<PeerHosts>, bind: Option<BindAddress>) -> Result<(), StartError> {
        let result = self.shared.lock().set_hosts(peer, bind);
        self.wake();
        result
    }

    /// Switches the link off (every transfer reads as unplugged, the peer is told) or on again.
    pub fn set_enabled(&self, is_enabled: bool) {
        self.shared.lock().set_enabled(is_enabled);
        self.wake();
    }

    /// Sets the silence of the peer after which the link ends; a game that needs the cable stands still until
    /// then.
    pub fn set_silence_limit(&self, limit: Duration) {
        self.shared.lock().bridge_mut().set_silence_limit(limit);
    }

    /// Lets the link look at FF02 while the game waits, or, with `None`, not any more: do that before the
    /// core is unloaded.
    pub fn set_serial_probe(&self, probe: Option<SerialProbe>) {
        self.shared.lock().set_serial_probe(probe);
    }

    /// Tells the link that the core is about to run, with FF02 as the game left it, where the core's memory
    /// map shows it; hands a waiting byte to an armed game.
    pub fn frame_start(&self, serial_control: Option<SerialControl>) {
        self.exchange_packets();
        self.shared.lock().frame_start(serial_control);
    }

    /// Tells the link that a further call goes on with the frame in which the game waits, after the one
    /// before was left in [`game_read`](Link::game_read).
    pub fn frame_resume(&self) {
        self.exchange_packets();
        self.shared.lock().frame_resume();
    }

    /// Tells the link that the core has run: whether the call emulated anything, as a stock core sometimes
    /// only repeats its last picture, and the time spent outside the core in this call.
    pub fn frame_end(&self, has_advanced: bool, hook_time: Duration) {
        self.shared.lock().frame_end(has_advanced, hook_time);
        self.exchange_packets();
    }

    /// Sleeps where that moves this side's frames to a better place in the peer's; nearly always not at all.
    ///
    /// Call it after [`frame_end`](Link::frame_end); it never sleeps longer than two frames, and holds no
    /// lock.
    pub fn pace(&self) {
        let pause = self.shared.lock().bridge_mut().pause(time::now());
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }

    /// Standing of the link at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.lock().status()
    }

    /// True if both sides know each other now.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.status().is_linked
    }

    /// True if no byte is between the core and the bridge: see [`Status::is_quiet`].
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.status().is_quiet
    }

    /// Tells the link that the core has just re-read its options and so opened a new connection.
    pub fn core_reconnected(&self) {
        self.shared.lock().service_game();
    }

    /// The oldest notice not yet taken.
    #[must_use]
    pub fn poll_notice(&self) -> Option<Notice> {
        self.notices.try_recv().ok()
    }

    /// A name of the peer that cannot be resolved, once for each time that this changes.
    #[must_use]
    pub fn take_lookup_error(&self) -> Option<LookupError> {
        self.shared.lock().take_lookup_error()
    }

    /// Describes the game to the daemon, and whom its player wants to play with.
    pub fn set_playing(&self, playing: Playing) {
        self.shared.lock().set_playing(playing);
        self.wake();
    }

    /// The machines on the LAN, where that has changed since the last call.
    #[must_use]
    pub fn take_lan(&self) -> Option<LanStatus> {
        self.shared.lock().take_lan()
    }

    /// Name of the peer, where the daemon has assigned it.
    #[must_use]
    pub fn peer_name(&self) -> Option<String> {
        self.shared.lock().peer_name()
    }

    /// Title of the peer's game, where the daemon has told it.
    #[must_use]
    pub fn peer_title(&self) -> Option<String> {
        self.shared.lock().peer_title()
    }

    /// Measurements so far, as the statistics file has them.
    #[must_use]
    pub fn report(&self) -> Report {
        self.shared.lock().report()
    }

    fn wake(&self) {
        if let Err(error) = self.shared.waker.wake() {
            log::warn!("link thread not woken error={error}");
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.must_stop.store(true, Ordering::Release);
        self.wake();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            log::error!("the link thread panicked");
        }
    }
}
