//! Waits of a game for the byte that it asked for: how long they may last, and what ends them.

use super::Game;
use crate::bridge::context::{Context, Wait};
use crate::bridge::exchange::Limit;
use crate::bridge::wait_policy::Patience;
use crate::time::LocalTime;

impl Game {
    /// The wait that is open.
    pub(in crate::bridge) fn wait(&self) -> Option<Wait> {
        self.wait
    }

    /// Bytes for which the game has waited in its frame so far.
    pub(in crate::bridge) fn bytes_waited_for(&self) -> u32 {
        self.pacing.waits()
    }

    /// Moment until which a verdict is worth a wait in rollback, if it is.
    pub(super) fn verdict_until(&self, context: &Context<'_>) -> Option<LocalTime> {
        let patience = self
            .policy
            .patience(context.round_trip, context.liveness.awaits_verdicts());
        match patience.filter(|_| !context.liveness.is_paused())? {
            Patience::Full(patience) => Some(context.now.after(patience)),
            Patience::Slack(patience) => {
                let until = self.budget.free_until()?.min(context.now.after(patience));
                (until > context.now).then_some(until)
            }
        }
    }

    /// Ends the game's wait where nothing better will come of it.
    pub(in crate::bridge) fn check_wait(&mut self, context: &mut Context<'_>) {
        let Some(wait) = &mut self.wait else { return };
        let now = context.now;
        match wait.limit {
            Limit::Table if context.is_excused && context.liveness.is_patient() => {
                wait.counted_from = now;
                return;
            }
            Limit::Table => {
                let round_trip = context.round_trip.slow;
                let timeouts = &mut context.stats.counters.timeouts;
                if !context
                    .liveness
                    .is_given_up(now, wait.counted_from, round_trip, timeouts)
                {
                    return;
                }
            }
            Limit::Prediction(until) => {
                let is_answered = self.exchange.is_answered();
                if !is_answered && now < until {
                    return;
                }
                self.policy.handle_wait(is_answered);
                context.stats.counters.missed += u64::from(!is_answered);
            }
        }
        self.end_wait(context);
    }

    /// The game that waits reads what there is for it.
    fn end_wait(&mut self, context: &mut Context<'_>) {
        if self.wait.is_some_and(|wait| wait.limit == Limit::Table) {
            // The peer is told that the offer is withdrawn.
            context.outbox.transmit();
        }
        let byte = self.exchange.end_wait();
        self.finish(context, byte);
    }

    /// The game reads this byte now.
    pub(super) fn finish(&mut self, context: &mut Context<'_>, byte: u8) {
        if let Some(wait) = self.wait.take() {
            let time = context.now.since(wait.since);
            if wait.limit == Limit::Table || self.policy.is_slow() {
                self.pacing.handle_wait(time);
            }
            self.budget.handle_wait(time);
            context.stats.wait.record(time);
        }
        self.emulation.handle_activity(context.now);
        context.outbox.complete = Some(byte);
    }

    pub(in crate::bridge) fn retransmit(&mut self, context: &mut Context<'_>) {
        if self
            .wait
            .as_mut()
            .is_some_and(|wait| wait.retransmit(context.now))
        {
            context.stats.counters.retransmits += 1;
            context.outbox.transmit();
        }
    }

    /// The game is not to wait any longer: it is about to be reset, loaded or unloaded.
    pub(in crate::bridge) fn give_up(&mut self, context: &mut Context<'_>) {
        if self.wait.is_some() {
            context.stats.counters.timeouts.abandoned += 1;
            self.end_wait(context);
        }
    }
}
