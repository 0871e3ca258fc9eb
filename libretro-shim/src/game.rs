//! One loaded game, and what happens around each of its frames.

mod lent;
mod states;

use crate::ahead::{Ahead, Run};
use crate::cable::{Cable, Reason};
use crate::faults;
use crate::ffi::{self, Core, Plug, SavestateContext, Stopwatch};
use crate::mending::{Mending, Shown};
use crate::messages::{self, Severity};
use crate::options::{self, Answers, LinkMode};
use crate::presentation::Progress;
use crate::proof::{self, Proof};
use crate::save_ram::SaveRam;
use crate::settings;
use crate::snapshot::Snapshots;
use crate::sync::lock;
use crate::updates::Updates;
use crate::windows::Windows;
use gamelink_core::driver::{FrameEnd, FrameStart, Notice};
use gamelink_core::serial::SerialControl;
use lent::Lent;
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// FF02 of a game that uses no link, as after a reset.
const IDLE: SerialControl = SerialControl(0x7E);

/// How many frames pass between two looks whether netplay runs: about a second.
const NETPLAY_PERIOD: u32 = 60;
/// While nobody uses the cable a state is kept only every half second: a transfer that begins finds one not much older.
const IDLE_SNAPSHOT_PERIOD: u32 = 30;
/// For how many frames netplay counts as running after a state was saved for it.
///
/// `RetroArch` 1.14 says what a state is for only while it asks for one, and netplay asks in every frame; two seconds bridge a
/// stall.
const NETPLAY_MEMORY: u32 = 120;

/// A game in the stock core, with its end of the cable.
pub(crate) struct Game {
    /// Without one the stock core has no link, or ours could not start.
    plug: Option<Plug>,
    /// What the core reads from its link options.
    answers: Answers,
    /// The player was told of a panic of ours.
    is_failure_told: AtomicBool,
    shows_messages: AtomicBool,
    /// What the frontend does to look ahead of the game.
    ahead: Mutex<Ahead>,
    /// Run-ahead has no states at the moment.
    is_ahead_resting: AtomicBool,
    was_ahead_told: AtomicBool,
    updates: Mutex<Updates>,
    /// The core's own options, as it last read them.
    values: Mutex<Vec<Option<CString>>>,
    /// Where this game goes on and mends; taken out while the core runs, for no lock is held then.
    mending: Mutex<Option<Mending>>,
    /// The frontend's copy of the battery RAM in such a game, and in it after a panic too; taken out in the same way.
    save_ram: Mutex<Option<SaveRam>>,
    snapshots: Mutex<Snapshots>,
    state_size: OnceLock<usize>,
    /// Messages for the first frame: before it, a frontend may not have a screen yet.
    waiting: Mutex<Vec<(Severity, String)>>,
    frames: AtomicU32,
    /// Runs since the game was made.
    age: Stopwatch,
    windows: Mutex<Windows>,
    /// The frame in which the player was last told of a jump; 0 for never.
    jump_told: AtomicU32,
    /// The frame after the one in which netplay last saved a state; 0 for never.
    netplay_seen: AtomicU32,
    /// Our own time since the last report to the link, in nanoseconds.
    carried: AtomicU64,
}

/// One call of `retro_run` under way.
pub(crate) struct Frame {
    progress: Progress,
}

impl Game {
    pub(crate) fn new(plug: Option<Plug>, is_peer_here: bool, waiting: Vec<(Severity, String)>) -> Game {
        Game {
            answers: Answers::new(plug.as_ref().map(|cable| cable.link().game_address())),
            plug,
            is_failure_told: AtomicBool::new(false),
            shows_messages: AtomicBool::new(true),
            ahead: Mutex::default(),
            is_ahead_resting: AtomicBool::new(false),
            was_ahead_told: AtomicBool::new(false),
            updates: Mutex::default(),
            values: Mutex::default(),
            mending: Mutex::default(),
            save_ram: Mutex::default(),
            snapshots: Mutex::default(),
            state_size: OnceLock::new(),
            waiting: Mutex::new(waiting),
            frames: AtomicU32::new(0),
            age: Stopwatch::start(),
            windows: Mutex::new(Windows::new(is_peer_here)),
            jump_told: AtomicU32::new(0),
            netplay_seen: AtomicU32::new(0),
            carried: AtomicU64::new(0),
        }
    }

