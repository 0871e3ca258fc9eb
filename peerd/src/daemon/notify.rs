//! Notifications to the service manager, systemd.

use gamelink_core::time::LocalTime;
use sd_notify::NotifyState;
use std::time::Duration;

/// The service manager's watchdog, if it has one.
#[derive(Debug)]
pub(super) struct Watchdog(Option<(Duration, LocalTime)>);

impl Watchdog {
    pub(super) fn from_environment(now: LocalTime) -> Watchdog {
        // Twice as often as required, as sd_watchdog_enabled(3) advises.
        Watchdog(sd_notify::watchdog_enabled().map(|every| (every / 2, now)))
    }

    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        self.0.map(|(_, due)| due)
    }

    pub(super) fn handle_timeout(&mut self, now: LocalTime) {
        if let Some((every, due)) = &mut self.0
            && now >= *due
        {
            *due = now.after(*every);
            send(NotifyState::Watchdog);
        }
    }
}

/// Notifies the service manager, if there is one.
pub(super) fn send(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        log::debug!("cannot notify the service manager error={error}");
    }
}
