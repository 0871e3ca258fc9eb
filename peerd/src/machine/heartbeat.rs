//! Liveness of the peer, and the times of our frames.
//!
//! Some cables report no carrier, so only silence tells that the far end is gone. An idle link costs three
//! frames a second each way; a peer that misses two heartbeats is queried more often before it is given up.

use super::peer_loss::Loss;
use gamelink_core::time::LocalTime;
use std::time::Duration;

/// Interval while nobody answers: a plug at the other end is answered at once, so this bounds only the first
/// wait.
const SEARCH_INTERVAL: Duration = Duration::from_millis(20);
/// Time of that interval after an event; then every [`IDLE_INTERVAL`].
const SEARCH_TIME: Duration = Duration::from_secs(5);
/// Interval on a cable that leads nowhere.
const IDLE_INTERVAL: Duration = Duration::from_millis(200);
/// Interval on an interface that may be no cable.
const UNCERTAIN_INTERVAL: Duration = Duration::from_secs(1);
/// Interval while linked.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(300);
/// Interval while the peer is suspect.
const SUSPECT_INTERVAL: Duration = Duration::from_millis(60);
/// Silence after which the peer is suspect: two heartbeats and some scheduling.
const SUSPECT_AFTER: Duration = Duration::from_millis(700);
/// Silence after which it is gone: under the promised 1.5 s.
const LOST_AFTER: Duration = Duration::from_millis(1300);
/// Least distance of two frames, so that immediate answers cannot become a flood.
const MIN_SPACING: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Silent,
    Alive,
    /// The peer has missed two heartbeats.
    Suspect,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Heartbeat {
    heard: Option<LocalTime>,
    /// Time since which the peer's frames do not name us.
    unheard: Option<LocalTime>,
    search_until: LocalTime,
    sent: Option<LocalTime>,
    is_urgent: bool,
    is_sparing: bool,
}

impl Heartbeat {
    /// With `is_sparing`, one frame a second is sent until a peer is heard.
    pub(crate) fn new(now: LocalTime, is_sparing: bool) -> Heartbeat {
        Heartbeat {
            search_until: now.after(SEARCH_TIME),
            is_urgent: true,
            is_sparing,
            ..Heartbeat::default()
        }
    }

    /// From now on one frame a second is sent until a peer is heard, or more.
    pub(crate) fn set_sparing(&mut self, is_sparing: bool) {
        self.is_sparing = is_sparing;
    }

    /// Searches eagerly again, after an event.
    pub(crate) fn wake(&mut self, now: LocalTime) {
        self.search_until = now.after(SEARCH_TIME);
        self.is_urgent = true;
    }

    /// Handles a resume: the silence during suspend says nothing about the peer.
    pub(crate) fn handle_resume(&mut self, now: LocalTime) {
        self.heard = self.heard.map(|_| now);
        self.unheard = self.unheard.map(|_| now);
        self.wake(now);
    }

    /// Handles a frame of the peer, which says whether it hears us.
    pub(crate) fn handle_heard(&mut self, now: LocalTime, hears_us: bool) {
        self.heard = Some(now);
        self.unheard = (!hears_us).then(|| self.unheard.unwrap_or(now));
    }

    pub(crate) fn forget(&mut self, now: LocalTime) {
        self.heard = None;
        self.unheard = None;
        self.wake(now);
    }

    pub(crate) fn speak(&mut self) {
        self.is_urgent = true;
    }

    pub(crate) fn health(&self, now: LocalTime) -> Health {
        match self.heard {
            None => Health::Silent,
            Some(at) if now.since(at) < SUSPECT_AFTER => Health::Alive,
            Some(_) => Health::Suspect,
        }
    }

    /// True if a live peer would have been heard by now: another sender may be its successor.
    pub(crate) fn has_missed_a_beat(&self, now: LocalTime) -> bool {
        self.heard
            .is_none_or(|at| now.since(at) > HEARTBEAT_INTERVAL + HEARTBEAT_INTERVAL / 4)
    }

    /// The reason to give the peer up, if there is one.
    pub(crate) fn poll_lost(&self, now: LocalTime) -> Option<Loss> {
        let losses = [(self.heard, Loss::Silent), (self.unheard, Loss::Deaf)];
        let is_over = |since: Option<LocalTime>| since.is_some_and(|at| now.since(at) >= LOST_AFTER);
        losses
            .into_iter()
            .find_map(|(since, loss)| is_over(since).then_some(loss))
    }

    fn interval(&self, now: LocalTime, is_linked: bool) -> Duration {
        match self.health(now) {
            Health::Suspect => SUSPECT_INTERVAL,
            Health::Alive if is_linked => HEARTBEAT_INTERVAL,
            Health::Silent if self.is_sparing => UNCERTAIN_INTERVAL,
            _ if now < self.search_until => SEARCH_INTERVAL,
            _ => IDLE_INTERVAL,
        }
    }

    fn due(&self, now: LocalTime, is_linked: bool) -> LocalTime {
        match self.sent {
            None => now,
            Some(at) if self.is_urgent && !(self.is_sparing && self.heard.is_none()) => at.after(MIN_SPACING),
            Some(at) => at.after(self.interval(now, is_linked)),
        }
    }

    pub(crate) fn poll_send(&mut self, now: LocalTime, is_linked: bool) -> bool {
        let is_due = now >= self.due(now, is_linked);
        if is_due {
            self.sent = Some(now);
            self.is_urgent = false;
        }
        is_due
    }

    /// Next deadline: a frame where frames can be sent, a verdict on the silence in any case.
    pub(crate) fn poll_timeout(&self, now: LocalTime, is_linked: bool, can_send: bool) -> Option<LocalTime> {
        let turns = [
            (self.heard, SUSPECT_AFTER),
            (self.heard, LOST_AFTER),
            (self.unheard, LOST_AFTER),
        ];
        turns
            .into_iter()
            .filter_map(|(at, after)| Some(at?.after(after)))
            .filter(|&at| at > now)
            .chain(can_send.then(|| self.due(now, is_linked)))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> LocalTime {
        LocalTime(ms * 1_000_000)
    }

    #[test]
    fn a_linked_cable_is_quiet_and_a_suspect_peer_is_asked() {
        let mut beat = Heartbeat::new(ms(0), false);
        beat.handle_heard(ms(0), true);
        let sent: Vec<u64> = (0..1300).filter(|&t| beat.poll_send(ms(t), true)).collect();
        assert!(sent.starts_with(&[0, 300, 600, 700, 760]), "{sent:?}");
    }

    #[test]
    fn silence_is_given_up_within_the_promised_time_and_not_across_a_suspend() {
        let mut beat = Heartbeat::new(ms(0), false);
        beat.handle_heard(ms(0), true);
        assert!(beat.poll_lost(ms(1299)).is_none());
        assert_eq!(beat.poll_lost(ms(1300)), Some(Loss::Silent));
        beat.handle_resume(ms(60_000));
        assert!(beat.poll_lost(ms(60_100)).is_none());
    }

    #[test]
    fn a_peer_that_stops_hearing_us_is_given_up() {
        let mut beat = Heartbeat::new(ms(0), false);
        for t in (0..5000).step_by(300) {
            beat.handle_heard(ms(t), t < 1000);
        }
        assert_eq!(beat.poll_lost(ms(5000)), Some(Loss::Deaf));
    }

    #[test]
    fn answers_are_never_a_flood() {
        let mut beat = Heartbeat::new(ms(0), false);
        let sent = (0..100_000u64).filter(|us| {
            beat.speak();
            beat.poll_send(LocalTime(us * 10_000), false)
        });
        assert!(sent.count() <= 501);
    }
}
