//! Pauses between transfers of the strict exchange: a game that takes a byte is left the emulated time that
//! its maker's game had since the transfer before, whichever side clocked that.

use crate::bridge::exchange::pause::{Made, PARTS, Pause};
use crate::protocol::Offer;
use crate::sequence_numbers::{Number, OwnChunk, PeerChunk};
use crate::time::{Chunk, FrameTime};

const FRAME_PARTS: u64 = Chunk::PER_FRAME as u64 * PARTS;

/// The latest chunk of a frame for which a call is left: some games look in none after it.
const LATEST_PLACE: u64 = 12;

/// The last transfers of both directions, and where the game stands. Nothing is kept where either core does
/// not tell its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pauses {
    /// The last look.
    now: Option<Made<OwnChunk>>,
    /// Our game's last transfer.
    clocked: Option<Made<OwnChunk>>,
    /// The last take: when it was made over there, and taken here.
    taken: Option<(Made<PeerChunk>, Made<OwnChunk>)>,
}

impl Pauses {
    /// The core looks for a byte at this moment.
    pub(super) fn handle_look(&mut self, moment: Option<Made<OwnChunk>>) {
        self.now = moment;
    }

    /// The game clocks a transfer at this moment.
    pub(super) fn handle_request(&mut self, moment: Option<Made<OwnChunk>>) {
        self.clocked = moment;
    }

    /// The offer of the transfer that the game has just clocked, with what the peer needs to know of this
    /// moment.
    pub(super) fn complete(&self, offer: Offer, time: Option<FrameTime>) -> Offer {
        let since = self.clocked.zip(self.taken);
        let since = since.map(|(made, (_, taken))| made.since(taken).rounded());
        Offer {
            chunk: time.map(|time| time.chunk),
            part: time.and_then(|time| time.part),
            since_take: since
                .filter(|parts| *parts < FRAME_PARTS)
                .and_then(|parts| u16::try_from(parts).ok()),
            ..offer
        }
    }

    /// True if the look that runs comes too soon for this call: before the place in its frame at which that
    /// was made and shifted out, or within a frame after a byte of the game's own, whose answer it deals
    /// with. `None` where either core does not tell its time.
    pub(super) fn is_too_soon(&self, call: &Offer) -> Option<bool> {
        let (now, made) = (self.now?.chunk, call.chunk?);
        let frame = u64::from(Chunk::PER_FRAME);
        let is_before = now.raw() % frame <= u64::from(made.raw()).min(LATEST_PLACE);
        let is_ready = self
            .clocked
            .is_none_or(|clocked| now >= clocked.chunk.after(frame));
        Some(is_before || !is_ready)
    }

    /// True if this offer may be taken at the look that runs: as long after the transfer before as it was
    /// made.
    pub(super) fn may_take(&self, offer: &Offer) -> bool {
        let Some(now) = self.now else { return true };
        let is_kept = |(before, taken): (Made<PeerChunk>, Made<OwnChunk>)| {
            made(offer).is_none_or(|made| is_over(made.since(before), taken, now))
        };
        let is_answer = |(clocked, parts): (Made<OwnChunk>, u16)| {
            have_passed(u64::from(parts).min(FRAME_PARTS), clocked, now)
        };
        self.taken.is_none_or(is_kept) && self.clocked.zip(offer.since_take).is_none_or(is_answer)
    }

    /// The game has taken this offer at the last look.
    pub(super) fn handle_take(&mut self, offer: &Offer) {
        self.taken = made(offer).zip(self.now);
    }
}

/// Moment of the maker's time at which it made this offer.
fn made(offer: &Offer) -> Option<Made<PeerChunk>> {
    let time = FrameTime {
        chunk: offer.chunk?,
        part: offer.part,
    };
    Some(Made::at(offer.frame, time))
}

/// True if a game has been left alone since this take for as long as its maker's game was: a frame at most,
/// by which every game is ready.
fn is_over(pause: Pause, taken: Made<OwnChunk>, now: Made<OwnChunk>) -> bool {
    have_passed(pause.rounded().min(FRAME_PARTS), taken, now)
}

