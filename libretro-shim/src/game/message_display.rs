//! Messages to the player, shown when the frontend has a screen.

use crate::ffi::{self, Stopwatch};
use crate::focus_pauses::FocusPauses;
use crate::messages::{self, Severity};
use gamelink_driver::{Link, Notice};

/// Messages of one game.
pub(super) struct MessageDisplay {
    /// For the first frame: before it, a frontend may not have a screen yet.
    waiting: Vec<(Severity, String)>,
    /// A panic of ours was shown.
    is_failure_told: bool,
    pauses: FocusPauses,
    /// Time since the game was loaded.
    age: Stopwatch,
}

impl MessageDisplay {
    pub(super) fn new(is_peer_here: bool) -> MessageDisplay {
        MessageDisplay {
            waiting: Vec::new(),
            is_failure_told: false,
            pauses: FocusPauses::new(is_peer_here),
            age: Stopwatch::start(),
        }
    }

    /// Shows and logs a message.
    pub(super) fn tell(&self, severity: Severity, text: &str) {
        log::warn!("{text}");
        ffi::show(severity, text);
    }

    /// Shows it with the next frame, and logs it now.
    pub(super) fn tell_soon(&mut self, severity: Severity, text: &str) {
        log::error!("{text}");
        self.waiting.push((severity, text.into()));
    }

    pub(super) fn show_waiting(&mut self) {
        for (severity, text) in self.waiting.drain(..) {
            ffi::show(severity, &text);
        }
        if ffi::has_failed() && !std::mem::replace(&mut self.is_failure_told, true) {
            ffi::show(Severity::Error, messages::BROKEN);
        }
    }

    /// Shows the link's oldest notice; unless `shows_all`, only an error.
    pub(super) fn show_notice(&mut self, link: &Link, shows_all: bool) {
        let Some(notice) = link.poll_notice() else { return };
        let (severity, text) = messages::notice(&notice, link.peer_name().as_deref());
        if shows_all || severity == Severity::Error {
            ffi::show(severity, &text);
        }
        if matches!(notice, Notice::PeerPaused { .. }) && self.pauses.handle_pause(self.age.elapsed()) {
            self.tell(Severity::Warning, messages::WINDOWS);
        }
    }
}
