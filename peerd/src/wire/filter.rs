//! Socket filter against floods: classic BPF, run by the kernel on each frame.

use super::frame::{LEN, MAGIC};
use crate::identity::Instance;

/// A classic BPF instruction, as the kernel's `sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jump_true: u8,
    pub(crate) jump_false: u8,
    pub(crate) operand: u32,
}

// linux/bpf_common.h and linux/filter.h.
const LOAD_WORD: u16 = 0x20;
const LOAD_LEN: u16 = 0x80;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;
/// Loads from here read extensions instead of the packet: `SKF_AD_OFF + SKF_AD_RANDOM`.
const RANDOM: u32 = (-0x1000_i32 + 56).cast_unsigned();

/// One in this many foreign frames passes while linked: a power of two.
const SAMPLE: u32 = 512;

/// Passes frames by length and magic. With a peer, only the peer's and a sample of others.
pub(crate) fn program(peer: Option<Instance>) -> Vec<Instruction> {
    let op = |code, jump_true, jump_false, operand| Instruction {
        code,
        jump_true,
        jump_false,
        operand,
    };
    let words = peer.map(|peer| {
        let (words, _) = peer.0.as_chunks::<4>();
        [0, 1, 2, 3].map(|n| words.get(n).map_or(0, |word| u32::from_be_bytes(*word)))
    });
    let mut program = vec![
        op(LOAD_LEN, 0, 0, 0),
        op(JUMP_GREATER_EQUAL, 1, 0, LEN as u32),
        op(RETURN, 0, 0, 0),
        op(LOAD_WORD, 0, 0, 0),
        op(JUMP_EQUAL, 1, 0, u32::from_be_bytes(MAGIC)),
        op(RETURN, 0, 0, 0),
    ];
    if let Some(words) = words {
        for (n, word) in (0u8..).zip(words) {
            program.push(op(LOAD_WORD, 0, 0, 8 + 4 * u32::from(n)));
            // To the sample: past the rest of the comparisons and the return after them.
            let left = (3 - n) * 2 + 1;
            program.push(op(JUMP_EQUAL, 0, left, word));
        }
        program.push(op(RETURN, 0, 0, u32::MAX));
        program.push(op(LOAD_WORD, 0, 0, RANDOM));
        program.push(op(AND, 0, 0, SAMPLE - 1));
        program.push(op(JUMP_EQUAL, 1, 0, 0));
        program.push(op(RETURN, 0, 0, 0));
    }
    program.push(op(RETURN, 0, 0, u32::MAX));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Interprets the program as the kernel would.
    fn passes(program: &[Instruction], packet: &[u8], random: u32) -> bool {
        let (mut at, mut a) = (0, 0u32);
        loop {
            let Instruction {
                code,
                jump_true,
                jump_false,
                operand,
            } = program[at];
            at += 1;
            let jump = |is_true: bool| usize::from(if is_true { jump_true } else { jump_false });
            match code {
                LOAD_LEN => a = packet.len() as u32,
                LOAD_WORD if operand == RANDOM => a = random,
                LOAD_WORD => {
                    let operand = operand as usize;
                    a = u32::from_be_bytes(packet[operand..operand + 4].try_into().unwrap());
                }
                AND => a &= operand,
                JUMP_EQUAL => at += jump(a == operand),
                JUMP_GREATER_EQUAL => at += jump(a >= operand),
                RETURN => return operand != 0,
                other => panic!("code {other:#x}"),
            }
        }
    }

    fn packet(instance: Instance) -> Vec<u8> {
        let mut packet = vec![0; LEN];
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
        assert!(!passes(&program, &good[..LEN - 1], 0));
        assert!(!passes(&program, &[0; 200], 0));
    }
}
