//! The bridge's side towards the game: its requests, its answers, its frames, and how long it waits.

mod waits;

use super::context::{Context, RoundTrip, Wait};
use super::emulation::Emulation;
use super::exchange::{Effects, Exchange, Limit, Mode};
use super::frame_budget::FrameBudget;
use super::frame_lead::FrameLead;
use super::liveness::Liveness;
use super::outbox::Outbox;
use super::pacing::Pacing;
use super::rendezvous::Rendezvous;
use super::speed::{Slowness, Speed};
use super::speed_trials::Call;
use super::stall::Stall;
use super::stats::{Cost, Stats};
use super::wait_policy::{Policy, Role, WaitPolicy};
use crate::bridge::rollback::{Rollback, Step};
use crate::protocol::{Events, Header};
use crate::serial::{GamePort, Request};
use crate::time::LocalTime;
use std::time::Duration;

/// One game, what it has exchanged with its peer's, and when it runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Game {
    pub(super) exchange: Exchange,
    pub(super) emulation: Emulation,
    /// The game waits for the byte that it asked for.
    wait: Option<Wait>,
    pacing: Pacing,
    budget: FrameBudget,
    rendezvous: Rendezvous,
    lead: FrameLead,
    stall: Stall,
    policy: WaitPolicy,
}

