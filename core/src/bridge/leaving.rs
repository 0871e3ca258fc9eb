//! Leaving: when a call of the frontend ends in which the game waits for its peer.
//!
//! A call that lasts on costs the player menu, buttons and pictures; one that is left costs a game that would
//! have ended its frame in time up to a frame. So it is left once a peer that is there would have been heard:
//! one that is in its frame answers within a round trip, and one that rests is heard again when its next frame
//! begins. The frame of a game that exchanges many bytes in it, each for a round trip, or one over a long
//! path, cannot end in time: there a call is left as soon as it has lasted for nearly a frame.

use super::context::{RoundTrip, Wait};
use super::liveness::Liveness;
use super::session::Session;
use crate::time::{LocalTime, TCycles};
use std::time::Duration;

/// A call of the frontend lasts for so long before it is left: a little less than a frame, so that a frontend
/// with a rhythm of its own calls again at once.
const EARLIEST: Duration = Duration::from_millis(15);

/// The longest wait in a call, whatever its peer may still say: with what is left of the core's work and of
/// ours it ends within 20 ms.
const LATEST: Duration = Duration::from_millis(18);

/// Longest time between two datagrams of a peer whose game plays, of whose frames nothing is known: a frame
/// and some jitter.
const LONGEST_GAP: Duration = Duration::from_millis(20);

/// Time by which a peer may be late besides what its path shows: a wake-up, and its own work before it sends.
const MARGIN: Duration = Duration::from_millis(2);

/// Bytes that a game has waited for in its frame, after which it counts as one that exchanges many.
const MANY_BYTES: u32 = 2;

/// Knowledge of a peer that is not heard while the game waits.
#[derive(Clone, Copy, Debug)]
struct Absence {
    /// Start of its silence: nothing has been heard of it since then, or it has not heard us.
    silent_since: LocalTime,
    /// Time of the offer, while the peer has not heard it.
    unheard_offer: Option<LocalTime>,
    /// Start of its newest frame.
    frame_at: LocalTime,
    /// Start of its next one.
    next_frame_at: LocalTime,
    round_trip: RoundTrip,
}

/// Moment at which to leave the call that began at `called`; the game has waited for so many `bytes` in its
/// frame before this one.
pub(super) fn leave_at(
    called: LocalTime,
    (wait, bytes): (&Wait, u32),
    session: &Session,
    peer: &Liveness,
    round_trip: RoundTrip,
) -> LocalTime {
    let earliest = called.after(EARLIEST);
    let is_late_anyway = bytes >= MANY_BYTES || round_trip.mean >= EARLIEST;
    if peer.is_paused() || is_late_anyway {
        return earliest;
    }
    let next_frame_at = peer
        .next_frame_at()
        .unwrap_or_else(|| peer.frame_at().after(TCycles::FRAME.nominal_duration()));
    let absence = Absence {
        silent_since: session.silent_since(),
        unheard_offer: (session.acknowledged() <= wait.sent).then_some(wait.since),
        frame_at: peer.frame_at(),
        next_frame_at,
        round_trip,
    };
    absence.absent_from().clamp(earliest, called.after(LATEST))
}

impl Absence {
    /// Moment from which on the peer counts as absent, unless it is heard before.
    fn absent_from(&self) -> LocalTime {
        let RoundTrip { mean, slow } = self.round_trip;
        // A long path varies by more than the newest samples show.
        let margin = MARGIN + mean / 2 + slow.saturating_sub(mean);
        let offered = self.unheard_offer.unwrap_or(self.silent_since);
        let answer_due = self.silent_since.min(offered).after(mean + margin);
        // A frame that began with the offer at hand would have acknowledged it.
        let is_deaf = self.unheard_offer.is_some() && self.frame_at >= offered.after(mean + margin);
        let next_frame = if is_deaf {
            self.frame_at
        } else {
            self.next_frame_at
        };
        answer_due
            .max(next_frame.after(margin))
            .min(self.silent_since.after(LONGEST_GAP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const FRAME: Duration = Duration::from_nanos(16_742_706);
    const CALLED: LocalTime = LocalTime(1_000_000_000);

    fn at(ms: u64) -> LocalTime {
        CALLED.after(Duration::from_millis(ms))
    }

    /// A peer on this path, whose newest frame began at `frame_at`; nothing has come since then, and it has
    /// heard the offer.
    fn absence(frame_at: LocalTime, round_trip: Duration) -> Absence {
        Absence {
            silent_since: frame_at,
            unheard_offer: None,
            frame_at,
            next_frame_at: frame_at.after(FRAME),
            round_trip: RoundTrip {
                mean: round_trip,
                slow: round_trip,
            },
        }
    }

    /// The call's length when the peer is sure to be absent.
    fn sure_after(absence: Absence) -> Duration {
        absence.absent_from().since(CALLED)
    }

    #[test]
    fn a_peer_that_rests_is_waited_for_until_its_next_frame_is_late() {
        let began = absence(at(0), MS / 2);
        let after_bytes = Absence {
            silent_since: at(12),
            ..began
        };
        assert_eq!(sure_after(began), sure_after(after_bytes));
        let late = sure_after(after_bytes).checked_sub(FRAME).unwrap();
        assert!(late >= MARGIN && late <= 3 * MS, "{late:?}");
    }

    #[test]
    fn a_peer_whose_frame_lasts_is_there_as_long_as_it_is_heard() {
        let busy = Absence {
            silent_since: at(19),
            ..absence(at(0), MS)
        };
        assert!(sure_after(busy) > 21 * MS);
    }

    #[test]
    fn a_peer_that_begins_a_frame_without_the_offer_does_not_hear() {
        let deaf = Absence {
            silent_since: at(0),
            unheard_offer: Some(at(0)),
            ..absence(at(12), MS / 2)
        };
        assert!(sure_after(deaf) < 15 * MS);
        let hears = Absence {
            unheard_offer: None,
            ..deaf
        };
        assert_eq!(sure_after(hears), LONGEST_GAP);
        // It had not arrived when that frame began.
        let late = Absence {
            unheard_offer: Some(at(11)),
            ..deaf
        };
        assert_eq!(sure_after(late), LONGEST_GAP);
    }

    #[test]
    fn a_path_that_varies_leaves_a_peer_the_longest_gap() {
        let round_trip = RoundTrip {
            mean: MS,
            slow: 5 * MS,
        };
        let varied = Absence {
            round_trip,
            ..absence(at(0), MS)
        };
        assert_eq!(sure_after(varied), LONGEST_GAP);
    }
}
