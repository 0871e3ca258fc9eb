//! Reads one datagram, and checks all of it before any of it is used.

use super::{CONFIG, COUNT_LIMIT, Event, Header, MAGIC, MAX_DATAGRAM, Nonce, Sequence, VERSION};
use bincode::Decode;

/// Error of a datagram that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not one of ours, or cut, or too long, or damaged.
    #[error("not a gamelink datagram")]
    Malformed,
    /// One of ours in another version.
    #[error("protocol version {0}, expected {VERSION}")]
    Version(u16),
}

/// Reads one datagram; every event in it has been checked when this returns.
///
/// # Errors
/// When it is no datagram of this protocol and version.
pub fn decode(datagram: &[u8]) -> Result<(Header, Events<'_>), DecodeError> {
    let ((magic, version), rest): (([u8; 4], u16), _) = take(datagram)?;
    if magic != MAGIC || datagram.len() > MAX_DATAGRAM {
        return Err(DecodeError::Malformed);
    }
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let (header, rest): (Header, _) = take(rest)?;
    let is_sound = header.from != Nonce::NONE
        && header.sequence != Sequence::NONE
        && header.judged <= COUNT_LIMIT
        && header.settled <= COUNT_LIMIT;
    if !is_sound {
        return Err(DecodeError::Malformed);
    }
    Ok((header, Events::check(rest)?))
}

fn take<T: Decode<()>>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    let (value, used) = bincode::decode_from_slice(bytes, CONFIG).map_err(|_| DecodeError::Malformed)?;
    let rest = bytes.get(used..).ok_or(DecodeError::Malformed)?;
    Ok((value, rest))
}

/// The events of one datagram, all of them checked.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    bytes: &'a [u8],
}

impl<'a> Events<'a> {
    /// Looks at all of them once.
    pub(crate) fn check(bytes: &'a [u8]) -> Result<Events<'a>, DecodeError> {
        let mut rest = Events { bytes };
        while !rest.bytes.is_empty() {
            rest.next()
                .filter(Event::is_sound)
                .ok_or(DecodeError::Malformed)?;
        }
        Ok(Events { bytes })
    }

    /// The events that are left, as they were encoded.
    pub(crate) fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let (event, used) = bincode::borrow_decode_from_slice(self.bytes, CONFIG).ok()?;
        self.bytes = self.bytes.get(used..)?;
        Some(event)
    }
}
