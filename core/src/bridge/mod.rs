//! The bridge: one end of the cable as a pure machine.
//!
//! Feed it with [`Bridge::handle_input`], then drain [`Bridge::poll_output`] to `None`, and call
//! [`Bridge::handle_timeout`] when [`Bridge::poll_timeout`] is due. It holds no socket and reads no clock; after it is
//! made, nothing in it allocates.
//!
//! A byte of the game goes from [`Input::Request`] to the exchange, which answers with a byte that the game reads at once
//! or with a wait; a byte of the peer is found by [`Input::Poll`] and answered with [`Input::Reply`]. Where this side
//! keeps snapshots, the owner of the core also asks for [`Bridge::step`]s around each frame: the exchange may take the
//! game back.

mod emulation;
mod exchange;
mod hearing;
mod io;
mod lead;
mod liveness;
mod notice;
mod outbox;
mod pacing;
mod rendezvous;
pub mod session;
mod stall;
mod stats;
pub mod transfer;
mod wait;
mod wait_policy;
mod wire;

#[cfg(test)]
mod tests;

pub use exchange::{Mode, STATES};
pub use io::{Input, Output};
pub use liveness::WAIT_LIMIT;
pub use notice::Notice;
pub use stats::{Cost, Counters, Latency, Stats, Summary, Traffic};
pub use wait_policy::Policy;

use crate::clock::ClockSync;
use crate::control::LinkState;
use crate::protocol::MAX_DATAGRAM;
use crate::serial::{GamePort, Speed};
use crate::time::LocalTime;
use crate::timeline::{Step, Timeline};
use emulation::Emulation;
use exchange::{Context, Effects, Exchange, Frame};
use lead::Lead;
use liveness::Liveness;
use notice::Notices;
use outbox::Outbox;
use pacing::Pacing;
use rendezvous::Rendezvous;
use session::Session;
use stall::{Progress, Stall};
use std::time::Duration;
use wait::{Limit, Wait};
use wait_policy::WaitPolicy;

/// A datagram is sent at least so often: a tenth of the silence that ends a session.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// Timers of a bridge; each is computed from the part that it belongs to, so none can be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The peer has been silent, or deaf, for too long.
    Silence,
    /// The game's wait is over.
    Wait,
    /// The open offer is repeated.
    Retransmit,
    /// The emulation counts as paused.
    Pause,
    /// The peer should hear that this side is there.
    Heartbeat,
}

/// All timers, in the order in which they act.
const TIMERS: [Timer; 5] = [
    Timer::Silence,
    Timer::Wait,
    Timer::Retransmit,
    Timer::Pause,
    Timer::Heartbeat,
];

/// One end of the cable.
#[derive(Clone, Debug, Default)]
pub struct Bridge {
    is_plugged: bool,
    session: Session,
    liveness: Liveness,
    exchange: Exchange,
    emulation: Emulation,
    /// The game waits for the byte that it asked for.
    wait: Option<Wait>,
    outbox: Outbox,
    clock: ClockSync,
    pacing: Pacing,
    rendezvous: Rendezvous,
    lead: Lead,
    stall: Stall,
    policy: WaitPolicy,
    stats: Stats,
    notices: Notices,
}

impl Bridge {
    /// Takes one event. Drain [`poll_output`](Self::poll_output) after each.
    pub fn handle_input(&mut self, now: LocalTime, input: Input<'_>) {
        match input {
            Input::Plug { nonce } => self.plug(now, nonce),
            Input::Unplug => self.unplug(),
            Input::Datagram { bytes, received } => self.handle_datagram(now, bytes, received.min(now)),
            Input::Request {
                byte,
                speed,
                is_enabled,
            } => self.handle_request(now, (byte, speed), is_enabled),
            Input::Poll { look } => self.outbox.deliver = self.exchange.poll(now, look),
            Input::PollAgain => self.outbox.deliver = self.exchange.poll_again(now),
            Input::Reply { byte } => self.handle_reply(now, byte),
            Input::FrameStart { is_armed, port } => self.handle_frame_start(now, is_armed, port),
            Input::FrameEnd { has_advanced } => self.handle_frame_end(now, has_advanced),
            Input::CoreReconnected => {
                self.stats.counters.core_reconnects += 1;
                self.outbox.deliver = None;
                self.exchange.handle_reconnect();
                self.wait = None;
                self.emulation.handle_activity(now);
            }
        }
    }

