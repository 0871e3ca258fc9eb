//! Two links, a router between them, and frames.
#![allow(dead_code, reason = "each test program uses its own part of this")]

use gamelink_driver::{BindAddress, Config, Key, Link, PeerHosts};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_millis(16);

/// A router: what A sends to `inside` reaches B from one of the outside ports, and what B sends to that one
/// port reaches A. What B sends to any other is lost.
pub(crate) struct Router {
    pub(crate) inside: SocketAddr,
    pub(crate) outside: Vec<SocketAddr>,
    pub(crate) used: Arc<AtomicUsize>,
    must_stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Router {
    pub(crate) fn start(a: SocketAddr, b: SocketAddr, ports: usize) -> Router {
        let open = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            Arc::new(socket)
        };
        let inside = open();
        let outside: Vec<_> = (0..ports).map(|_| open()).collect();
        let (used, must_stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut router = Router {
            inside: inside.local_addr().unwrap(),
            outside: outside
                .iter()
                .map(|socket| socket.local_addr().unwrap())
                .collect(),
            used: Arc::clone(&used),
            must_stop: Arc::clone(&must_stop),
            threads: vec![],
        };
        let mut carry = |from: Arc<UdpSocket>, number: Option<usize>| {
            let (inside, outside) = (Arc::clone(&inside), outside.clone());
            let (used, must_stop) = (Arc::clone(&used), Arc::clone(&must_stop));
            router.threads.push(std::thread::spawn(move || {
                let mut buffer = [0; 2000];
                while !must_stop.load(Ordering::Relaxed) {
                    let Ok((len, _)) = from.recv_from(&mut buffer) else {
                        continue;
                    };
                    let used = used.load(Ordering::Relaxed);
                    let _ = match number {
                        None => outside[used].send_to(&buffer[..len], b),
                        Some(number) if number == used => inside.send_to(&buffer[..len], a),
                        Some(_) => Ok(0),
                    };
                }
            }));
        };
        carry(Arc::clone(&inside), None);
        for (number, socket) in outside.iter().enumerate() {
            carry(Arc::clone(socket), Some(number));
        }
        router
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.must_stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// A free port, which whoever asks for it next gets.
pub(crate) fn free() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub(crate) fn link(own: SocketAddr, peer: &impl ToString, key: Option<&Key>) -> Link {
    Link::start(&Config {
        peer: Some(peer.to_string().parse::<PeerHosts>().unwrap()),
        bind: Some(own.to_string().parse::<BindAddress>().unwrap()),
        key: key.cloned(),
        ..Config::default()
    })
    .unwrap()
}

/// Plays until `condition`, or so long; the time that it took.
pub(crate) fn play(
    links: &[Link; 2],
    limit: Duration,
    condition: impl Fn(&[Link; 2]) -> bool,
) -> Option<Duration> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if condition(links) {
            return Some(start.elapsed());
        }
        for link in links {
            link.frame_start(None);
            link.frame_end(true, Duration::ZERO);
        }
        std::thread::sleep(FRAME);
    }
    None
}

pub(crate) fn received(link: &Link) -> u64 {
    link.report().counters.received
}

/// The key that two sides have in common.
pub(crate) fn key() -> Key {
    Key::new([8; 16])
}

pub(crate) fn are_linked(links: &[Link; 2]) -> bool {
    links.iter().all(Link::is_linked)
}

/// Plays until both sides receive again; the time that it took.
pub(crate) fn resumed(links: &[Link; 2], limit: Duration) -> Duration {
    let before = links.each_ref().map(received);
    // One datagram may have been under way.
    let has_more = |(link, before): (&Link, u64)| received(link) > before + 1;
    play(links, limit, |links| links.iter().zip(before).all(has_more)).expect("datagrams both ways")
}

/// Asserts that both sides have had one link all the time.
#[track_caller]
pub(crate) fn assert_one_link(links: &[Link; 2]) {
    for link in links {
        let counters = link.report().counters;
        assert_eq!((counters.links, counters.losses), (1, 0), "{counters:?}");
    }
}