/// True if so many parts have passed since that transfer; where its moment or this one is known to a chunk
/// only, rounded up to chunks.
fn have_passed(parts: u64, since: Made<OwnChunk>, now: Made<OwnChunk>) -> bool {
    match since.parts().zip(now.parts()) {
        Some((then, now)) => now >= then.saturating_add(parts),
        None => now.chunk >= since.chunk.after(parts.div_ceil(PARTS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Part;

    fn time(chunk: u8, part: Option<u8>) -> Option<FrameTime> {
        Some(FrameTime {
            chunk: Chunk::new(chunk),
            part: part.and_then(Part::new),
        })
    }

    /// A moment of our own, in this frame.
    fn at(frame: u64, time: Option<FrameTime>) -> Option<Made<OwnChunk>> {
        Some(Made::at(frame, time?))
    }

    /// Chunks of this frame at which a game that looks in each is first given this offer.
    fn first_take(taker: &mut Pauses, frame: u64, offer: &Offer) -> Option<u8> {
        (0..Chunk::PER_FRAME).find(|chunk| {
            taker.handle_look(at(frame, time(*chunk, None)));
            taker.may_take(offer)
        })
    }

    /// An offer of this frame, which the maker's game clocks at this moment.
    fn offer(maker: &mut Pauses, frame: u64, time: Option<FrameTime>) -> Offer {
        let offer = Offer {
            frame,
            ..Offer::default()
        };
        maker.handle_request(at(frame, time));
        maker.complete(offer, time)
    }

    #[test]
    fn a_game_is_left_the_time_that_its_makers_had() {
        for (part, later, expected) in [(Some(90), Some(5), 3), (Some(9), Some(90), 4), (None, None, 4)] {
            let (mut maker, mut taker) = (Pauses::default(), Pauses::default());
            let first = offer(&mut maker, 70, time(5, part));
            assert_eq!(
                first_take(&mut taker, 900, &first),
                Some(0),
                "the first one as soon as it listens"
            );
            taker.handle_take(&first);
            let second = offer(&mut maker, 70, time(8, later));
            assert_eq!(first_take(&mut taker, 900, &second), Some(expected));
            taker.handle_take(&second);
            let third = offer(&mut maker, 75, time(8, later));
            assert_eq!(
                first_take(&mut taker, 902, &third),
                Some(0),
                "a frame later it is ready"
            );
        }
    }

    #[test]
    fn it_is_left_that_to_a_part_where_its_own_moments_are_known_too() {
        let (mut maker, mut taker) = (Pauses::default(), Pauses::default());
        let first = offer(&mut maker, 70, time(5, Some(90)));
        // Taken in the middle of a chunk, in which the game armed.
        taker.handle_look(at(0, time(2, Some(100))));
        taker.handle_take(&first);
        let second = offer(&mut maker, 70, time(8, Some(50)));
        for (chunk, part, expected) in [(5, 0, false), (5, 70, false), (5, 71, true), (6, 0, true)] {
            taker.handle_look(at(0, time(chunk, Some(part))));
            assert_eq!(taker.may_take(&second), expected, "{chunk} {part}");
        }
    }

    #[test]
    fn a_call_is_left_to_its_place_in_the_frame() {
        let taker = |time| {
            let mut taker = Pauses::default();
            taker.handle_look(at(0, time));
            taker
        };
        let offer = |time| offer(&mut Pauses::default(), 70, time);
        for (made, first) in [(0, 1), (7, 8), (16, 13)] {
            let is_too_soon = |chunk| taker(time(chunk, None)).is_too_soon(&offer(time(made, None)));
            assert_eq!(
                (is_too_soon(first - 1), is_too_soon(first)),
                (Some(true), Some(false))
            );
        }
        assert_eq!(taker(None).is_too_soon(&offer(time(7, None))), None);
        assert_eq!(taker(time(7, None)).is_too_soon(&offer(None)), None);
        let mut taker = taker(None);
        taker.handle_request(at(0, time(5, None)));
        let call = offer(time(0, None));
        for (frame, chunk, expected) in [(0, 16, true), (1, 4, true), (1, 5, false)] {
            taker.handle_look(at(frame, time(chunk, None)));
            assert_eq!(
                taker.is_too_soon(&call),
                Some(expected),
                "after a byte of its own"
            );
        }
    }

    #[test]
    fn so_is_one_that_is_answered_with_the_others_clock() {
        let (mut one, mut other) = (Pauses::default(), Pauses::default());
        let question = offer(&mut one, 70, time(5, None));
        other.handle_look(at(0, time(2, None)));
        other.handle_take(&question);
        let answer = offer(&mut other, 0, time(5, None));
        assert_eq!(answer.since_take, Some(4 * 129), "rounded up");
        assert_eq!(first_take(&mut one, 70, &answer), Some(9));
        let soon = Offer {
            since_take: Some(2 * 129),
            ..answer
        };
        assert_eq!(first_take(&mut one, 70, &soon), Some(7));
        let late = offer(&mut other, 20, time(5, None));
        assert_eq!(late.since_take, None, "a third of a second");
        assert_eq!(first_take(&mut one, 70, &late), Some(0));
    }

    #[test]
    fn a_core_that_does_not_tell_its_time_is_given_bytes_at_once() {
        let (mut maker, mut taker) = (Pauses::default(), Pauses::default());
        for (made, look) in [(None, time(1, None)), (time(5, None), None), (None, None)] {
            for _ in 0..2 {
                let offer = offer(&mut maker, 70, made);
                taker.handle_look(at(0, look));
                assert!(taker.may_take(&offer));
                taker.handle_take(&offer);
            }
        }
    }
}
