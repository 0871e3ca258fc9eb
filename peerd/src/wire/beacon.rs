//! Beacons of LAN discovery: one UDP datagram of fixed layout, big-endian.
//!
//! Magic `GLNB`, version, flags (1: a game waits, 2: asks for an answer, 4: speaks to
//! the chosen machine by IPv6), bridge port, sender's instance,
//! length of the name, name, chosen instance, box id, sender's clock, echoed stamp and the instance that it
//! answers (zero for none). An answer is as long as its question: no amplification.

use super::reader::{Reader, WireError};
use crate::identity::{Instance, Name};

/// Version of this layout; up to the name it is the same in all.
pub(crate) const VERSION: u8 = 1;

const MAGIC: [u8; 4] = *b"GLNB";
const HAS_GAME: u8 = 1;
const ASKS: u8 = 2;
const BY_V6: u8 = 4;

/// A beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beacon {
    pub(crate) sender: Instance,
    pub(crate) name: Name,
    pub(crate) box_id: u64,
    pub(crate) has_game: bool,
    /// Asks for an answer with its stamp, to the address that it came from.
    pub(crate) asks: bool,
    /// Port of its bridge.
    pub(crate) port: u16,
    /// Chosen partner, or none.
    pub(crate) chosen: Instance,
    /// The partner's address at the sender is one of IPv6.
    pub(crate) is_by_v6: bool,
    /// The sender's clock, to be echoed.
    pub(crate) stamp: u64,
    /// Echoed stamp of a beacon of `echo_to`.
    pub(crate) echo: u64,
    pub(crate) echo_to: Instance,
}

impl Beacon {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let flag = |is_set, bit| if is_set { bit } else { 0 };
        [
            &MAGIC[..],
            &[
                VERSION,
                flag(self.has_game, HAS_GAME) | flag(self.asks, ASKS) | flag(self.is_by_v6, BY_V6),
            ],
            &self.port.to_be_bytes(),
            &self.sender.0,
            self.name.wire(),
            &self.chosen.0,
            &self.box_id.to_be_bytes(),
            &self.stamp.to_be_bytes(),
            &self.echo.to_be_bytes(),
            &self.echo_to.0,
        ]
        .concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Beacon, WireError> {
        let mut reader = Reader(bytes);
        if reader.array()? != MAGIC {
            return Err(WireError::Malformed);
        }
        let [version, flags] = reader.array()?;
        let port = u16::from_be_bytes(reader.array()?);
        let sender = Instance(reader.array()?);
        let name = reader.name()?;
        if version != VERSION {
            return Err(WireError::Version(version, name));
        }
        let beacon = Beacon {
            sender,
            name,
            has_game: flags & HAS_GAME != 0,
            asks: flags & ASKS != 0,
            port,
            chosen: Instance(reader.array()?),
            is_by_v6: flags & BY_V6 != 0,
            box_id: reader.u64()?,
            stamp: reader.u64()?,
            echo: reader.u64()?,
            echo_to: Instance(reader.array()?),
        };
        let is_sound = sender != Instance::NONE && port != 0 && reader.0.is_empty();
        is_sound.then_some(beacon).ok_or(WireError::Malformed)
    }
}
