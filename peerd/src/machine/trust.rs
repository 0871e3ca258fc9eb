//! Keys of machines that have met, and the key of this process.
//!
//! | what | of what it is made |
//! |---|---|
//! | pairing | 32 bytes that two machines share: from their cable (X25519 in the handshake), or from a code (SPAKE2) |
//! | tag of a beacon | the first 8 bytes of HMAC-SHA256 with the pairing's key over the beacon: who shares it knows who speaks |
//! | key of a link | HKDF-SHA256: X25519 of the keys that both processes drew, salted with the pairing's key |
//!
//! The keys of processes are never stored, so that nobody can read later what was sent before, even with the
//! pairing's key.

use crate::identity::{Instance, Name};
use gamelink_core::protocol::Key;
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::fmt;
use x25519_dalek::{PublicKey, StaticSecret};

/// Pairings that are kept, and tags of a beacon: as many in each, so that their number tells nothing.
pub(crate) const MAX_PAIRINGS: usize = 16;

/// Tags of a beacon, one a pairing, random where there are fewer.
pub(crate) type Tags = [[u8; 8]; MAX_PAIRINGS];

/// Half of an agreement on a key, as it is sent.
pub(crate) type Public = [u8; 32];

/// A number that a machine keeps for good, told only to machines that it meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MachineId(pub(crate) [u8; 16]);

/// A machine that this one has met.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pairing {
    pub(crate) machine: MachineId,
    pub(crate) name: Name,
    pub(crate) key: [u8; 32],
}

impl fmt::Debug for Pairing {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pairing({})", self.name)
    }
}

/// Knowledge of other machines, and the proof of this one to them.
#[derive(Clone)]
pub(crate) struct Trust {
    me: MachineId,
    secret: StaticSecret,
    /// The newest first.
    pairings: Vec<Pairing>,
}

impl fmt::Debug for Trust {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trust").field(&self.pairings).finish()
    }
}

impl Trust {
    /// Of a process that drew this `secret`, on a machine with these pairings, the newest first.
    pub(crate) fn new(me: MachineId, secret: [u8; 32], mut pairings: Vec<Pairing>) -> Trust {
        pairings.truncate(MAX_PAIRINGS);
        Trust {
            me,
            secret: StaticSecret::from(secret),
            pairings,
        }
    }

    pub(crate) fn machine(&self) -> MachineId {
        self.me
    }

    pub(crate) fn public(&self) -> Public {
        PublicKey::from(&self.secret).to_bytes()
    }

    pub(crate) fn pairings(&self) -> &[Pairing] {
        &self.pairings
    }

    /// Keeps a pairing in place of an older one with the same machine; the oldest goes where room is short.
    pub(crate) fn keep(&mut self, pairing: Pairing) {
        self.pairings.retain(|of| of.machine != pairing.machine);
        self.pairings.insert(0, pairing);
        self.pairings.truncate(MAX_PAIRINGS);
    }

    /// Forgets all machines of this name; true if there was one.
    pub(crate) fn forget(&mut self, name: &str) -> bool {
        let before = self.pairings.len();
        self.pairings.retain(|of| of.name.as_str() != name);
        self.pairings.len() < before
    }

    pub(crate) fn find(&self, machine: MachineId) -> Option<&Pairing> {
        self.pairings.iter().find(|of| of.machine == machine)
    }

    /// The tags under which machines that this one has met recognise a beacon of these bytes.
    pub(crate) fn tags(&self, bytes: &[u8]) -> Tags {
        std::array::from_fn(|place| match self.pairings.get(place) {
            Some(pairing) => tag(&pairing.key, &[bytes]),
            None => tag(self.secret.as_bytes(), &[&[place as u8], bytes]),
        })
    }

    /// The machine that made a beacon of these bytes, if this one has met it.
    pub(crate) fn recognise(&self, bytes: &[u8], tags: &Tags) -> Option<MachineId> {
        let is_of = |pairing: &&Pairing| tags.contains(&tag(&pairing.key, &[bytes]));
        Some(self.pairings.iter().find(is_of)?.machine)
    }

    /// Key of the link with a process that drew `theirs`, on a machine that this one has met, or not: then
    /// somebody in the middle from the first moment on may have it too. `None` for a public key that gives
    /// none.
    pub(crate) fn link_key(
        &self,
        theirs: &Public,
        met: Option<MachineId>,
        ends: [Instance; 2],
    ) -> Option<Key> {
        let salt = met.and_then(|machine| Some(&self.find(machine)?.key[..]));
        let mut secret = [0; 16];
        self.agree(theirs, salt, b"gamelink link 1", ends, &mut secret)?;
        Some(Key::new(secret))
    }

