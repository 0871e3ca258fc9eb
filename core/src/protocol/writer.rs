//! Builds one datagram in the caller's buffer.

use super::event::{OFFER_RUN_LEN, VERDICT_RUN_LEN};
use super::rollback::{Position, REPLACE_RUN_LEN, ReplaceRun};
use super::{CONFIG, Event, Header, MAGIC, MAX_DATAGRAM, Offer, OfferRun, VERSION, Verdict, VerdictRun};
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
            let mut before = head;
            let encode = |offer: &Offer| {
                let frame = u8::try_from(offer.frame.checked_sub(before.frame)?).ok()?;
                let judged = u8::try_from(offer.judged.checked_sub(before.judged)?).ok()?;
                if offer.id != head.id && offer.id != before.id.saturating_add(1) {
                    return None;
                }
                before = *offer;
                Some([offer.byte, u8::from(offer.speed == Speed::Fast), frame, judged])
            };
            let more = self.run(&mut offers, OFFER_RUN_LEN, encode, |entries| {
                Event::Offers(OfferRun {
                    first: head.id,
                    frame: head.frame,
                    judged: head.judged,
                    entries,
                })
            });
            match more {
                0 => break,
                more => written += more,
            }
        }
        written
    }

    /// Appends verdicts with consecutive numbers; says how many of them fitted.
    pub fn verdicts(&mut self, verdicts: impl Iterator<Item = Verdict>) -> usize {
        let mut verdicts = verdicts.peekable();
        let mut written = 0;
        while let Some(&Verdict { id: first, .. }) = verdicts.peek() {
            let mut expected = Some(first);
            let encode = |verdict: &Verdict| {
                let is_next = expected == Some(verdict.id);
                expected = verdict.id.checked_add(1);
                is_next.then(|| verdict.outcome.encode())
            };
            let more = self.run(&mut verdicts, VERDICT_RUN_LEN, encode, |entries| {
                Event::Verdicts(VerdictRun { first, entries })
            });
            match more {
                0 => break,
                more => written += more,
            }
        }
        written
    }

    /// Appends where the sender's history stands; false if it does not fit.
    pub fn position(&mut self, position: Position) -> bool {
        self.put(Event::Position(position))
    }

    /// Appends replacements of consecutive epochs, each with the number of the first offer that it replaced;
    /// says how many of them fitted. The numbers must lie within 65 536 of each other.
    pub fn replaces(&mut self, replaces: impl Iterator<Item = (u32, u64)> + Clone) -> usize {
        let mut items = replaces.clone().peekable();
        let (Some(base), Some(&(first, _))) = (replaces.map(|(_, from)| from).min(), items.peek()) else {
            return 0;
        };
        let mut expected = Some(first);
        let encode = |(epoch, from): &(u32, u64)| {
            let step = u16::try_from(from - base).ok()?;
            let is_next = expected == Some(*epoch);
            expected = epoch.checked_add(1);
            is_next.then(|| step.to_le_bytes())
        };
        self.run(&mut items, REPLACE_RUN_LEN, encode, |entries| {
            Event::Replaces(ReplaceRun { first, base, entries })
        })
    }

    /// Ends the datagram and says how long it is.
    #[must_use]
    pub fn finish(self) -> usize {
        self.len
    }

    /// Appends one event with as many items as `encode` accepts and as fit; says how many.
    fn run<T, const N: usize>(
        &mut self,
        items: &mut Peekable<impl Iterator<Item = T>>,
        before_entries: usize,
        mut encode: impl FnMut(&T) -> Option<[u8; N]>,
        event: impl for<'e> FnOnce(&'e [u8]) -> Event<'e>,
    ) -> usize {
        let mut entries = [0; RUN_BYTES];
        let room = self.buffer.len().saturating_sub(self.len + before_entries);
        let places = entries.chunks_exact_mut(N).take(room / N);
        let mut written = 0;
        for place in places {
            let Some(entry) = items.peek().and_then(&mut encode) else {
                break;
            };
            place.copy_from_slice(&entry);
            items.next();
            written += 1;
        }
        let used = entries.get(..written * N).unwrap_or_default();
        if written > 0 && self.put(event(used)) {
            written
        } else {
            0
        }
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
