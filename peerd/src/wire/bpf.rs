//! Socket filter against floods: classic BPF, run by the kernel on each frame.

use super::ethernet_frame::{MAGIC, SHARED_LEN};
use crate::identity::Instance;
use libc::sock_filter;

// linux/bpf_common.h and linux/filter.h.
const LOAD_WORD: u16 = 0x20;
const LOAD_LEN: u16 = 0x80;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;
/// A load from here is a random number.
const RANDOM: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_RANDOM).cast_unsigned();

/// One in this many foreign frames passes while linked: a power of two.
const SAMPLE: u32 = 512;

/// Passes frames by length and magic. With a peer, only the peer's and a sample of others.
pub(crate) fn program(peer: Option<Instance>) -> Vec<sock_filter> {
    let op = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let mut program = vec![
        op(LOAD_LEN, 0, 0, 0),
        op(JUMP_GREATER_EQUAL, 1, 0, SHARED_LEN as u32),
        op(RETURN, 0, 0, 0),
        op(LOAD_WORD, 0, 0, 0),
        op(JUMP_EQUAL, 1, 0, u32::from_be_bytes(MAGIC)),
        op(RETURN, 0, 0, 0),
    ];
    if let Some(peer) = peer {
        let (words, _) = peer.0.as_chunks();
        for (n, word) in (0u8..).zip(words) {
            // To the sample: past the rest of the comparisons and the return after them.
            let left = (3 - n) * 2 + 1;
            program.push(op(LOAD_WORD, 0, 0, 8 + 4 * u32::from(n)));
            program.push(op(JUMP_EQUAL, 0, left, u32::from_be_bytes(*word)));
        }
        program.extend([
            op(RETURN, 0, 0, u32::MAX),
            op(LOAD_WORD, 0, 0, RANDOM),
            op(AND, 0, 0, SAMPLE - 1),
            op(JUMP_EQUAL, 1, 0, 0),
            op(RETURN, 0, 0, 0),
        ]);
    }
    program.push(op(RETURN, 0, 0, u32::MAX));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Interprets the program as the kernel would.
    fn passes(program: &[sock_filter], packet: &[u8], random: u32) -> bool {
        let (mut at, mut a) = (0, 0u32);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let jump = |is_true: bool| usize::from(if is_true { jt } else { jf });
            match code {
                LOAD_LEN => a = packet.len() as u32,
                LOAD_WORD if k == RANDOM => a = random,
                LOAD_WORD => {
                    let k = k as usize;
                    a = u32::from_be_bytes(packet[k..k + 4].try_into().unwrap());
                }
                AND => a &= k,
                JUMP_EQUAL => at += jump(a == k),
                JUMP_GREATER_EQUAL => at += jump(a >= k),
                RETURN => return k != 0,
                other => panic!("code {other:#x}"),
            }
        }
    }

    fn packet(instance: Instance) -> Vec<u8> {
        let mut packet = vec![0; SHARED_LEN];
        packet[..4].copy_from_slice(&MAGIC);
        packet[8..24].copy_from_slice(&instance.0);
        packet
    }

    #[test]
    fn the_peer_always_passes_and_others_rarely() {
        let peer = Instance(*b"0123456789abcdef");
        let program = program(Some(peer));
        assert!((0..9999).all(|random| passes(&program, &packet(peer), random)));
        for byte in 0..16 {
            let mut other = peer;
            other.0[byte] ^= 1;
            let count = (0..51_200)
                .filter(|&random| passes(&program, &packet(other), random))
                .count();
            assert_eq!(count, 100);
        }
    }

    #[test]
    fn without_a_peer_only_our_frames_pass() {
        let program = program(None);
        let good = packet(Instance([3; 16]));
        assert!(passes(&program, &good, 1));
        assert!(!passes(&program, &good[..SHARED_LEN - 1], 0));
        assert!(!passes(&program, &[0; 200], 0));
    }
}
