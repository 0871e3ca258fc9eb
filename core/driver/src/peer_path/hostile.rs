//! Somebody who sees all that crosses between two sides with a key, and sends the one what he likes, from an
//! address of his own or in the other's name.

use super::tests::address;
use super::*;
use gamelink_core::bridge::{Bridge, Input, Output};
use gamelink_core::protocol::{HEADER_LEN, Key, MAX_DATAGRAM, Nonce};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::VecDeque;

/// Datagrams that the forger keeps of each side.
const KEPT: usize = 64;
/// Forged datagrams between two of the sides' own.
const BURST: u32 = 500;
const FLAGS: usize = 6;
const GOODBYE: u8 = 1 << 2;
const SEQUENCE: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgery {
    Hello,
    Goodbye,
    Events,
    Truncated,
    Reflected,
    Replayed,
    Reordered,
}

struct End {
    bridge: Bridge,
    path: PeerPath,
    leads: bool,
}

impl End {
    fn new(number: u64, given: &[SocketAddr], leads: bool) -> End {
        let mut bridge = Bridge::default();
        bridge.set_key(Some(Key::new([7; 16])));
        let mut end = End {
            bridge,
            path: PeerPath::new(given.iter().copied()).unwrap(),
            leads,
        };
        let nonce = Nonce(number);
        end.bridge.handle_input(LocalTime(1), Input::Plug { nonce });
        end
    }

    /// Datagrams that leave now, and their receivers.
    fn drain(&mut self, now: LocalTime) -> Vec<(SocketAddr, Vec<u8>)> {
        let (mut buffer, mut sent) = ([0; MAX_DATAGRAM], Vec::new());
        while let Some(output) = self.bridge.poll_output(now, &mut buffer) {
            if let Output::Transmit { len } = output {
                sent.push((self.path.current(), buffer[..len].to_vec()));
                if !self.path.handle_sent(now) {
                    continue;
                }
                for number in 0..PLACES {
                    if let Some((to, stamp)) = self.path.probe(number, HEADER_LEN, now) {
                        let len = self.bridge.write_probe(stamp, &mut buffer).unwrap();
                        sent.push((to, buffer[..len].to_vec()));
                    }
                }
            }
        }
        sent
    }

    /// True if the peer has moved.
    fn receive(&mut self, now: LocalTime, from: SocketAddr, bytes: &[u8]) -> bool {
        self.take(now, bytes).is_some_and(|echo| {
            self.path
                .handle_authentic(now, from, bytes.len(), echo, self.leads)
                == Heard::Moved
        })
    }

    fn take(&mut self, now: LocalTime, bytes: &[u8]) -> Option<LocalTime> {
        let received = now;
        self.bridge.handle_input(now, Input::Datagram { bytes, received });
        self.bridge.take_authentic()
    }
}

/// Two sides, what the forger has seen of each, and what came to him.
struct Table {
    ends: [End; 2],
    seen: [VecDeque<Vec<u8>>; 2],
    now: LocalTime,
    /// One in four of what the second side sends does not arrive, unless by the forger.
    loses: bool,
    /// Bytes that the first side was made to send to other addresses, and authentic ones from there.
    sent_elsewhere: u64,
    came_from_elsewhere: u64,
}

/// Addresses of the two sides; the second has another one, which the first was given as well.
const ENDS: [&str; 2] = ["10.0.0.1:56400", "10.0.0.2:56400"];
const SECOND: &str = "[2001:db8::2]:56400";
const FORGER: &str = "10.0.0.9:53";

impl Table {
    fn new(leads: bool) -> Table {
        let [a, b] = ENDS.map(address);
        let mut table = Table {
            ends: [
                End::new(1, &[b, address(SECOND)], leads),
                End::new(2, &[a], !leads),
            ],
            seen: [VecDeque::new(), VecDeque::new()],
            now: LocalTime(1_000_000_000),
            loses: false,
            sent_elsewhere: 0,
            came_from_elsewhere: 0,
        };
        for _ in 0..20 {
            table.play();
        }
        assert!(table.ends.iter().all(|end| end.bridge.is_linked()));
        table.sent_elsewhere = 0;
        table
    }

