//! Offset, delay and skew of the peer's clock from four timestamps (RFC 5905, section 8).
//!
//! Decisions go by the delay and the jitter alone; offset and skew keep the samples apart and are in the
//! statistics, for people.
//!
//! RFC 5905 keeps the sample with the smallest round trip. A round trip is small only when both ways are
//! quick at once, so under jitter this keeps the two ways apart: each datagram bounds the offset from one
//! side, the tightest bound of each side rules, and half their distance is the error. What it cannot see is a
//! path that is always slower one way; half of that stays in the offset, as in every such scheme.

mod min_filter;

use crate::time::{LocalTime, PeerTime, Span};
use min_filter::{MAX_SKEW, MinFilter, SLOT_NANOS, Skew};
use std::time::Duration;

/// Four timestamps: our datagram left, the peer received it, the peer answered, we received the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When our datagram left (RFC 5905's T1).
    pub sent: LocalTime,
    /// When the peer's datagram left (T3).
    pub peer_sent: PeerTime,
    /// Time for which the peer held ours before, by its own clock (T3 - T2).
    pub held: Duration,
    /// When the peer's datagram arrived, by the kernel's stamp (T4).
    pub received: LocalTime,
}

/// Stamps from here on are no monotonic clock's: 2^62 ns are 146 years of uptime. Below, no sum or difference
/// of two overflows.
const STAMP_LIMIT: u64 = 1 << 62;
/// A datagram that was away longer, in nanoseconds, tells nothing that a fresh one does not tell better.
const MAX_AWAY: u64 = 10_000_000_000;
/// Contradicting samples in a row that make a step. Two may be stragglers from before a suspend; each more
/// costs a frame or so of wrong time.
const STEP_SAMPLES: u32 = 4;
/// Error of stamping itself, in nanoseconds: an interrupt that comes late, a clock read of coarse grain.
const STAMP_SLACK: i64 = 20_000;
/// Wander of an offset while the skew is not known: two ordinary crystals.
const UNKNOWN_WANDER: f64 = 100e-6;
/// Least wander, with the skew known: RFC 5905's PHI is 15 ppm between servers; crystals in
/// one room keep 2.
const LEAST_WANDER: f64 = 2e-6;

impl Sample {
    /// T2 - T1 and T4 - T3, in nanoseconds; None where the stamps are no clock's.
    fn differences(&self) -> Option<(i64, i64)> {
        let (sent, received) = (self.sent.0, self.received.0);
        let (peer_sent, held) = (self.peer_sent.0, u64::try_from(self.held.as_nanos()).ok()?);
        let away = received.checked_sub(sent)?;
        // The peer's clock may run slow or fast, so what it held may measure a little longer than we were
        // away.
        let tolerance = (held as f64 * MAX_SKEW) as u64 + STAMP_SLACK.unsigned_abs();
        let is_sound = received < STAMP_LIMIT
            && peer_sent < STAMP_LIMIT
            && away <= MAX_AWAY
            && held <= MAX_AWAY
            && held <= away + tolerance;
        let peer_received = peer_sent.checked_sub(held).filter(|_| is_sound)?;
        let towards = peer_received.cast_signed() - sent.cast_signed();
        Some((towards, received.cast_signed() - peer_sent.cast_signed()))
    }
}

/// The peer's clock as seen from here. Bounded, free of allocation, and reads no clock of its own.
#[derive(Clone, Debug, Default)]
pub struct ClockSync {
    /// Peer's receive stamp minus our send stamp: offset plus the delay towards the peer.
    towards: MinFilter,
    /// Our receive stamp minus the peer's send stamp: the delay from the peer minus the offset.
    back: MinFilter,
    /// Gain of the peer's clock on ours.
    skew: Option<Skew>,
    estimate: Option<Estimate>,
    /// Mean deviation of the delay from its minimum, in nanoseconds, each sample weighing an eighth.
    jitter: f64,
    contradictions: u32,
    steps: u64,
    rejected: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Estimate {
    /// The local moment that the rest belongs to.
    at: LocalTime,
    /// The most that the offset can be.
    most: i64,
    /// The least that the offset can be.
    least: i64,
    /// Error by wander of the older of both bounds.
    margin: i64,
}

impl Estimate {
    fn offset(self) -> i64 {
        i64::midpoint(self.least, self.most)
    }
}

impl ClockSync {
    /// Takes one sample; order and repetition do not matter. Returns its round trip, queueing and all, and by
    /// how much its own offset differs from [`offset`](Self::offset).
    ///
    /// None where it is rejected: its stamps are no clock's (near the end of time, received before sent, held
    /// longer than away, ten seconds under way), or contradict what is known. A few of these in a row are a
    /// step and are believed.
    pub fn handle_sample(&mut self, sample: Sample) -> Option<(Duration, Duration)> {
        let measured = self.measure(&sample);
        self.rejected += u64::from(measured.is_none());
        measured
    }

