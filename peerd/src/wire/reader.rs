//! Reading of frames and beacons: fields of fixed length, integers big-endian.

use crate::identity::Name;
use crate::machine::trust::Tags;

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

    pub(super) fn tags(&mut self) -> Result<Tags, WireError> {
        let mut tags = Tags::default();
        for tag in &mut tags {
            *tag = self.array()?;
        }
        Ok(tags)
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A name, as [`Name::wire`] has it.
    pub(super) fn name(&mut self) -> Result<Name, WireError> {
        let [len, field @ ..]: [u8; Name::MAX + 1] = self.array()?;
        let name = field.get(..usize::from(len)).ok_or(WireError::Malformed)?;
        Ok(Name::from_wire(name))
    }
}
