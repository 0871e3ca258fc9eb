//! Beacons of LAN discovery: one UDP datagram of fixed layout, big-endian.
//!
//! | bytes | what | |
//! |---|---|---|
//! | 0..4 | `GLNB` | the same in all versions, up to byte 56 |
//! | 4 | version | |
//! | 5 | flags | 1: a game waits, 2: asks for an answer, 4: speaks to the chosen machine by IPv6, 8: that game may be linked with a machine that has no key of it |
//! | 6..8 | bridge port | |
//! | 8..24 | sender's instance | |
//! | 24..56 | length of the name, name | |
//! | 56..72 | chosen instance | zero for none |
//! | 72..88 | instance to which a code is shown | zero for none |
//! | 88..96 | box id | |
//! | 96..104 | sender's clock | |
//! | 104..112 | echoed stamp | |
//! | 112..128 | instance that this answers | zero for none |
//! | 128..160 | length of the game's title, title | zero without a game |
//! | 160..168 | the game's family, its digest | zero without a game |
//! | 168..200 | public key of the sender's process | X25519 |
//! | 200..328 | tags over all before, each for one machine that knows the sender | |
//!
//! An answer is as long as its question: no amplification.

use super::reader::{Reader, WireError};
use crate::identity::{Instance, Name};
use crate::machine::trust::{Public, Tags, Trust};

/// Version of this layout; up to the name it is the same in all.
pub(crate) const VERSION: u8 = 2;

const MAGIC: [u8; 4] = *b"GLNB";
const HAS_GAME: u8 = 1;
const ASKS: u8 = 2;
const BY_V6: u8 = 4;
const IS_OPEN: u8 = 8;

/// A game that waits for a partner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Game {
    /// Its title; empty where it says none.
    pub(crate) title: Name,
    /// The same for all editions that can be linked; 0 where none is known.
    pub(crate) family: u32,
    /// Of this edition alone.
    pub(crate) digest: u32,
    /// It may be linked with a machine that has no key of this one.
    pub(crate) is_open: bool,
}

/// A beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beacon {
    pub(crate) sender: Instance,
    pub(crate) name: Name,
    pub(crate) box_id: u64,
    pub(crate) game: Option<Game>,
    /// Asks for an answer with its stamp, to the address that it came from.
    pub(crate) asks: bool,
    /// Port of its bridge.
    pub(crate) port: u16,
    /// Chosen partner, or none.
    pub(crate) chosen: Instance,
    /// Machine to which the sender shows a code, or none.
    pub(crate) invites: Instance,
    /// The partner's address at the sender is one of IPv6.
    pub(crate) is_by_v6: bool,
    /// The sender's clock, to be echoed.
    pub(crate) stamp: u64,
    /// Echoed stamp of a beacon of `echo_to`.
    pub(crate) echo: u64,
    pub(crate) echo_to: Instance,
    pub(crate) public: Public,
    pub(crate) tags: Tags,
}

impl Game {
    /// True if the two can be linked without anybody's word: they are of one family, or one does not say what
    /// it is, as a stock core behind the relay.
    pub(crate) fn is_linked_with(&self, other: &Game) -> bool {
        self.family == other.family || self.family == 0 || other.family == 0
    }
}

impl Beacon {
    /// With the tags of this machine.
    pub(crate) fn tagged(self, trust: &Trust) -> Beacon {
        let tags = trust.tags(&self.body());
        Beacon { tags, ..self }
    }

    /// All that the tags vouch for.
    pub(crate) fn body(&self) -> Vec<u8> {
        let flag = |is_set, bit| if is_set { bit } else { 0 };
        let game = self.game.unwrap_or_default();
        [
            &MAGIC[..],
            &[
                VERSION,
                flag(self.game.is_some(), HAS_GAME)
                    | flag(self.asks, ASKS)
                    | flag(self.is_by_v6, BY_V6)
                    | flag(game.is_open, IS_OPEN),
            ],
            &self.port.to_be_bytes(),
            &self.sender.0,
            self.name.wire(),
            &self.chosen.0,
            &self.invites.0,
            &self.box_id.to_be_bytes(),
            &self.stamp.to_be_bytes(),
            &self.echo.to_be_bytes(),
            &self.echo_to.0,
            game.title.wire(),
            &game.family.to_be_bytes(),
            &game.digest.to_be_bytes(),
            &self.public,
        ]
        .concat()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.body()[..], self.tags.as_flattened()].concat()
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
        let chosen = Instance(reader.array()?);
        let invites = Instance(reader.array()?);
        let (box_id, stamp, echo) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let echo_to = Instance(reader.array()?);
        let game = Game {
            title: reader.name()?,
            family: u32::from_be_bytes(reader.array()?),
            digest: u32::from_be_bytes(reader.array()?),
            is_open: flags & IS_OPEN != 0,
        };
        let beacon = Beacon {
            sender,
            name,
            box_id,
            game: (flags & HAS_GAME != 0).then_some(game),
            asks: flags & ASKS != 0,
            port,
            chosen,
            invites,
            is_by_v6: flags & BY_V6 != 0,
            stamp,
            echo,
            echo_to,
            public: reader.array()?,
            tags: reader.tags()?,
        };
        let is_sound = sender != Instance::NONE && port != 0 && reader.0.is_empty();
        is_sound.then_some(beacon).ok_or(WireError::Malformed)
    }
}
