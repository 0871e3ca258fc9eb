//! One loaded game, and the work around each of its frames.
//!
//! Plain state without locks: each call of the frontend takes it out of the session ([`crate::lifecycle`]),
//! so nothing is locked while it calls the core or the frontend.

mod frontend_netplay;
mod message_display;
mod savestates;

use self::frontend_netplay::Netplay;
use self::message_display::MessageDisplay;
use crate::between_transfers::SafeState;
use crate::cable_state::{Cable, Reason};
use crate::fail_points;
use crate::ffi::core_callbacks::presentation;
use crate::ffi::{self, Core, Plug, REGISTERS, Stopwatch};
use crate::garbled_bytes::GarbledBytes;
use crate::messages::{self, Severity};
use crate::options::LinkMode;
use crate::presentation::Progress;
use crate::register_proof::{self, Proof};
use crate::rollback::Rollback;
use crate::run_ahead::{Run, RunAhead};
use crate::settings;
use crate::strict::{self, Call, LeavableFrame};
use gamelink_core::serial::SerialControl;
use gamelink_driver::Mode;
use std::sync::Arc;
use std::time::Duration;

/// Frames between two checks for netplay: about a second.
const NETPLAY_PERIOD: u32 = 60;
/// Frames between two looks at the LAN: half a second.
const LAN_PERIOD: u32 = 30;
/// Frames between two safe states while nobody uses the cable: half a second, the age of the one that a
/// transfer then finds.
const IDLE_SNAPSHOT_PERIOD: u32 = 30;

/// A game in the stock core, with its end of the cable.
pub(crate) struct Game {
    /// `None` where the stock core has no link, or ours could not start.
    plug: Option<Plug>,
    display: MessageDisplay,
    netplay: Netplay,
    run_ahead: RunAhead,
    safe_state: SafeState,
    /// `None` in strict mode; kept after a panic, for the frontend's view of battery RAM.
    rollback: Option<Rollback>,
    /// `None` over the loopback port.
    leavable: Option<LeavableFrame>,
    /// Every byte is waited for in this session.
    is_strict: bool,
    frames: u32,
    /// Frame of the last message about a jump.
    jump_told: Option<u32>,
    garbled: GarbledBytes,
    /// Time spent outside the core since the last report to the link.
    hook_time: Duration,
}

impl Game {
    /// Makes a game before the core loads it, with what is to be told of its cable.
    pub(crate) fn new(plug: Option<Plug>, is_peer_here: bool, errors: &[String]) -> Game {
        Stopwatch::calibrate();
        let mut display = MessageDisplay::new(is_peer_here);
        for error in errors {
            display.tell_soon(Severity::Error, error);
        }
        Game {
            plug,
            display,
            netplay: Netplay::default(),
            run_ahead: RunAhead::default(),
            safe_state: SafeState::default(),
            rollback: None,
            leavable: None,
            is_strict: false,
            frames: 0,
            jump_told: None,
            garbled: GarbledBytes::default(),
            hook_time: Duration::ZERO,
        }
    }

    /// Prepares the link for the game that the core has just loaded, while no transfer can be in flight, as
    /// this core's states and memory map allow.
    pub(crate) fn handle_loaded(&mut self, core: &Core, state_size: usize) {
        fail_points::place("handle_loaded");
        self.safe_state = SafeState::new(state_size);
        let Some(cable) = self.plug.as_deref() else { return };
        let link = cable.link();
        let way = if link.is_direct() { "direct" } else { "loopback" };
        log::info!("link cable: the core's port is {way}");
        if link.is_direct() {
            presentation().reset(ffi::can_repeat());
            self.leavable = LeavableFrame::new(link);
        }
        let is_automatic = settings::link_mode() == LinkMode::Automatic && link.is_direct();
        let proof = register_proof::registers(core, state_size);
        // 7E: as after a reset, in a game that uses no link.
        let probe = || REGISTERS.serial_control().unwrap_or(SerialControl(0x7E));
        link.set_serial_probe(Some(Box::new(probe)));
        match proof {
            // A byte may be handed over only where FF02 shows an armed game.
            Proof::Refuted => handle_blind(cable, &mut self.display),
            Proof::Given(layout) if is_automatic => {
                self.rollback = Some(Rollback::new(core, link, layout, state_size));
            }
            Proof::None if is_automatic => self.display.tell_soon(Severity::Warning, messages::STRICT_ONLY),
            Proof::Given(_) | Proof::None => {}
        }
        // Only now: the first datagram says how this side exchanges bytes.
        cable.set_unplugged(Reason::Loading, false);
    }

    /// Decides whether the call of `retro_run` that begins is a frame of the game; `has_reconnected` where
    /// the core has opened a new link socket in the one before.
    pub(crate) fn next_run(&mut self, has_reconnected: bool) -> Run {
        let Some(cable) = working(self.plug.as_ref()) else {
            return Run::Own;
        };
        fail_points::place("next_run");
        if has_reconnected {
            log::debug!("the core has read its options again and opened a new link socket");
            cable.link().core_reconnected();
        }
        // A frontend that does not tell may look ahead as well.
        let is_hidden = ffi::is_frame_hidden().unwrap_or(true);
        let mut run = self.run_ahead.handle_run(is_hidden, cable.link().is_linked());
        if run == Run::Ahead && self.is_waiting() {
            run = Run::Own;
        }
        if run == Run::Own {
            presentation().begin_own(is_hidden);
        }
        run
    }