    /// Each side says something.
    fn play(&mut self) {
        self.now = self.now.after(Duration::from_millis(100));
        for side in [0, 1] {
            self.ends[side].bridge.handle_timeout(self.now);
            self.carry(side);
        }
    }

    fn carry(&mut self, side: usize) {
        let now = self.now;
        for (to, bytes) in self.ends[side].drain(now) {
            let peer = 1 - side;
            if to == address(ENDS[peer]) {
                let is_late = side == 1 && self.loses && (self.now.0 / 100_000_000).is_multiple_of(4);
                if !is_late {
                    assert!(!self.ends[peer].receive(now, address(ENDS[side]), &bytes));
                }
            } else {
                self.sent_elsewhere += bytes.len() as u64;
            }
            self.seen[side].push_front(bytes);
            self.seen[side].truncate(KEPT);
        }
    }

    fn forge(&self, kind: Forgery, random: &mut Xoshiro256PlusPlus) -> Vec<u8> {
        let reflected = usize::from(kind == Forgery::Reflected);
        let seen = &self.seen[1 - reflected];
        let mut bytes = seen[random.random_range(0..seen.len())].clone();
        match kind {
            Forgery::Hello => {
                random.fill(&mut bytes[8..16]);
                bytes[16..24].fill(0);
                bytes.truncate(HEADER_LEN);
            }
            Forgery::Goodbye => {
                bytes[FLAGS] |= GOODBYE;
                bytes[SEQUENCE + 1] = bytes[SEQUENCE + 1].wrapping_add(1);
            }
            Forgery::Events => bytes.extend((0..random.random_range(1..200)).map(|n: u8| n)),
            Forgery::Truncated => bytes.truncate(random.random_range(0..bytes.len())),
            Forgery::Reflected | Forgery::Replayed | Forgery::Reordered => {}
        }
        bytes
    }
}

fn attack(kind: Forgery, count: u32, leads: bool) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(kind as u64);
    let mut table = Table::new(leads);
    table.loses = kind == Forgery::Reordered;
    let rooms = table.ends.each_ref().map(|end| size_of_val(&end.path));
    for number in 0..count {
        if number % BURST == 0 {
            table.play();
        }
        let bytes = table.forge(kind, &mut random);
        let from = address(if random.random() { FORGER } else { SECOND });
        let now = table.now;
        if let Some(echo) = table.ends[0].take(now, &bytes) {
            table.came_from_elsewhere += bytes.len() as u64;
            let path = &mut table.ends[0].path;
            assert_ne!(
                path.handle_authentic(now, from, bytes.len(), echo, leads),
                Heard::Moved,
                "{kind:?} {number}"
            );
        }
        table.carry(0);
    }
    assert_eq!(rooms, table.ends.each_ref().map(|end| size_of_val(&end.path)));
    for (end, peer) in table.ends.iter().zip([1, 0]) {
        let counters = &end.bridge.stats().counters;
        assert_eq!(
            (counters.links, counters.losses),
            (1, 0),
            "{kind:?}: {counters:?}"
        );
        assert_eq!(end.path.current(), address(ENDS[peer]));
    }
    let came = table.came_from_elsewhere;
    assert_eq!(came > 0, kind == Forgery::Reordered, "{kind:?}: {came}");
    assert!(
        table.sent_elsewhere <= 3 * came,
        "{kind:?}: {} for {came}",
        table.sent_elsewhere
    );
}

/// Datagrams of each kind, unless `GAMELINK_FORGED` says another number: a million takes some seconds a kind.
const COUNT: u32 = 50_000;

#[test]
fn forged_datagrams_of_each_kind_move_nothing() {
    let given = std::env::var("GAMELINK_FORGED").ok();
    let count = given.and_then(|count| count.parse().ok()).unwrap_or(COUNT);
    for kind in [
        Forgery::Hello,
        Forgery::Goodbye,
        Forgery::Events,
        Forgery::Truncated,
        Forgery::Reflected,
        Forgery::Replayed,
        Forgery::Reordered,
    ] {
        // Half of them on a side that leads, half on one that follows.
        attack(kind, count / 2, false);
        attack(kind, count / 2, true);
    }
}
