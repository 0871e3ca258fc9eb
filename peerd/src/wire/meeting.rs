//! Datagrams of a first meeting of two machines on a LAN, of one fixed layout.
//!
//! | bytes | what | |
//! |---|---|---|
//! | 0..4 | `GLNM` | |
//! | 4 | version | |
//! | 5 | kind | |
//! | 6..22 | sender's instance | |
//! | 22..38 | receiver's instance | |
//! | 38..71 | SPAKE2 message | zero where the kind has none |
//! | 71..103 | proof of the key: HMAC-SHA256 | zero where the kind has none |
//! | 103..119 | sender's machine id | told with a proof only |
//!
//! An answer is as long as what it answers: no amplification.

use super::reader::{Reader, WireError};
use crate::identity::Instance;
use crate::machine::trust::MachineId;

/// Version of this layout.
const VERSION: u8 = 1;
const MAGIC: [u8; 4] = *b"GLNM";

/// Message of SPAKE2 over Ed25519, with the byte that says it is symmetric.
pub(crate) type Message = [u8; 33];
/// Proof of a key.
pub(crate) type Proof = [u8; 32];

/// Steps of a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The machine at which the code was entered begins.
    Ask(Message),
    /// The machine that shows the code answers, and proves that it has the key.
    Offer(Message, Proof, MachineId),
    /// The other proves it as well; anything but the right proof says that the code was wrong.
    Confirm(Proof, MachineId),
    /// The proof was right: both have the key.
    Done,
    /// No code is shown to this machine, or another one by now.
    Refused,
}

/// A datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) sender: Instance,
    pub(crate) receiver: Instance,
    pub(crate) step: Step,
}

impl Datagram {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let none = ([0; 33], [0; 32], MachineId::default());
        let (kind, (message, proof, machine)) = match self.step {
            Step::Ask(message) => (1, (message, none.1, none.2)),
            Step::Offer(message, proof, machine) => (2, (message, proof, machine)),
            Step::Confirm(proof, machine) => (3, (none.0, proof, machine)),
            Step::Done => (4, none),
            Step::Refused => (5, none),
        };
        [
            &MAGIC[..],
            &[VERSION, kind],
            &self.sender.0,
            &self.receiver.0,
            &message,
            &proof,
            &machine.0,
        ]
        .concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Datagram, WireError> {
        let mut reader = Reader(bytes);
        if reader.array()? != MAGIC {
            return Err(WireError::Malformed);
        }
        let [version, kind] = reader.array()?;
        let (sender, receiver) = (Instance(reader.array()?), Instance(reader.array()?));
        let (message, proof) = (reader.array()?, reader.array()?);
        let machine = MachineId(reader.array()?);
        let step = match kind {
            1 => Step::Ask(message),
            2 => Step::Offer(message, proof, machine),
            3 => Step::Confirm(proof, machine),
            4 => Step::Done,
            5 => Step::Refused,
            _ => return Err(WireError::Malformed),
        };
        let is_sound = version == VERSION && reader.0.is_empty() && sender != Instance::NONE;
        is_sound
            .then_some(Datagram {
                sender,
                receiver,
                step,
            })
            .ok_or(WireError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_survive_the_wire_and_nothing_else_does() {
        let steps = [
            Step::Ask([1; 33]),
            Step::Offer([2; 33], [3; 32], MachineId([4; 16])),
            Step::Confirm([5; 32], MachineId([6; 16])),
            Step::Done,
            Step::Refused,
        ];
        for step in steps {
            let datagram = Datagram {
                sender: Instance([7; 16]),
                receiver: Instance([8; 16]),
                step,
            };
            let bytes = datagram.encode();
            assert_eq!(bytes.len(), 119);
            assert_eq!(Datagram::decode(&bytes), Ok(datagram));
            for len in 0..bytes.len() {
                assert!(Datagram::decode(&bytes[..len]).is_err());
            }
            assert!(Datagram::decode(&[&bytes[..], b"x"].concat()).is_err());
        }
    }
}
