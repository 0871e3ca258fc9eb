//! Liveness of the peer: what its datagrams show of its emulation, and how long it is worth waiting for.
//!
//! The table of waits: a game that clocks waits for the verdict while the peer's frames advance, or it is not
//! heard, up to two seconds; at most 250 to 500 ms, once, while it is heard and they do not; not at all when
//! the peer is paused, or was not listening last time; and after a wait that ran out no longer than three
//! frames, until the peer has judged an offer.
//!
//! Where the game's call can end while it waits, so that its player has menu and buttons meanwhile, the wait
//! is patient: while the peer is silent or paused no time counts, as long as the session lasts, and frames
//! that stand still are waited for as long as those that advance.
//! Counting the peer's emulated frames is the hardware's own rule and survives a network spike that a
//! deadline in wall time would turn into a lost byte.

use super::stats::Timeouts;
use crate::protocol::{Flags, Header, Sequence};
use crate::time::LocalTime;
use std::time::Duration;

/// After a refusal, one transfer in so many is offered all the same, or two clocking games would never meet.
const OFFER_EVERY: u32 = 30;

/// No wait lasts longer, whatever the peer says; under the several seconds after which a player thinks it
/// crashed.
pub const WAIT_LIMIT: Duration = Duration::from_secs(2);

/// The longest wait for a peer that is heard and whose frames stand still.
const STANDING_WAIT: Duration = Duration::from_millis(500);

/// The longest wait for a peer that has let one run out, until it gives a verdict: three frames.
const OVERDUE_WAIT: Duration = Duration::from_millis(50);

/// Most frames from one datagram to the next of a peer that is not silent: two in a row may be lost.
const FRAMES_TOGETHER: u64 = 3;

/// Three frames: a peer that is heard after so long without a new frame stands still.
const STANDING_AFTER: Duration = Duration::from_millis(50);

/// The peer's emulation as its datagrams show it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Liveness {
    newest: Sequence,
    frames: u64,
    last_advance: LocalTime,
    last_heard: LocalTime,
    /// Arrival of the first datagram of its newest frame, where no more than two before it were missed.
    frame_at: LocalTime,
    /// As the newest datagram had them.
    flags: Flags,
    /// When its next frame begins, as far as it says: after a frame in which its game clocked.
    next_frame_at: Option<LocalTime>,
    /// A wait ended because its frames did not advance, and they have not since.
    has_stalled: bool,
    /// A wait ran out although its frames advanced, and it has given no verdict since.
    is_overdue: bool,
    /// Requests since the peer's game refused one, until it arms or clocks.
    refused: Option<u32>,
    /// Silence and pauses of the peer are waited out.
    is_patient: bool,
}

impl Liveness {
    /// Knowledge of another peer: none.
    pub(super) fn restarted(&self) -> Liveness {
        Liveness {
            is_patient: self.is_patient,
            ..Liveness::default()
        }
    }

    /// Sets whether silence and pauses of the peer are waited out.
    pub(super) fn set_patient(&mut self, is_patient: bool) {
        self.is_patient = is_patient;
    }

    pub(super) fn is_patient(&self) -> bool {
        self.is_patient
    }

    /// Takes the peer's states from the newest datagram; older ones that arrive late say nothing.
    pub(super) fn handle_header(&mut self, now: LocalTime, header: &Header) {
        if header.sequence <= self.newest {
            return;
        }
        self.newest = header.sequence;
        self.last_heard = now;
        self.flags = header.flags;
        // The first byte of its next frame takes as long to arrive as this datagram did.
        self.next_frame_at =
            (header.rest != 0).then(|| now.after(Duration::from_micros(u64::from(header.rest))));
        // What one that let a wait run out says of its game is not believed.
        if header.flags.contains(Flags::ARMED) && !self.is_overdue {
            self.refused = None;
        }
        if (1..=FRAMES_TOGETHER).contains(&header.frames.saturating_sub(self.frames)) {
            self.frame_at = now;
        }
        if header.frames > self.frames {
            self.frames = header.frames;
            self.last_advance = now;
            self.has_stalled = false;
        }
    }

