//! The guard against a flood of forged datagrams: a classic BPF filter, run by the kernel before a datagram
//! takes room in the receive queue.
//!
//! The queue of a socket holds some hundred datagrams, and one that is full drops the peer's as well. While a
//! flood lasts and the link is up, only datagrams that carry both numbers of the session pass: 128 bits that
//! no stranger knows.

use gamelink_core::protocol::Nonce;
use gamelink_core::time::LocalTime;
use socket2::SockFilter;
use std::time::Duration;

/// Useless datagrams within [`FLOOD_TIME`] that make a flood; an honest path has a few, when a machine was
/// started again.
pub(super) const FLOOD: u64 = 32;
/// Little more than a frame.
const FLOOD_TIME: Duration = Duration::from_millis(20);
/// For how long only the session's datagrams pass after that: a frame in sixty then shows whether the flood
/// is over.
pub(super) const GUARDED: Duration = Duration::from_secs(1);

// linux/bpf_common.h and linux/filter.h.
const LOAD_WORD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Where a datagram has its sender's nonce and, behind it, its receiver's: see the table in
/// [`gamelink_core::protocol`]. The filter sees the UDP header of 8 bytes before it (`man 7 socket`,
/// `SO_ATTACH_FILTER`; `net/ipv4/udp.c`).
const NONCES: u32 = 8 + 8;

/// Counts useless datagrams, and says what the kernel is to pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FloodGuard {
    since: LocalTime,
    count: u64,
    /// Until when only datagrams of one session pass.
    guarded_until: Option<LocalTime>,
}

impl FloodGuard {
    /// A look has found so many datagrams that were of no use; `session` has the peer's number and ours while
    /// linked. Returns the filter that the socket needs from now on, where that is another one.
    pub(super) fn handle_look(
        &mut self,
        now: impl FnOnce() -> LocalTime,
        useless: u64,
        session: Option<(Nonce, Nonce)>,
    ) -> Option<Vec<SockFilter>> {
        // Nearly always: the clock is not read.
        if useless == 0 && self.guarded_until.is_none() {
            return None;
        }
        let now = now();
        let is_flood = self.handle_useless(now, useless);
        let is_over = self.guarded_until.is_some_and(|until| now >= until) || session.is_none();
        if let (Some((theirs, ours)), true) = (session, is_flood) {
            self.guarded_until = Some(now.after(GUARDED));
            return Some(only(theirs, ours));
        }
        let pass_all = || vec![SockFilter::new(RETURN, 0, 0, u32::MAX)];
        (is_over && self.guarded_until.take().is_some()).then(pass_all)
    }

    /// Counts so many more; true where that makes a flood.
    fn handle_useless(&mut self, now: LocalTime, useless: u64) -> bool {
        if now.since(self.since) >= FLOOD_TIME {
            (self.since, self.count) = (now, 0);
        }
        self.count += useless;
        let is_flood = self.count >= FLOOD;
        if is_flood {
            self.count = 0;
        }
        is_flood
    }
}

/// Passes datagrams of the peer `theirs` to the side `ours`, and nothing else.
fn only(theirs: Nonce, ours: Nonce) -> Vec<SockFilter> {
    // Little endian on the wire; the filter loads words as big endian.
    let numbers = [theirs, ours].map(|number| number.0.to_le_bytes());
    let (words, _) = numbers.as_flattened().as_chunks::<4>();
    let mut program = Vec::new();
    for (n, word) in (0u8..4).zip(words) {
        program.push(SockFilter::new(LOAD_WORD, 0, 0, NONCES + 4 * u32::from(n)));
        // Past the other comparisons and the return that passes; a datagram that is too short ends at its
        // load.
        let left = (3 - n) * 2 + 1;
        program.push(SockFilter::new(JUMP_EQUAL, 0, left, u32::from_be_bytes(*word)));
    }
    program.extend([u32::MAX, 0].map(|len| SockFilter::new(RETURN, 0, 0, len)));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Option<(Nonce, Nonce)> = Some((Nonce(1), Nonce(2)));

    #[test]
    fn a_few_useless_datagrams_a_frame_are_no_flood() {
        let mut guard = FloodGuard::default();
        let at = |ms: u64| LocalTime(1_000_000_000 + ms * 1_000_000);
        assert!((0..600).all(|n| !guard.handle_useless(at(n * 16), 10)));
        assert!((0..31).all(|_| !guard.handle_useless(at(10_000), 1)));
        assert!(guard.handle_useless(at(10_000), 1));
        assert!(!guard.handle_useless(at(10_000), 1), "it begins to count anew");
    }

    #[test]
    fn the_filter_is_changed_when_a_flood_begins_and_a_second_later() {
        let mut guard = FloodGuard::default();
        let now = LocalTime(1_000_000_000);
        assert!(guard.handle_look(|| now, FLOOD - 1, SESSION).is_none());
        assert!(guard.handle_look(|| now, 1, SESSION).is_some());
        assert!(guard.handle_look(|| now, 1, SESSION).is_none());
        assert!(guard.handle_look(|| now.after(GUARDED), 0, SESSION).is_some());
        assert!(guard.handle_look(|| panic!("no need"), 0, SESSION).is_none());
    }
}
