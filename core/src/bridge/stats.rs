//! Counts and distributions of one bridge, as plain data.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Counts since the bridge was made; in JSON all of them stand side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Transfers in strict sessions.
    #[serde(flatten)]
    pub transfers: Transfers,
    /// Waits that ended without a verdict.
    #[serde(flatten)]
    pub timeouts: Timeouts,
    /// Datagrams that were not used.
    #[serde(flatten)]
    pub dropped: Dropped,
    /// Waits that ended with a prediction.
    pub missed: u64,
    /// Verdicts that came after the wait for them had ended: the two games may disagree.
    pub too_late: u64,
    /// Answers of the core to nothing.
    pub stray_replies: u64,
    /// Times the core opened its connection anew.
    pub core_reconnects: u64,
    /// Sessions begun or come back.
    pub links: u64,
    /// Sessions ended by silence or goodbye.
    pub losses: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams received and used.
    pub received: u64,
    /// Offers sent again because no answer came in time.
    pub retransmits: u64,
    /// Events with numbers that make no sense.
    pub nonsense: u64,
    /// Datagrams that the system would not send.
    pub send_errors: u64,
    /// Messages for the player that were dropped because nobody took them.
    pub notices_lost: u64,
}

/// Counts of transfers in strict sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfers {
    /// Requests of this side's game: transfers that it clocked.
    pub requests: u64,
    /// Requests that became offers on the wire.
    pub offered: u64,
    /// Requests that ended with the byte of a listening game.
    pub taken: u64,
    /// Requests that ended with the byte of a game that clocked as well.
    pub paired: u64,
    /// Offers that the peer's game refused.
    pub refused: u64,
    /// Requests that read 0xFF at once, without a wait.
    pub unplugged: u64,
    /// Offers of the peer that this side's game took while listening.
    pub peer_taken: u64,
    /// Offers of the peer that this side's game took while clocking.
    pub peer_paired: u64,
    /// Offers of the peer that this side's game refused.
    pub peer_refused: u64,
    /// Offers of the peer that it withdrew while they waited here.
    pub peer_withdrawn: u64,
    /// Bytes that a game took and overwrote with a transfer of its own before they had been shifted in.
    pub torn: u64,
}

impl Transfers {
    /// Two offers were each other's answers.
    pub(super) fn count_pair(&mut self) {
        self.paired += 1;
        self.peer_paired += 1;
    }
}

/// Counts of waits that ended without a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// The peer's frames stood still.
    #[serde(rename = "timeouts_stalled")]
    pub stalled: u64,
    /// The peer was paused.
    #[serde(rename = "timeouts_paused")]
    pub paused: u64,
    /// The peer fell silent, left or restarted.
    #[serde(rename = "timeouts_silent")]
    pub silent: u64,
    /// No verdict within [`WAIT_LIMIT`](super::WAIT_LIMIT).
    #[serde(rename = "timeouts_overdue")]
    pub overdue: u64,
    /// The game that waited was reset, loaded or unloaded.
    #[serde(rename = "timeouts_abandoned", default)]
    pub abandoned: u64,
}

impl Timeouts {
    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.stalled + self.paused + self.silent + self.overdue + self.abandoned
    }
}

/// Counts of datagrams that were not used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Not a datagram of ours, or damaged.
    #[serde(rename = "dropped_malformed")]
    pub malformed: u64,
    /// Another version of the protocol.
    #[serde(rename = "dropped_version")]
    pub version: u64,
    /// Of a session that is over.
    #[serde(rename = "dropped_session")]
    pub session: u64,
    /// Our own, come back.
    #[serde(rename = "dropped_reflected")]
    pub reflected: u64,
    /// Not sealed with this side's key, or changed on the way; or sealed where this side has no key.
    #[serde(rename = "dropped_unauthentic", default)]
    pub unauthentic: u64,
    /// Sealed, and used before.
    #[serde(rename = "dropped_replayed", default)]
    pub replayed: u64,
    /// From another address than the peer's.
    #[serde(rename = "dropped_foreign")]
    pub foreign: u64,
}

/// Transfers that have crossed the cable since the start, whichever exchange carried them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Transfers that this side's game clocked and the peer's game answered for good.
    pub taken: u64,
    /// Transfers of the peer that this side's game answered.
    pub peer_taken: u64,
    /// Slots in which the game stood still for its peer.
    pub stalls: u64,
    /// Times that the game was taken back to emulate frames again.
    pub corrections: u64,
}

impl Traffic {
    /// Transfers in either direction.
    #[must_use]
    pub fn transfers(&self) -> u64 {
        self.taken + self.peer_taken
    }
}

/// Time that a piece of work took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Wall time from its start to its end.
    pub elapsed: Duration,
    /// Of the processor, on its own thread; `None` where that is not known.
    pub processor: Option<Duration>,
}

impl Cost {
    /// Cost on this machine: the wall time, but no more than twice that of the processor. Beyond it
    /// another program ran meanwhile, which says nothing of the next time.
    #[must_use]
    pub fn own(self) -> Duration {
        self.processor
            .map_or(self.elapsed, |processor| self.elapsed.min(2 * processor))
    }
}

/// A distribution of times; recording never allocates.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u32>);

/// The points of a distribution that people ask for, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 999 of 1000 took at most this; another version may not say it.
    #[serde(default)]
    pub p999: f64,
    /// Largest.
    pub max: f64,
    /// Number of values recorded.
    pub count: u64,
    /// Mean; another version may not say it.
    #[serde(default)]
    pub mean: f64,
}

impl Summary {
    /// Sum of all values recorded, in microseconds.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.mean * self.count as f64
    }
}

impl Default for Latency {
    fn default() -> Self {
        // 1 ns to 100 s in steps of 1 %: about 20 kB.
        let bounds = Histogram::new_with_bounds(1, 100_000_000_000, 2);
        Latency(bounds.expect("the bounds are constants in range"))
    }
}

impl Latency {
    /// Adds one time; below 1 ns and above 100 s it counts as that.
    pub fn record(&mut self, time: Duration) {
        self.0
            .saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1));
    }

    /// Its points.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let micros = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
        Summary {
            p50: micros(self.0.value_at_quantile(0.5)),
            p99: micros(self.0.value_at_quantile(0.99)),
            p999: micros(self.0.value_at_quantile(0.999)),
            max: micros(self.0.max()),
            count: self.0.len(),
            mean: self.0.mean() / 1e3,
        }
    }
}

/// All that one bridge measures.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Counts.
    pub counters: Counters,
    /// Waits of the game for its offers' verdicts.
    pub wait: Latency,
    /// Round trips between the bridges, from each datagram that answers another.
    pub round_trip: Latency,
    /// Waits of the listening game's polls for a byte that was on its way.
    pub rendezvous: Latency,
    /// Time of the corrections before a frame.
    pub replay: Latency,
    /// By how much each datagram's own offset differed from the filtered one.
    pub offset_deviation: Latency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_in_microseconds_and_within_a_percent() {
        let mut latency = Latency::default();
        for micros in 1..=1000 {
            latency.record(Duration::from_micros(micros));
        }
        let summary = latency.summary();
        assert!((summary.total() / 500_500.0 - 1.0).abs() < 0.02, "{summary:?}");
        latency.record(Duration::MAX);
        let summary = latency.summary();
        assert!((summary.p50 / 500.0 - 1.0).abs() < 0.02, "{summary:?}");
        assert_eq!(summary.count, 1001);
        assert!(summary.max > 1e7);
    }
}
