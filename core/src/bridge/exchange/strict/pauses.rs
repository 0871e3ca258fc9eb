//! Pauses between transfers of the strict exchange: a game that takes a byte is left the emulated time that
//! its maker's game had since the transfer before, whichever side clocked that.

use crate::bridge::exchange::pause::{Made, Pause};
use crate::protocol::Offer;
use crate::sequence_numbers::{Number, OwnChunk, PeerChunk};
use crate::time::{Chunk, FrameTime};

/// Chunks from one transfer to the next at the normal clock, where a game does nothing between the two.
const BACK_TO_BACK: u64 = 2;

/// The latest chunk of a frame for which a call is left: some games look in none after it.
const LATEST_PLACE: u64 = 12;

/// The last transfers of both directions, and where the game stands. Nothing is kept where either core does
/// not tell its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pauses {
    /// Frames that were emulated before the one that runs.
    frame: u64,
    /// The chunk of the last look.
    now: Option<OwnChunk>,
    /// Chunk of our game's last transfer.
    clocked: Option<OwnChunk>,
    /// The last take: when it was made over there, and taken here.
    taken: Option<(Made<PeerChunk>, OwnChunk)>,
}

impl Pauses {
    pub(super) fn handle_frame(&mut self, frame: u64) {
        self.frame = frame;
    }

    pub(super) fn handle_look(&mut self, chunk: Option<Chunk>) {
        self.now = chunk.map(|chunk| self.at(FrameTime::of_chunk(chunk)).chunk);
    }

    /// The game clocks a transfer at this moment; returns its offer with what the peer needs of that.
    pub(super) fn handle_request(&mut self, offer: Offer, time: Option<FrameTime>) -> Offer {
        let made = time.map(|time| self.at(time).chunk);
        self.clocked = made;
        let since = made.zip(self.taken).map(|(made, (_, taken))| made.since(taken));
        Offer {
            chunk: time.map(|time| time.chunk),
            part: time.and_then(|time| time.part),
            since_take: since
                .and_then(|chunks| u8::try_from(chunks).ok())
                .filter(|chunks| *chunks < u8::MAX),
            ..offer
        }
    }

    /// True if the look that runs comes before the place in its frame at which this offer was made and shifted
    /// out; `None` where either core does not tell its time.
    pub(super) fn is_before(&self, offer: &Offer) -> Option<bool> {
        let place = self.now?.raw() % u64::from(Chunk::PER_FRAME);
        Some(place <= u64::from(offer.chunk?.raw()).min(LATEST_PLACE))
    }

    /// True if this offer may be taken at the look that runs: as long after the transfer before as it was
    /// made.
    pub(super) fn may_take(&self, offer: &Offer) -> bool {
        let Some(now) = self.now else { return true };
        let is_kept = |(before, taken): (Made<PeerChunk>, OwnChunk)| {
            made(offer).is_none_or(|made| now >= taken.after(rounded(made.since(before))))
        };
        let is_answer = |(clocked, chunks): (OwnChunk, u8)| {
            now >= clocked.after((u64::from(chunks) + 1).min(Chunk::PER_FRAME.into()))
        };
        self.taken.is_none_or(is_kept) && self.clocked.zip(offer.since_take).is_none_or(is_answer)
    }

    /// The game has taken this offer at the last look.
    pub(super) fn handle_take(&mut self, offer: &Offer) {
        self.taken = made(offer).zip(self.now);
    }

    fn at(&self, time: FrameTime) -> Made<OwnChunk> {
        Made::at(self.frame, time)
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

/// Chunks for which a game is left alone after such a pause of its maker: as long as that, a frame at most,
/// by which every game is ready.
fn rounded(Pause { chunks, whole }: Pause) -> u64 {
    let most = u64::from(Chunk::PER_FRAME);
    match chunks {
        // Back to back, nobody has had time for more than the transfer.
        0..=BACK_TO_BACK => chunks,
        chunks => whole.unwrap_or(chunks.saturating_add(1)).min(most),
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

    /// Chunks of the frame at which a game that looks in each is first given this offer.
    fn first_take(taker: &mut Pauses, offer: &Offer) -> Option<u8> {
        (0..Chunk::PER_FRAME).find(|chunk| {
            taker.handle_look(Some(Chunk::new(*chunk)));
            taker.may_take(offer)
        })
    }

    /// An offer of this frame, which the maker's game clocks at this moment.
    fn offer(maker: &mut Pauses, frame: u64, time: Option<FrameTime>) -> Offer {
        maker.handle_frame(frame);
        let offer = Offer {
            frame,
            ..Offer::default()
        };
        maker.handle_request(offer, time)
    }

    #[test]
    fn a_game_is_left_the_time_that_its_makers_had() {
        for (part, later, expected) in [(Some(90), Some(5), 3), (Some(9), Some(90), 4), (None, None, 4)] {
            let (mut maker, mut taker) = (Pauses::default(), Pauses::default());
            taker.handle_frame(900);
            let first = offer(&mut maker, 70, time(5, part));
            assert_eq!(
                first_take(&mut taker, &first),
                Some(0),
                "the first one as soon as it listens"
            );
            taker.handle_take(&first);
            let second = offer(&mut maker, 70, time(8, later));
            assert_eq!(first_take(&mut taker, &second), Some(expected));
            taker.handle_take(&second);
            taker.handle_frame(902);
            let third = offer(&mut maker, 75, time(8, later));
            assert_eq!(
                first_take(&mut taker, &third),
                Some(0),
                "a frame later it is ready"
            );
        }
    }

    #[test]
    fn a_call_is_left_to_its_place_in_the_frame() {
        let taker = |chunk| {
            let mut taker = Pauses::default();
            taker.handle_look(chunk);
            taker
        };
        let offer = |time| offer(&mut Pauses::default(), 70, time);
        for (made, first) in [(0, 1), (7, 8), (16, 13)] {
            let is_before = |chunk| taker(Some(Chunk::new(chunk))).is_before(&offer(time(made, None)));
            assert_eq!(
                (is_before(first - 1), is_before(first)),
                (Some(true), Some(false))
            );
        }
        assert_eq!(taker(None).is_before(&offer(time(7, None))), None);
        assert_eq!(taker(Some(Chunk::new(7))).is_before(&offer(None)), None);
    }

    #[test]
    fn so_is_one_that_is_answered_with_the_others_clock() {
        let (mut one, mut other) = (Pauses::default(), Pauses::default());
        let question = offer(&mut one, 70, time(5, None));
        other.handle_look(Some(Chunk::new(2)));
        other.handle_take(&question);
        let answer = offer(&mut other, 0, time(5, None));
        assert_eq!(answer.since_take, Some(3));
        assert_eq!(first_take(&mut one, &answer), Some(9));
        let soon = Offer {
            since_take: Some(1),
            ..answer
        };
        assert_eq!(first_take(&mut one, &soon), Some(7));
        let late = offer(&mut other, 20, time(5, None));
        assert_eq!(late.since_take, None, "a third of a second");
        assert_eq!(first_take(&mut one, &late), Some(0));
    }

    #[test]
    fn a_core_that_does_not_tell_its_time_is_given_bytes_at_once() {
        let (mut maker, mut taker) = (Pauses::default(), Pauses::default());
        for (time, chunk) in [(None, Some(Chunk::new(1))), (time(5, None), None), (None, None)] {
            for _ in 0..2 {
                let offer = offer(&mut maker, 70, time);
                taker.handle_look(chunk);
                assert!(taker.may_take(&offer));
                taker.handle_take(&offer);
            }
        }
    }
}
