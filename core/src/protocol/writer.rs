//! Builds one datagram in the caller's buffer.

use super::{CONFIG, Event, Header, MAGIC, MAX_DATAGRAM, Offer, OfferRun, Position, ReplaceRun};
use super::{VERSION, Verdict, VerdictRun};
use bincode::Encode;

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
        let numbered = offers.map(|offer| (offer.id, offer));
        self.runs(numbered, Offer::entry, |head, entries| {
            Event::Offers(OfferRun {
                first: head.id,
                frame: head.frame,
                judged: head.judged,
                lead: head.lead,
                called: head.called,
                since_take: head.since_take,
                entries,
            })
        })
    }

    /// Appends verdicts with consecutive numbers; says how many of them fitted.
    pub fn verdicts(&mut self, verdicts: impl Iterator<Item = Verdict>) -> usize {
        let numbered = verdicts.map(|verdict| (verdict.id, verdict));
        let entry = |verdict: Verdict, _| Some(verdict.entry());
        self.runs(numbered, entry, |Verdict { id: first, .. }, entries| {
            Event::Verdicts(VerdictRun { first, entries })
        })
    }

    /// Appends where the sender's history stands; false if it does not fit.
    pub fn position(&mut self, position: Position) -> bool {
        self.put(Event::Position(position))
    }

    /// Appends replacements of consecutive epochs, each with the number of the first offer that it replaced;
    /// says how many of them fitted. The numbers must lie within 65 536 of each other.
    pub fn replaces(&mut self, replaces: impl Iterator<Item = (u32, u64)> + Clone) -> usize {
        let base = replaces.clone().map(|(_, from)| from).min().unwrap_or(0);
        let numbered = replaces.map(|(epoch, from)| (epoch.into(), (epoch, from)));
        let entry = |(_, from), _| Some(u16::try_from(from - base).ok()?.to_le_bytes());
        self.runs(numbered, entry, |(first, _), entries| {
            Event::Replaces(ReplaceRun { first, base, entries })
        })
    }

    /// Ends the datagram and says how long it is.
    #[must_use]
    pub fn finish(self) -> usize {
        self.len
    }

    /// Appends as many items as fit, in runs with consecutive numbers; says how many. `entry` encodes an item
    /// behind the one before it, or behind itself at the head of a run; None begins another run.
    fn runs<T: Copy, const N: usize>(
        &mut self,
        items: impl Iterator<Item = (u64, T)>,
        entry: impl Fn(T, T) -> Option<[u8; N]>,
        event: impl for<'e> Fn(T, &'e [u8]) -> Event<'e>,
    ) -> usize {
        let mut items = items.peekable();
        let mut written = 0;
        while let Some(&(first, head)) = items.peek() {
            let start = self.len;
            if !self.put(event(head, &[])) {
                break;
            }
            let room = self.buffer.len() - self.len;
            self.len = start;
            let mut entries = [0; RUN_BYTES];
            let (mut before, mut used) = (head, 0);
            for (place, n) in entries.chunks_exact_mut(N).take(room / N).zip(0..) {
                let next = items
                    .peek()
                    .filter(|(number, _)| Some(*number) == first.checked_add(n));
                let Some((item, entry)) = next.and_then(|&(_, item)| Some((item, entry(item, before)?)))
                else {
                    break;
                };
                place.copy_from_slice(&entry);
                before = item;
                used += N;
                items.next();
            }
            if used == 0 || !self.put(event(head, entries.get(..used).unwrap_or_default())) {
                break;
            }
            written += used / N;
        }
        written
    }

    fn put(&mut self, value: impl Encode) -> bool {
        let free = self.buffer.get_mut(self.len..).unwrap_or_default();
        let used = bincode::encode_into_slice(value, free, CONFIG);
        used.map(|used| self.len += used).is_ok()
    }
}
