//! Timeline of both games: where a moment of the peer's emulated time lies in this side's.
//!
//! On a cable a byte is taken at the moment at which it is sent. Two emulators run the same frames at
//! different moments of real time, so that an offer says the chunk of emulated time in which it was made,
//! and is taken in that chunk of the taker's own time: by going back where that has passed.
//!
//! The numbers of both sides' frames differ by a *lead*. One side, the *keeper*, says it with each of its
//! offers, so that both know the same of each of them; and applies it to the offers that it hears. It follows
//! the two frame counters as they are observed, in moments in which nothing crosses, and at once where the
//! games have come far apart: after a menu, or a stall.

use super::due::{Due, Progress};
use crate::bridge::exchange::crossing::Crossing;
use crate::bridge::exchange::pause::Made;
use crate::sequence_numbers::{Number, OwnChunk, OwnFrame, PeerChunk, PeerFrame, SharedChunk};
use crate::time::{Chunk, FrameTime, TCycles};
use std::time::Duration;

/// Chunks by which the numbers of two frames that follow each other differ.
const CHUNKS: u64 = Chunk::PER_FRAME as u64;

/// Chunks by which the frames of the keeper's game begin before those of the other's, as of two consoles that
/// are not switched on at the same moment: programs that do the same in the same frame would else do it at
/// once for ever.
const PHASE: i64 = 5;

/// Collisions in a row after which a game is taken for one that never listens.
const COLLISIONS: u32 = 3;

/// Parts of a frame in which leads are measured.
const PARTS: i64 = 16;
/// Divisor of the difference by which the measured lead follows a datagram: a second of a game at play.
const SMOOTHING: i64 = 8;
/// Frames by which the lead may be wrong before it is corrected, whatever crosses: what the two sides replay
/// more for it together.
const MAX_ERROR: i64 = 4;
/// Limit on a lead, in frames, six hundred years: whatever a peer says, no sum with it overflows.
const MOST_LEAD: i64 = 1 << 40;
/// Calls without news after which it is corrected by a frame: longer than the pauses inside the packets of
/// the games that were measured, shorter than those between them.
const QUIET_CALLS: u32 = 16;

/// This side's view of the timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Timeline {
    is_keeper: bool,
    /// The core tells the time inside its frames, and the peer's does.
    has_clock: bool,
    has_peer_clock: bool,
    /// As keeper: by how many frames the peer's time exceeds ours, but for [`PHASE`].
    lead: i64,
    /// The same as measured, in parts of a frame.
    measured: Option<i64>,
    /// Frames of ours before this one have all of the peer's offers that are due in them.
    heard: OwnFrame,
    /// Times, since the game last listened, that it did not hear an offer of the peer.
    collisions: u32,
    /// Time of a datagram from the peer to here, in parts of a frame.
    one_way: i64,
}

/// Order of two offers that cross, by the moments that both sides know of them.
pub(super) fn crossing(own: Option<SharedChunk>, theirs: Option<SharedChunk>) -> Crossing {
    match own.zip(theirs) {
        Some((own, theirs)) if own.after(1) < theirs => Crossing::Ours,
        Some((own, theirs)) if theirs.after(1) < own => Crossing::Theirs,
        _ => Crossing::Pair,
    }
}

impl Timeline {
    /// A session begins, in which this side keeps the timeline, or the peer does.
    pub(super) fn plug(&mut self, is_keeper: bool) {
        self.is_keeper = is_keeper;
        self.measured = None;
        self.heard = OwnFrame::default();
    }

    pub(super) fn set_round_trip(&mut self, round_trip: Duration) {
        let frame = TCycles::FRAME.nominal_duration().as_nanos();
        let parts = round_trip.as_nanos() * u128::from(PARTS.unsigned_abs()) / 2 / frame;
        self.one_way = i64::try_from(parts).unwrap_or(MOST_LEAD).min(MOST_LEAD);
    }

    /// The core tells the time inside its frames from here on, or does not.
    pub(super) fn set_clock(&mut self, has_clock: bool) {
        self.has_clock = has_clock;
    }

    pub(super) fn has_clock(&self) -> bool {
        self.has_clock
    }

    pub(super) fn set_peer_clock(&mut self, has_clock: bool) {
        self.has_peer_clock = has_clock;
    }

    /// True if both cores tell their time: then bytes are taken at their moments.
    pub(super) fn is_shared(&self) -> bool {
        self.has_clock && self.has_peer_clock
    }

    /// True once the moments that an offer of ours says mean something to the peer.
    pub(super) fn is_set(&self) -> bool {
        self.is_shared() && (!self.is_keeper || self.measured.is_some())
    }

    /// The frame of ours before which all of the peer's offers are known, as far as it knows itself.
    pub(super) fn heard(&self) -> OwnFrame {
        self.heard
    }

