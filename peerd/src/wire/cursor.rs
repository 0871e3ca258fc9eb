//! Encoding of frames and beacons: fields of fixed length, integers big-endian.

use crate::identity::{Instance, Name};

/// Reasons why bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireError {
    /// Not ours, or damaged.
    Malformed,
    /// Another version of peerd, with its number and its machine's name.
    Version(u8, Name),
}

/// Reads fields in their order.
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

    /// A name: its length, and a field of [`Name::MAX`] bytes.
    pub(super) fn name(&mut self) -> Result<Name, WireError> {
        let [len] = self.array()?;
        let name: [u8; Name::MAX] = self.array()?;
        let name = name.get(..usize::from(len)).ok_or(WireError::Malformed)?;
        Ok(Name::from_wire(name))
    }
}

/// Writes fields in their order; the remainder of `LEN` bytes is zero.
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
