//! Where in the peer's frame ours begins.
//!
//! An armed game takes a byte at the start of its next frame, so a game that clocks once a frame waits from
//! its own frame's start to the peer's. If that takes nearly a frame, every small delay makes a frame late;
//! and a machine whose clock runs a little faster drifts to that worst place and stays there. A frontend
//! without vsync plans a frame from the end of a late one, so one deliberate pause at a frame's end moves all
//! later frames: one late frame in place of many.
//!
//! A frontend on a display's grid cannot be moved so; that is noticed, and the attempts get rare.

use crate::time::{LocalTime, TCycles};
use std::time::Duration;

/// Frames looked at before a step.
const WINDOW: usize = 16;
/// Of these, so many must be nearly late.
const TIGHT: usize = 3;
/// Least distance of two steps, in frames: even steps that do not help make fewer than 1 % of the frames
/// late.
const REST: u32 = 120;
/// The rest grows by this power of two at most when steps do not help: a step every four minutes.
const MOST_FAILURES: u32 = 7;
/// Part of the wait that a step leaves at most, besides the round trip: room for the peer's frame to come
/// early.
const MARGIN: Duration = Duration::from_millis(4);
/// A shorter step is not worth its late frame.
const LEAST_STEP: Duration = Duration::from_millis(2);

/// Watches the waits of one side and says when to step.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Pacing {
    started: LocalTime,
    waited: Duration,
    waits: u32,
    /// Time that was left of the frame at its end.
    slack: Duration,
    /// Waits of the last frames with exactly one, and whether each frame was nearly late.
    frames: [(Duration, bool); WINDOW],
    seen: usize,
    rest: u32,
    failures: u32,
    /// Longest wait that the last step should leave.
    promise: Option<Duration>,
}

impl Pacing {
    /// The game's wait for one byte has ended.
    pub(super) fn handle_wait(&mut self, wait: Duration) {
        self.waited += wait;
        self.waits += 1;
    }

    /// Waits in this frame that have ended.
    pub(super) fn waits(&self) -> u32 {
        self.waits
    }

    pub(super) fn handle_frame_start(&mut self, now: LocalTime) {
        self.started = now;
        self.waited = Duration::ZERO;
        self.waits = 0;
    }

    pub(super) fn handle_frame_end(&mut self, now: LocalTime) {
        self.rest = self.rest.saturating_sub(1);
        // Several exchanges in one frame take as long as they take: no phase would help.
        if self.waits != 1 {
            return;
        }
        let period = TCycles::FRAME.nominal_duration();
        self.slack = period.saturating_sub(now.since(self.started));
        let is_tight = self.slack < period / 10;
        self.frames[self.seen % WINDOW] = (self.waited, is_tight);
        self.seen += 1;
        if self.seen == WINDOW
            && let Some(promise) = self.promise.take()
        {
            self.failures = if self.median() > promise {
                (self.failures + 1).min(MOST_FAILURES)
            } else {
                0
            };
            if self.failures > 0 {
                self.rest = REST << self.failures;
            }
        }
    }

    /// Time to pause at the end of this frame, once; zero nearly always, at most two frames.
    pub(super) fn step(&mut self, round_trip: Duration) -> Duration {
        let tight = self.frames.iter().filter(|(_, is_tight)| *is_tight).count();
        if self.rest > 0 || self.seen < WINDOW || tight < TIGHT {
            return Duration::ZERO;
        }
        let wait = self.median();
        // On a long path little of the frame is left: a third of it before, two behind.
        let period = TCycles::FRAME.nominal_duration();
        let margin = (period.saturating_sub(round_trip) / 3).min(MARGIN);
        let step = wait.saturating_sub(round_trip + margin).min(period);
        if step < LEAST_STEP {
            return Duration::ZERO;
        }
        self.promise = Some(wait - step / 2);
        self.rest = REST;
        self.seen = 0;
        self.frames = Default::default();
        step + self.slack
    }

    fn median(&self) -> Duration {
        let mut waits = self.frames.map(|(wait, _)| wait);
        waits.sort_unstable();
        waits[WINDOW / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_nanos(16_742_706);
    const RUN: Duration = Duration::from_micros(200);

    /// A frontend that asks once a frame, `phase` before the peer's frame starts; how many of its frames are
    /// late.
    fn play(frames: u32, phase: Duration, is_grid: bool, drift: Duration) -> (u32, Duration) {
        play_over(Duration::ZERO, frames, phase, is_grid, drift)
    }

    fn play_over(
        round_trip: Duration,
        frames: u32,
        mut phase: Duration,
        is_grid: bool,
        drift: Duration,
    ) -> (u32, Duration) {
        let mut pacing = Pacing::default();
        let (mut late, mut due) = (0, LocalTime(1_000_000_000));
        for _ in 0..frames {
            phase = (phase + drift).clamp(round_trip, PERIOD.max(round_trip));
            let start = due;
            pacing.handle_frame_start(start);
            pacing.handle_wait(phase);
            pacing.handle_frame_end(start.after(phase + RUN));
            let end = start.after(phase + RUN + pacing.step(round_trip));
            due = due.after(PERIOD);
            if end > due {
                late += 1;
                if !is_grid {
                    let over = end.since(due);
                    phase = if over > phase {
                        phase + PERIOD - over
                    } else {
                        phase - over
                    };
                    due = end;
                }
            }
        }
        (late, phase)
    }

    #[test]
    fn a_frontend_at_the_edge_is_moved_away_from_it_once() {
        let (late, phase) = play(6000, PERIOD, false, Duration::ZERO);
        assert!(late <= WINDOW as u32 + 1, "{late}");
        assert!(phase < PERIOD / 2, "{phase:?}");
    }

    #[test]
    fn a_round_trip_of_ten_milliseconds_still_fits_into_a_frame() {
        let (late, phase) = play_over(Duration::from_millis(10), 6000, PERIOD, false, Duration::ZERO);
        assert!(late <= WINDOW as u32 + 1, "{late}");
        assert!(phase < Duration::from_millis(13), "{phase:?}");
    }

    #[test]
    fn a_frontend_in_a_good_place_is_left_alone() {
        assert_eq!(play(6000, Duration::from_millis(9), false, Duration::ZERO).0, 0);
    }

    #[test]
    fn a_clock_half_a_percent_fast_costs_one_frame_in_a_hundred() {
        let (late, _) = play(60_000, Duration::from_millis(4), false, Duration::from_micros(84));
        assert!(late <= 600, "{late}");
    }

    #[test]
    fn a_frontend_on_a_grid_is_soon_left_alone() {
        let mut pacing = Pacing::default();
        let mut steps = 0;
        for frame in 0..60_000_u32 {
            steps += u32::from(!pacing.step(Duration::ZERO).is_zero());
            let start = LocalTime(u64::from(frame) * 33_000_000);
            pacing.handle_frame_start(start);
            pacing.handle_wait(PERIOD);
            pacing.handle_frame_end(start.after(PERIOD));
        }
        assert!(steps <= 12, "{steps}");
    }
}
