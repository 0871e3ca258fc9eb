//! The bare socket on the same path: what nobody can beat who waits for an answer.

use anyhow::{Context as _, Result};
use gamelink_frontend::clock::{nanos, now_ns, sleep_until_ns};
use gamelink_lab::netns::{Cable, RelayedCable};
use gamelink_lab::pair::{Kind, PORT, Points, Wire};
use gamelink_sim::impair::Conditions;
use serde::Serialize;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// Round trips of a bare socket.
#[derive(Clone, Debug, Serialize)]
pub struct Ping {
    /// `UDP` or `TCP`.
    pub protocol: &'static str,
    /// One-way delay of the path.
    pub delay_ms: f64,
    /// A relay stands between, as it does for pairs.
    pub is_relayed: bool,
    /// When the pings were sent.
    pub spacing: Spacing,
    /// Round trips, in microseconds.
    pub round_trip_us: Points,
    /// Pings that nobody answered.
    pub lost: u64,
}

/// When the pings of a series are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// One in each frame of an emulator; between two the processor is idle.
    Frame,
    /// Eight in each frame, one after the other, then idle until the next: what a game does that waits for
    /// each byte. A processor that has been idle, above all a virtual one, wakes later.
    Burst,
    /// One after the other, all the time.
    BackToBack,
}

impl Spacing {
    /// All of them, in the order of a table.
    pub const ALL: [Spacing; 3] = [Spacing::Frame, Spacing::Burst, Spacing::BackToBack];

    /// Name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Spacing::Frame => "a frame",
            Spacing::Burst => "eight a frame",
            Spacing::BackToBack => "back to back",
        }
    }

    /// Pings from one rest to the next; none where there is no rest.
    fn between_rests(self) -> Option<u64> {
        match self {
            Spacing::Frame => Some(1),
            Spacing::Burst => Some(8),
            Spacing::BackToBack => None,
        }
    }
}

/// Interval of an emulator's frames, in nanoseconds.
const FRAME_NS: u64 = 16_742_706;

/// Length of one of our datagrams with one event.
const LENGTH: usize = 152;
/// Time that an answer may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// One end of either protocol.
enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Socket {
    fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Socket::Udp(socket) => socket.send(bytes).map(drop),
            Socket::Tcp(stream) => stream.write_all(bytes),
        }
    }

    fn receive(&mut self, bytes: &mut [u8]) -> std::io::Result<()> {
        match self {
            Socket::Udp(socket) => socket.recv(bytes).map(drop),
            Socket::Tcp(stream) => stream.read_exact(bytes),
        }
    }

    fn prepare(self) -> std::io::Result<Socket> {
        match &self {
            Socket::Udp(socket) => socket.set_read_timeout(Some(PATIENCE))?,
            Socket::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
            }
        }
        Ok(self)
    }
}

fn at(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((address, PORT))
}

/// Measures UDP and TCP on one path, each with every [`Spacing`]; both machines have processors of their own.
///
/// # Errors
/// When the path cannot be made.
pub fn run(delay_ms: f64, is_relayed: bool, time: Duration) -> Result<Vec<Ping>> {
    let mut pings = Vec::new();
    for protocol in ["UDP", "TCP"] {
        let wire = match (is_relayed, protocol) {
            (false, _) => Wire::direct()?,
            (true, protocol) => {
                let kind = if protocol == "UDP" {
                    Kind::Datagrams
                } else {
                    Kind::Bytes
                };
                let delay = Duration::from_secs_f64(delay_ms / 1e3);
                Wire::relayed(kind, Conditions::delayed(delay), 1)?
            }
        }
        .apart()?;
        let (mut near, far) = match protocol {
            "UDP" => udp(&wire, is_relayed),
            _ => tcp(&wire, is_relayed),
        }
        .with_context(|| format!("cannot open {protocol} sockets on the path"))?;
        let ((a, _), (b, _)) = (wire.a(), wire.b());
        std::thread::scope(|scope| -> Result<()> {
            let answering = scope.spawn(move || b.within(|| answer(far)));
            for spacing in Spacing::ALL {
                // Back to back needs less time for as many.
                let time = match spacing {
                    Spacing::BackToBack => time / 3,
                    _ => time,
                };
                let (round_trip_us, lost) = a.within(|| measure(&mut near, spacing, time))?;
                pings.push(Ping {
                    protocol,
                    delay_ms,
                    is_relayed,
                    spacing,
                    round_trip_us,
                    lost,
                });
            }
            let _ = near.send(&[1; LENGTH]);
            match answering.join() {
                Ok(answered) => answered,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
    }
    Ok(pings)
}

fn udp(wire: &Wire, is_relayed: bool) -> Result<(Socket, Socket)> {
    let (own_a, own_b) = match is_relayed {
        true => (RelayedCable::ADDRESS_A, RelayedCable::ADDRESS_B),
        false => (Cable::ADDRESS_A, Cable::ADDRESS_B),
    };
    let open = |(machine, peer): (&gamelink_lab::netns::Namespace, gamelink_lab::netns::Address),
                own: Ipv4Addr| {
        machine.within(|| {
            let socket = UdpSocket::bind(at(own))?;
            socket.connect(at(peer.v4))?;
            Socket::Udp(socket).prepare()
        })
    };
    Ok((open(wire.a(), own_a.v4)??, open(wire.b(), own_b.v4)??))
}

fn tcp(wire: &Wire, is_relayed: bool) -> Result<(Socket, Socket)> {
    let ((a, to_b), (b, to_a)) = (wire.a(), wire.b());
    let connect = |peer: Ipv4Addr| TcpStream::connect_timeout(&at(peer), Duration::from_secs(2));
    let (near, far) = if is_relayed {
        (a.within(|| connect(to_b.v4))??, b.within(|| connect(to_a.v4))??)
    } else {
        let listener = b.within(|| TcpListener::bind(at(Cable::ADDRESS_B.v4)))??;
        let near = a.within(|| connect(to_b.v4))??;
        (near, listener.accept()?.0)
    };
    Ok((Socket::Tcp(near).prepare()?, Socket::Tcp(far).prepare()?))
}

/// Sends back what comes, until what comes begins with a 1 or nothing comes.
fn answer(mut socket: Socket) {
    let mut bytes = [0; LENGTH];
    // Longer than any pause between two measurements.
    let mut silences = 0;
    while silences < 6 {
        match socket.receive(&mut bytes) {
            Ok(()) if bytes.first() == Some(&1) => return,
            Ok(()) => {
                silences = 0;
                if socket.send(&bytes).is_err() {
                    return;
                }
            }
            Err(_) => silences += 1,
        }
    }
}

/// Sleeps to each frame as a frontend does, then sends and waits for the answer in the kernel, as often as
/// `spacing` says.
fn measure(socket: &mut Socket, spacing: Spacing, time: Duration) -> (Points, u64) {
    let end_ns = now_ns().saturating_add(nanos(time));
    let mut bytes = [0; LENGTH];
    let mut times = Vec::new();
    let mut lost = 0;
    let mut due_ns = now_ns();
    let mut sent = 0_u64;
    while now_ns() < end_ns {
        if spacing
            .between_rests()
            .is_some_and(|pings| sent.is_multiple_of(pings))
        {
            sleep_until_ns(due_ns);
            due_ns = (due_ns + FRAME_NS).max(now_ns());
        }
        sent += 1;
        let start_ns = now_ns();
        let answer = socket.send(&bytes).and_then(|()| socket.receive(&mut bytes));
        match answer {
            Ok(()) => times.push(now_ns() - start_ns),
            Err(_) => lost += 1,
        }
    }
    (Points::of(times), lost)
}
