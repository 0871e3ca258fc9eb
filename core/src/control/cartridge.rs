//! A cartridge by its header: which games can be linked with each other.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::ops::Range;

/// The title, with the manufacturer's code and the colour flag at its end in later cartridges (Pan Docs, The
/// Cartridge Header).
const TITLE: Range<usize> = 0x134..0x144;
/// The title of a cartridge for the Game Boy Color, which a code of four letters may follow.
const COLOR_TITLE_LEN: usize = 11;
/// The colour flag: bit 7 is set in cartridges for the Game Boy Color.
const COLOR_FLAG: usize = 0x143;
/// From the title to the checksum of the whole cartridge, which no two editions share.
const HEADER: Range<usize> = 0x134..0x150;

/// Titles that begin so are linked with each other, whatever follows: all editions of both generations trade.
const FAMILIES: [(&str, &str); 2] = [("POKEMON", "POKEMON"), ("PM_CRYSTAL", "POKEMON")];

/// A cartridge by its header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cartridge {
    /// The title, for people.
    pub title: String,
    /// The same number for all editions that can be linked with each other; 0 where none is known.
    pub family: u32,
    /// A number of this edition alone; 0 where none is known.
    pub digest: u32,
}

impl Cartridge {
    /// Reads the header of this image; `None` where it is too short for one.
    #[must_use]
    pub fn of(rom: &[u8]) -> Option<Cartridge> {
        let header = rom.get(HEADER)?;
        let bytes = rom.get(TITLE)?;
        let is_color = rom.get(COLOR_FLAG)? & 0x80 != 0;
        let room = if is_color { COLOR_TITLE_LEN } else { bytes.len() };
        let title: String = bytes
            .iter()
            .take(room)
            .take_while(|byte| byte.is_ascii_graphic() || **byte == b' ')
            .map(|byte| char::from(*byte))
            .collect();
        let title = title.trim_end();
        let known = FAMILIES.iter().find(|(prefix, _)| title.starts_with(prefix));
        let family = known.map_or(title, |(_, family)| family);
        Some(Cartridge {
            title: title.to_owned(),
            family: number(b"family", family.as_bytes()),
            digest: number(b"edition", header),
        })
    }
}

/// The first four bytes of a hash, never 0.
fn number(label: &[u8], bytes: &[u8]) -> u32 {
    let digest = Sha256::new().chain_update(label).chain_update(bytes).finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
    u32::from_be_bytes([a, b, c, d]).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rom(title: &[u8], checksum: u8) -> Cartridge {
        let mut rom = vec![0; 0x150];
        rom[0x134..0x134 + title.len()].copy_from_slice(title);
        rom[0x14F] = checksum;
        Cartridge::of(&rom).unwrap()
    }

    #[test]
    fn editions_of_a_game_are_one_family_and_other_games_are_not() {
        let tetris = [rom(b"TETRIS", 1), rom(b"TETRIS", 2)];
        assert_eq!(tetris[0].title, "TETRIS");
        assert_eq!(tetris[0].family, tetris[1].family);
        assert_ne!(tetris[0].digest, tetris[1].digest);
        let pokemon: [(&[u8], &str); 5] = [
            (b"POKEMON RED", "POKEMON RED"),
            (b"POKEMON YELLOW", "POKEMON YELLOW"),
            // With the manufacturer's code and the colour flag.
            (b"POKEMON_GLDAAUE\x80", "POKEMON_GLD"),
            (b"POKEMON_SLVAAXE\x80", "POKEMON_SLV"),
            (b"PM_CRYSTAL\0BYTE\xC0", "PM_CRYSTAL"),
        ];
        for (bytes, title) in pokemon {
            let cartridge = rom(bytes, 0);
            assert_eq!(cartridge.title, title);
            assert_eq!(cartridge.family, rom(b"POKEMON BLUE", 3).family);
            assert_ne!(cartridge.family, tetris[0].family);
        }
        // The same game for both kinds of Game Boy.
        assert_eq!(
            rom(b"SAME\0\0\0\0\0\0\0ABCD\x80", 0).family,
            rom(b"SAME", 0).family
        );
    }

    #[test]
    fn a_file_without_a_header_has_none_and_no_byte_of_a_title_is_a_control_character() {
        assert_eq!(Cartridge::of(&[0; 0x14F]), None);
        assert_eq!(rom(b"A\x1b[2J", 0).title, "A");
        assert_eq!(rom(b"", 0).title, "");
    }
}
