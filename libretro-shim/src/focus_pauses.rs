//! Two windows on one desktop: the one without focus pauses, and with it the game in the other.
//!
//! `RetroArch` pauses when its window loses focus (`pause_nonactive`, on by default), so two players on one
//! machine, or one with two windows, have one game that stands still at any time. Neither window shows why,
//! so the player is told once, after several pauses.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

/// Pauses, and the time for them, that are more than a player makes with menus.
const PAUSES: usize = 3;
const WITHIN: Duration = Duration::from_secs(60);

/// The pauses of a peer on this machine.
#[derive(Debug)]
pub(crate) struct FocusPauses {
    /// The peer that the player has named is on this machine, and the player has not been told why it pauses.
    is_news: bool,
    /// Times of the last ones, the newest last.
    pauses: [Option<Duration>; PAUSES],
}

impl FocusPauses {
    pub(crate) fn new(is_peer_here: bool) -> FocusPauses {
        FocusPauses {
            is_news: is_peer_here,
            pauses: [None; PAUSES],
        }
    }

    /// Records a pause at this time of a monotonic clock; true where the player is to be told why.
    pub(crate) fn handle_pause(&mut self, now: Duration) -> bool {
        self.pauses.rotate_left(1);
        self.pauses[PAUSES - 1] = Some(now);
        let is_often = self.pauses[0].is_some_and(|first| now.saturating_sub(first) <= WITHIN);
        is_often && std::mem::take(&mut self.is_news)
    }
}

/// True for an address of this machine: only such a one can be bound.
pub(crate) fn is_here(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results of pauses at these seconds.
    fn said(seconds: &[u64]) -> Vec<bool> {
        said_of(true, seconds)
    }

    fn said_of(is_peer_here: bool, seconds: &[u64]) -> Vec<bool> {
        let mut pauses = FocusPauses::new(is_peer_here);
        let pause = |second: &u64| pauses.handle_pause(Duration::from_secs(*second));
        seconds.iter().map(pause).collect()
    }

    #[test]
    fn three_pauses_within_a_minute_are_said_once() {
        assert_eq!(
            said(&[0, 30, 60, 61, 62, 63]),
            [false, false, true, false, false, false]
        );
        assert_eq!(said(&[5, 5, 5]), [false, false, true]);
        assert_eq!(said_of(false, &[5, 5, 5]), [false; 3], "another machine");
    }

    #[test]
    fn a_player_who_opens_a_menu_now_and_then_is_told_nothing() {
        assert_eq!(said(&[0, 31, 62, 93, 124, 155]), [false; 6]);
        assert_eq!(said(&[0, 10]), [false; 2]);
        assert_eq!(said(&[0, 10, 100, 110, 120]), [false, false, false, false, true]);
    }

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.3.2.1", true),
            ("::1", true),
            // RFC 5737 and RFC 3849: no interface has them.
            ("192.0.2.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_here(address.parse().unwrap()), expected, "{address}");
        }
    }
}
