//! Identities: instances, nonces, names, MAC addresses.

use sha2::{Digest, Sha256};
use std::fmt;

/// 128 random bits, drawn by each process: the only property of a machine that must be unique.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instance(pub(crate) [u8; 16]);

impl Instance {
    /// No instance.
    pub(crate) const NONE: Instance = Instance([0; 16]);

    /// A number that two instances compute alike: pairs chosen by it form no circles.
    pub(crate) fn pair_key(self, other: Instance) -> [u8; 16] {
        let mut key = [0; 16];
        for ((key, a), b) in key.iter_mut().zip(self.0).zip(other.0) {
            *key = a ^ b;
        }
        key
    }
}

impl fmt::Display for Instance {
    /// The first four bytes: enough to tell machines apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// 64 random bits of one end of one cable, fresh per plug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nonce(pub(crate) u64);

/// The kernel's number of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IfIndex(pub(crate) u32);

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

impl Mac {
    /// True if an interface may have it: unicast, and not all zeros.
    pub(crate) fn is_unicast(self) -> bool {
        let [first, ..] = self.0;
        first & 1 == 0 && self != Mac::default()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Name of a machine: at most 31 bytes of printable UTF-8, stored without allocation.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Name {
    len: u8,
    bytes: [u8; Name::MAX],
}

impl Name {
    /// The most bytes that fit into a frame.
    pub(crate) const MAX: usize = 31;

    /// Keeps the characters that fit and can be shown on a terminal.
    pub(crate) fn new(text: &str) -> Name {
        let mut name = Name::default();
        for c in text.chars().filter(|&c| !c.is_control() && !is_unseen(c)) {
            let (at, mut utf8) = (usize::from(name.len), [0; 4]);
            let encoded = c.encode_utf8(&mut utf8).as_bytes();
            let Some(room) = name.bytes.get_mut(at..at + encoded.len()) else {
                break;
            };
            room.copy_from_slice(encoded);
            // At most MAX.
            name.len += encoded.len() as u8;
        }
        name
    }

    /// Reads a name from a frame.
    pub(crate) fn from_wire(bytes: &[u8]) -> Name {
        Name::new(std::str::from_utf8(bytes).unwrap_or("?"))
    }

    pub(crate) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or("?")
    }
}

/// True if a character has no shape of its own, or changes the order of others: two names that look alike
/// must be equal, and none may rewrite its line (Unicode, `Default_Ignorable_Code_Point` and `Bidi_Control`,
/// and the line separators).
fn is_unseen(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E
        | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.as_str() {
            "" => "a nameless machine",
            name => name,
        })
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Identity of one end of one cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Instance of the process.
    pub(crate) instance: Instance,
    /// Nonce of the cable.
    pub(crate) nonce: Nonce,
    /// Hash of the boot id and network namespace: the same for all processes that share them.
    pub(crate) box_id: u64,
    /// Start of the process, in milliseconds since boot.
    pub(crate) started_ms: u64,
    /// Name of the machine.
    pub(crate) name: Name,
}

/// The first eight bytes of a hash over `parts`, each with its length, under `label`.
pub(crate) fn hash64(label: &str, parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in [label.as_bytes()].iter().chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters_and_shown_safely() {
        assert_eq!(Name::new("Ann\x1b[2J\n").as_str(), "Ann[2J");
        assert_eq!(Name::new(&"é".repeat(40)).as_str(), "é".repeat(15));
        assert_eq!(Name::from_wire(b"\xff\xff").as_str(), "?");
        assert_eq!(Name::default().to_string(), "a nameless machine");
    }

    #[test]
    fn what_nobody_sees_is_in_no_name() {
        for unseen in [
            "\u{202e}",
            "\u{2066}",
            "\u{200b}",
            "\u{200f}",
            "\u{feff}",
            "\u{2028}",
            "\u{e0041}",
            "\u{ad}",
        ] {
            assert_eq!(Name::new(&format!("a{unseen}nn")), Name::new("ann"), "{unseen:?}");
        }
        assert_eq!(Name::new("Zoë 雪 שלום").as_str(), "Zoë 雪 שלום");
    }

    #[test]
    fn both_ends_compute_the_same_pair_key() {
        let (a, b) = (Instance([7; 16]), Instance([9; 16]));
        assert_eq!(a.pair_key(b), b.pair_key(a));
    }
}