    /// Does what is due by `now`. Hand over what has arrived before calling this, or silence is found where there is none.
    pub fn handle_timeout(&mut self, now: LocalTime) {
        for timer in TIMERS {
            if self.deadline(timer).is_some_and(|deadline| now >= deadline) {
                self.expire(now, timer);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next; an input may move it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        TIMERS.into_iter().filter_map(|timer| self.deadline(timer)).min()
    }

    fn deadline(&self, timer: Timer) -> Option<LocalTime> {
        match timer {
            Timer::Silence => self.session.silence_deadline(),
            Timer::Wait => self.wait.map(|wait| match wait.limit {
                Limit::Table => self.liveness.deadline(wait.since, self.slow_round_trip()),
                Limit::Prediction(until) => until,
            }),
            Timer::Retransmit => self.wait.and_then(|wait| wait.retransmit_at()),
            Timer::Pause => self
                .emulation
                .pause_at()
                .filter(|_| self.is_plugged && self.wait.is_none()),
            Timer::Heartbeat => self.is_plugged.then(|| self.outbox.heartbeat()),
        }
    }

    fn expire(&mut self, now: LocalTime, timer: Timer) {
        match timer {
            Timer::Silence => {
                if self.session.handle_timeout(now) {
                    self.lose(now, Notice::PeerGone);
                }
            }
            Timer::Wait => self.check_wait(now),
            Timer::Retransmit => {
                if self.wait.as_mut().is_some_and(|wait| wait.must_retransmit(now)) {
                    self.stats.counters.retransmits += 1;
                    self.outbox.transmit();
                }
            }
            Timer::Pause => {
                self.emulation.pause();
                self.outbox.transmit();
            }
            Timer::Heartbeat => self.outbox.transmit(),
        }
    }

    /// The next thing to be done; a datagram is written into `buffer`.
    pub fn poll_output(&mut self, now: LocalTime, buffer: &mut [u8; MAX_DATAGRAM]) -> Option<Output> {
        if let Some(byte) = self.outbox.complete.take() {
            return Some(Output::Complete { byte });
        }
        if let Some((byte, speed)) = self.outbox.deliver.take() {
            return Some(Output::Deliver { byte, speed });
        }
        if let Some(recipient) = self.outbox.next_recipient(self.is_plugged) {
            return self
                .write_datagram(now, recipient, buffer)
                .map(|len| Output::Transmit { len });
        }
        self.notices.pop().map(Output::Notify)
    }

    /// Sets whether this side keeps snapshots, and so rolls back where the peer does too. The owner of the core then does
    /// what [`step`](Self::step) says. Call it before a peer is plugged in.
    pub fn set_rollback(&mut self, is_on: bool) {
        self.exchange.set_rollback(is_on);
    }

    /// The exchange that this side is set to, linked or not.
    #[must_use]
    pub fn setting(&self) -> Mode {
        self.exchange.setting()
    }

    /// The exchange that serves this session; strict while there is none.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.exchange.mode()
    }

    /// The history of this side's game, where it keeps snapshots: for the owner of the core, see [`crate::timeline`].
    #[must_use]
    pub fn rollback(&self) -> Option<&Timeline> {
        self.exchange.rollback()
    }

    /// The same, to report what a step led to.
    pub fn rollback_mut(&mut self) -> Option<&mut Timeline> {
        self.exchange.rollback_mut()
    }

    /// The next step around a frame: see [`crate::timeline`]. [`Step::Done`] alone where this side keeps no snapshots.
    pub fn step(&mut self) -> Step {
        let (round_trip, policy) = (self.slow_round_trip(), self.policy());
        let Some(rollback) = self.exchange.rollback_mut() else {
            return Step::Done;
        };
        rollback.set_round_trip(round_trip);
        rollback.set_meeting(policy == Policy::Rendezvous);
        rollback.set_leading(self.lead.is_over());
        let step = rollback.step();
        if step == Step::Done && rollback.must_transmit() {
            self.outbox.transmit();
        }
        if step == Step::Hold {
            self.lead.handle_hold();
            if !self.lead.is_over() {
                self.emulation.pass_turn();
            }
        }
        step
    }

    /// So many frames were replayed before the frame that comes next, at this cost, snapshots included.
    pub fn handle_replays(&mut self, frames: u32, cost: Cost) {
        self.policy.handle_replay(cost.own());
        self.stats.replay.record(cost.elapsed);
        if let (Some(rollback), Some(cost)) = (self.exchange.rollback_mut(), cost.own().checked_div(frames)) {
            rollback.handle_replay_cost(cost);
        }
    }

    /// Time that the emulation thread should sleep at the end of its frame, once: see the modules `pacing` and
    /// `lead`.
    ///
    /// Zero nearly always, and never longer than two frames.
    pub fn pause(&mut self, now: LocalTime) -> Duration {
        let stalled = self.lead.pause(now, self.mode() == Mode::Rollback);
        if self.is_linked() && stalled.is_zero() {
            self.pacing.step(self.round_trip())
        } else {
            stalled
        }
    }

    /// Moment until which the listening game, whose frame would else run on without a byte, should be kept in its poll
    /// for the next one.
    ///
    /// `None`, as nearly always, is not at all. The answer changes with each input: ask again after one.
    #[must_use]
    pub fn rendezvous(&self) -> Option<LocalTime> {
        let comes = self.mode() == Mode::Strict || self.liveness.awaits_verdicts();
        let is_awaited = comes && self.is_linked() && self.is_quiet() && !self.liveness.is_paused();
        self.rendezvous
            .deadline(self.liveness.next_frame_at())
            .filter(|_| is_awaited)
    }

    /// The emulation thread has been kept in a poll for so long, as [`rendezvous`](Self::rendezvous) said.
    pub fn handle_rendezvous(&mut self, wait: Duration) {
        self.rendezvous.handle_wait(wait);
        self.stats.rendezvous.record(wait);
    }

    /// Whether both sides know each other now.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.session.is_linked()
    }

