//! Fields of known length, one after the other: how frames and beacons are written and read. Integers are big-endian.

use crate::identity::{Instance, Name};

/// Why bytes are of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireError {
    /// Not ours, or damaged.
    Malformed,
    /// Another version of peerd, with its version and its name.
    Version(u8, Name),
}

/// Takes fields off the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (field, rest) = self.0.split_first_chunk().ok_or(WireError::Malformed)?;
        self.0 = rest;
        Ok(*field)
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn instance(&mut self) -> Result<Instance, WireError> {
        self.array().map(Instance)
    }

    /// A length and as many bytes of a field of [`Name::MAX`].
    pub(super) fn name(&mut self) -> Result<Name, WireError> {
        let [len] = self.array()?;
        let name: [u8; Name::MAX] = self.array()?;
        let name = name.get(..usize::from(len)).ok_or(WireError::Malformed)?;
        Ok(Name::from_wire(name))
    }
}

/// Puts fields at the end of `LEN` bytes. Fields that do not add up to that leave zeros, or are cut.
pub(super) struct Writer<const LEN: usize> {
    bytes: [u8; LEN],
    len: usize,
}

impl<const LEN: usize> Writer<LEN> {
    pub(super) fn new() -> Writer<LEN> {
        Writer {
            bytes: [0; LEN],
            len: 0,
        }
    }

    pub(super) fn put(mut self, field: &[u8]) -> Writer<LEN> {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + field.len()) {
            room.copy_from_slice(field);
        }
        self.len += field.len();
        self
    }

    pub(super) fn name(mut self, name: &Name) -> Writer<LEN> {
        let text = name.as_str().as_bytes();
        let end = self.len + 1 + Name::MAX;
        // At most Name::MAX.
        self = self.put(&[text.len() as u8]).put(text);
        self.len = end;
        self
    }

    pub(super) fn finish(self) -> [u8; LEN] {
        self.bytes
    }
}
