//! A game that waits, inside its read, for the byte that it asked for.

use super::exchange::Limit;
use crate::time::LocalTime;
use std::time::Duration;

/// An open offer is repeated at least so often: a dozen times in the shortest wait, so that at 20 % loss none
/// is lost.
const LONGEST_RETRANSMIT: Duration = Duration::from_millis(20);

/// One open wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) since: LocalTime,
    pub(super) limit: Limit,
    /// When to repeat the offer, and the pause after that; in rollback the heartbeat is enough.
    retransmit: Option<(LocalTime, Duration)>,
}

impl Wait {
    /// A wait that begins now.
    pub(super) fn new(now: LocalTime, limit: Limit, round_trip: Duration) -> Wait {
        // Long enough for a verdict that needs no waiting for a frame, in either direction.
        let pause = (round_trip.mul_f32(1.5) + Duration::from_millis(8)).min(LONGEST_RETRANSMIT);
        Wait {
            since: now,
            limit,
            retransmit: (limit == Limit::Table).then(|| (now.after(pause), pause)),
        }
    }

    /// When the offer is to be repeated.
    pub(super) fn retransmit_at(&self) -> Option<LocalTime> {
        self.retransmit.map(|(at, _)| at)
    }

    /// The offer is repeated now.
    pub(super) fn handle_retransmit(&mut self, now: LocalTime) {
        self.retransmit = self
            .retransmit
            .map(|(_, pause)| (now.after(pause), pause.mul_f32(1.5).min(LONGEST_RETRANSMIT)));
    }
}
