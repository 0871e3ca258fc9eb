//! An interface that may be a cable: its use is read, and it is taken and given back.

use super::cable_port::CablePort;
use super::shared::Shared;
use crate::log_lines::refused;
use crate::machine::cable::Input;
use crate::sys::usage::{self, Inquiry};
use crate::wire::netlink::Request;
use gamelink_core::time::LocalTime;
use nix::errno::Errno;
use std::time::Duration;

/// Interval at which the answer of a manager is looked for.
const ANSWER_INTERVAL: Duration = Duration::from_millis(20);

/// A question to a manager that is under way.
#[derive(Debug)]
pub(super) struct LastLook {
    inquiry: Inquiry,
    due: LocalTime,
}

impl CablePort {
    pub(super) fn look(&mut self, now: LocalTime, shared: &mut Shared) {
        let usage = usage::read(&self.link, &mut shared.route);
        self.cable.handle_input(now, Input::Usage(usage));
    }

    /// Sets an interface up that nobody else does, for the time that a game waits: without an address of the
    /// kernel's, with which it would ask for routers.
    pub(super) fn raise(&mut self, now: LocalTime, shared: &mut Shared) {
        log::info!(
            "setting up a port that nobody uses, for a game interface={}",
            self.link.name
        );
        self.autoconf.disable(&self.link, &mut shared.route);
        self.set_up(now, true, shared);
    }

    pub(super) fn lower(&mut self, now: LocalTime, shared: &mut Shared) {
        log::info!("setting it down again interface={}", self.link.name);
        self.set_up(now, false, shared);
        self.autoconf.restore(&self.link, &mut shared.route);
    }

    fn set_up(&mut self, now: LocalTime, is_up: bool, shared: &mut Shared) {
        self.is_raised = is_up;
        if let Err(error) = shared.route.change(Request::set_up(self.link.index, is_up)) {
            let name = self.link.name;
            refused(
                format_args!("cannot set the interface up or down interface={name}"),
                error,
            );
        }
        self.refresh(now, shared);
    }

    /// Begins to take it: a manager may know more than can be read.
    pub(super) fn begin_to_take(&mut self, now: LocalTime) {
        let inquiry = Inquiry::start(self.link.name.as_str());
        self.last_look = Some(LastLook { inquiry, due: now });
    }

    pub(super) fn last_look_due(&self) -> Option<LocalTime> {
        self.last_look.as_ref().map(|look| look.due)
    }

    /// Takes it, when the answer is there and nobody has begun to use it meanwhile.
    pub(super) fn handle_last_look(&mut self, now: LocalTime, shared: &mut Shared) {
        let Some(look) = self.last_look.as_mut().filter(|look| look.due <= now) else {
            return;
        };
        look.due = now.after(ANSWER_INTERVAL);
        let Some(answer) = look.inquiry.poll() else { return };
        self.last_look = None;
        let by_now = usage::read(&self.link, &mut shared.route);
        let result = answer.and(by_now.map_or(Ok(()), Err));
        if let Err(usage) = result {
            log::info!("left alone interface={}: {usage}", self.link.name);
        } else {
            self.take(now, shared);
        }
        self.cable.handle_input(now, Input::Taken(result));
    }

    /// Gives it a cable's name: by that, udev tells managers to leave it.
    fn take(&mut self, now: LocalTime, shared: &mut Shared) {
        let (index, name) = (self.link.index, self.link.name);
        log::info!("a peer answers and nobody else uses it, taking interface={name}");
        self.autoconf.disable(&self.link, &mut shared.route);
        if !name.as_str().starts_with("gamelink") {
            self.rename(now, || Request::take(index, name), shared);
        }
    }

    /// Gives it its former name, and what the kernel did there.
    pub(super) fn give_back(&mut self, now: LocalTime, shared: &mut Shared) {
        log::info!("no peer any more, giving back interface={}", self.link.name);
        self.last_look = None;
        self.autoconf.restore(&self.link, &mut shared.route);
        let index = self.link.index;
        if let Some(name) = self.link.former {
            self.rename(now, || Request::give_back(index, name), shared);
        }
        if std::mem::take(&mut self.is_raised) {
            self.set_up(now, false, shared);
        }
    }

    fn rename(&mut self, now: LocalTime, request: impl Fn() -> Request, shared: &mut Shared) {
        let (index, route) = (self.link.index, &mut shared.route);
        let mut result = route.change(request());
        if result == Err(Errno::EBUSY) {
            // Before Linux 6.2 only while it is down.
            let _ = route.change(Request::set_up(index, false));
            result = route.change(request());
            let _ = route.change(Request::set_up(index, true));
        }
        if let Err(error) = result {
            refused(format_args!("not renamed interface={}", self.link.name), error);
        }
        self.refresh(now, shared);
    }

    /// Gives it back where it was taken, and sets it down where it was set up for a game.
    pub(super) fn leave(&mut self, now: LocalTime, shared: &mut Shared) {
        if self.link.former.is_some() {
            self.give_back(now, shared);
        } else if self.is_raised && usage::read(&self.link, &mut shared.route).is_none() {
            self.lower(now, shared);
        }
    }
}