    /// The peer's game made an offer of its own, and waits as long as it repeats it: its frames stand still
    /// for that.
    pub(super) fn handle_clocking(&mut self, now: LocalTime) {
        self.refused = None;
        self.last_advance = self.last_advance.max(now);
    }

    /// The peer has judged an offer.
    pub(super) fn handle_verdict(&mut self) {
        if std::mem::take(&mut self.is_overdue) {
            self.refused = None;
        }
    }

    /// The peer's game refused an offer.
    pub(super) fn handle_refusal(&mut self) {
        self.refused.get_or_insert(0);
    }

    /// Highest sequence heard, 0 for none.
    pub(super) fn newest(&self) -> Sequence {
        self.newest
    }

    /// Frames that the peer had emulated, or stood still in for us, as its newest datagram left.
    pub(super) fn turns(&self) -> u64 {
        self.frames
    }

    /// True if the peer says that its emulation stands still.
    pub(super) fn is_paused(&self) -> bool {
        self.flags.contains(Flags::PAUSED)
    }

    /// True if the peer's game waits a little for each verdict although it could go on without.
    pub(super) fn awaits_verdicts(&self) -> bool {
        self.flags.contains(Flags::RENDEZVOUS)
    }

    /// When the first byte of the peer's next frame can be here, where its game clocks and it rests between
    /// two frames.
    pub(super) fn next_frame_at(&self) -> Option<LocalTime> {
        self.next_frame_at
    }

    /// Start of its newest frame, as its path shows it; behind a silence, of the newest one before.
    pub(super) fn frame_at(&self) -> LocalTime {
        self.frame_at
    }

    /// True if a request is worth offering now; the peer is linked.
    pub(super) fn may_offer(&mut self) -> bool {
        if self.has_stalled || (self.is_paused() && !self.is_patient) {
            return false;
        }
        let Some(count) = &mut self.refused else {
            return true;
        };
        *count = count.wrapping_add(1);
        count.is_multiple_of(OFFER_EVERY)
    }

    /// When the game that waits since `since` reads 0xFF at the latest, as far as is known now.
    ///
    /// A peer that is heard and says that its frames stand still is not waited for as long as one that is not
    /// heard: on a radio channel silence mostly means that its datagrams are held up.
    pub(super) fn deadline(&self, since: LocalTime, round_trip: Duration) -> LocalTime {
        let last_sign = since.max(self.last_advance);
        let is_standing = self.last_heard >= last_sign.after(STANDING_AFTER);
        let patience = if is_standing && !self.is_patient {
            (2 * round_trip + Duration::from_millis(100)).clamp(Duration::from_millis(250), STANDING_WAIT)
        } else {
            WAIT_LIMIT
        };
        let stalled = last_sign.after(patience);
        stalled.min(since.after(self.wait_limit()))
    }

    fn wait_limit(&self) -> Duration {
        if self.is_overdue { OVERDUE_WAIT } else { WAIT_LIMIT }
    }

