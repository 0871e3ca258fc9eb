//! Sealed datagrams: encrypted and authenticated with a key that both sides have.
//!
//! XChaCha20-Poly1305 (RFC 8439, with the longer nonce of draft-irtf-cfrg-xchacha). The header stays
//! readable:
//!
//! | part | bytes of the datagram |
//! |---|---|
//! | associated data | 0 to 96: the header |
//! | nonce | 8 to 32: the sender's nonce, the receiver's nonce, the sequence |
//! | tag | 96 to 112 |
//! | ciphertext | from 112: the events |
//!
//! A nonce is never used twice: a sender draws its number anew for each session, and counts its datagrams, to
//! whomever they go, from 1. Both sides use the one key, for their numbers differ.

use super::{HEADER_LEN, MAGIC};
use chacha20poly1305::aead::generic_array::GenericArray;
use chacha20poly1305::{AeadInPlace as _, KeyInit as _, XChaCha20Poly1305};
use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

const NONCE: Range<usize> = 8..32;
/// Offset of the tag, up to which everything is associated data.
const TAG: usize = 96;

/// Length of the secret that a key is made of, in bytes.
const SECRET_LEN: usize = 16;
/// Letters of a key as people write it.
const LETTERS: usize = 26;
/// Letters between two hyphens, for the eye.
const GROUP: usize = 5;
/// Names what the secret is used for.
const DOMAIN: &[u8] = b"gamelink datagrams 1";

/// Key of two sides that trust each other.
///
/// As text: 128 random bits in 26 letters of base 32 (RFC 4648), in either case; hyphens and blanks between
/// them do not count.
#[derive(Clone)]
pub struct Key {
    secret: [u8; SECRET_LEN],
    cipher: XChaCha20Poly1305,
}

/// Text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is {LETTERS} letters A to Z and digits 2 to 7, this is {0}: make one with `peerd key`")]
pub struct KeyError(String);

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.secret == other.secret
    }
}

impl Key {
    /// Key of this random secret.
    #[must_use]
    pub fn new(secret: [u8; SECRET_LEN]) -> Key {
        let digest = Sha256::new().chain_update(DOMAIN).chain_update(secret).finalize();
        Key {
            secret,
            cipher: XChaCha20Poly1305::new(&digest),
        }
    }

    /// The text that [`from_str`](Key::from_str) reads: a secret.
    #[must_use]
    pub fn reveal(&self) -> String {
        let letters = BASE32_NOPAD.encode(&self.secret).into_bytes();
        let groups: Vec<_> = letters.chunks(GROUP).map(String::from_utf8_lossy).collect();
        groups.join("-")
    }

    /// Seals a datagram in place; `None`, and nothing done, where it is shorter than a header.
    pub fn seal(&self, datagram: &mut [u8]) -> Option<()> {
        let parts = Parts::of(datagram)?;
        let nonce = GenericArray::clone_from_slice(parts.nonce);
        let tag = self
            .cipher
            .encrypt_in_place_detached(&nonce, parts.header, parts.events)
            .ok()?;
        parts.tag.copy_from_slice(&tag);
        Some(())
    }

    /// Opens a datagram in place; `None` where it was not sealed with this key, or was changed since: its
    /// events are not to be used then.
    pub fn open(&self, datagram: &mut [u8]) -> Option<()> {
        let parts = Parts::of(datagram).filter(|parts| parts.header.starts_with(&MAGIC))?;
        let nonce = GenericArray::clone_from_slice(parts.nonce);
        let tag = GenericArray::clone_from_slice(parts.tag);
        self.cipher
            .decrypt_in_place_detached(&nonce, parts.header, parts.events, &tag)
            .ok()?;
        parts.tag.fill(0);
        Some(())
    }
}

/// Parts of a datagram.
struct Parts<'a> {
    header: &'a [u8],
    nonce: &'a [u8],
    tag: &'a mut [u8],
    events: &'a mut [u8],
}

