//! Limit of this side's lead over the peer's frames while games use the cable: both go at the slower's pace.
//!
//! A side in fast-forward, or one whose peer's machine is slow, would otherwise count its own time-outs in
//! frames that the other has not had. It stands still for a frame now and then instead. And a call of
//! `retro_run` in which the game stands still takes about a frame's time, or a frontend that does not sleep
//! would spin.

use crate::time::{LocalTime, TCycles};
use std::time::Duration;

/// Frames of lead over the least that there was, besides the round trip: more than the jitter of a bad path,
/// a fifth of a second.
///
/// Each side sees the other's frames one way late, so what both together believe of their leads is wrong by
/// less than this and a round trip, and never do both stand still at once.
const MOST: u64 = 12;

/// Limit on the frames for which a side stands still at a stretch. A game that could not stall while its peer
/// waited for each verdict may have come far ahead; to make that good at once would leave the peer without
/// its verdicts for seconds.
const MOST_DEBT: u64 = 12;

/// Frames behind a stall that the peer is told of one by one: it may stand still for this side too, and where
/// no byte crosses it would hear of them every tenth of a second only.
const REPORTED: u32 = 60;

/// Time that a call takes in which the game stands still: a little less than a frame, so that a frontend with
/// a rhythm of its own is left alone.
const STALLED_CALL: Duration = Duration::from_millis(15);

/// Compares the frames of both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FrameLead {
    /// Frames of this side and turns of the peer at the moment of the least lead, while games use the cable.
    anchor: Option<(u64, u64)>,
    is_over: bool,
    /// The game can stall for its lead; else it is slowed.
    can_stall: bool,
    started: LocalTime,
    /// The game stands still in this call.
    is_stalled: bool,
    /// Frames that the peer is still told of.
    reports: u32,
    /// When the next call may begin, where the game stands still in one after the other.
    due: LocalTime,
}

impl FrameLead {
    /// A frame begins. This side has emulated so many, and the peer has emulated or waited for so many;
    /// `is_used` while bytes keep crossing. `can_stall`: this game may stand still; else it is slowed.
    pub(super) fn handle_frame_start(
        &mut self,
        now: LocalTime,
        (ours, theirs): (u64, u64),
        round_trip: Duration,
        is_used: bool,
        can_stall: bool,
    ) {
        self.started = now;
        self.can_stall = can_stall;
        self.is_stalled = false;
        let (own, other) = self.anchor.unwrap_or((ours, theirs));
        let lead = (ours.saturating_sub(own)).checked_sub(theirs.saturating_sub(other));
        let frame = TCycles::FRAME.nominal_duration();
        let round_trip = u64::try_from(round_trip.as_nanos() / frame.as_nanos()).unwrap_or(u64::MAX);
        let limit = round_trip.saturating_add(MOST);
        self.is_over = is_used && lead.is_some_and(|lead| lead > limit);
        self.anchor = is_used.then_some(match lead {
            Some(lead) => {
                let forgiven = lead.saturating_sub(limit.saturating_add(MOST_DEBT));
                (own.saturating_add(forgiven), other)
            }
            // Less than ever.
            None => (ours, theirs),
        });
    }

    /// True where the game should go slower, and cannot stand still: the peer waits for its answers.
    pub(super) fn must_slow(&self) -> bool {
        self.is_over && !self.can_stall
    }

    /// True where the game should stand still, for the peer to have its turn first.
    pub(super) fn must_stall(&self) -> bool {
        self.is_over && self.can_stall
    }

    pub(super) fn handle_stall(&mut self) {
        self.is_stalled = true;
        if self.is_over {
            self.reports = REPORTED;
        }
    }

