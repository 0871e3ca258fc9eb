//! Identities: instances, nonces, names, MAC addresses.

use crate::escape::is_shown;
use crate::machine::trust::{MachineId, Public};
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
        (u128::from_ne_bytes(self.0) ^ u128::from_ne_bytes(other.0)).to_ne_bytes()
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
pub(crate) struct Name([u8; Name::MAX + 1]);

impl Name {
    /// The most bytes that fit into a frame.
    pub(crate) const MAX: usize = 31;

    /// Keeps the characters that fit and can be shown on a terminal: two names that look alike must be equal,
    /// and none may rewrite its line.
    pub(crate) fn new(text: &str) -> Name {
        let mut name = Name::default();
        let [len, bytes @ ..] = &mut name.0;
        for c in text.chars().filter(|&c| is_shown(c)) {
            let at = usize::from(*len);
            let Some(room) = bytes.get_mut(at..at + c.len_utf8()) else {
                break;
            };
            // At most MAX.
            *len += c.encode_utf8(room).len() as u8;
        }
        name
    }

    /// Reads a name from a frame.
    pub(crate) fn from_wire(bytes: &[u8]) -> Name {
        Name::new(std::str::from_utf8(bytes).unwrap_or("?"))
    }

    /// Its length, the name, and zeros.
    pub(crate) fn wire(&self) -> &[u8; Name::MAX + 1] {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        let [len, bytes @ ..] = &self.0;
        let bytes = bytes.get(..usize::from(*len)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or("?")
    }
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
    /// Number of the machine, for good.
    pub(crate) machine: MachineId,
    /// Key of the process.
    pub(crate) public: Public,
}

/// The first eight bytes of a hash over `parts`, each with its length, under `label`.
pub(crate) fn hash64(label: &str, parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in [label.as_bytes()].iter().chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
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