impl Parts<'_> {
    fn of(datagram: &mut [u8]) -> Option<Parts<'_>> {
        let (head, events) = datagram.split_at_mut_checked(HEADER_LEN)?;
        let (header, tag) = head.split_at_mut_checked(TAG)?;
        let header: &[u8] = header;
        Some(Parts {
            header,
            nonce: header.get(NONCE)?,
            tag,
            events,
        })
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        let is_letter = |letter: &char| !letter.is_whitespace() && *letter != '-';
        let letters: String = text.chars().filter(is_letter).take(LETTERS + 1).collect();
        let secret = BASE32_NOPAD.decode(letters.to_ascii_uppercase().as_bytes());
        let secret = secret.ok().and_then(|bytes| bytes.try_into().ok());
        secret.map(Key::new).ok_or_else(|| {
            KeyError(match letters.chars().count() {
                LETTERS => "of other letters".to_owned(),
                count if count > LETTERS => "longer".to_owned(),
                count => format!("{count} of them"),
            })
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Header, MAX_DATAGRAM, Nonce, Offer, Sequence, Writer, decode};
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};

    fn datagram(sequence: u64) -> ([u8; MAX_DATAGRAM], usize) {
        let header = Header {
            from: Nonce(7),
            to: Nonce(9),
            sequence: Sequence(sequence),
            ..Header::default()
        };
        let mut buffer = [0; MAX_DATAGRAM];
        let mut writer = Writer::new(&mut buffer, &header).unwrap();
        writer.offers((0..20).map(|id| Offer {
            id,
            byte: 0x29,
            ..Offer::default()
        }));
        let len = writer.finish();
        (buffer, len)
    }

    #[test]
    fn what_was_sealed_is_opened_as_it_was_and_hides_the_events() {
        let key = Key::new([3; 16]);
        let (plain, len) = datagram(1);
        let mut sealed = plain;
        key.seal(&mut sealed[..len]).unwrap();
        assert_eq!(sealed[..TAG], plain[..TAG], "the header stays readable");
        assert_ne!(sealed[HEADER_LEN..len], plain[HEADER_LEN..len]);
        let mut again = datagram(2).0;
        key.seal(&mut again[..len]).unwrap();
        assert_ne!(
            sealed[HEADER_LEN..len],
            again[HEADER_LEN..len],
            "the same events, another datagram"
        );
        key.open(&mut sealed[..len]).unwrap();
        assert_eq!(sealed, plain);
        decode(&sealed[..len]).unwrap();
    }

    #[test]
    fn no_changed_cut_or_foreign_datagram_is_opened() {
        let key = Key::new([3; 16]);
        let (mut sealed, len) = datagram(1);
        assert_eq!(key.open(&mut sealed[..len].to_vec()), None, "not sealed");
        key.seal(&mut sealed[..len]).unwrap();
        assert_eq!(
            Key::new([4; 16]).open(&mut sealed[..len].to_vec()),
            None,
            "another key"
        );
        for bit in 0..len * 8 {
            let mut changed = sealed[..len].to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&mut changed), None, "bit {bit}");
        }
        for short in 0..len {
            assert_eq!(key.open(&mut sealed[..short].to_vec()), None, "{short} bytes");
        }
        let mut long = sealed[..len].to_vec();
        long.push(0);
        assert_eq!(key.open(&mut long), None);
    }

    #[test]
    fn a_million_forged_datagrams_open_nothing() {
        let key = Key::new([5; 16]);
        let (mut sealed, len) = datagram(1);
        key.seal(&mut sealed[..len]).unwrap();
        let mut random = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
        // A tenth in debug builds, which are slow.
        let tries = if cfg!(debug_assertions) {
            100_000
        } else {
            1_000_000
        };
        for _ in 0..tries {
            let mut forged = sealed;
            let len = random.random_range(0..=MAX_DATAGRAM);
            let place = random.random_range(0..HEADER_LEN + 40);
            random.fill(&mut forged[place..place + 8]);
            assert_eq!(key.open(&mut forged[..len]), None);
        }
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = Key::new(*b"0123456789abcdef");
        let text = key.reveal();
        assert_eq!(text, "GAYTE-MZUGU-3DOOB-ZMFRG-GZDFM-Y");
        let (mut sealed, len) = datagram(1);
        key.seal(&mut sealed[..len]).unwrap();
        for same in [text.clone(), text.to_lowercase(), text.replace('-', " ")] {
            let same: Key = same.parse().unwrap();
            assert_eq!(same.open(&mut sealed[..len].to_vec()), Some(()));
        }
        assert_eq!(format!("{key:?}"), "Key(..)", "no log has it");
    }

    #[test]
    fn text_that_is_no_key_is_told_with_the_remedy() {
        for (text, reason) in [
            ("", "0 of them"),
            ("GAYTE", "5 of them"),
            ("GAYTE-MZUGU-3DOOB-ZMFRG-GZDFM-1", "of other letters"),
            ("GAYTE-MZUGU-3DOOB-ZMFRG-GZDFM-Z", "of other letters"),
            ("GAYTE-MZUGU-3DOOB-ZMFRG-GZDFM-YA", "longer"),
            ("ä", "1 of them"),
        ] {
            let error = text.parse::<Key>().unwrap_err().to_string();
            assert!(
                error.contains(reason) && error.contains("peerd key"),
                "{text}: {error}"
            );
        }
        assert!("A".repeat(1 << 20).parse::<Key>().is_err());
    }
}
