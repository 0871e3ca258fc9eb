//! Where in the peer's frame ours begins.
//!
//! An armed game takes a byte at the start of its next frame, so a game that clocks once a frame waits from
//! its own frame's start to the peer's. If that takes nearly a frame, every small delay makes a frame late;
//! and a machine whose clock runs a little faster drifts to that worst place and stays there. A frontend
//! without vsync plans a frame from the end of a late one, so deliberate pauses at the ends of a few frames
//! move all later ones: a step, made in parts so short that no call is felt to last.
//!
//! A frontend on a display's grid cannot be moved so; that is noticed, and the attempts get rare.

use crate::time::{LocalTime, TCycles};
use std::time::Duration;

/// Frames looked at before a step.
const WINDOW: usize = 16;
/// Of these, so many must be nearly late.
const TIGHT: usize = 3;
/// Least distance of two steps, in frames.
const REST: u32 = 120;
/// The rest grows by this power of two at most when steps do not help: a step every four minutes.
const MOST_FAILURES: u32 = 7;
/// Part of the wait that a step leaves at most, besides the round trip: room for the peer's frame to come
/// early.
const MARGIN: Duration = Duration::from_millis(4);
/// A shorter step is not worth its late frame.
const LEAST_STEP: Duration = Duration::from_millis(2);
/// The most by which a step makes one frame late: its call lasts for less than 20 ms.
const PART: Duration = Duration::from_micros(1_500);
/// Parts after which the waits did not get shorter, and the step ends: the frontend cannot be moved.
const VAIN_PARTS: u32 = 2;

/// Watches the waits of one side and says when to step.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Pacing {
    started: LocalTime,
    waited: Duration,
    waits: u32,
    /// Length of the frame that has just ended, if there was exactly one wait in it.
    lasted: Option<Duration>,
    /// Waits of the last frames with exactly one, and whether each frame was nearly late.
    frames: [(Duration, bool); WINDOW],
    seen: usize,
    rest: u32,
    failures: u32,
    state: State,
}

/// Progress of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    #[default]
    Watching,
    Stepping(Step),
    /// The step has been made; it should leave waits of this length at most.
    Judging {
        promise: Duration,
    },
}

/// A step that is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// The usual wait before it.
    wait: Duration,
    whole: Duration,
    made: Duration,
    /// Parts that did not shorten the wait.
    vain: u32,
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
        let lasted = now.since(self.started);
        // Several exchanges in one frame take as long as they take: no phase would help.
        self.lasted = (self.waits == 1).then_some(lasted);
        if self.waits != 1 {
            return;
        }
        if let State::Stepping(step) = &mut self.state {
            step.handle_wait(self.waited);
            return;
        }
        let period = TCycles::FRAME.nominal_duration();
        let is_tight = lasted > period - period / 10;
        self.frames[self.seen % WINDOW] = (self.waited, is_tight);
        self.seen += 1;
        if let State::Judging { promise } = self.state
            && self.seen == WINDOW
        {
            self.judge(self.median() <= promise);
        }
    }

    /// Time to pause at the end of this frame, once; zero nearly always, at most a frame and [`PART`].
    pub(super) fn step(&mut self, round_trip: Duration) -> Duration {
        let Some(lasted) = self.lasted.take() else {
            return Duration::ZERO;
        };
        if self.state == State::Watching {
            self.begin(round_trip);
        }
        let State::Stepping(step) = &mut self.state else {
            return Duration::ZERO;
        };
        if step.vain >= VAIN_PARTS {
            self.judge(false);
            return Duration::ZERO;
        }
        let pause = step.take_part(lasted);
        if step.made >= step.whole {
            let promise = step.wait - step.whole / 2;
            self.state = State::Judging { promise };
        }
        pause
    }

    /// Begins a step where one would help.
    fn begin(&mut self, round_trip: Duration) {
        let tight = self.frames.iter().filter(|(_, is_tight)| *is_tight).count();
        if self.rest > 0 || self.seen < WINDOW || tight < TIGHT {
            return;
        }
        let wait = self.median();
        // On a long path little of the frame is left: a third of it before, two behind.
        let period = TCycles::FRAME.nominal_duration();
        let margin = (period.saturating_sub(round_trip) / 3).min(MARGIN);
        let whole = wait.saturating_sub(round_trip + margin).min(period);
        if whole < LEAST_STEP {
            return;
        }
        self.state = State::Stepping(Step {
            wait,
            whole,
            made: Duration::ZERO,
            vain: 0,
        });
        self.rest = REST;
        self.seen = 0;
        self.frames = Default::default();
    }

    /// Ends a step: it has helped, or the next one is longer in coming.
    fn judge(&mut self, has_helped: bool) {
        self.state = State::Watching;
        self.failures = match has_helped {
            true => 0,
            false => (self.failures + 1).min(MOST_FAILURES),
        };
        if self.failures > 0 {
            self.rest = REST << self.failures;
        }
    }

    fn median(&self) -> Duration {
        let mut waits = self.frames.map(|(wait, _)| wait);
        waits.sort_unstable();
        waits[WINDOW / 2]
    }
}

