//! The beacons by which machines on a LAN find each other: one UDP datagram of fixed layout, big-endian.
//!
//! Magic `GLNB`, version, flags (1: a game waits, 2: asks for an answer), bridge port, the sender's instance, the instance that it chose, its box, its
//! clock, the stamp it answers and the instance that it answers (zero for none), length of the name, name. An answer is as long
//! as what it answers, so nobody can be made to send more than was spent on it.

use super::frame::{FrameError, Reader};
use crate::machine::identity::{Instance, Name};

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
        let mut bytes = [0; LEN];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            // The fields add up to LEN.
            if let Some(room) = bytes.get_mut(at..at + field.len()) {
                room.copy_from_slice(field);
            }
            at += field.len();
        };
        let name = self.name.as_str().as_bytes();
        let mut padded = [0; Name::MAX];
        for (to, from) in padded.iter_mut().zip(name) {
            *to = *from;
        }
        put(&MAGIC);
        let flag = |is_set, bit| if is_set { bit } else { 0 };
        put(&[VERSION, flag(self.has_game, HAS_GAME) | flag(self.asks, ASKS)]);
        put(&self.port.to_be_bytes());
        put(&self.sender.0);
        // At most Name::MAX.
        put(&[name.len() as u8]);
        put(&padded);
        put(&self.chosen.0);
        put(&self.box_id.to_be_bytes());
        put(&self.stamp.to_be_bytes());
        put(&self.echo.to_be_bytes());
        put(&self.echo_to.0);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Beacon, FrameError> {
        let mut rest = Reader(bytes);
        let result = (|| {
            if rest.array()? != MAGIC {
                return None;
            }
            let [version, flags] = rest.array()?;
            let port = u16::from_be_bytes(rest.array()?);
            let sender = Instance(rest.array()?);
            let [len] = rest.array()?;
            let name: [u8; Name::MAX] = rest.array()?;
            let name = Name::from_wire(name.get(..usize::from(len))?);
            if version != VERSION {
                return Some(Err(FrameError::Version(version, name)));
            }
            let chosen = Instance(rest.array()?);
            let box_id = u64::from_be_bytes(rest.array()?);
            let stamp = u64::from_be_bytes(rest.array()?);
            let echo = u64::from_be_bytes(rest.array()?);
            let echo_to = Instance(rest.array()?);
            if sender == Instance::NONE || port == 0 || !rest.0.is_empty() {
                return None;
            }
            let (has_game, asks) = (flags & HAS_GAME != 0, flags & ASKS != 0);
            Some(Ok(Beacon {
                sender,
                name,
                box_id,
                has_game,
                asks,
                port,
                chosen,
                stamp,
                echo,
                echo_to,
            }))
        })();
        result.unwrap_or(Err(FrameError::Malformed))
    }
}