    /// The core has loaded the game: everything that is asked once is asked now, while no transfer can be in flight.
    pub(crate) fn handle_loaded(&self, core: &Core, keys: &[CString]) {
        let size = core.serialize_size();
        let _ = self.state_size.set(size);
        *lock(&self.snapshots) = Snapshots::new(size);
        *lock(&self.values) = read_values(keys);
        self.read_own_options();
        let Some(cable) = self.cable() else { return };
        let way = if cable.link().is_direct() {
            "direct"
        } else {
            "loopback"
        };
        log::info!("link cable: the core's port is {way}");
        self.prepare(core, cable, size);
        // Now it is known how this side exchanges bytes: the first word to the peer says it.
        cable.set_unplugged(Reason::Loading, false);
    }

    /// Finds out how far this core can be seen into, and so how it can be linked.
    fn prepare(&self, core: &Core, cable: &Cable, size: usize) {
        let proof = match ffi::serial_control() {
            Some(_) => proof::registers(core, size),
            None => Proof::Refuted,
        };
        if proof == Proof::Refuted {
            // A byte may be handed only to a game that is seen to listen.
            return self.handle_blind(cable);
        }
        cable
            .link()
            .set_serial_probe(Some(Box::new(|| ffi::serial_control().unwrap_or(IDLE))));
        if link_mode() != LinkMode::Automatic || !cable.link().is_direct() {
            return;
        }
        if proof == Proof::None {
            return self.tell_soon(Severity::Warning, messages::STRICT_ONLY);
        }
        let mending = Mending::new(core, size);
        cable.link().set_mending(true);
        cable.link().set_repairs(mending.has_repairs());
        log::info!(
            "link cable: goes on and mends, saves inside transfers={}",
            mending.has_repairs()
        );
        *lock(&self.mending) = Some(mending);
        *lock(&self.save_ram) = core.save_ram().map(|now| {
            let mut save_ram = SaveRam::new(now);
            ffi::save_ram::publish(save_ram.public());
            save_ram
        });
    }

    /// The game's serial port cannot be seen, or what was taken for it was another memory.
    fn handle_blind(&self, cable: &Cable) {
        cable.link().set_serial_probe(None);
        ffi::forget_memory_map();
        cable.set_unplugged(Reason::Blind, true);
        self.tell_soon(Severity::Error, messages::BLIND);
    }

    /// The core is about to unload the game, and its memory with it.
    pub(crate) fn handle_unloading(&self) {
        if let Some(cable) = self.cable() {
            cable.link().set_serial_probe(None);
        }
        ffi::forget_memory_map();
    }

    /// What the core reads from its link options.
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Whether the call of `retro_run` that begins is a frame of the game.
    pub(crate) fn next_run(&self) -> Run {
        let Some(cable) = self.working_cable() else {
            return Run::Own;
        };
        faults::place("next_run");
        // A frontend that does not say may look ahead as well.
        let is_hidden = ffi::is_frame_hidden().unwrap_or(true);
        let run = lock(&self.ahead).handle_run(is_hidden, cable.link().is_linked());
        if run == Run::Own {
            ffi::presenter::keep(is_hidden);
        }
        run
    }