    /// The peer says that its frames before this one are final, with its lead; all offers in them are known
    /// here.
    pub(super) fn handle_final(&mut self, theirs: PeerFrame, lead: i64) {
        if !self.is_shared() {
            return;
        }
        let lead = if self.is_keeper { -self.lead() } else { lead };
        let begun = theirs.raw().saturating_mul(CHUNKS).saturating_add_signed(lead);
        self.heard = self.heard.max(frame(OwnChunk::new(begun)));
    }

    /// The peer stood at this frame when it wrote a datagram that has just arrived in our frame.
    pub(super) fn handle_position(&mut self, theirs: PeerFrame, ours: OwnFrame, quiet: u32) {
        if !self.is_shared() {
            return;
        }
        let apart = theirs
            .raw()
            .cast_signed()
            .saturating_sub(ours.raw().cast_signed());
        let now = apart.clamp(-MOST_LEAD, MOST_LEAD) * PARTS + self.one_way;
        let far = |other: i64| now.abs_diff(other) > (MAX_ERROR * PARTS).unsigned_abs();
        let measured = match self.measured {
            Some(before) if !far(before) => before + (now - before) / SMOOTHING,
            _ => now,
        };
        let error = (measured - self.lead * PARTS).abs();
        let most = if quiet >= QUIET_CALLS { 1 } else { MAX_ERROR };
        if self.measured.is_none() || error >= most * PARTS {
            self.lead = (measured + PARTS / 2).div_euclid(PARTS);
        }
        self.measured = Some(measured);
    }

    /// The game did not hear an offer of the peer.
    pub(super) fn handle_collision(&mut self) {
        self.collisions = self.collisions.saturating_add(1);
    }

    /// The game listens.
    pub(super) fn handle_listening(&mut self) {
        self.collisions = 0;
    }

    /// True for games that both clock and neither of which ever listens: without moments their offers are
    /// each other's answers, where on a cable both would read nothing.
    pub(super) fn is_colliding(&self) -> bool {
        self.collisions >= COLLISIONS
    }

    /// The lead that our next offer says, in chunks; 0 where the peer keeps the timeline.
    pub(super) fn lead(&self) -> i64 {
        match self.is_keeper {
            true => self.lead * CHUNKS.cast_signed() - PHASE,
            false => 0,
        }
    }

    /// The moments of an offer of the peer, made in this frame and at this moment of it, with the lead that
    /// it says. `None` where either core does not tell its time.
    pub(super) fn due(&self, frame: PeerFrame, time: Option<FrameTime>, lead: i64) -> Option<Due> {
        let made: Made<PeerChunk> = Made::at(frame.raw(), time.filter(|_| self.has_clock)?);
        let lead = if self.is_keeper { -self.lead() } else { lead };
        let now = made.chunk.raw();
        let due = now.saturating_add_signed(lead);
        Some(Due {
            time: OwnChunk::new(due),
            shared: SharedChunk::new(if self.is_keeper { now } else { due }),
            made,
            progress: Progress::Ahead,
        })
    }
}

/// The chunk of our own time at this place in this frame.
pub(super) fn chunk(frame: OwnFrame, chunk: Chunk) -> OwnChunk {
    OwnChunk::new(
        frame
            .raw()
            .saturating_mul(CHUNKS)
            .saturating_add(chunk.raw().into()),
    )
}

/// The frame in which this chunk begins.
pub(super) fn frame(chunk: OwnChunk) -> OwnFrame {
    OwnFrame::new(chunk.raw() / CHUNKS)
}

/// The moment that both sides know of an offer of ours, made in this chunk with this lead.
pub(super) fn shared(chunk: OwnChunk, lead: i64) -> SharedChunk {
    SharedChunk::new(chunk.raw().saturating_add_signed(lead))
}