impl Game {
    /// The same frames, unplugged, in the place of a game whose bridge cannot be trusted any more.
    pub(super) fn restarted(&self) -> Game {
        Game {
            exchange: self.exchange.restarted(),
            emulation: self.emulation.restarted(),
            ..Game::default()
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.exchange.is_quiet() && self.wait.is_none()
    }

    pub(super) fn policy(&self, round_trip: RoundTrip) -> Policy {
        match self.exchange.mode() {
            Mode::Strict => Policy::Wait,
            Mode::Rollback if self.policy.wants_rendezvous(round_trip.mean) => Policy::Rendezvous,
            Mode::Rollback => Policy::Predict,
        }
    }

    /// Speed of the game, and what its frames cost.
    pub(super) fn speed(&self) -> Speed {
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let replayed_frame = self.exchange.rollback().map(Rollback::replay_cost);
        Speed {
            // From 0 to a few hundred.
            percent: (self.policy.speed() * 100.0).round() as u32,
            slow: self.slowness(),
            frame_us: micros(self.budget.cost()),
            replayed_frame_us: micros(replayed_frame.unwrap_or_default()),
            slack_us: micros(self.budget.replay_slack()),
        }
    }

    /// Cause of a game that has been slow for seconds, where it is on this side.
    fn slowness(&self) -> Option<Slowness> {
        let rollback = self
            .exchange
            .rollback()
            .filter(|_| self.policy.is_slow_for_long())?;
        if rollback.is_cut_short() {
            Some(Slowness::Machine)
        } else {
            rollback.is_path_too_long().then_some(Slowness::Path)
        }
    }

    pub(super) fn next_frame_in(&self, now: LocalTime) -> u32 {
        self.rendezvous.next_frame_in(&self.budget, now)
    }

    /// Moment until which a poll that found nothing should last; see [`super::Bridge::rendezvous`].
    pub(super) fn rendezvous(&self, is_linked: bool, peer: &Liveness) -> Option<LocalTime> {
        let comes = match self.exchange.mode() {
            // One that has come and is not handed over waits for the game's time, which stands still in a
            // poll.
            Mode::Strict => !self.exchange.is_offer_waiting(),
            Mode::Rollback => peer.awaits_verdicts() && !self.exchange.may_find(),
        };
        // One byte of each frame of the peer, and those that follow it there: its next frame is for the next
        // of ours.
        let is_of_this_frame = !self.emulation.has_taken() || peer.next_frame_at().is_none();
        let must_slow = self.lead.must_slow() && self.exchange.mode() == Mode::Rollback && is_of_this_frame;
        let is_awaited = comes && is_linked && self.is_quiet() && !peer.is_paused();
        self.rendezvous
            .deadline(&self.budget, peer.next_frame_at(), must_slow)
            .filter(|_| is_awaited)
    }

    pub(super) fn handle_rendezvous(&mut self, wait: Duration, stats: &mut Stats) {
        self.budget.handle_wait(wait);
        stats.rendezvous.record(wait);
    }

    /// Time to sleep at the end of a frame, once.
    pub(super) fn pause(&mut self, now: LocalTime, is_linked: bool, round_trip: RoundTrip) -> Duration {
        let stalled = self.lead.pause(now);
        if is_linked && stalled.is_zero() {
            self.pacing.step(round_trip.mean)
        } else {
            stalled
        }
    }

    pub(super) fn request(&mut self, context: &mut Context<'_>, request: Request, is_enabled: bool) {
        let is_torn = self.emulation.handle_clocked(context.now, is_enabled);
        self.policy.handle_transfer(Role::Clocked);
        let until = self.verdict_until(context);
        let effects = self
            .exchange
            .request(&mut context.exchange(), request, is_torn, until);
        self.apply(context, effects);
        self.flush(context);
    }

    /// Sends what the frame that runs has made, where the frame is long: its end is late for the peer.
    fn flush(&mut self, context: &mut Context<'_>) {
        if self.exchange.mode() == Mode::Rollback && self.budget.must_flush(context.now) {
            context.outbox.transmit();
        }
    }

    pub(super) fn reply(&mut self, context: &mut Context<'_>, byte: u8) {
        self.emulation.handle_taken(context.now);
        let effects = self.exchange.reply(&mut context.exchange(), byte);
        self.apply(context, effects);
        self.flush(context);
    }

    pub(super) fn frame_start(&mut self, context: &mut Context<'_>, is_armed: Option<bool>, port: GamePort) {
        let now = context.now;
        let is_used = context.is_linked && self.policy.is_used() && !context.liveness.is_paused();
        let frames = (self.emulation.frames(), context.liveness.turns());
        // A peer that waits for this game's answers needs it in its poll.
        let can_stall = match self.exchange.mode() {
            Mode::Rollback => !context.liveness.awaits_verdicts(),
            // A peer that is heard waits for this game's answers.
            Mode::Strict => context.liveness.is_patient() && context.is_excused,
        };
        let has_stalled = self.lead.is_stalled();
        self.lead
            .handle_frame_start(now, frames, context.round_trip.slow, is_used, can_stall);
        self.pacing.handle_frame_start(now);
        self.budget.handle_frame_start(now);
        self.rendezvous.handle_frame_start();
        let has_timeline = self.exchange.rollback().is_some_and(Rollback::has_timeline);
        self.policy.handle_frame_start(has_timeline, has_stalled);
        if self.emulation.is_paused() {
            // The peer does not wait for a game that it takes to be paused.
            context.outbox.transmit();
        }
        if let Some(rollback) = self.exchange.rollback_mut().filter(|_| context.is_excused) {
            rollback.handle_silence();
        }
        let frame = self.emulation.handle_frame_start(now, is_armed, port);
        let effects = self.exchange.frame_start(&mut context.exchange(), frame);
        self.apply(context, effects);
    }

    pub(super) fn frame_end(&mut self, context: &mut Context<'_>, has_advanced: bool) {
        // A call may emulate old frames again and then stand still.
        let has_frame = has_advanced && !self.lead.is_stalled();
        let has_clocked = self.emulation.handle_frame_end(has_frame);
        if self.lead.take_report() {
            context.outbox.transmit();
        }
        self.pacing.handle_frame_end(context.now);
        self.budget.handle_frame_end(context.now, has_frame);
        let traffic = self.exchange.traffic(&context.stats.counters);
        let rollback = self.exchange.rollback();
        let call = Call {
            has_frame,
            transfers: traffic.transfers(),
            slack_stalls: rollback.map_or(0, |rollback| rollback.counters().frames.slack_stalls),
            is_cut_short: rollback.is_some_and(Rollback::is_cut_short),
            round_trip: context.round_trip.mean,
            is_steady: context.round_trip.is_steady(),
        };
        self.policy.handle_frame_end(call, &self.budget);
        if let Some(slowness) = self.slowness() {
            let round_trip = context.round_trip.mean;
            context
                .notices
                .handle_slow(slowness, round_trip, &mut context.stats.counters);
        }
        // The peer's game may be kept waiting for the next byte: none comes before the next frame.
        if has_clocked && self.policy(context.round_trip) != Policy::Predict && context.is_linked {
            self.rendezvous.handle_rest();
            context.outbox.transmit();
        }
    }

    /// A call begins. True once the peer, which is heard, has left the game standing for too long.
    pub(super) fn check_stall(&mut self, context: &Context<'_>) -> bool {
        let is_rollback = self.exchange.mode() == Mode::Rollback;
        let rollback = self.exchange.rollback().filter(|_| is_rollback);
        rollback.is_some_and(|rollback| {
            self.stall
                .handle_frame(context.now, rollback.counters(), context.is_excused)
        })
    }

    /// The next step around a frame; see [`super::Bridge::step`].
    pub(super) fn step(&mut self, round_trip: RoundTrip, outbox: &mut Outbox) -> Step {
        let policy = self.policy(round_trip);
        let Some(rollback) = self.exchange.rollback_mut() else {
            return match self.lead.must_stall() && !self.lead.is_stalled() {
                true => {
                    self.lead.handle_stall();
                    Step::Stall
                }
                false => Step::Done,
            };
        };
        rollback.set_round_trip(round_trip.mean, round_trip.slow);
        rollback.set_rendezvous(policy == Policy::Rendezvous);
        rollback.set_slack(self.budget.replay_slack());
        rollback.set_leading(self.lead.must_stall());
        let step = rollback.step();
        if step == Step::Done && rollback.must_transmit() {
            outbox.transmit();
        }
        if step == Step::Stall {
            self.lead.handle_stall();
            if !self.lead.must_stall() {
                self.emulation.pass_turn();
            }
        }
        step
    }

    pub(super) fn handle_replays(&mut self, frames: u32, cost: Cost, stats: &mut Stats) {
        self.budget.handle_replay(cost.elapsed);
        stats.replay.record(cost.elapsed);
        if let (Some(rollback), Some(cost)) = (self.exchange.rollback_mut(), cost.own().checked_div(frames)) {
            rollback.handle_replay_cost(cost);
        }
    }

    pub(super) fn handle_datagram(
        &mut self,
        context: &mut Context<'_>,
        header: &Header,
        events: &Events<'_>,
    ) {
        let effects = self
            .exchange
            .handle_datagram(&mut context.exchange(), header, events);
        self.apply(context, effects);
        self.check_wait(context);
    }

    pub(super) fn handle_reconnect(&mut self, context: &mut Context<'_>) {
        context.stats.counters.core_reconnects += 1;
        context.outbox.deliver = None;
        self.exchange.handle_reconnect();
        self.wait = None;
        self.emulation.handle_activity(context.now);
    }

    pub(super) fn interrupt(&mut self, outbox: &mut Outbox, stats: &mut Stats) {
        self.exchange.unplug();
        if let Some(wait) = self.wait.take() {
            stats.counters.timeouts.silent += u64::from(wait.limit == Limit::Table);
            outbox.complete = Some(self.exchange.end_wait());
        }
        self.stall = Stall::default();
        self.lead = FrameLead::default();
    }

    /// Does what the exchange wants.
    fn apply(&mut self, context: &mut Context<'_>, effects: Effects) {
        if let Some(limit) = effects.wait {
            self.wait = Some(Wait::new(context, limit));
        }
        if let Some(byte) = effects.read {
            self.finish(context, byte);
        }
        if effects.deliver.is_some() {
            context.outbox.deliver = effects.deliver;
        }
        if effects.transmit {
            context.outbox.transmit();
        }
        if effects.has_taken {
            self.policy.handle_transfer(Role::Took);
            self.rendezvous.handle_take();
        }
        if effects.is_out_of_step {
            context.notices.handle_out_of_step(&mut context.stats.counters);
        }
    }
}