    /// True where the peer is to be told that the frame which ends has been emulated.
    pub(super) fn take_report(&mut self) -> bool {
        let is_due = self.reports > 0 && !self.is_stalled;
        self.reports -= u32::from(is_due);
        is_due
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// Time to sleep at the end of this call; never more than a frame.
    pub(super) fn pause(&mut self, now: LocalTime) -> Duration {
        if self.is_stalled {
            let latest = LocalTime(now.0.saturating_sub(STALLED_CALL.as_nanos() as u64));
            self.due = self.due.after(STALLED_CALL).max(latest);
            return self.due.since(now).min(STALLED_CALL);
        }
        if self.must_slow() {
            let frame = TCycles::FRAME.nominal_duration();
            return frame.saturating_sub(now.since(self.started));
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: LocalTime = LocalTime(10_000_000_000);
    const PERIOD: Duration = Duration::from_nanos(16_742_706);

    /// Frames that a side emulates in ten seconds whose frontend calls every `period`, stalled or slowed
    /// where it leads.
    fn play(
        period: Duration,
        can_stall: bool,
        is_used: bool,
        theirs: impl Fn(Duration) -> u64,
    ) -> (u64, u64) {
        let mut lead = FrameLead::default();
        let (mut now, mut ours, mut calls) = (T, 0, 0);
        while now.since(T) < Duration::from_secs(10) {
            let frames = (ours, theirs(now.since(T)));
            lead.handle_frame_start(now, frames, Duration::ZERO, is_used, can_stall);
            calls += 1;
            if lead.must_stall() {
                lead.handle_stall();
            } else {
                ours += 1;
            }
            now = now.after(lead.pause(now).max(period));
        }
        (ours, calls)
    }

    fn real_time(since: Duration) -> u64 {
        (since.as_nanos() / PERIOD.as_nanos()) as u64
    }

    #[test]
    fn a_side_in_fast_forward_goes_at_the_peers_pace_and_does_not_spin() {
        for period in [Duration::from_micros(20), PERIOD / 4] {
            for can_stall in [true, false] {
                let (ours, calls) = play(period, can_stall, true, real_time);
                assert!((590..=620).contains(&ours), "{period:?} {can_stall}: {ours}");
                assert!(calls < 1500, "{period:?} {can_stall}: {calls}");
            }
        }
    }

    #[test]
    fn a_side_whose_peer_is_slow_goes_at_the_peers_pace() {
        let (ours, calls) = play(PERIOD, true, true, |since| real_time(since) * 2 / 3);
        assert!((398..=412).contains(&ours), "{ours}");
        assert!(calls >= 597, "its frontend keeps its rhythm: {calls}");
    }

    #[test]
    fn a_taker_that_needs_more_frames_than_the_maker_has_holds_nobody_up() {
        let mut leads = [FrameLead::default(); 2];
        // Frames and turns of each side; bytes made and taken.
        let (mut frames, mut turns) = ([0_u64; 2], [0_u64; 2]);
        let (mut made, mut taken) = (0_u64, 0_u64);
        for call in 0..6000 {
            let now = T.after(PERIOD * call);
            for side in 0..2 {
                let frames = (frames[side], turns[1 - side]);
                leads[side].handle_frame_start(now, frames, Duration::ZERO, true, true);
            }
            // The maker has eleven bytes for each frame, and may have twenty open; the taker takes eight a
            // frame.
            let must_wait = [made - taken > 20, false];
            for side in 0..2 {
                if leads[side].must_stall() || must_wait[side] {
                    leads[side].handle_stall();
                    turns[side] += u64::from(!leads[side].must_stall());
                } else {
                    frames[side] += 1;
                    turns[side] += 1;
                    match side {
                        0 => made += 11,
                        _ => taken = made.min(taken + 8),
                    }
                }
            }
        }
        assert_eq!(frames[1], 6000, "the taker runs on");
        assert!(
            frames[0] > 4300,
            "the maker has what the taker allows: {frames:?}"
        );
    }

    #[test]
    fn what_a_game_came_ahead_while_it_could_not_stall_is_not_made_good_at_a_stretch() {
        let mut lead = FrameLead::default();
        // The peer waits inside its calls, and has ten of them a second.
        for ours in 0..600 {
            let now = T.after(PERIOD * u32::try_from(ours).unwrap());
            lead.handle_frame_start(now, (ours, ours / 6), Duration::ZERO, true, false);
        }
        // Now it predicts, and stands still in each call until this side has answered.
        let stalls = (1..=120).take_while(|turn| {
            let now = T.after(PERIOD * (600 + turn));
            let theirs = 100 + u64::from(*turn);
            lead.handle_frame_start(now, (600, theirs), Duration::ZERO, true, true);
            lead.must_stall()
        });
        let stalls = stalls.count();
        assert!((1..=MOST_DEBT as usize + 1).contains(&stalls), "{stalls}");
    }

    #[test]
    fn games_that_do_not_use_the_cable_run_as_they_like() {
        let (ours, _) = play(PERIOD / 4, true, false, real_time);
        assert!(ours > 2380, "{ours}");
    }

    #[test]
    fn both_in_fast_forward_run_fast() {
        let (ours, _) = play(PERIOD / 4, true, true, |since| 4 * real_time(since));
        assert!(ours > 2300, "{ours}");
    }

    #[test]
    fn words_that_are_held_up_for_a_tenth_of_a_second_hold_nobody() {
        let late = |since: Duration| {
            real_time(since.saturating_sub(Duration::from_millis(since.as_millis() as u64 % 100)))
        };
        let (ours, calls) = play(PERIOD, true, true, late);
        assert_eq!(ours, calls);
    }
}