impl Step {
    /// The frame's wait is over, behind the parts that have been made.
    fn handle_wait(&mut self, wait: Duration) {
        // A single part is not told from jitter.
        let is_vain = self.made > PART && wait + self.made / 2 > self.wait;
        self.vain += u32::from(is_vain);
    }

    /// Pause at the end of a frame that has lasted for so long; one that is late by itself is part of the
    /// step.
    fn take_part(&mut self, lasted: Duration) -> Duration {
        let part = PART.min(self.whole.saturating_sub(self.made));
        let end = TCycles::FRAME.nominal_duration() + part;
        let pause = end.saturating_sub(lasted);
        self.made += part + lasted.saturating_sub(end);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_nanos(16_742_706);
    const RUN: Duration = Duration::from_micros(200);

    /// Frames that are late, the longest of them, and the time by which all of them are.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    struct Late {
        frames: u32,
        longest: Duration,
        over: Duration,
    }

    /// A frontend that asks once a frame, `phase` before the peer's frame starts.
    fn play(frames: u32, phase: Duration, drift: Duration) -> (Late, Duration) {
        play_over(Duration::ZERO, frames, phase, drift)
    }

    fn play_over(
        round_trip: Duration,
        frames: u32,
        mut phase: Duration,
        drift: Duration,
    ) -> (Late, Duration) {
        let mut pacing = Pacing::default();
        let (mut late, mut due) = (Late::default(), LocalTime(1_000_000_000));
        for _ in 0..frames {
            phase = (phase + drift).clamp(round_trip, PERIOD.max(round_trip));
            let start = due;
            pacing.handle_frame_start(start);
            pacing.handle_wait(phase);
            pacing.handle_frame_end(start.after(phase + RUN));
            let end = start.after(phase + RUN + pacing.step(round_trip));
            due = due.after(PERIOD);
            if end > due {
                let over = end.since(due);
                late.frames += 1;
                late.longest = late.longest.max(end.since(start));
                late.over += over;
                phase = if over > phase {
                    phase + PERIOD - over
                } else {
                    phase - over
                };
                due = end;
            }
        }
        (late, phase)
    }

    /// Frames that a step makes late at most.
    const PARTS: u32 = 12;

    #[test]
    fn a_frontend_at_the_edge_is_moved_away_from_it_once() {
        let (late, phase) = play(6000, PERIOD, Duration::ZERO);
        assert!(late.frames <= WINDOW as u32 + PARTS, "{late:?}");
        assert!(late.longest <= PERIOD + PART + RUN, "{late:?}");
        assert!(phase < PERIOD / 2, "{phase:?}");
    }

    #[test]
    fn a_round_trip_of_ten_milliseconds_still_fits_into_a_frame() {
        let (late, phase) = play_over(Duration::from_millis(10), 6000, PERIOD, Duration::ZERO);
        assert!(late.frames <= WINDOW as u32 + PARTS, "{late:?}");
        assert!(phase < Duration::from_millis(13), "{phase:?}");
    }

    #[test]
    fn a_frontend_in_a_good_place_is_left_alone() {
        let (late, _) = play(6000, Duration::from_millis(9), Duration::ZERO);
        assert_eq!(late, Late::default());
    }

    #[test]
    fn a_clock_half_a_percent_fast_costs_as_much_of_the_time() {
        let frames = 60_000;
        let (late, _) = play(frames, Duration::from_millis(4), Duration::from_micros(84));
        assert!(late.over <= PERIOD * frames / 166, "{late:?}");
        assert!(late.longest <= PERIOD + PART + RUN, "{late:?}");
    }

    #[test]
    fn a_frontend_on_a_grid_is_soon_left_alone() {
        let mut pacing = Pacing::default();
        let mut late = 0;
        for frame in 0..60_000_u32 {
            let start = LocalTime(u64::from(frame) * 33_000_000);
            pacing.handle_frame_start(start);
            pacing.handle_wait(PERIOD);
            pacing.handle_frame_end(start.after(PERIOD));
            late += u32::from(!pacing.step(Duration::ZERO).is_zero());
        }
        // Parts of a step until it is seen to be in vain, for each of twelve steps.
        assert!(late <= 12 * (VAIN_PARTS + 1), "{late}");
    }

    #[test]
    fn a_frame_without_exactly_one_wait_is_no_part_of_a_step() {
        let mut pacing = Pacing::default();
        let mut end = |waits: u32| {
            pacing.handle_frame_start(LocalTime(0));
            (0..waits).for_each(|_| pacing.handle_wait(PERIOD));
            pacing.handle_frame_end(LocalTime(0).after(PERIOD));
            pacing.step(Duration::ZERO)
        };
        let began = (0..100).any(|_| !end(1).is_zero());
        assert!(began && end(2).is_zero() && end(0).is_zero());
    }
}