    fn measure(&mut self, sample: &Sample) -> Option<(Duration, Duration)> {
        let (towards, back) = sample.differences()?;
        let (sent, received) = (sample.sent.0, sample.received.0);
        if self.contradicts(sample, towards, back) {
            self.contradictions += 1;
            if self.contradictions < STEP_SAMPLES {
                return None;
            }
            // The peer's clock (or ours) was set, or one machine slept. Its crystal is still the same, so the
            // skew stays.
            *self = ClockSync {
                skew: self.skew,
                jitter: self.jitter,
                steps: self.steps + 1,
                rejected: self.rejected,
                ..ClockSync::default()
            };
        }
        self.contradictions = 0;
        let rate = self.rate();
        if !(self.towards.insert(sent, towards, rate) | self.back.insert(received, back, -rate)) {
            return None;
        }
        let delay = towards.saturating_add(back).max(0).unsigned_abs();
        let least = self.delay().map_or(delay, |least| least.as_nanos() as u64);
        self.jitter += (delay.saturating_sub(least) as f64 - self.jitter) / 8.0;
        let newest = self.estimate.map_or(0, |known| known.at.0);
        if received / SLOT_NANOS > newest / SLOT_NANOS {
            self.measure_skew();
        }
        // A straggler must not turn time back.
        self.estimate = self.estimate_at(received.max(newest));
        let own = i64::midpoint(towards, -back);
        let deviation = own.abs_diff(self.estimate?.offset());
        Some((Duration::from_nanos(delay), Duration::from_nanos(deviation)))
    }

    /// The peer's clock minus ours at the newest sample.
    #[must_use]
    pub fn offset(&self) -> Option<Span> {
        self.estimate.map(|estimate| Span(estimate.offset()))
    }

    /// The round trip without queueing: the quickest way there and the quickest way back of the last minute.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.estimate
            .map(|e| Duration::from_nanos(e.most.saturating_sub(e.least).max(0).unsigned_abs()))
    }

    /// Variation of the round trip above its minimum (RFC 5905's jitter, as a running mean).
    #[must_use]
    pub fn jitter(&self) -> Duration {
        Duration::from_nanos(self.jitter as u64)
    }

    /// Gain of the peer's clock on ours, in millionths; none before some ten seconds of samples.
    /// Within 500 of zero.
    #[must_use]
    pub fn skew_ppm(&self) -> Option<f64> {
        self.skew.map(|skew| skew.rate * 1e6)
    }

    /// The most that [`offset`](Self::offset) can be wrong by, even on a path that is slow one way only (RFC
    /// 5905's root distance).
    #[must_use]
    pub fn error_bound(&self) -> Option<Duration> {
        let known = self.estimate?;
        let half = known.most.saturating_sub(known.least).unsigned_abs() / 2;
        let bound = half.saturating_add(known.margin.unsigned_abs());
        Some(Duration::from_nanos(bound))
    }

    /// Samples that were rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Times that one clock was found to have been set, or one machine to have slept.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Forgets the peer: the next samples are another machine's. The counters stay.
    pub fn reset(&mut self) {
        *self = ClockSync {
            steps: self.steps,
            rejected: self.rejected,
            ..ClockSync::default()
        };
    }

    fn rate(&self) -> f64 {
        self.skew.map_or(0.0, |skew| skew.rate)
    }

    fn wander(&self) -> f64 {
        self.skew
            .map_or(UNKNOWN_WANDER, |s| s.error.clamp(LEAST_WANDER, UNKNOWN_WANDER))
    }

    /// True if the true offset cannot be both within what is known and within what this sample says.
    fn contradicts(&self, sample: &Sample, towards: i64, back: i64) -> bool {
        let Some(known) = self.estimate else { return false };
        let passed = sample.received.0.cast_signed() - known.at.0.cast_signed();
        let drift = (passed as f64 * self.rate()) as i64;
        // A sample from before a long silence cannot be judged to the microsecond.
        let slack = (passed.unsigned_abs() as f64 * self.wander()) as i64 + STAMP_SLACK + known.margin;
        let most = known.most.max(known.least).saturating_add(drift + slack);
        let least = known.least.min(known.most).saturating_add(drift - slack);
        // The offset drifts as well while the sample is under way.
        let reach = (sample.received.since(sample.sent).as_nanos() as f64 * MAX_SKEW) as i64;
        towards + reach < least || -back - reach > most
    }

    /// Both ways show the same skew with opposite signs; the way with less queueing tells it better and
    /// weighs more.
    fn measure_skew(&mut self) {
        let (Some(towards), Some(back)) = (self.towards.slope(), self.back.slope()) else {
            return;
        };
        let (a, b) = (towards.error.powi(-2), back.error.powi(-2));
        self.skew = Some(Skew {
            rate: (towards.rate * a - back.rate * b) / (a + b),
            error: (a + b).powf(-0.5),
        });
    }

    fn estimate_at(&self, now: u64) -> Option<Estimate> {
        let (rate, wander) = (self.rate(), self.wander());
        let towards = self.towards.lowest(now, rate, wander)?;
        let back = self.back.lowest(now, -rate, wander)?;
        Some(Estimate {
            at: LocalTime(now),
            most: towards.difference,
            least: back.difference.saturating_neg(),
            margin: towards.margin.max(back.margin),
        })
    }
}

#[cfg(test)]
mod tests;
