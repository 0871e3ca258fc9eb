//! Timers of a bridge, and what is done when one is due.

use super::exchange::Limit;
use super::{Bridge, Notice};
use crate::time::LocalTime;

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

impl Bridge {
    /// Does what is due by `now`. Hand over what has arrived before calling this, or silence is found where
    /// there is none.
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
            Timer::Wait => self.game.wait().map(|wait| match wait.limit {
                Limit::Table => self.liveness.deadline(wait.counted_from, self.round_trip().slow),
                Limit::Prediction(until) => until,
            }),
            Timer::Retransmit => self.game.wait().and_then(|wait| wait.retransmit_at()),
            Timer::Pause => {
                let may_pause = self.is_plugged && self.game.wait().is_none();
                self.game.emulation.pause_at().filter(|_| may_pause)
            }
            Timer::Heartbeat => self.is_plugged.then(|| self.outbox.heartbeat()),
        }
    }

    fn expire(&mut self, now: LocalTime, timer: Timer) {
        let (game, mut link) = self.game(now);
        match timer {
            Timer::Silence => {
                if self.session.handle_timeout(now) {
                    self.lose(now, Notice::PeerGone);
                }
            }
            Timer::Wait => game.check_wait(&mut link),
            Timer::Retransmit => game.retransmit(&mut link),
            Timer::Pause => {
                game.emulation.pause();
                link.outbox.transmit();
            }
            Timer::Heartbeat => link.outbox.transmit(),
        }
    }
}
