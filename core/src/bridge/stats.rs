//! What a bridge counts, as plain data.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Everything that is only counted; each field counts since the bridge was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
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
    /// Waits that ended because the peer's frames stood still.
    pub timeouts_stalled: u64,
    /// Waits that ended because the peer was paused.
    pub timeouts_paused: u64,
    /// Waits that ended because the peer fell silent, left or restarted.
    pub timeouts_silent: u64,
    /// Waits that ended at the longest wait there is.
    pub timeouts_overdue: u64,
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
    /// Waits that ended with a guess, where both sides mend.
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
    /// Dropped: not a datagram of ours, or damaged.
    pub dropped_malformed: u64,
    /// Dropped: another version of the protocol.
    pub dropped_version: u64,
    /// Dropped: of a session that is over.
    pub dropped_session: u64,
    /// Dropped: our own, come back.
    pub dropped_reflected: u64,
    /// Dropped: from another address than the peer's.
    pub dropped_foreign: u64,
    /// Events with numbers that make no sense.
    pub nonsense: u64,
    /// Datagrams that the system would not send.
    pub send_errors: u64,
    /// Messages for the player that were dropped because nobody took them.
    pub notices_lost: u64,
}

/// What has crossed the cable since the start, whichever exchange carried it: the strict one or the
/// timelines'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Transfers that this side's game clocked and the peer's game answered for good.
    pub taken: u64,
    /// Transfers of the peer that this side's game answered.
    pub peer_taken: u64,
    /// Slots in which the game stood still for its peer.
    pub holds: u64,
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
    /// How many were recorded.
    pub count: u64,
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
        }
    }
}

/// All that one bridge measures.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// What is only counted.
    pub counters: Counters,
    /// How long the game waited for each of its offers.
    pub wait: Latency,
    /// Round trips between the bridges, from each datagram that answers another.
    pub round_trip: Latency,
    /// How long each poll of the listening game waited for a byte that was on its way.
    pub meeting: Latency,
    /// How long the corrections before a frame took.
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
        latency.record(Duration::MAX);
        let summary = latency.summary();
        assert!((summary.p50 / 500.0 - 1.0).abs() < 0.02, "{summary:?}");
        assert_eq!(summary.count, 1001);
        assert!(summary.max > 1e7);
    }
}
