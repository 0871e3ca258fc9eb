//! Paths to a peer of which several addresses may be known, and which may move: the address that is used,
//! those that were given, and some that it may have come to.
//!
//! An address that was given is tried while the peer is looked for: as long as there is no link, and whenever
//! it is not heard where it is thought to be (as in RFC 8305, but all of them at once: a datagram is small).
//! Any other address is taken from a datagram that was sealed with the key and is the newest. Either is used
//! only once the peer has shown, from there, that it hears what was sent there: else whoever sees a datagram
//! could send it on under another's address, and turn this side's datagrams on that one (path validation: RFC
//! 9000, sections 8 and 9). So what is sent to try an address, a *probe*, bears a stamp that nothing sent
//! elsewhere bears.

use super::address::MOST_ADDRESSES;
use super::time::{self, MARKS};
use gamelink_core::time::LocalTime;
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes that may be sent to an address that was not given for each that came from it, before it is proved.
const AMPLIFICATION: u64 = 3;

/// Addresses that were not given and are not proved; a new one takes the place of the oldest.
const CANDIDATES: usize = 4;

/// Addresses besides the current one.
pub(super) const PLACES: usize = MOST_ADDRESSES + CANDIDATES;
// A mark in the stamp tells the place, and 0 the current address.
const _: () = assert!((PLACES as u64) < MARKS);

/// Silence at the current address after which the peer is looked for at the others: of the datagrams that
/// leave every tenth of a second at the least, five are missing.
const SILENCE: Duration = Duration::from_millis(500);

/// Paths to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerPath {
    current: SocketAddr,
    standing: Standing,
    /// Those that were given, then the candidates.
    places: [Option<Place>; PLACES],
    /// The place of the oldest candidate.
    oldest: usize,
    /// Our newest stamp that the peer has seen of those that were sent to the current address.
    echoed: LocalTime,
}

/// Standing of the current address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The peer is looked for at all that were given.
    Looking,
    /// The peer was heard here at this moment.
    Heard(LocalTime),
}

/// Where a datagram of the peer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// From where it is thought to be, or nothing follows of it.
    There,
    /// From an address that is not proved yet, for the first time.
    Elsewhere,
    /// From another, at which it is from now on.
    Moved,
}

/// An address that the peer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    address: SocketAddr,
    received: u64,
    sent: u64,
    /// Stamp of the first probe.
    probed: Option<LocalTime>,
}

impl Place {
    fn new(address: SocketAddr) -> Place {
        Place {
            address,
            received: 0,
            sent: 0,
            probed: None,
        }
    }
}

impl PeerPath {
    /// Paths to a peer that is looked for at these addresses; `None` where there is none.
    pub(super) fn new(given: impl Iterator<Item = SocketAddr> + Clone) -> Option<PeerPath> {
        let mut path = PeerPath {
            current: given.clone().next()?,
            standing: Standing::Looking,
            places: [None; PLACES],
            oldest: MOST_ADDRESSES,
            echoed: LocalTime::default(),
        };
        path.look(given);
        Some(path)
    }

    /// Without a link: the peer is looked for at the addresses that were given, at the one where it was last,
    /// and at those that it may have come to.
    pub(super) fn look(&mut self, mut given: impl Iterator<Item = SocketAddr>) {
        for place in self.places.iter_mut().take(MOST_ADDRESSES) {
            let address = given.next();
            if place.map(|place| place.address) != address {
                *place = address.map(Place::new);
            }
        }
        self.standing = Standing::Looking;
    }

    pub(super) fn current(&self) -> SocketAddr {
        self.current
    }

    /// True if this address is one of those that were given.
    pub(super) fn is_given(&self, address: SocketAddr) -> bool {
        let mut given = self.places.iter().take(MOST_ADDRESSES).flatten();
        given.any(|place| place.address == address)
    }

    /// Nothing can be sent to the current address: the peer is looked for.
    pub(super) fn handle_failure(&mut self) {
        self.standing = Standing::Looking;
    }

    /// A datagram of so many bytes, authentic and not an old one, came from this address; `echo` is the
    /// newest stamp of ours that its sender has seen.
    ///
    /// Two sides that reach each other in two ways could follow each other from one to the other for ever:
    /// the one that `leads` stays where it is heard.
    pub(super) fn handle_authentic(
        &mut self,
        now: LocalTime,
        from: SocketAddr,
        len: usize,
        echo: LocalTime,
        leads: bool,
    ) -> Heard {
        let is_news = time::mark(echo) == 0 && echo > self.echoed;
        if is_news {
            self.echoed = echo;
        }
        if from == self.current || (leads && is_news) {
            if self.standing == Standing::Looking {
                self.settle(now, self.current);
            }
            self.standing = Standing::Heard(now);
            return Heard::There;
        }
        let len = len as u64;
        for (number, slot) in self.places.iter_mut().enumerate() {
            let Some(place) = slot.as_mut().filter(|place| place.address == from) else {
                continue;
            };
            let is_first = place.received == 0;
            place.received = place.received.saturating_add(len);
            let is_of_probe = time::mark(echo) == mark(number);
            if is_of_probe && place.probed.is_some_and(|probed| echo >= probed) {
                self.settle(now, from);
                return Heard::Moved;
            }
            return if is_first { Heard::Elsewhere } else { Heard::There };
        }
        if let Some(slot) = self.places.get_mut(self.oldest) {
            *slot = Some(Place {
                received: len,
                ..Place::new(from)
            });
        }
        self.oldest = MOST_ADDRESSES + (self.oldest + 1 - MOST_ADDRESSES) % CANDIDATES;
        Heard::Elsewhere
    }

    /// The peer is at this address from now on, and what was tried besides is no matter.
    pub(super) fn settle(&mut self, now: LocalTime, address: SocketAddr) {
        self.current = address;
        self.standing = Standing::Heard(now);
        self.echoed = now;
        let (given, candidates) = self.places.split_at_mut(MOST_ADDRESSES);
        candidates.fill(None);
        for place in given.iter_mut().flatten() {
            *place = Place::new(place.address);
        }
    }

    /// Notes that a datagram leaves now for the current address; true where others are to be tried as well.
    pub(super) fn handle_sent(&mut self, now: LocalTime) -> bool {
        if matches!(self.standing, Standing::Heard(heard) if now.since(heard) > SILENCE) {
            self.standing = Standing::Looking;
        }
        let is_waiting = |place: &Place| place.received > 0;
        self.standing == Standing::Looking || self.places.iter().flatten().any(is_waiting)
    }

    /// The address of this place and the stamp of the probe of so many bytes that is to be sent there now, if
    /// any is.
    pub(super) fn probe(
        &mut self,
        number: usize,
        len: usize,
        now: LocalTime,
    ) -> Option<(SocketAddr, LocalTime)> {
        let is_looked_at = self.standing == Standing::Looking && number < MOST_ADDRESSES;
        let current = self.current;
        let place = self.places.get_mut(number)?.as_mut();
        let place = place.filter(|place| place.address != current)?;
        let sent = place.sent.saturating_add(len as u64);
        if !is_looked_at && sent > AMPLIFICATION.saturating_mul(place.received) {
            return None;
        }
        place.sent = sent;
        let stamp = time::marked(now, mark(number));
        place.probed.get_or_insert(stamp);
        Some((place.address, stamp))
    }
}

/// Mark in the stamps of this place's probes.
fn mark(number: usize) -> u64 {
    number as u64 + 1
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
