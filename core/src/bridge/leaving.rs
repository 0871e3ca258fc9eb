//! Leaving: when a call of the frontend ends in which the game waits for a peer that is not heard.
//!
//! A call that lasts on costs the player menu and buttons; one that is left costs the game up to a frame: it
//! goes on by the frontend's rhythm, and two games that exchange many bytes a frame then miss each other's.
//! So a call is left once a peer that is there would have been heard: one that is in its frame answers within
//! a round trip, and one that rests is heard again when its next frame begins.

use super::context::{RoundTrip, Wait};
use super::liveness::Liveness;
use super::session::Session;
use crate::time::LocalTime;
use std::time::Duration;

/// A call of the frontend lasts for so long before it is left: a little less than a frame, so that a frontend
/// with a rhythm of its own calls again at once.
const LONGEST_CALL: Duration = Duration::from_millis(15);

/// Longest time between two datagrams of a peer whose game plays, of whose frames nothing is known: a frame
/// and some jitter.
const LONGEST_GAP: Duration = Duration::from_millis(20);

/// Time by which a peer may be late besides what its path shows: a wake-up, and its own work before it sends.
const MARGIN: Duration = Duration::from_millis(2);

/// Round trips in the longest call in which each byte takes one: a frame has time for 17 bytes, and the peer
/// works between them.
const LONGEST_ROUND_TRIPS: u32 = 22;

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
    frame_period: Duration,
    round_trip: RoundTrip,
}

/// Moment at which to leave the call that began at `called`.
pub(super) fn leave_at(
    called: LocalTime,
    wait: &Wait,
    session: &Session,
    peer: &Liveness,
    round_trip: RoundTrip,
) -> LocalTime {
    let earliest = called.after(LONGEST_CALL);
    if peer.is_paused() {
        return earliest;
    }
    let next_frame_at = peer
        .next_frame_at()
        .unwrap_or_else(|| peer.frame_at().after(peer.frame_period()));
    let absence = Absence {
        silent_since: session.silent_since(),
        unheard_offer: (session.acknowledged() <= wait.sent).then_some(wait.since),
        frame_at: peer.frame_at(),
        next_frame_at,
        frame_period: peer.frame_period(),
        round_trip,
    };
    absence.absent_from(called).max(earliest)
}

impl Absence {
    /// Moment from which on the peer counts as absent, unless it is heard before. The call began at `called`.
    fn absent_from(&self, called: LocalTime) -> LocalTime {
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
        let frame_due = next_frame
            .after(margin)
            .min(called.after(self.longest_exchange()));
        answer_due
            .max(frame_due)
            .min(self.silent_since.after(LONGEST_GAP))
    }

    /// Longest call of a game that clocks back to back: the peer takes half of a frame's bytes in each of its
    /// own frames, or fewer where each costs a long round trip.
    fn longest_exchange(&self) -> Duration {
        let frames = self.frame_period.max(LONGEST_ROUND_TRIPS * self.round_trip.slow);
        self.frame_period + frames + MARGIN
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
            frame_period: FRAME,
            round_trip: RoundTrip {
                mean: round_trip,
                slow: round_trip,
            },
        }
    }

    /// The call's length when the peer is sure to be absent.
    fn sure_after(absence: Absence) -> Duration {
        absence.absent_from(CALLED).since(CALLED)
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
    fn no_call_waits_for_a_third_frame_where_bytes_are_quick() {
        let quick = Absence {
            silent_since: at(30),
            ..absence(at(30), MS / 2)
        };
        assert!(sure_after(quick) < 2 * FRAME + 3 * MS);
        let slow = Absence {
            silent_since: at(30),
            ..absence(at(30), 2 * MS)
        };
        assert!(sure_after(slow) > 3 * FRAME - 5 * MS, "a byte takes longer");
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
