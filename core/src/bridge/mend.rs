//! The bridge's side towards the timeline: a session in which both go on and mend instead of waiting.
//!
//! Both sides say in every datagram whether they can; where both do, offers and verdicts travel as the timelines' words, and
//! the strict exchange is idle. The choice holds for a session.

use super::stall::Progress;
use super::{Bridge, Notice};
use crate::protocol::{Events, Flags, Header, Writer};
use crate::serial::{Look, Speed};
use crate::time::LocalTime;
use crate::timeline::{Boundary, Confirmed, Counters, Step, Timeline};
use std::time::Duration;

/// Buffers for states that the owner of the core keeps: see [`Timeline::new`].
pub const STATES: usize = 48;

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

impl Bridge {
    /// Whether this side goes on and mends where the peer can too. The owner of the core then does what
    /// [`step`](Self::step) says. Say so before a peer is plugged in.
    pub fn set_mending(&mut self, is_mending: bool) {
        self.timeline = is_mending.then(|| Box::new(Timeline::new(STATES)));
        self.is_mending = false;
    }

    /// Whether the owner of the core can save states with a transfer in flight: see [`Timeline::set_repairs`].
    pub fn set_repairs(&mut self, has_repairs: bool) {
        if let Some(timeline) = &mut self.timeline {
            timeline.set_repairs(has_repairs);
        }
    }

    /// Whether the owner of the core must ask for [`step`](Self::step)s.
    #[must_use]
    pub fn can_mend(&self) -> bool {
        self.timeline.is_some()
    }

    /// Whether bytes cross by the timelines' words in this session.
    #[must_use]
    pub fn is_mending(&self) -> bool {
        self.is_mending
    }

    /// What is to be done next around a frame: see [`crate::timeline`]. A live frame alone where nothing can be mended.
    pub fn step(&mut self) -> Step {
        let (round_trip, is_meeting) = (self.slow_round_trip(), self.meets());
        let Some(timeline) = &mut self.timeline else {
            return Step::Done;
        };
        timeline.set_round_trip(round_trip);
        timeline.set_meeting(is_meeting);
        timeline.set_leading(self.lead.is_over());
        let step = timeline.step();
        if step == Step::Hold {
            self.lead.handle_hold();
            // Its turn is over all the same: a peer that takes fewer bytes in a frame than this game sends needs
            // more frames.
            self.turns += u64::from(!self.lead.is_over());
        }
        if step == Step::Done && self.is_mending && timeline.must_transmit() {
            self.must_transmit = true;
        }
        step
    }

    /// The frame that the last step asked for has been emulated.
    pub fn handle_boundary(&mut self, boundary: Boundary) {
        if let Some(timeline) = &mut self.timeline {
            timeline.frame_end(boundary);
        }
    }

    /// The state that the last step asked for has been kept, or could not be.
    pub fn handle_saved(&mut self, is_kept: bool) {
        if let Some(timeline) = &mut self.timeline {
            timeline.saved(is_kept);
        }
    }

    /// So many frames were replayed before the frame that comes next, at this cost, states included.
    pub fn handle_replays(&mut self, frames: u32, cost: Cost) {
        self.replayed += cost.own();
        self.stats.replay.record(cost.elapsed);
        if let (Some(timeline), Some(cost)) = (&mut self.timeline, cost.own().checked_div(frames)) {
            timeline.handle_replay_cost(cost);
        }
    }

    /// The game has gone elsewhere, by a loaded state or a reset: its history is no history any more.
    pub fn handle_jump(&mut self) {
        if let Some(timeline) = &mut self.timeline {
            timeline.abandon();
        }
    }

    /// The listening game looks for a byte, in a session that mends.
    pub fn mending_poll(&mut self, look: Look) -> Option<(u8, Speed)> {
        self.timeline.as_mut()?.poll(look)
    }

    /// The same poll has been prolonged.
    pub fn mending_poll_again(&mut self) -> Option<(u8, Speed)> {
        self.timeline.as_mut()?.poll_again()
    }

    /// The game took it and answered; true where the peer should be told at once.
    pub fn mending_taken(&mut self, byte: u8) -> bool {
        if let Some(timeline) = &mut self.timeline {
            timeline.taken(byte);
        }
        self.last_byte = Some(self.last_active);
        self.meet.handle_take();
        self.means.handle_taken();
        let is_awaited = self.peer.meets();
        self.must_transmit |= is_awaited;
        is_awaited
    }

    /// The game clocks a transfer, in a session that mends; ask [`mending_answer`](Self::mending_answer) for the byte that it reads.
    pub fn mending_offer(&mut self, byte: u8, speed: Speed) {
        if let Some(timeline) = &mut self.timeline {
            timeline.offer(byte, speed);
        }
        self.last_byte = Some(self.last_active);
        self.has_clocked = true;
        self.means.handle_clocked();
    }

