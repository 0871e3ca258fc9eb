//! Paths to a peer that may move: the address that is used, and one that it may have come to.
//!
//! An address moves only by a datagram that was sealed with the key and is the newest, and only once the peer
//! has shown, from there, that it hears what was sent there: else whoever sees a datagram could send it on
//! under another's address, and turn this side's datagrams on that one (path validation: RFC 9000, sections 8
//! and 9).

use gamelink_core::time::LocalTime;
use std::net::SocketAddr;

/// Bytes that may be sent to an address for each that came from it, before it is proved.
const AMPLIFICATION: u64 = 3;

/// Paths to one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PeerPath {
    current: SocketAddr,
    candidate: Option<Candidate>,
}

/// An address from which an authentic datagram came, and which is not proved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    address: SocketAddr,
    received: u64,
    sent: u64,
    /// Stamp of the first datagram that was sent there.
    probed: Option<LocalTime>,
}

impl PeerPath {
    pub(super) fn new(address: SocketAddr) -> PeerPath {
        PeerPath {
            current: address,
            candidate: None,
        }
    }

    /// Without a link: the peer is looked for at the address that was given, also where it has moved before, and
    /// at the one that a datagram of it last came from.
    pub(super) fn go_home(&mut self, address: SocketAddr) {
        self.current = address;
    }

    pub(super) fn current(&self) -> SocketAddr {
        self.current
    }

    /// A datagram of so many bytes, authentic and not an old one, came from this address; `echo` is the newest
    /// stamp of ours that its sender has seen. True if the peer is there from now on.
    pub(super) fn handle_authentic(&mut self, from: SocketAddr, len: usize, echo: LocalTime) -> bool {
        if from == self.current {
            return false;
        }
        let len = len as u64;
        match &mut self.candidate {
            Some(candidate) if candidate.address == from => {
                candidate.received = candidate.received.saturating_add(len);
                let is_proved = candidate.probed.is_some_and(|probed| echo >= probed);
                if is_proved {
                    *self = PeerPath::new(from);
                }
                is_proved
            }
            _ => {
                self.candidate = Some(Candidate {
                    address: from,
                    received: len,
                    sent: 0,
                    probed: None,
                });
                false
            }
        }
    }

    /// Where a datagram of so many bytes, with this stamp, is sent as well, if anywhere.
    pub(super) fn probe(&mut self, len: usize, stamp: LocalTime) -> Option<SocketAddr> {
        let candidate = self.candidate.as_mut()?;
        let sent = candidate.sent.saturating_add(len as u64);
        if sent > AMPLIFICATION * candidate.received {
            return None;
        }
        candidate.sent = sent;
        candidate.probed.get_or_insert(stamp);
        Some(candidate.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: ([u8; 4], u16) = ([10, 0, 0, 1], 56400);
    const AWAY: ([u8; 4], u16) = ([10, 0, 0, 1], 61001);
    const VICTIM: ([u8; 4], u16) = ([10, 0, 0, 9], 53);

    #[test]
    fn the_peer_has_moved_once_it_answers_what_was_sent_to_its_new_address() {
        let mut path = PeerPath::new(HOME.into());
        assert!(!path.handle_authentic(HOME.into(), 160, LocalTime(5)));
        assert_eq!(path.probe(160, LocalTime(6)), None);
        assert!(!path.handle_authentic(AWAY.into(), 160, LocalTime(7)));
        assert!(
            !path.handle_authentic(AWAY.into(), 160, LocalTime(7)),
            "nothing was sent there"
        );
        assert_eq!(path.probe(160, LocalTime(8)), Some(AWAY.into()));
        assert!(
            !path.handle_authentic(AWAY.into(), 160, LocalTime(7)),
            "an answer to what was sent before"
        );
        assert_eq!(path.current(), HOME.into());
        assert!(path.handle_authentic(AWAY.into(), 160, LocalTime(8)));
        assert_eq!(
            (path.current(), path.probe(160, LocalTime(9))),
            (AWAY.into(), None)
        );
    }

    #[test]
    fn an_address_that_never_answers_gets_three_times_what_came_from_it() {
        let mut path = PeerPath::new(HOME.into());
        path.handle_authentic(VICTIM.into(), 112, LocalTime(1));
        let sent = (0..1000)
            .filter_map(|now| path.probe(100, LocalTime(now)))
            .count();
        assert_eq!(sent, 3);
        assert_eq!(path.current(), HOME.into());
    }
}
