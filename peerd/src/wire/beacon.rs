//! The beacons by which machines on a LAN find each other: one UDP datagram of fixed layout, big-endian.
//!
//! Magic `GLNB`, version, flags (1: a game waits, 2: asks for an answer), bridge port, the sender's instance, the instance that it chose, its box, its
//! clock, the stamp it answers and the instance that it answers (zero for none), length of the name, name. An answer is as long
//! as what it answers, so nobody can be made to send more than was spent on it.

use super::cursor::{Reader, WireError, Writer};
use crate::identity::{Instance, Name};

/// The version of this layout; up to the box it is the same in all.
pub(crate) const VERSION: u8 = 1;
/// Its length.
pub(crate) const LEN: usize = 4 + 1 + 1 + 2 + 16 + 32 + 16 + 8 + 8 + 8 + 16;

const MAGIC: [u8; 4] = *b"GLNB";
const HAS_GAME: u8 = 1;
const ASKS: u8 = 2;

/// One beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beacon {
    pub(crate) sender: Instance,
    pub(crate) name: Name,
    pub(crate) box_id: u64,
    pub(crate) has_game: bool,
    /// Its stamp is to be given back to the address that it came from.
    pub(crate) asks: bool,
    /// Where its bridge receives.
    pub(crate) port: u16,
    /// Whom it wants to play with, or nobody.
    pub(crate) chosen: Instance,
    /// The sender's clock, to be given back.
    pub(crate) stamp: u64,
    /// The stamp of a beacon of `echo_to` that this one answers.
    pub(crate) echo: u64,
    pub(crate) echo_to: Instance,
}

impl Beacon {
    pub(crate) fn encode(&self) -> [u8; LEN] {
        let flag = |is_set, bit| if is_set { bit } else { 0 };
        Writer::new()
            .put(&MAGIC)
            .put(&[VERSION, flag(self.has_game, HAS_GAME) | flag(self.asks, ASKS)])
            .put(&self.port.to_be_bytes())
            .put(&self.sender.0)
            .name(&self.name)
            .put(&self.chosen.0)
            .put(&self.box_id.to_be_bytes())
            .put(&self.stamp.to_be_bytes())
            .put(&self.echo.to_be_bytes())
            .put(&self.echo_to.0)
            .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Beacon, WireError> {
        let mut reader = Reader(bytes);
        if reader.array()? != MAGIC {
            return Err(WireError::Malformed);
        }
        let [version, flags] = reader.array()?;
        let port = u16::from_be_bytes(reader.array()?);
        let sender = reader.instance()?;
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
            chosen: reader.instance()?,
            box_id: reader.u64()?,
            stamp: reader.u64()?,
            echo: reader.u64()?,
            echo_to: reader.instance()?,
        };
        let is_sound = sender != Instance::NONE && port != 0 && reader.0.is_empty();
        is_sound.then_some(beacon).ok_or(WireError::Malformed)
    }
}