    /// Right before the core runs.
    pub(crate) fn before_run(&self, core: &Core) -> Frame {
        let watch = Stopwatch::start();
        self.show_waiting();
        if let Some(cable) = self.working_cable() {
            faults::place("before_run");
            let number = self.frames.fetch_add(1, Ordering::Relaxed);
            if ffi::poll_disproved() {
                self.handle_blind(cable);
            }
            if number.is_multiple_of(NETPLAY_PERIOD) {
                self.look_for_netplay(cable, ffi::savestate_context());
            }
            if let Some(notice) = cable.link().poll_notice() {
                let (severity, text) = messages::notice(&notice, cable.link().peer_name().as_deref());
                if self.shows_messages.load(Ordering::Relaxed) || severity == Severity::Error {
                    ffi::show(severity, &text);
                }
                if matches!(notice, Notice::PeerPaused { .. })
                    && lock(&self.windows).handle_pause(self.age.elapsed())
                {
                    self.tell(Severity::Warning, messages::WINDOWS);
                }
            }
            let serial_control = ffi::serial_control();
            let status = cable.link().status();
            let is_safe = status.is_quiet && !serial_control.is_some_and(SerialControl::is_clocking);
            if !status.is_linked {
                lock(&self.snapshots).clear();
            } else if is_safe
                && !status.is_mending
                && (status.is_busy || number.is_multiple_of(IDLE_SNAPSHOT_PERIOD))
            {
                self.take_snapshot(core);
            }
            cable.link().frame_start(FrameStart { serial_control });
        }
        self.carry(watch.elapsed());
        Frame {
            progress: ffi::presenter::progress(),
        }
    }

    /// The core's part: one frame, with what must be mended before it. `keys` are the core's own options.
    pub(crate) fn run(&self, core: &Core, keys: &[CString]) {
        let mut save_ram = Lent::take(&self.save_ram);
        let mut mending = Lent::take(&self.mending);
        if let (Some(mending), Some(cable)) = (mending.as_mut(), self.working_cable()) {
            let slot = || Some(mending.slot(core, cable.link(), save_ram.as_mut()));
            if let Some(shown) = ffi::guard(None, slot) {
                // The core asks for changes only while it runs, and the player may want to pull the plug now.
                if shown == Shown::Hold && ffi::is_variable_update() {
                    ffi::guard((), || self.handle_option_change(keys));
                }
                return;
            }
            // Unplugged from here on; what the game was told by then is what has happened.
            ffi::guard((), || mending.catch_up(core));
        }
        match save_ram.as_mut() {
            Some(save_ram) => {
                ffi::guard((), || save_ram.take_over(|from| core.write_save_ram(from)));
                core.run();
                ffi::guard((), || save_ram.publish(None, |to| core.read_save_ram(to)));
            }
            None => core.run(),
        }
    }

    /// Right after the core ran.
    pub(crate) fn after_run(&self, frame: &Frame) {
        let watch = Stopwatch::start();
        let Some(cable) = self.working_cable() else {
            return;
        };
        faults::place("after_run");
        if lock(&self.updates).poll_reconnected() {
            log::debug!("the core has read its options again and opened a new link socket");
            cable.link().core_reconnected();
        }
        let has_advanced = ffi::presenter::progress() != frame.progress;
        let hook_time = Duration::from_nanos(self.carried.swap(0, Ordering::Relaxed));
        let told = watch.elapsed();
        cable.link().frame_end(FrameEnd {
            has_advanced,
            hook_time: hook_time + told,
        });
        cable.link().pace();
        // What the report itself and the pause took counts in the next one.
        self.carry(watch.elapsed().saturating_sub(told));
    }

    /// Whether the core must read its options again; `is_changed` where the frontend has any change.
    pub(crate) fn poll_option_update(&self, keys: &[CString], is_changed: bool) -> bool {
        if is_changed {
            self.handle_option_change(keys);
        }
        let is_safe = self
            .working_cable()
            .is_none_or(|cable| cable.is_safe(ffi::serial_control()));
        lock(&self.updates).poll_update(is_safe)
    }

