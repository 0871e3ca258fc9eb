//! Copies of one memory at many moments, which share the parts in which nothing has changed.
//!
//! A game changes a small part of its memory in a frame, and its battery RAM hardly ever. Were each copy
//! whole, the states and the battery RAM that a correction may go back to would be 5 MiB for a game with
//! 32 KiB of battery RAM, and 15 MiB for one with 128 KiB; that is much on a machine of 512 MB.

use std::sync::Arc;

/// Bytes of a block. Smaller ones share more, and each costs a comparison of pointers for each copy made.
const BLOCK: usize = 512;

/// Byte that has been written into a memory, behind its place there.
pub(crate) type Change = (usize, u8);

/// Copy of a memory at one moment; empty until something is stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedBlocks {
    len: usize,
    /// The last one is filled up.
    blocks: Vec<Arc<[u8; BLOCK]>>,
}

impl SharedBlocks {
    /// Copies these bytes.
    pub(crate) fn new(bytes: &[u8]) -> SharedBlocks {
        let mut copy = SharedBlocks::default();
        copy.store(bytes, &mut SharedBlocks::default());
        copy
    }

    /// Copies these bytes in the place of what was stored before. Shares with `newest`, the copy that was
    /// made last, what is as it was then, and makes `newest` the same as this.
    pub(crate) fn store(&mut self, bytes: &[u8], newest: &mut SharedBlocks) {
        let count = bytes.len().div_ceil(BLOCK);
        for copy in [&mut *self, &mut *newest] {
            copy.len = bytes.len();
            if copy.blocks.len() != count {
                // One block for all, as for any that are the same.
                copy.blocks = std::iter::repeat_n(Arc::new([0; BLOCK]), count).collect();
            }
        }
        let blocks = self.blocks.iter_mut().zip(&mut newest.blocks);
        for (chunk, (own, newest)) in bytes.chunks(BLOCK).zip(blocks) {
            if newest.starts_with(chunk) {
                if !Arc::ptr_eq(own, newest) {
                    own.clone_from(newest);
                }
                continue;
            }
            fill(own, chunk);
            newest.clone_from(own);
        }
    }

    /// Copies what is stored to `out`; false for another size.
    pub(crate) fn copy_to(&self, out: &mut [u8]) -> bool {
        let fits = out.len() == self.len;
        if fits {
            for (chunk, block) in out.chunks_mut(BLOCK).zip(&self.blocks) {
                chunk.copy_from_slice(&block[..chunk.len()]);
            }
        }
        fits
    }

    /// Writes these bytes, in the order of their places, into all of these copies. Those that share a block
    /// share the changed one.
    pub(crate) fn write(copies: &mut [SharedBlocks], changes: &[Change]) {
        for changes in changes.chunk_by(|(a, _), (b, _)| a / BLOCK == b / BLOCK) {
            let Some(number) = changes.first().map(|(place, _)| place / BLOCK) else {
                continue;
            };
            // As it was, and as it is now: neighbours in time nearly always share.
            let mut last: Option<[Arc<[u8; BLOCK]>; 2]> = None;
            for block in copies.iter_mut().filter_map(|copy| copy.blocks.get_mut(number)) {
                if let Some([_, now]) = last.as_ref().filter(|[before, _]| Arc::ptr_eq(before, block)) {
                    block.clone_from(now);
                    continue;
                }
                let before = Arc::clone(block);
                let bytes = Arc::make_mut(block);
                for &(place, byte) in changes {
                    bytes[place % BLOCK] = byte;
                }
                last = Some([before, Arc::clone(block)]);
            }
        }
    }
}

/// Puts this chunk into a block: in its place where nobody shares it, else into a new one.
fn fill(block: &mut Arc<[u8; BLOCK]>, chunk: &[u8]) {
    if let Some(own) = Arc::get_mut(block) {
        own[..chunk.len()].copy_from_slice(chunk);
    } else {
        let mut bytes = [0; BLOCK];
        bytes[..chunk.len()].copy_from_slice(chunk);
        *block = Arc::new(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Some blocks, and one that is not full.
    const LEN: usize = 5 * BLOCK + 7;

    fn bytes(copy: &SharedBlocks) -> Vec<u8> {
        let mut out = vec![0; copy.len];
        assert!(copy.copy_to(&mut out));
        out
    }

    /// Blocks that these copies hold together.
    fn held(copies: &[SharedBlocks]) -> usize {
        let blocks = copies.iter().flat_map(|copy| &copy.blocks);
        blocks.map(Arc::as_ptr).collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn copies_differ_where_the_memory_did_and_share_the_rest() {
        let mut memory = vec![1; LEN];
        let mut newest = SharedBlocks::new(&memory);
        let mut copies = vec![newest.clone(); 8];
        // Twice round: copies that are replaced were shared with others.
        for round in 0..16_u8 {
            memory[2 * BLOCK] = round;
            memory[LEN - 1] = round / 2;
            copies[usize::from(round % 8)].store(&memory, &mut newest);
            assert_eq!(bytes(&newest), memory);
        }
        for (copy, round) in copies.iter().zip(8..) {
            memory[2 * BLOCK] = round;
            memory[LEN - 1] = round / 2;
            assert_eq!(bytes(copy), memory);
        }
        assert_eq!(held(&copies), 4 + 8 + 4);
    }

    #[test]
    fn a_write_reaches_all_copies_and_keeps_what_they_share() {
        let mut memory = vec![1; LEN];
        let mut newest = SharedBlocks::new(&memory);
        let mut copies = vec![newest.clone(); 4];
        memory[0] = 2;
        copies[2].store(&memory, &mut newest);
        let before = held(&copies);
        let changes = [(1, 7), (BLOCK - 1, 8), (LEN - 1, 9)];
        SharedBlocks::write(&mut copies, &changes);
        for (copy, first) in copies.iter().zip([1, 1, 2, 1]) {
            let mut memory = vec![1; LEN];
            memory[0] = first;
            for (place, byte) in changes {
                memory[place] = byte;
            }
            assert_eq!(bytes(copy), memory);
        }
        assert_eq!(
            held(&copies),
            before + 1,
            "the first block of the last one is its own"
        );
        assert_eq!(bytes(&newest)[1], 1, "not one of them");
    }

    #[test]
    fn nothing_is_copied_to_a_place_of_another_size() {
        let copy = SharedBlocks::new(&[1; LEN]);
        assert!(!copy.copy_to(&mut [0; LEN - 1]));
        assert!(!SharedBlocks::default().copy_to(&mut [0; LEN]));
        assert!(SharedBlocks::default().copy_to(&mut []));
    }

    #[test]
    fn a_memory_of_another_size_is_stored_whole() {
        let mut newest = SharedBlocks::new(&[1; LEN]);
        let mut copy = newest.clone();
        copy.store(&[2; BLOCK + 1], &mut newest);
        assert_eq!(bytes(&copy), [2; BLOCK + 1]);
        assert_eq!(bytes(&newest), [2; BLOCK + 1]);
    }
}
