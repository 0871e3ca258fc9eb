//! The link as the game's side sees it at one moment, and the game's wait for a byte.

use super::exchange::{self, Limit};
use super::liveness::Liveness;
use super::notice::Notices;
use super::outbox::Outbox;
use super::stats::Stats;
use crate::protocol::Sequence;
use crate::time::{LocalTime, Span, TCycles};
use std::time::Duration;

/// An open offer is repeated at least so often: a dozen times in the shortest wait, so that at 20 % loss none
/// is lost.
const LONGEST_RETRANSMIT: Duration = Duration::from_millis(20);

/// A peer of which nothing has come for so long, more than two heartbeats, is not one that leaves the game
/// without an answer.
pub(super) const SILENT: Duration = Duration::from_millis(250);

/// Time of a round trip to the peer and back.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundTrip {
    /// The usual one.
    pub(super) mean: Duration,
    /// One on a busy path.
    pub(super) slow: Duration,
}

impl RoundTrip {
    /// True if nearly all take about as long as the usual one, to half a frame.
    pub(super) fn is_steady(self) -> bool {
        self.slow.saturating_sub(self.mean) <= TCycles::FRAME.nominal_duration() / 2
    }
}

/// The link at one moment, as the game's side uses it.
pub(super) struct Context<'a> {
    pub(super) now: LocalTime,
    pub(super) clock_offset: Option<Span>,
    pub(super) is_linked: bool,
    /// Newest sequence number sent to the peer.
    pub(super) sent: Sequence,
    /// The peer cannot answer: it says that it is paused, or the path is silent in either direction.
    pub(super) is_excused: bool,
    pub(super) round_trip: RoundTrip,
    pub(super) liveness: &'a mut Liveness,
    pub(super) outbox: &'a mut Outbox,
    pub(super) stats: &'a mut Stats,
    pub(super) notices: &'a mut Notices,
}

impl Context<'_> {
    pub(super) fn exchange(&mut self) -> exchange::Context<'_> {
        exchange::Context {
            now: self.now,
            clock_offset: self.clock_offset,
            is_linked: self.is_linked,
            liveness: self.liveness,
            counters: &mut self.stats.counters,
        }
    }
}

/// A game that waits, inside its read, for the byte that it asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) since: LocalTime,
    /// Newest sequence number sent before: later datagrams have the offer.
    pub(super) sent: Sequence,
    /// The wait lasts since then for the table: while the peer is excused, a patient wait does not count.
    pub(super) counted_from: LocalTime,
    pub(super) limit: Limit,
    /// When to repeat the offer, and the pause after that; in rollback the heartbeat is enough.
    retransmit: Option<(LocalTime, Duration)>,
}

impl Wait {
    /// A wait that begins now.
    pub(super) fn new(context: &Context<'_>, limit: Limit) -> Wait {
        let (now, round_trip) = (context.now, context.round_trip.mean);
        // Long enough for a verdict that needs no waiting for a frame, in either direction.
        let pause = (round_trip.mul_f32(1.5) + Duration::from_millis(8)).min(LONGEST_RETRANSMIT);
        Wait {
            since: now,
            sent: context.sent,
            counted_from: now,
            limit,
            retransmit: (limit == Limit::Table).then(|| (now.after(pause), pause)),
        }
    }

    /// When the offer is to be repeated.
    pub(super) fn retransmit_at(&self) -> Option<LocalTime> {
        self.retransmit.map(|(at, _)| at)
    }

    /// The offer is repeated now, if this wait repeats any.
    pub(super) fn retransmit(&mut self, now: LocalTime) -> bool {
        if let Some((at, pause)) = &mut self.retransmit {
            *at = now.after(*pause);
            *pause = pause.mul_f32(1.5).min(LONGEST_RETRANSMIT);
        }
        self.retransmit.is_some()
    }
}
