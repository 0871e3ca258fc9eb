//! Messages to the player, shown when the frontend has a screen.

use crate::cable_state::Cable;
use crate::ffi::{self, Stopwatch};
use crate::focus_pauses::FocusPauses;
use crate::messages::{self, Other, Severity};
use crate::netplay::NETPLAY;
use crate::options;
use crate::partners::{self, Partners};
use gamelink_driver::{Notice, Transport};

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

    /// Shows what is new on the LAN, and lists new machines in the options.
    pub(super) fn show_lan(&mut self, cable: &Cable, shows_all: bool) {
        let news = cable.with_partners(Partners::look);
        for (severity, text) in news.messages {
            log::info!("{text}");
            if shows_all || severity != Severity::Info {
                ffi::show(severity, &text);
            }
        }
        if let Some(names) = &news.names {
            ffi::redeclare(names);
        }
        if news.is_code_used {
            options::CODE
                .iter()
                .for_each(|key| ffi::set_option(key, options::NO_CODE));
        }
    }

    /// Shows which name of the peer cannot be resolved.
    pub(super) fn show_lookup(&self, cable: &Cable) {
        if let Some(error) = cable.link().take_lookup_error() {
            self.tell(Severity::Warning, &messages::unresolved(&error));
        }
    }

    /// Shows the oldest message about netplay; unless `shows_all`, only an error.
    pub(super) fn show_netplay(&self, shows_all: bool) {
        if let Some((severity, text)) = NETPLAY.poll_message()
            && (shows_all || severity == Severity::Error)
        {
            ffi::show(severity, text);
        }
    }

    /// Shows the link's oldest notice; unless `shows_all`, only an error.
    pub(super) fn show_notice(&mut self, cable: &Cable, shows_all: bool) {
        let link = cable.link();
        let Some(notice) = link.poll_notice() else { return };
        let other = match link.transport() {
            Transport::Netplay => Other::Netplay,
            Transport::Udp => link.peer_name().map_or(Other::Player, |name| Other::Machine {
                name,
                title: link.peer_title(),
            }),
        };
        let (severity, text) = messages::notice(&notice, &other);
        if let (Notice::Linked, Other::Machine { name, .. }) = (&notice, &other) {
            // Where there is a LAN, the daemon has told of it by now.
            self.show_lan(cable, shows_all);
            let is_stranger = cable.with_partners(|known, _| known.is_stranger(name));
            if is_stranger && shows_all {
                self.waiting
                    .push((Severity::Info, partners::messages::IS_OPEN.to_owned()));
            }
        }
        log::info!("{text}");
        if shows_all || severity == Severity::Error {
            ffi::show(severity, &text);
        }
        if matches!(notice, Notice::PeerPaused { .. }) && self.pauses.handle_pause(self.age.elapsed()) {
            self.tell(Severity::Warning, messages::WINDOWS);
        }
    }
}