    /// True if the game that waits since `since` has waited long enough; why is counted.
    pub(super) fn is_given_up(
        &mut self,
        now: LocalTime,
        since: LocalTime,
        round_trip: Duration,
        timeouts: &mut Timeouts,
    ) -> bool {
        if self.is_paused() {
            timeouts.paused += 1;
        } else if now < self.deadline(since, round_trip) {
            return false;
        } else if now >= since.after(self.wait_limit()) && self.last_heard.after(STANDING_WAIT) >= now {
            self.is_overdue = true;
            self.handle_refusal();
            timeouts.overdue += 1;
        } else {
            self.has_stalled = true;
            timeouts.stalled += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Nonce;

    const T: LocalTime = LocalTime(1_000_000_000);

    fn at(ms: u64) -> LocalTime {
        T.after(Duration::from_millis(ms))
    }

    /// Why the game that waits since [`T`] is given up at `now`, if it is.
    fn give_up(liveness: &mut Liveness, now: LocalTime) -> Option<Timeouts> {
        let mut timeouts = Timeouts::default();
        liveness
            .is_given_up(now, T, Duration::ZERO, &mut timeouts)
            .then_some(timeouts)
    }

    fn header(sequence: u64, frames: u64, flags: Flags) -> Header {
        Header {
            from: Nonce(1),
            to: Nonce(2),
            sequence: Sequence(sequence),
            frames,
            flags,
            ..Header::default()
        }
    }

    #[test]
    fn frames_that_advance_are_waited_for_but_not_for_ever() {
        let mut liveness = Liveness::default();
        for i in 1..=120 {
            liveness.handle_header(at(i * 16), &header(i, i, Flags::default()));
            assert_eq!(give_up(&mut liveness, at(i * 16)), None);
        }
        assert_eq!(give_up(&mut liveness, at(2000)).unwrap().overdue, 1);
    }

    #[test]
    fn frames_that_stand_still_cost_one_wait() {
        let mut liveness = Liveness::default();
        liveness.handle_header(T, &header(1, 1, Flags::default()));
        assert!(liveness.may_offer());
        liveness.handle_header(at(100), &header(2, 1, Flags::default()));
        assert_eq!(give_up(&mut liveness, at(249)), None);
        assert_eq!(give_up(&mut liveness, at(250)).unwrap().stalled, 1);
        assert!(!liveness.may_offer());
        liveness.handle_header(at(300), &header(3, 2, Flags::default()));
        assert!(liveness.may_offer());
        liveness.handle_header(at(360), &header(4, 2, Flags::default()));
        assert_eq!(liveness.deadline(at(300), Duration::from_millis(150)), at(700));
        assert_eq!(liveness.deadline(at(300), Duration::from_secs(9)), at(800));
    }

    #[test]
    fn silence_is_waited_for_longer_than_a_peer_that_stands_still() {
        let mut liveness = Liveness::default();
        liveness.handle_header(T, &header(1, 1, Flags::default()));
        liveness.handle_header(at(20), &header(2, 1, Flags::default()));
        assert_eq!(liveness.deadline(T, Duration::ZERO), at(2000));
        liveness.handle_header(at(60), &header(3, 1, Flags::default()));
        assert_eq!(liveness.deadline(T, Duration::ZERO), at(250));
    }

    #[test]
    fn a_pause_ends_the_wait_at_once() {
        let mut liveness = Liveness::default();
        liveness.handle_header(T, &header(1, 1, Flags::PAUSED));
        assert!(!liveness.may_offer());
        assert_eq!(give_up(&mut liveness, T).unwrap().paused, 1);
        liveness.handle_header(T, &header(3, 2, Flags::default()));
        liveness.handle_header(T, &header(2, 1, Flags::PAUSED));
        assert!(
            !liveness.is_paused(),
            "an older datagram that arrives late says nothing"
        );
    }

    #[test]
    fn a_patient_game_offers_to_a_paused_peer_and_waits_for_one_that_stands_still() {
        let mut liveness = Liveness::default();
        liveness.set_patient(true);
        liveness.handle_header(T, &header(1, 1, Flags::PAUSED));
        assert!(liveness.may_offer());
        liveness.handle_header(at(100), &header(2, 1, Flags::default()));
        assert_eq!(give_up(&mut liveness, at(1999)), None);
        assert_eq!(give_up(&mut liveness, at(2000)).unwrap().stalled, 1);
        let mut other = liveness.restarted();
        assert!(other.may_offer() && other.is_patient());
    }

    #[test]
    fn after_a_refusal_every_thirtieth_request_is_offered() {
        let mut liveness = Liveness::default();
        liveness.handle_header(T, &header(1, 1, Flags::default()));
        liveness.handle_refusal();
        assert_eq!((0..90).filter(|_| liveness.may_offer()).count(), 3);
        liveness.handle_header(T, &header(2, 2, Flags::ARMED));
        assert!(liveness.may_offer());
    }

    #[test]
    fn a_frame_of_the_peer_starts_with_its_first_datagram_and_not_behind_a_silence() {
        let mut liveness = Liveness::default();
        for i in 0..100 {
            // It says so between two frames, too.
            liveness.handle_header(at(i * 10), &header(i + 1, i / 2 + 1, Flags::default()));
        }
        assert_eq!(liveness.frame_at(), at(980));
        liveness.handle_header(at(2000), &header(200, 99, Flags::default()));
        assert_eq!(liveness.frame_at(), at(980));
        liveness.handle_header(at(2017), &header(201, 100, Flags::default()));
        assert_eq!(liveness.frame_at(), at(2017));
    }
}
