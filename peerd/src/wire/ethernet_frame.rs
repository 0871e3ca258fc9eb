//! The frames of the layer-2 handshake: `EtherType` 0x88B5, one fixed layout, big-endian.
//!
//! | bytes | what | |
//! |---|---|---|
//! | 0..4 | `GLNK` | the same in all versions, up to byte 72 |
//! | 4 | version | |
//! | 5 | kind | |
//! | 6..8 | flags | |
//! | 8..24 | sender's instance | |
//! | 24..40 | instance that the sender hears, zero for none | |
//! | 40..72 | length of the name, name | |
//! | 72..76 | sequence | |
//! | 76..84 | the sender's nonce for this cable | |
//! | 84..92 | the sender's box id | |
//! | 92..100 | when the sender's process started | |
//! | 100..106 | the sender's MAC | |
//! | 106..114 | word about the MAC: kind, attempt, proposed MAC | |
//! | 114..116 | zero | |
//! | 116..148 | public key of the sender's process | X25519 |
//! | 148..164 | the sender's machine id | |
//! | 164..196 | length of the game's title, title | zero without a game; an older daemon ends before |
//!
//! Further bytes are padding. `AF_PACKET` passes every firewall on INPUT, so frames report whether the layers
//! above work.

use super::reader::{Reader, WireError};
use crate::identity::{Identity, Instance, Mac, Name, Nonce};
use crate::machine::trust::MachineId;

/// "Local experimental Ethertype 1" of IEEE 802.
pub(crate) const ETHERTYPE: u16 = 0x88B5;

/// Version of this layout and of its meaning.
pub(crate) const VERSION: u8 = 2;

/// A frame's length, without the Ethernet header.
#[cfg(test)]
pub(crate) const LEN: usize = 196;

/// Length of a frame that says nothing of a game's title.
#[cfg(test)]
pub(crate) const LEN_UNTITLED: usize = 164;

/// Length of what is the same in all versions.
pub(crate) const SHARED_LEN: usize = 72;

/// The first four bytes.
pub(crate) const MAGIC: [u8; 4] = *b"GLNK";

/// Kinds of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Announces the sender, and the instance that it hears.
    Hello = 1,
    /// Announces that the sender stops.
    Goodbye = 2,
}

/// Flags of the sender.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u16);

impl Flags {
    /// The sender can use IPv6 on this cable.
    pub(crate) const V6: Flags = Flags(1);
    /// Its addresses towards the heard instance are in place.
    pub(crate) const READY: Flags = Flags(2);
    /// A UDP datagram of the heard instance arrived within the last seconds.
    pub(crate) const IP_HEARD: Flags = Flags(4);
    /// A game is waiting for the link.
    pub(crate) const GAME: Flags = Flags(8);
    /// Sender and heard instance have heard each other.
    pub(crate) const LINKED: Flags = Flags(16);
    /// The sender's system refuses to send UDP.
    pub(crate) const SEND_BLOCKED: Flags = Flags(32);

    pub(crate) fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    /// With `flag` set if `is_set`.
    pub(crate) fn with(self, flag: Flags, is_set: bool) -> Flags {
        Flags(if is_set { self.0 | flag.0 } else { self.0 & !flag.0 })
    }
}

/// Negotiation about a duplicate MAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MacMessage {
    /// No message.
    #[default]
    None,
    /// Proposes a MAC, to be taken once acknowledged.
    Prepare(u8, Mac),
    /// Acknowledges a proposal.
    Acknowledge(u8, Mac),
    /// Reports that the driver refuses: the other end is to change.
    Refused,
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    pub(crate) sender: Identity,
    pub(crate) heard: Instance,
    pub(crate) sequence: u32,
    pub(crate) mac: Mac,
    pub(crate) mac_message: MacMessage,
    /// Title of the game that waits there or plays; empty where it says none.
    pub(crate) title: Name,
}

impl Frame {
    /// The bytes to send after the Ethernet header.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (word, attempt, proposed) = match self.mac_message {
            MacMessage::None => (0, 0, Mac::default()),
            MacMessage::Prepare(attempt, mac) => (1, attempt, mac),
            MacMessage::Acknowledge(attempt, mac) => (2, attempt, mac),
            MacMessage::Refused => (3, 0, Mac::default()),
        };
        [
            &MAGIC[..],
            &[VERSION, self.kind as u8],
            &self.flags.0.to_be_bytes(),
            &self.sender.instance.0,
            &self.heard.0,
            self.sender.name.wire(),
            &self.sequence.to_be_bytes(),
            &self.sender.nonce.0.to_be_bytes(),
            &self.sender.box_id.to_be_bytes(),
            &self.sender.started_ms.to_be_bytes(),
            &self.mac.0,
            &[word, attempt],
            &proposed.0,
            &[0; 2],
            &self.sender.public,
            &self.sender.machine.0,
            self.title.wire(),
        ]
        .concat()
    }

    /// Reads what followed an Ethernet header.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Frame, WireError> {
        let mut reader = Reader(bytes);
        if reader.array()? != MAGIC {
            return Err(WireError::Malformed);
        }
        let [version, kind] = reader.array()?;
        let flags = Flags(u16::from_be_bytes(reader.array()?));
        let instance = Instance(reader.array()?);
        let heard = Instance(reader.array()?);
        let name = reader.name()?;
        if version != VERSION {
            return Err(WireError::Version(version, name));
        }
        let sequence = u32::from_be_bytes(reader.array()?);
        let (nonce, box_id, started_ms) = (Nonce(reader.u64()?), reader.u64()?, reader.u64()?);
        let mac = Mac(reader.array()?);
        let [word, attempt] = reader.array()?;
        let proposed = Mac(reader.array()?);
        let [_, _] = reader.array()?;
        let sender = Identity {
            instance,
            nonce,
            box_id,
            started_ms,
            name,
            public: reader.array()?,
            machine: MachineId(reader.array()?),
        };
        // An older daemon's frame ends here, and a driver's padding is no title.
        let title = reader.name().unwrap_or_default();
        let mac_message = match word {
            0 => MacMessage::None,
            1 if proposed.is_unicast() => MacMessage::Prepare(attempt, proposed),
            2 if proposed.is_unicast() => MacMessage::Acknowledge(attempt, proposed),
            3 => MacMessage::Refused,
            _ => return Err(WireError::Malformed),
        };
        let kind = match kind {
            1 => Kind::Hello,
            2 => Kind::Goodbye,
            _ => return Err(WireError::Malformed),
        };
        if instance == Instance::NONE || !mac.is_unicast() {
            return Err(WireError::Malformed);
        }
        Ok(Frame {
            kind,
            flags,
            sender,
            heard,
            sequence,
            mac,
            mac_message,
            title,
        })
    }
}
