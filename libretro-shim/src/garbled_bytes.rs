//! Bytes that the stock core garbles, because the game reads SB or SC while they are shifted in.
//!
//! At such an access the core shifts what is due of the byte into SB, but goes on with the byte as it was:
//! the bits still to come are taken from its top again (`gambatte-memory.cpp, Memory::updateSerial`). Nothing
//! that is handed over can make up for that, for it would have to differ from one access to the next. So the
//! player is told, once it is sure.

/// Garbled bytes, and different ones among them, without any other between them that the core cannot have
/// made: a game that writes SB itself after each transfer hits one by chance, but not each time.
const BYTES: u32 = 6;
const DIFFERENT: u32 = 4;

/// The bytes that a game was handed last in each frame, beside what came of them.
#[derive(Debug, Default)]
pub(crate) struct GarbledBytes {
    count: u32,
    /// Bytes that came out, a bit each.
    seen: [u64; 4],
    is_told: bool,
}

impl GarbledBytes {
    /// A frame ended: the byte that was handed over last in it, and SB where no transfer is under way. True
    /// once, where the player is to be told.
    pub(crate) fn handle_frame(&mut self, handed: Option<u8>, shown: Option<u8>) -> bool {
        let Some((handed, shown)) = handed.zip(shown) else {
            return false;
        };
        if !is_garbled(handed, shown) {
            (self.count, self.seen) = (0, [0; 4]);
        } else if ![0, 0xFF, handed].contains(&shown) {
            // Zeros and ones may be the game's own as well.
            self.count = self.count.saturating_add(1);
            self.seen[usize::from(shown / 64)] |= 1 << (shown % 64);
        }
        let different: u32 = self.seen.iter().map(|bits| bits.count_ones()).sum();
        let is_sure = self.count >= BYTES && different >= DIFFERENT;
        is_sure && !std::mem::replace(&mut self.is_told, true)
    }
}

/// True if `shown` is what a core makes of a byte whose shift is looked at in between: pieces of eight bits
/// in all, each the top of `handed`.
fn is_garbled(handed: u8, shown: u8) -> bool {
    // Bit n: the first n bits of `shown` are such pieces.
    let mut reached = 1_u16;
    for start in 0..8 {
        if reached >> start & 1 == 0 {
            continue;
        }
        let left = shown << start;
        for length in 1..=8 - start {
            if (left ^ handed) >> (8 - length) == 0 {
                reached |= 1 << (start + length);
            }
        }
    }
    reached >> 8 & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_the_top_make_a_garbled_byte() {
        assert!(is_garbled(0b1001_1101, 0b1111_1111), "looked at after each bit");
        assert!(is_garbled(0b1001_1101, 0b1001_1001), "once in the middle");
        assert!(is_garbled(0b1001_1101, 0b1001_1101), "never");
        assert!(is_garbled(0x29, 0x00));
        assert!(!is_garbled(0b1001_1101, 0b0001_1101));
        assert!(!is_garbled(0b1001_1101, 0b1000_1101));
    }

    /// Messages for these pairs of bytes, over and over.
    fn told(pairs: &[(u8, u8)]) -> usize {
        let mut bytes = GarbledBytes::default();
        let all = pairs.iter().cycle().take(1000);
        all.filter(|(handed, shown)| bytes.handle_frame(Some(*handed), Some(*shown)))
            .count()
    }

    #[test]
    fn a_game_whose_bytes_are_garbled_is_told_of_once() {
        let zeros = [(0x29, 0x00), (0x55, 0x55), (0x06, 0x00), (0xC5, 0xFF)];
        assert_eq!(told(&zeros), 0, "zeros and ones may be the game's own");
        assert_eq!(told(&[(0x9D, 0x9C), (0x9D, 0x99)]), 0, "too few different ones");
        let several = [
            (0x96, 0x92),
            (0x69, 0x33),
            (0x55, 0x55),
            (0xCC, 0xE6),
            (0xA0, 0xAA),
        ];
        assert_eq!(told(&several), 1);
        let own = [
            (0x96, 0x92),
            (0x69, 0x33),
            (0xCC, 0xE6),
            (0xA0, 0xAA),
            (0x69, 0x81),
        ];
        assert_eq!(told(&own), 0, "one of them was no byte of the core's");
    }

    #[test]
    fn bytes_that_arrive_whole_or_are_written_over_are_no_sign() {
        let some: Vec<_> = (0..=255).map(|byte| (byte, byte)).collect();
        assert_eq!(told(&some), 0);
        let written: Vec<_> = (0..=255).map(|byte| (byte, 0x66)).collect();
        assert_eq!(told(&written), 0);
        let mut bytes = GarbledBytes::default();
        assert!(!(0..1000).any(|_| bytes.handle_frame(None, Some(5)) || bytes.handle_frame(Some(5), None)));
    }
}
