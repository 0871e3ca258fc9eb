//! The socket filter against a flood of forged datagrams: classic BPF, run by the kernel before a datagram
//! takes room in the receive queue.
//!
//! The queue of a socket holds some hundred datagrams, and one that is full drops the peer's as well. While a
//! flood lasts and the link is up, only datagrams that carry both numbers of the session pass: 128 bits that
//! no stranger knows.

use gamelink_core::protocol::Nonce;
use socket2::SockFilter;

// linux/bpf_common.h and linux/filter.h.
const LOAD_WORD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Length of a UDP header, which the filter sees before the datagram (`man 7 socket`, `SO_ATTACH_FILTER`;
/// `net/ipv4/udp.c`).
const UDP_HEADER: u32 = 8;
/// Where a datagram has its sender's nonce and its receiver's: see the table in [`gamelink_core::protocol`].
const FROM: u32 = UDP_HEADER + 8;
const TO: u32 = UDP_HEADER + 16;

/// Passes datagrams of the peer `theirs` to the side `ours`, and nothing else.
pub(super) fn program(theirs: Nonce, ours: Nonce) -> Vec<SockFilter> {
    let op = SockFilter::new;
    // Little endian on the wire; the filter loads words as big endian.
    let words = |at: u32, number: Nonce| {
        let bytes = number.0.to_le_bytes();
        let (words, _) = bytes.as_chunks::<4>();
        [0, 1].map(|n| {
            let word = words.get(n).map_or(0, |word| u32::from_be_bytes(*word));
            (at + 4 * u32::try_from(n).unwrap_or(0), word)
        })
    };
    let wanted = [words(FROM, theirs), words(TO, ours)].concat();
    let mut program = Vec::new();
    for (n, (at, word)) in (1u8..).zip(&wanted) {
        program.push(op(LOAD_WORD, 0, 0, *at));
        // Past the other comparisons and the return that passes; a datagram that is too short ends at its
        // load.
        let left = (4 - n) * 2 + 1;
        program.push(op(JUMP_EQUAL, 0, left, *word));
    }
    program.push(op(RETURN, 0, 0, u32::MAX));
    program.push(op(RETURN, 0, 0, 0));
    program
}

/// Passes everything.
pub(super) fn pass_all() -> Vec<SockFilter> {
    vec![SockFilter::new(RETURN, 0, 0, u32::MAX)]
}