    /// Whether the verdict is worth waiting for; then the offer goes out at once.
    pub fn is_mending_wait(&mut self) -> bool {
        let must_wait = self.meets()
            && !self.means.patience(self.round_trip()).is_zero()
            && !self.peer.is_paused()
            && !self.is_mending_answered();
        self.must_transmit |= must_wait;
        must_wait
    }

    /// Until when to wait for it, from `now` on: within the time that the frontend would sleep.
    #[must_use]
    pub fn mending_wait_until(&self, now: LocalTime) -> LocalTime {
        let patience = now.after(self.means.patience(self.round_trip()));
        self.meet.free_until().map_or(now, |free| free.min(patience))
    }

    /// Whether nothing better can be known of what the game reads.
    #[must_use]
    pub fn is_mending_answered(&self) -> bool {
        self.timeline
            .as_ref()
            .is_none_or(|timeline| timeline.is_answered())
    }

    /// It was waited for, so long.
    pub fn handle_mending_wait(&mut self, wait: Duration) {
        let is_answered = self.is_mending_answered();
        self.means.handle_wait(is_answered);
        self.meet.handle_wait(wait);
        self.stats.wait.record(wait);
        self.stats.counters.missed += u64::from(!is_answered);
    }

    /// What the game reads in the transfer that it has started.
    pub fn mending_answer(&mut self) -> u8 {
        self.timeline
            .as_mut()
            .map_or(crate::serial::UNPLUGGED, |timeline| timeline.answer())
    }

    /// A word for what serves a game that clocks: `wait` for every byte, `guess`, or `meet` the peer's game in its poll.
    #[must_use]
    pub fn means(&self) -> &'static str {
        match (self.is_mending, self.meets()) {
            (false, _) => "wait",
            (true, false) => "guess",
            (true, true) => "meet",
        }
    }

    /// Whether this side waits for verdicts.
    pub(super) fn meets(&self) -> bool {
        self.is_mending && self.means.wants_to_meet() && self.means.meets(self.round_trip())
    }

    /// Up to where nothing can change any more; `None` where everything is as it is.
    #[must_use]
    pub fn confirmed(&self) -> Option<Confirmed> {
        let timeline = self.timeline.as_ref()?;
        timeline.is_open().then(|| timeline.confirmed())
    }

    /// The oldest frame whose inputs may be asked for again.
    #[must_use]
    pub fn oldest_frame(&self) -> u64 {
        self.timeline
            .as_ref()
            .map_or(0, |timeline| timeline.oldest_frame())
    }

    /// What the timeline has counted.
    #[must_use]
    pub fn timeline_counters(&self) -> Option<&Counters> {
        self.timeline.as_deref().map(Timeline::counters)
    }

    /// A session has begun or come back.
    pub(super) fn plug_timeline(&mut self, header: &Header, is_new_peer: bool) {
        let Some(timeline) = &mut self.timeline else {
            return;
        };
        self.is_mending = header.flags.contains(Flags::MENDS);
        if self.is_mending {
            timeline.plug(is_new_peer);
        }
    }

    /// It is over: what is open reads 0xFF.
    pub(super) fn unplug_timeline(&mut self) {
        if let Some(timeline) = &mut self.timeline {
            timeline.unplug();
        }
        self.is_mending = false;
    }

    /// Ends the link to a peer that is heard and leaves the game standing all the same.
    pub(super) fn check_stall(&mut self, now: LocalTime) {
        let Some(timeline) = self.timeline.as_ref().filter(|_| self.is_mending) else {
            return;
        };
        let counters = timeline.counters();
        let progress = Progress {
            live: counters.live,
            answers: counters.answered + counters.confirmed,
        };
        if self.stall.handle_frame(now, progress, self.peer.is_paused()) {
            self.session.back_off(now);
            self.lose(now, Notice::PeerStalled);
        }
    }

    /// True where the timeline takes what this datagram says of bytes.
    pub(super) fn mend_datagram(&mut self, header: &Header, events: &Events<'_>) -> bool {
        if !self.is_mending {
            return false;
        }
        if let Some(timeline) = &mut self.timeline {
            timeline.handle_datagram(header, events.clone());
        }
        true
    }

    pub(super) fn write_timeline_header(&self, header: &mut Header) {
        if self.is_mending
            && let Some(timeline) = &self.timeline
        {
            timeline.write_header(header);
        }
    }

    /// True where the timeline has said what there is to say of bytes.
    pub(super) fn write_timeline(&mut self, writer: &mut Writer<'_>) -> bool {
        if !self.is_mending {
            return false;
        }
        if let Some(timeline) = &mut self.timeline {
            // What does not fit goes into another datagram at once.
            self.must_transmit |= timeline.write_events(writer);
        }
        true
    }
}