    /// The peer's number in this session and this side's, while both sides know each other.
    #[must_use]
    pub fn session_numbers(&self) -> Option<(u64, u64)> {
        self.is_linked()
            .then(|| (self.session.addressee(), self.session.ours()))
    }

    /// Whether an offer of the peer waits for the next frame boundary at which the game listens.
    #[must_use]
    pub fn is_offer_waiting(&self) -> bool {
        self.exchange.is_offer_waiting()
    }

    /// Whether nothing is between the core and the bridge: no byte handed over and unanswered, no game that waits.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.exchange.is_quiet() && self.wait.is_none()
    }

    /// When a byte was last asked for or answered at this end.
    #[must_use]
    pub fn last_byte(&self) -> Option<LocalTime> {
        self.emulation.last_byte()
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> LinkState {
        match (self.is_plugged, self.is_linked(), self.liveness.is_paused()) {
            (false, _, _) => LinkState::Unplugged,
            (true, false, _) => LinkState::Searching,
            (true, true, false) => LinkState::Linked,
            (true, true, true) => LinkState::PeerPaused,
        }
    }

    /// What serves a game that clocks just now.
    #[must_use]
    pub fn policy(&self) -> Policy {
        match self.mode() {
            Mode::Strict => Policy::Wait,
            Mode::Rollback if self.policy.wants_rendezvous(self.round_trip()) => Policy::Rendezvous,
            Mode::Rollback => Policy::Predict,
        }
    }

    /// Frames emulated so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.emulation.frames()
    }

    /// The peer's clock as far as it is known.
    #[must_use]
    pub fn clock(&self) -> &ClockSync {
        &self.clock
    }

    /// All that has been measured.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Transfers that have crossed the cable so far, by either exchange.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.exchange.traffic(&self.stats.counters)
    }

    /// The counters, for what the driver sees and the bridge does not.
    pub fn counters_mut(&mut self) -> &mut Counters {
        &mut self.stats.counters
    }

    /// An unplugged bridge in the place of this one, which cannot be trusted any more; the core may still hold a byte of it.
    #[must_use]
    pub fn restarted(&self) -> Bridge {
        Bridge {
            exchange: self.exchange.restarted(),
            emulation: self.emulation.restarted(),
            ..Bridge::default()
        }
    }

    fn handle_request(&mut self, now: LocalTime, transfer: (u8, Speed), is_enabled: bool) {
        self.emulation.handle_clocked(now);
        self.policy.handle_clocked();
        let (frame, verdict_until) = (self.frames(), self.verdict_until(now));
        let (exchange, context) = self.exchange(now);
        let effects = exchange.request(context, transfer, is_enabled, frame, verdict_until);
        self.apply(now, effects);
    }

    /// Moment until which a verdict is worth a wait in rollback, if it is: within the time that the frontend would sleep.
    fn verdict_until(&self, now: LocalTime) -> Option<LocalTime> {
        let round_trip = self.round_trip();
        let patience = self
            .policy
            .patience(round_trip)
            .filter(|_| !self.liveness.is_paused())?;
        let free = self.rendezvous.free_until();
        Some(free.map_or(now, |free| free.min(now.after(patience))))
    }

    fn handle_reply(&mut self, now: LocalTime, byte: u8) {
        self.emulation.handle_byte(now);
        let (exchange, context) = self.exchange(now);
        let effects = exchange.reply(context, byte);
        self.apply(now, effects);
    }

    fn handle_frame_start(&mut self, now: LocalTime, is_armed: Option<bool>, port: GamePort) {
        self.check_stall(now);
        let is_used = self.is_linked() && self.policy.is_used() && !self.liveness.is_paused();
        let frames = (self.frames(), self.liveness.turns());
        let round_trip = self.slow_round_trip();
        self.lead.handle_frame_start(now, frames, round_trip, is_used);
        self.pacing.handle_frame_start(now);
        self.rendezvous.handle_frame_start(now);
        let is_cut_short = self.rollback().is_some_and(Timeline::is_cut_short);
        self.policy.handle_frame_start(is_cut_short);
        let was_armed = self.emulation.is_armed();
        if self.emulation.handle_frame_start(now, is_armed == Some(true)) {
            self.outbox.transmit();
        }
        let frame = Frame {
            number: self.frames(),
            is_armed,
            was_armed,
            port,
        };
        let (exchange, context) = self.exchange(now);
        let effects = exchange.frame_start(context, frame);
        self.apply(now, effects);
    }

    fn handle_frame_end(&mut self, now: LocalTime, has_advanced: bool) {
        // A call may emulate old frames again and then stand still.
        let has_clocked = self
            .emulation
            .handle_frame_end(has_advanced && !self.lead.is_held());
        self.pacing.handle_frame_end(now);
        self.rendezvous.handle_frame_end(now);
        // The peer's game may be kept waiting for the next byte: none comes before the next frame.
        if has_clocked && self.policy() != Policy::Predict && self.is_linked() {
            self.emulation.rest();
            self.outbox.transmit();
        }
    }

    /// Ends the link to a peer that is heard and leaves the game standing all the same.
    fn check_stall(&mut self, now: LocalTime) {
        let Some(rollback) = self.rollback().filter(|_| self.mode() == Mode::Rollback) else {
            return;
        };
        let counters = rollback.counters();
        let progress = Progress {
            live: counters.live,
            answers: counters.answered + counters.confirmed,
        };
        if self.stall.handle_frame(now, progress, self.liveness.is_paused()) {
            self.session.back_off(now);
            self.lose(now, Notice::PeerStalled);
        }
    }

    /// The exchange, and the link as it uses it.
    fn exchange(&mut self, now: LocalTime) -> (&mut Exchange, Context<'_>) {
        let context = Context {
            now,
            is_linked: self.session.is_linked(),
            liveness: &mut self.liveness,
            counters: &mut self.stats.counters,
        };
        (&mut self.exchange, context)
    }

    /// Does what the exchange wants.
    fn apply(&mut self, now: LocalTime, effects: Effects) {
        if let Some(limit) = effects.wait {
            self.wait = Some(Wait::new(now, limit, self.round_trip()));
        }
        if let Some(byte) = effects.read {
            self.finish(now, byte);
        }
        if effects.deliver.is_some() {
            self.outbox.deliver = effects.deliver;
        }
        if effects.transmit {
            self.outbox.transmit();
        }
        if effects.has_taken {
            self.policy.handle_taken();
            self.rendezvous.handle_take();
        }
        if effects.is_out_of_step {
            self.notices.handle_out_of_step(&mut self.stats.counters);
        }
    }

    /// Ends the game's wait where nothing better will come of it.
    fn check_wait(&mut self, now: LocalTime) {
        let Some(wait) = self.wait else { return };
        match wait.limit {
            Limit::Table => {
                let round_trip = self.slow_round_trip();
                let Some(reason) = self.liveness.give_up(now, wait.since, round_trip) else {
                    return;
                };
                self.stats.counters.timeouts.count(reason);
                // The peer is told that the offer is withdrawn.
                self.outbox.transmit();
            }
            Limit::Prediction(until) => {
                let is_answered = self.exchange.is_answered();
                if !is_answered && now < until {
                    return;
                }
                self.policy.handle_wait(is_answered);
                self.stats.counters.missed += u64::from(!is_answered);
            }
        }
        let byte = self.exchange.end_wait();
        self.finish(now, byte);
    }

    /// The game reads this byte now.
    fn finish(&mut self, now: LocalTime, byte: u8) {
        if let Some(wait) = self.wait.take() {
            let time = now.since(wait.since);
            if wait.limit == Limit::Table {
                self.pacing.handle_wait(time);
            }
            self.rendezvous.handle_wait(time);
            self.stats.wait.record(time);
        }
        self.emulation.handle_activity(now);
        self.outbox.complete = Some(byte);
    }

    fn plug(&mut self, now: LocalTime, nonce: u64) {
        self.unplug();
        self.session = Session::new(nonce);
        self.forget_peer();
        self.notices.handle_plug();
        self.is_plugged = true;
        self.outbox.plug(now);
    }

    fn unplug(&mut self) {
        let peer = self.session.addressee();
        self.outbox.unplug((self.is_plugged && peer != 0).then_some(peer));
        if self.session.handle_goodbye() {
            self.stats.counters.losses += 1;
        }
        self.is_plugged = false;
        self.interrupt();
    }

    /// The peer fell silent, left, or answers nothing.
    fn lose(&mut self, now: LocalTime, notice: Notice) {
        self.stats.counters.losses += 1;
        self.notify(notice);
        self.interrupt();
        self.emulation.handle_activity(now);
    }

    /// Ends what is under way with a peer that is not there any more.
    fn interrupt(&mut self) {
        let is_waiting = self.wait.take().is_some();
        if let Some(byte) = self.exchange.unplug(is_waiting, &mut self.stats.counters) {
            self.outbox.complete = Some(byte);
        }
        self.stall = Stall::default();
        self.lead = Lead::default();
    }

    fn forget_peer(&mut self) {
        let has_delivery = self.outbox.deliver.take().is_some();
        self.exchange.forget_peer(has_delivery);
        self.liveness = Liveness::default();
        self.clock.reset();
        self.outbox.forget_peer();
        self.notices.forget_peer();
    }

    fn notify(&mut self, notice: Notice) {
        self.notices.push(notice, &mut self.stats.counters);
    }

    fn round_trip(&self) -> Duration {
        self.clock.delay().unwrap_or_default()
    }

    /// Round trip on a busy path (RFC 6298, section 2: the mean and four deviations).
    fn slow_round_trip(&self) -> Duration {
        self.round_trip() + 4 * self.clock.jitter()
    }
}
