//! Builds one datagram in the caller's buffer.

use super::event::{OFFER_LEN, OFFER_RUN_LEN, VERDICT_LEN, VERDICT_RUN_LEN};
use super::mend::{
    ENDING_LEN, ENDING_RUN_LEN, Ending, EndingRun, Line, REPLACE_LEN, REPLACE_RUN_LEN, ReplaceRun,
};
use super::{
    CONFIG, Event, Header, MAGIC, MAX_DATAGRAM, Offer, OfferRun, Outcome, VERSION, Verdict, VerdictRun,
};
use crate::serial::Speed;
use bincode::Encode;
use std::iter::Peekable;

/// Writes a header, then as many events as fit.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8; MAX_DATAGRAM],
    len: usize,
}

/// Longest run of entries in one event, in bytes; a stack buffer of this size gathers them.
const RUN_BYTES: usize = 1024;

impl<'a> Writer<'a> {
    /// Starts a datagram; `None` never happens with a buffer of this size.
    #[must_use]
    pub fn new(buffer: &'a mut [u8; MAX_DATAGRAM], header: &Header) -> Option<Writer<'a>> {
        let mut writer = Writer { buffer, len: 0 };
        (writer.put((MAGIC, VERSION)) && writer.put(header)).then_some(writer)
    }

    /// Appends offers with consecutive numbers; says how many of them fitted.
    pub fn offers(&mut self, offers: impl Iterator<Item = Offer>) -> usize {
        let mut offers = offers.peekable();
        let mut written = 0;
        while let Some(&head) = offers.peek() {
            let mut entries = [0; RUN_BYTES];
            let room = self.room(OFFER_RUN_LEN).min(RUN_BYTES);
            let mut before = head;
            let used = gather(&mut offers, &mut entries, room, |offer| {
                let frame = u8::try_from(offer.frame.checked_sub(before.frame)?).ok()?;
                let judged = u8::try_from(offer.judged.checked_sub(before.judged)?).ok()?;
                if offer.id != head.id && offer.id != before.id.saturating_add(1) {
                    return None;
                }
                before = *offer;
                Some([offer.byte, u8::from(offer.speed == Speed::Fast), frame, judged])
            });
            let run = OfferRun {
                first: head.id,
                frame: head.frame,
                judged: head.judged,
                entries: entries.get(..used).unwrap_or_default(),
            };
            if used == 0 || !self.put(Event::Offers(run)) {
                break;
            }
            written += used / OFFER_LEN;
        }
        written
    }

    /// Appends verdicts with consecutive numbers; says how many of them fitted.
    pub fn verdicts(&mut self, verdicts: impl Iterator<Item = Verdict>) -> usize {
        let mut verdicts = verdicts.peekable();
        let mut written = 0;
        while let Some(&head) = verdicts.peek() {
            let mut entries = [0; RUN_BYTES];
            let room = self.room(VERDICT_RUN_LEN).min(RUN_BYTES);
            let mut expected = head.id;
            let used = gather(&mut verdicts, &mut entries, room, |verdict| {
                if verdict.id != expected {
                    return None;
                }
                expected = expected.saturating_add(1);
                Some(match verdict.outcome {
                    Outcome::Taken { byte } => [0, byte],
                    Outcome::Refused => [1, 0],
                })
            });
            let run = VerdictRun {
                first: head.id,
                entries: entries.get(..used).unwrap_or_default(),
            };
            if used == 0 || !self.put(Event::Verdicts(run)) {
                break;
            }
            written += used / VERDICT_LEN;
        }
        written
    }

    /// Appends where the sender's timeline stands; false if it does not fit.
    pub fn line(&mut self, line: Line) -> bool {
        self.put(Event::Line(line))
    }

    /// Appends replacements of consecutive epochs, each with the number of the first offer that it replaced; says how
    /// many of them fitted. The numbers must lie within 65 536 of each other.
    pub fn replaces(&mut self, replaces: impl Iterator<Item = (u32, u64)> + Clone) -> usize {
        let Some(base) = replaces.clone().map(|(_, from)| from).min() else {
            return 0;
        };
        let mut replaces = replaces.peekable();
        let Some(&(first, _)) = replaces.peek() else {
            return 0;
        };
        let mut entries = [0; RUN_BYTES];
        let room = self.room(REPLACE_RUN_LEN).min(RUN_BYTES);
        let mut expected = first;
        let used = gather(&mut replaces, &mut entries, room, |(epoch, from)| {
            let step = u16::try_from(from - base).ok()?;
            if *epoch != expected {
                return None;
            }
            expected = expected.saturating_add(1);
            Some(step.to_le_bytes())
        });
        let run = ReplaceRun {
            first,
            base,
            entries: entries.get(..used).unwrap_or_default(),
        };
        if used == 0 || !self.put(Event::Replaces(run)) {
            return 0;
        }
        used / REPLACE_LEN
    }

    /// Appends how consecutive offers of the receiver ended; says how many of them fitted.
    pub fn endings(&mut self, endings: impl Iterator<Item = (u64, Ending)>) -> usize {
        let mut endings = endings.peekable();
        let Some(&(first, _)) = endings.peek() else {
            return 0;
        };
        let mut entries = [0; RUN_BYTES];
        let room = self.room(ENDING_RUN_LEN).min(RUN_BYTES);
        let mut expected = first;
        let used = gather(&mut endings, &mut entries, room, |(number, ending)| {
            if *number != expected {
                return None;
            }
            expected = expected.saturating_add(1);
            Some(ending.encode())
        });
        let run = EndingRun {
            first,
            entries: entries.get(..used).unwrap_or_default(),
        };
        if used == 0 || !self.put(Event::Endings(run)) {
            return 0;
        }
        used / ENDING_LEN
    }

    /// Ends the datagram and says how long it is.
    #[must_use]
    pub fn finish(self) -> usize {
        self.len
    }

    fn room(&self, before_entries: usize) -> usize {
        self.buffer.len().saturating_sub(self.len + before_entries)
    }

    fn put(&mut self, value: impl Encode) -> bool {
        let Some(free) = self.buffer.get_mut(self.len..) else {
            return false;
        };
        match bincode::encode_into_slice(value, free, CONFIG) {
            Ok(used) => {
                self.len += used;
                true
            }
            Err(_) => false,
        }
    }
}

/// Takes items while `encode` accepts them and their entries fit into `room` bytes; says how many bytes were used.
fn gather<T, const N: usize>(
    items: &mut Peekable<impl Iterator<Item = T>>,
    entries: &mut [u8; RUN_BYTES],
    room: usize,
    mut encode: impl FnMut(&T) -> Option<[u8; N]>,
) -> usize {
    let mut used = 0;
    while let Some(item) = items.peek() {
        if used + N > room {
            break;
        }
        let (Some(entry), Some(place)) = (encode(item), entries.get_mut(used..used + N)) else {
            break;
        };
        place.copy_from_slice(&entry);
        used += N;
        items.next();
    }
    used
}