    /// Does the work right before the core runs; returns the core's progress so far.
    pub(crate) fn before_run(&mut self, core: &Core, shows_messages: bool) -> Progress {
        let watch = Stopwatch::start();
        self.display.show_waiting();
        if let Some(cable) = working(self.plug.as_ref()) {
            fail_points::place("before_run");
            let number = self.frames;
            self.frames = number.wrapping_add(1);
            if REGISTERS.poll_disproved() {
                handle_blind(cable, &mut self.display);
            }
            if number.is_multiple_of(NETPLAY_PERIOD) {
                let is_active = self.netplay.is_active(ffi::savestate_context(), self.frames);
                unplug_for_netplay(cable, &self.display, is_active);
            }
            if number.is_multiple_of(LAN_PERIOD) {
                self.display.show_lan(cable, shows_messages);
                self.display.show_lookup(cable);
            }
            self.display.show_netplay(shows_messages);
            self.display.show_notice(cable, shows_messages);
            let serial_control = REGISTERS.serial_control();
            let status = cable.link().status();
            self.is_strict = status.mode == Mode::Strict;
            let is_waiting = self.is_waiting();
            let is_safe =
                !is_waiting && status.is_quiet && !serial_control.is_some_and(SerialControl::is_clocking);
            let is_due = status.is_busy || number.is_multiple_of(IDLE_SNAPSHOT_PERIOD);
            if !status.is_linked {
                self.safe_state.clear();
            } else if is_safe && is_due && status.mode == Mode::Strict {
                self.safe_state.take(|state| core.serialize(state));
            }
            match is_waiting {
                true => cable.link().frame_resume(),
                false => cable.link().frame_start(serial_control),
            }
        }
        self.hook_time += watch.elapsed();
        presentation().progress()
    }

    /// True while the game waits for a byte inside its frame, and the core must not be called.
    fn is_waiting(&self) -> bool {
        self.leavable.as_ref().is_some_and(LeavableFrame::is_open)
    }

    /// Runs one frame, with the corrections before it, or as much of it as can be run now.
    pub(crate) fn run(&mut self, core: &Arc<Core>) -> Call {
        let is_leavable = self.is_strict || self.is_waiting();
        let link = working(self.plug.as_ref()).map(Cable::link);
        match (&mut self.rollback, &mut self.leavable) {
            (Some(rollback), leavable) => {
                rollback.call(core, link, leavable.as_mut().filter(|_| is_leavable))
            }
            (None, Some(leavable)) => strict::call(leavable, core, link),
            (None, None) => {
                core.run();
                Call::Frame
            }
        }
    }

    /// Ends a frame in which the game waits, on an unplugged cable: the core is about to be called, or goes.
    pub(crate) fn finish_frame(&mut self, core: &Core) {
        let link = working(self.plug.as_ref()).map(Cable::link);
        match (&mut self.rollback, &mut self.leavable) {
            (Some(rollback), Some(leavable)) => rollback.finish_frame(core, link, leavable),
            (None, Some(leavable)) => {
                leavable.finish();
            }
            (_, None) => {}
        }
    }

    /// Does the work right after the core ran; `before` is its progress before that.
    pub(crate) fn after_run(&mut self, before: Progress) {
        let watch = Stopwatch::start();
        let Some(cable) = working(self.plug.as_ref()) else {
            return;
        };
        fail_points::place("after_run");
        if self.is_waiting() {
            self.hook_time += watch.elapsed();
            return;
        }
        let has_advanced = presentation().progress() != before;
        let control = REGISTERS.serial_control().filter(|control| control.0 & 0x80 == 0);
        let shown = control.and(REGISTERS.serial_byte());
        if self.garbled.handle_frame(ffi::take_last_read(), shown) {
            log::warn!("the game reads SB or SC during its transfers: their bytes arrive garbled");
            self.display.tell(Severity::Warning, messages::GARBLED);
        }
        let told = watch.elapsed();
        cable.link().frame_end(has_advanced, self.hook_time + told);
        cable.link().pace();
        // The time of the report itself and of the pause counts in the next one.
        self.hook_time = watch.elapsed().saturating_sub(told);
    }
}

impl Drop for Game {
    fn drop(&mut self) {
        ffi::save_ram::withdraw();
    }
}

/// Gives the cable, unless a panic has pulled it out.
fn working(plug: Option<&Plug>) -> Option<&Cable> {
    plug.map(|plug| &**plug).filter(|_| !ffi::has_failed())
}

/// Pulls the cable out while netplay runs.
fn unplug_for_netplay(cable: &Cable, display: &MessageDisplay, is_active: bool) {
    if cable.set_unplugged(Reason::Netplay, is_active) && is_active {
        display.tell(Severity::Warning, messages::NETPLAY);
    }
}

/// Unplugs a game whose serial registers cannot be seen, or were taken for others.
fn handle_blind(cable: &Cable, display: &mut MessageDisplay) {
    cable.link().set_serial_probe(None);
    REGISTERS.forget();
    cable.set_unplugged(Reason::Blind, true);
    display.tell_soon(Severity::Error, messages::BLIND);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::tests::turn;
    use gamelink_driver::Config;

    #[test]
    fn after_a_panic_the_cable_is_out_and_no_hook_calls_the_link() {
        let _turn = turn();
        ffi::forget_failure();
        let cable = Cable::start(&Config::default()).unwrap();
        let mut game = Game::new(Some(Plug::new(cable)), false, &[]);
        assert!(working(game.plug.as_ref()).is_some());
        ffi::guard((), || panic!("on purpose"));
        assert!(working(game.plug.as_ref()).is_none());
        let is_news = game.plug.as_ref().unwrap().set_unplugged(Reason::Broken, true);
        assert!(!is_news, "the cable is out");
        game.after_run(presentation().progress());
        ffi::forget_failure();
    }
}