/// The place of this chunk in its frame.
pub(super) fn place(chunk: OwnChunk) -> Chunk {
    Chunk::new(u8::try_from(chunk.raw() % CHUNKS).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(is_keeper: bool) -> Timeline {
        let mut timeline = Timeline::default();
        timeline.plug(is_keeper);
        timeline.set_clock(true);
        timeline.set_peer_clock(true);
        timeline
    }

    /// The peer's frames as they are observed, one a frame, and the leads that are said meanwhile.
    fn observe(timeline: &mut Timeline, apart: impl Fn(u64) -> u64, quiet: u32) -> Vec<i64> {
        let frames = 100..400;
        frames
            .map(|frame| {
                let theirs = PeerFrame::new(apart(frame));
                timeline.handle_position(theirs, OwnFrame::new(frame), quiet);
                timeline.lead()
            })
            .collect()
    }

    #[test]
    fn both_sides_know_the_same_moment_of_each_offer() {
        let (mut keeper, other) = (shared(true), shared(false));
        keeper.handle_position(PeerFrame::new(730), OwnFrame::new(100), 0);
        let lead = keeper.lead();
        assert_eq!(
            lead,
            630 * 17 - 5,
            "the keeper's frames begin a little before the other's"
        );
        let at = Chunk::new(7);
        let made = chunk(OwnFrame::new(101), at);
        let heard = other
            .due(PeerFrame::new(101), Some(FrameTime::of_chunk(at)), lead)
            .unwrap();
        assert_eq!(heard.time, OwnChunk::new(731 * 17 + 2));
        assert_eq!(Some(heard.shared), Some(super::shared(made, lead)));
        let back = keeper
            .due(PeerFrame::new(731), Some(FrameTime::of_chunk(Chunk::new(2))), 0)
            .unwrap();
        assert_eq!(back.time, made, "whatever lead it says");
        assert_eq!(
            back.shared,
            super::shared(chunk(OwnFrame::new(731), Chunk::new(2)), 0)
        );
        keeper.set_peer_clock(false);
        keeper.handle_position(PeerFrame::new(7), OwnFrame::new(100), 0);
        assert_eq!(keeper.lead(), lead, "nothing is followed without both clocks");
        assert!(
            other.due(PeerFrame::new(101), None, lead).is_none(),
            "no clock over there"
        );
        assert!(
            Timeline::default()
                .due(PeerFrame::new(1), Some(FrameTime::of_chunk(at)), 0)
                .is_none(),
            "none here"
        );
    }

    #[test]
    fn the_earlier_of_two_crossing_offers_is_the_same_for_both_and_within_a_chunk_they_are_a_pair() {
        let at = |time| Some(SharedChunk::new(time));
        for (own, theirs, expected) in [
            (at(50), at(52), Crossing::Ours),
            (at(50), at(51), Crossing::Pair),
            (at(51), at(50), Crossing::Pair),
            (at(52), at(50), Crossing::Theirs),
            (None, at(50), Crossing::Pair),
            (at(50), None, Crossing::Pair),
        ] {
            assert_eq!(crossing(own, theirs), expected, "{own:?} {theirs:?}");
            let mirrored = match expected {
                Crossing::Ours => Crossing::Theirs,
                Crossing::Theirs => Crossing::Ours,
                Crossing::Pair => Crossing::Pair,
            };
            assert_eq!(crossing(theirs, own), mirrored);
        }
    }

    #[test]
    fn the_lead_follows_in_a_pause_by_frames_and_in_play_only_where_it_is_far_off() {
        let drifting = |frame: u64| frame + 50 + (frame - 100) / 40;
        let in_play = observe(&mut shared(true), drifting, 0);
        let changes = |leads: &[i64]| leads.windows(2).filter(|two| two[0] != two[1]).count();
        assert_eq!(changes(&in_play), 1, "seven frames in three hundred");
        let in_a_pause = observe(&mut shared(true), drifting, QUIET_CALLS);
        assert!((6..=8).contains(&changes(&in_a_pause)));
        // A menu of ten seconds over there.
        let jumping = |frame: u64| if frame < 200 { frame + 50 } else { frame - 150 };
        let leads = observe(&mut shared(true), jumping, 0);
        assert_eq!((changes(&leads), *leads.last().unwrap()), (1, -150 * 17 - 5));
    }

    #[test]
    fn no_number_of_a_peer_overflows() {
        for is_keeper in [false, true] {
            let mut timeline = shared(is_keeper);
            timeline.set_round_trip(Duration::MAX);
            for theirs in [u64::MAX, 0, u64::MAX >> 1, 1 << 62, 7] {
                for ours in [0, u64::MAX, 1 << 40] {
                    timeline.handle_position(PeerFrame::new(theirs), OwnFrame::new(ours), 99);
                    for lead in [i64::MIN, -1, i64::MAX, timeline.lead()] {
                        timeline.due(
                            PeerFrame::new(theirs),
                            Some(FrameTime::of_chunk(Chunk::LAST)),
                            lead,
                        );
                        timeline.handle_final(PeerFrame::new(theirs), lead);
                        super::shared(chunk(OwnFrame::new(ours), Chunk::LAST), lead);
                    }
                }
            }
        }
    }

    #[test]
    fn what_the_path_holds_up_is_counted_once() {
        let mut timeline = shared(true);
        timeline.set_round_trip(TCycles::FRAME.nominal_duration() * 4);
        timeline.handle_position(PeerFrame::new(100), OwnFrame::new(100), 0);
        assert_eq!(timeline.lead(), 2 * 17 - 5, "it has gone on for two frames since");
    }

    #[test]
    fn frames_whose_offers_are_all_known_are_told_from_those_that_may_get_one() {
        let mut timeline = shared(false);
        timeline.handle_final(PeerFrame::new(10), 90 * 17 - 5);
        assert_eq!(
            timeline.heard(),
            OwnFrame::new(99),
            "it begins in the middle of that"
        );
        timeline.handle_final(PeerFrame::new(9), 90 * 17 - 5);
        assert_eq!(timeline.heard(), OwnFrame::new(99), "what was final stays so");
    }

    #[test]
    fn games_that_both_clock_and_never_listen_are_told_by_their_collisions() {
        let mut timeline = shared(true);
        for _ in 0..COLLISIONS {
            assert!(!timeline.is_colliding());
            timeline.handle_collision();
        }
        assert!(timeline.is_colliding());
        timeline.handle_listening();
        assert!(!timeline.is_colliding());
    }
}
