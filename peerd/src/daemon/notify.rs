//! Notifications to systemd.

use gamelink_core::time::LocalTime;
use sd_notify::NotifyState;
use std::time::Duration;

/// Connection to the service manager, if there is one.
#[derive(Debug)]
pub(super) struct Notify {
    watchdog: Option<(Duration, LocalTime)>,
}

impl Notify {
    pub(super) fn from_environment(now: LocalTime) -> Notify {
        // Twice as often as required, as sd_watchdog_enabled(3) advises.
        let watchdog = sd_notify::watchdog_enabled().map(|every| (every / 2, now));
        Notify { watchdog }
    }

    pub(super) fn ready(&self) {
        send(&[NotifyState::Ready]);
    }

    pub(super) fn status(&self, line: &str) {
        send(&[NotifyState::Status(line)]);
    }

    pub(super) fn stopping(&self) {
        send(&[NotifyState::Stopping]);
    }

    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        self.watchdog.map(|(_, due)| due)
    }

    pub(super) fn handle_timeout(&mut self, now: LocalTime) {
        if let Some((every, due)) = &mut self.watchdog
            && now >= *due
        {
            *due = now.after(*every);
            send(&[NotifyState::Watchdog]);
        }
    }
}

fn send(states: &[NotifyState<'_>]) {
    // Does nothing without a service manager.
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("cannot notify the service manager error={error}");
    }
}
