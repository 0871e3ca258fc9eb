//! One try of a code, and the keys that it makes.

use crate::identity::Instance;
use crate::machine::trust::{MachineId, mac};
use crate::wire::meeting::{Message, Step};
use gamelink_core::control::Code;
use gamelink_core::time::LocalTime;
use hkdf::Hkdf;
use rand_chacha::ChaCha20Rng;
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use std::fmt;

/// One try of a code that is shown here.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) asked: Message,
    /// Our answer, repeated where the other side asks again.
    pub(super) offer: Step,
    pub(super) keys: Keys,
    pub(super) until: LocalTime,
}

/// One try of a code that was entered here.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) asked: Message,
    pub(super) stage: Stage,
    /// When the step is repeated.
    pub(super) retry: LocalTime,
    pub(super) until: LocalTime,
}

pub(super) enum Stage {
    /// Asked; the secret of the run.
    Asked(Box<Spake2<Ed25519Group>>),
    /// Our proof, until the other side has it.
    Proved(Step),
}

impl fmt::Debug for Stage {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Asked(_) => "Asked",
            Stage::Proved(_) => "Proved",
        })
    }
}

/// Keys that a run makes.
pub(super) struct Keys {
    pub(super) pairing: [u8; 32],
    pub(super) proof: [u8; 32],
}

impl fmt::Debug for Keys {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    pub(super) fn new(shared: &[u8]) -> Keys {
        let expand = |label: &[u8]| {
            let mut key = [0; 32];
            // 32 bytes are always to be had.
            let _ = Hkdf::<Sha256>::new(None, shared).expand(label, &mut key);
            key
        };
        Keys {
            pairing: expand(b"gamelink pairing by code 1"),
            proof: expand(b"gamelink proof 1"),
        }
    }

    /// Mac by which `sender` proves to `receiver` that it has the key, and says who it is.
    pub(super) fn mac(
        &self,
        [sender, receiver]: [Instance; 2],
        messages: [&Message; 2],
        machine: MachineId,
    ) -> hmac::Hmac<Sha256> {
        let [asked, offered] = messages;
        mac(&self.proof, &[&sender.0, &receiver.0, asked, offered, &machine.0])
    }
}

/// Starts a try of this code; with the message that the other side gets.
pub(super) fn start(code: Code, random: &mut ChaCha20Rng) -> (Spake2<Ed25519Group>, Message) {
    let (spake, message) = Spake2::<Ed25519Group>::start_symmetric_with_rng(
        &Password::new(code.to_string()),
        &Identity::new(b"gamelink meeting 1"),
        random,
    );
    let mut fixed = [0; 33];
    fixed.iter_mut().zip(message).for_each(|(to, from)| *to = from);
    (spake, fixed)
}