    /// The pairing with a machine at the other end of a cable, whose process drew `theirs`.
    pub(crate) fn meet_by_cable(
        &self,
        theirs: &Public,
        (machine, name): (MachineId, Name),
        ends: [Instance; 2],
    ) -> Option<Pairing> {
        let mut key = [0; 32];
        self.agree(theirs, None, b"gamelink pairing by cable 1", ends, &mut key)?;
        Some(Pairing { machine, name, key })
    }

    fn agree(
        &self,
        theirs: &Public,
        salt: Option<&[u8]>,
        label: &[u8],
        ends: [Instance; 2],
        key: &mut [u8],
    ) -> Option<()> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*theirs));
        if !shared.was_contributory() {
            return None;
        }
        let [low, high] = sorted(ends.map(|end| end.0));
        let [first, second] = sorted([*theirs, self.public()]);
        let info = [label, &low, &high, &first, &second].concat();
        Hkdf::<Sha256>::new(salt, shared.as_bytes())
            .expand(&info, key)
            .ok()
    }
}

fn sorted<T: Ord>([a, b]: [T; 2]) -> [T; 2] {
    if a <= b { [a, b] } else { [b, a] }
}

/// HMAC-SHA256 of these parts, one after the other.
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    // Any length of a key is allowed.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn tag(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 8] {
    let parts = [&[&b"gamelink beacon 1"[..]], parts].concat();
    let bytes = mac(key, &parts).finalize().into_bytes();
    std::array::from_fn(|n| bytes[n])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(n: u8) -> Trust {
        Trust::new(MachineId([n; 16]), [n; 32], vec![])
    }

    const ENDS: [Instance; 2] = [Instance([1; 16]), Instance([2; 16])];

    /// Two machines that have met over a cable.
    fn met() -> [Trust; 2] {
        let mut both = [trust(1), trust(2)];
        let [a, b] = both.clone();
        let name = Name::new("other");
        both[0].keep(a.meet_by_cable(&b.public(), (b.machine(), name), ENDS).unwrap());
        let ends = [ENDS[1], ENDS[0]];
        both[1].keep(b.meet_by_cable(&a.public(), (a.machine(), name), ends).unwrap());
        both
    }

    #[test]
    fn both_ends_of_a_cable_have_one_key_and_recognise_each_other() {
        let [a, b] = met();
        assert_eq!(a.pairings()[0].key, b.pairings()[0].key);
        let tags = a.tags(b"beacon");
        assert_eq!(b.recognise(b"beacon", &tags), Some(a.machine()));
        assert_eq!(b.recognise(b"beacoM", &tags), None);
        assert_eq!(trust(3).recognise(b"beacon", &tags), None);
    }

    #[test]
    fn a_link_has_a_key_of_its_own_that_only_its_two_ends_make() {
        let [a, b] = met();
        let key =
            |of: &Trust, theirs: &Trust, met| of.link_key(&theirs.public(), met, ENDS).unwrap().reveal();
        let met_key = key(&a, &b, Some(b.machine()));
        assert_eq!(met_key, key(&b, &a, Some(a.machine())));
        // An open link, another process, and somebody in the middle have others.
        let open = key(&a, &b, None);
        assert_eq!(open, key(&b, &a, None));
        let other = Trust::new(a.machine(), [9; 32], a.pairings().to_vec());
        let restarted = key(&other, &b, Some(b.machine()));
        let middle = key(&trust(3), &b, None);
        let all = [met_key, open, restarted, middle];
        assert!((1..4).all(|n| !all[..n].contains(&all[n])));
    }

    #[test]
    fn a_public_key_that_fixes_the_secret_gives_no_key() {
        for theirs in [[0; 32], std::array::from_fn(|n| u8::from(n == 0))] {
            assert!(trust(1).link_key(&theirs, None, ENDS).is_none());
        }
    }

    #[test]
    fn the_newest_pairing_with_a_machine_counts_and_the_oldest_goes() {
        let mut trust = trust(1);
        for n in 0..40 {
            let (machine, key) = (MachineId([n % 20; 16]), [n; 32]);
            let name = Name::new(&format!("m{}", n % 20));
            trust.keep(Pairing { machine, name, key });
        }
        assert_eq!(trust.pairings().len(), MAX_PAIRINGS);
        assert_eq!(trust.find(MachineId([19; 16])).unwrap().key, [39; 32]);
        assert!(trust.find(MachineId([0; 16])).is_none());
        assert!(trust.forget("m19") && !trust.forget("m19"));
    }
}
