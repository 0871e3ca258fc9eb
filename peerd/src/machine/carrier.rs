//! Carrier of an interface, and its recovery.

use gamelink_core::time::LocalTime;
use std::time::Duration;

/// Link state by the kernel, read again after each event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkState {
    /// Administratively up.
    pub(crate) is_up: bool,
    /// The driver reports a carrier, or cannot tell and reports one.
    pub(crate) has_carrier: bool,
}

impl LinkState {
    pub(crate) fn can_carry(self) -> bool {
        self.is_up && self.has_carrier
    }
}

/// Silence after which a confused driver is cycled the first time.
const FIRST_CYCLE: Duration = Duration::from_secs(15);
/// Longest pause between two cycles: a cable that leads nowhere must not be cycled all day.
const MAX_CYCLE_PAUSE: Duration = Duration::from_secs(300);
/// Times an interface that another program sets down is set up again.
const MAX_RAISES: u8 = 3;
/// Time after which a raise was not undone by anybody.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// Time for the link to come back after an announced change of a MAC, or a cycle.
const FLAP_GRACE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Raise,
    /// Set it down and up: some drivers are confused when one end is replugged.
    Cycle,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Carrier {
    state: LinkState,
    raises: u8,
    raised: Option<LocalTime>,
    /// The interface is ours to set up.
    is_ours: bool,
    /// Carrier loss before this moment is due to our own or the peer's change, and no unplug.
    grace: Option<LocalTime>,
    recovery: Option<Recovery>,
}

#[derive(Clone, Copy, Debug)]
struct Recovery {
    pause: Duration,
    due: Option<LocalTime>,
}

impl Recovery {
    const START: Recovery = Recovery {
        pause: FIRST_CYCLE,
        due: None,
    };
}

impl Carrier {
    /// With `is_ours` an interface that is down is set up; with `recovers` a driver is cycled when no peer
    /// answers.
    pub(crate) fn new(is_ours: bool, recovers: bool) -> Carrier {
        Carrier {
            is_ours,
            recovery: recovers.then_some(Recovery::START),
            ..Carrier::default()
        }
    }

    pub(crate) fn state(&self) -> LinkState {
        self.state
    }

    /// True if frames can pass, or will again in a moment.
    pub(crate) fn is_plugged(&self, now: LocalTime) -> bool {
        self.state.can_carry() || self.grace.is_some_and(|until| now < until)
    }

    /// Handles a link state. True if frames can pass again.
    pub(crate) fn handle_state(&mut self, now: LocalTime, state: LinkState) -> bool {
        let was = std::mem::replace(&mut self.state, state);
        if state.is_up && self.raised.is_some_and(|at| now.since(at) > STABLE_AFTER) {
            self.raises = 0;
        }
        state.can_carry() && !was.can_carry()
    }

    /// Announces that the link goes down and comes back.
    pub(crate) fn expect_flap(&mut self, now: LocalTime) {
        self.grace = Some(now.after(FLAP_GRACE));
    }

    /// True if another program keeps setting the interface down.
    pub(crate) fn is_held_down(&self) -> bool {
        !self.state.is_up && self.raises >= MAX_RAISES
    }

    /// Handles a peer that answers: the driver is well.
    pub(crate) fn handle_peer(&mut self) {
        self.recovery = self.recovery.map(|_| Recovery::START);
    }

    /// The next action. `jitter` is in 0..=255: two ends that cycle in step would never link.
    pub(crate) fn poll(&mut self, now: LocalTime, is_alone: bool, jitter: u8) -> Option<Action> {
        self.grace = self.grace.filter(|&until| now < until);
        if !self.state.is_up && self.grace.is_none() {
            self.raise_due().filter(|&due| due <= now)?;
            self.raises += 1;
            self.raised = Some(now);
            return Some(Action::Raise);
        }
        let recovery = self.recovery.as_mut()?;
        if !is_alone || !self.state.can_carry() {
            recovery.due = None;
            return None;
        }
        match recovery.due {
            None => {
                recovery.due = Some(now.after(recovery.pause + recovery.pause * u32::from(jitter) / 1024));
                None
            }
            Some(due) if now < due => None,
            Some(_) => {
                recovery.pause = (recovery.pause * 2).min(MAX_CYCLE_PAUSE);
                recovery.due = None;
                self.expect_flap(now);
                Some(Action::Cycle)
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<LocalTime> {
        let recovery = self
            .recovery
            .and_then(|recovery| recovery.due)
            .filter(|_| self.state.can_carry());
        self.raise_due()
            .into_iter()
            .chain(recovery)
            .chain(self.grace)
            .min()
    }

    /// When an interface that is down is to be set up.
    fn raise_due(&self) -> Option<LocalTime> {
        let may_raise = self.is_ours && self.raises < MAX_RAISES && !self.state.is_up && self.grace.is_none();
        let pause = Duration::from_secs(1 << self.raises);
        may_raise.then(|| self.raised.map_or(LocalTime(0), |at| at.after(pause)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: LinkState = LinkState {
        is_up: true,
        has_carrier: true,
    };
    const DOWN: LinkState = LinkState {
        is_up: false,
        has_carrier: false,
    };

    fn at(seconds: u64) -> LocalTime {
        LocalTime(seconds * 1_000_000_000)
    }

    #[test]
    fn an_interface_that_is_taken_down_three_times_is_left_alone() {
        let mut carrier = Carrier::new(true, false);
        let mut raises = 0;
        for second in 0..600 {
            if carrier.poll(at(second), true, 0) == Some(Action::Raise) {
                raises += 1;
                carrier.handle_state(at(second), UP);
                carrier.handle_state(at(second), DOWN);
            }
        }
        assert_eq!(raises, 3);
        assert!(carrier.is_held_down());
    }

    #[test]
    fn a_silent_cable_is_cycled_ever_more_rarely() {
        let mut carrier = Carrier::new(true, true);
        carrier.handle_state(at(0), UP);
        let cycles: Vec<u64> = (0..1200)
            .filter(|&s| carrier.poll(at(s), true, 0) == Some(Action::Cycle))
            .collect();
        assert_eq!(cycles, [15, 46, 107, 228, 469, 770, 1071]);
    }

    #[test]
    fn a_cable_with_a_peer_is_never_cycled() {
        let mut carrier = Carrier::new(true, true);
        carrier.handle_state(at(0), UP);
        assert!((0..1200).all(|s| carrier.poll(at(s), false, 0).is_none()));
    }

    #[test]
    fn an_interface_that_may_be_a_phone_is_never_set_up() {
        let mut carrier = Carrier::new(false, false);
        assert!((0..600).all(|second| carrier.poll(at(second), true, 0).is_none()));
        assert_eq!(carrier.poll_timeout(), None);
        assert!(!carrier.is_held_down());
    }

    #[test]
    fn an_announced_flap_is_no_unplug() {
        let mut carrier = Carrier::new(true, false);
        carrier.handle_state(at(0), UP);
        carrier.expect_flap(at(0));
        carrier.handle_state(at(1), DOWN);
        assert!(carrier.is_plugged(at(1)));
        assert!(!carrier.is_plugged(at(2)));
    }
}