    /// The frontend has changed an option, ours or the core's own.
    fn handle_option_change(&self, keys: &[CString]) {
        self.read_own_options();
        let values = read_values(keys);
        let before = std::mem::replace(&mut *lock(&self.values), values.clone());
        if before != values {
            lock(&self.updates).handle_change();
        }
    }

    /// How large a state is, as the core said when it loaded the game.
    pub(crate) fn state_size(&self) -> Option<usize> {
        self.state_size.get().copied()
    }

    fn cable(&self) -> Option<&Cable> {
        self.plug.as_deref()
    }

    /// The cable, unless a panic of ours has pulled it out.
    fn working_cable(&self) -> Option<&Cable> {
        self.cable().filter(|_| !ffi::has_failed())
    }

    fn carry(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.carried.fetch_add(nanos, Ordering::Relaxed);
    }

    fn show_waiting(&self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for (severity, text) in waiting {
            ffi::show(severity, &text);
        }
        if ffi::has_failed() && !self.is_failure_told.swap(true, Ordering::Relaxed) {
            ffi::show(Severity::Error, messages::BROKEN);
        }
    }

    fn tell(&self, severity: Severity, text: &str) {
        log::warn!("{text}");
        ffi::show(severity, text);
    }

    /// The same with the next frame.
    fn tell_soon(&self, severity: Severity, text: &str) {
        log::error!("{text}");
        lock(&self.waiting).push((severity, text.into()));
    }

    fn look_for_netplay(&self, cable: &Cable, context: SavestateContext) {
        let seen = self.netplay_seen.load(Ordering::Relaxed);
        let age = self.frames.load(Ordering::Relaxed).wrapping_sub(seen);
        let is_recent = seen != 0 && age.wrapping_add(1) <= NETPLAY_MEMORY;
        let is_active = is_recent || context == SavestateContext::Netplay;
        if cable.set_unplugged(Reason::Netplay, is_active) && is_active {
            self.tell(Severity::Warning, messages::NETPLAY);
        }
    }

    fn read_own_options(&self) {
        let is_enabled = link_mode() != LinkMode::Off;
        self.shows_messages
            .store(ffi::is_option_enabled(options::MESSAGES), Ordering::Relaxed);
        if let Some(cable) = self.working_cable()
            && cable.set_unplugged(Reason::Option, !is_enabled)
        {
            log::info!("link cable switched by its option: is_enabled={is_enabled}");
        }
    }
}

impl Drop for Game {
    fn drop(&mut self) {
        ffi::save_ram::withdraw();
    }
}

/// How the player wants the cable used.
fn link_mode() -> LinkMode {
    let chosen = || LinkMode::parse(ffi::option_value(options::MODE)?.as_c_str());
    settings::mode().or_else(chosen).unwrap_or_default()
}

fn read_values(keys: &[CString]) -> Vec<Option<CString>> {
    keys.iter().map(|key| ffi::option_value(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::tests::turn;
    use gamelink_core::driver::Config;

    #[test]
    fn after_a_panic_the_cable_is_out_and_the_core_still_answered() {
        let _turn = turn();
        ffi::forget_failure();
        let cable = Cable::start(&Config::default()).unwrap();
        let game = Game::new(Some(Plug::new(cable)), false, Vec::new());
        assert!(game.working_cable().is_some());
        ffi::guard((), || panic!("on purpose"));
        assert!(game.working_cable().is_none());
        let is_news = game.cable().unwrap().set_unplugged(Reason::Broken, true);
        assert!(!is_news, "the cable is out");
        // The listener stays: a core whose connection closes would be killed by SIGPIPE.
        let mode = game.answers().value(options::LinkKey::Mode);
        assert_eq!(mode, Some(c"Network Client"));
        // Options still go through, and no hook calls the link.
        assert!(!game.poll_option_update(&[], true));
        let frame = Frame {
            progress: ffi::presenter::progress(),
        };
        game.after_run(&frame);
        ffi::forget_failure();
    }
}
