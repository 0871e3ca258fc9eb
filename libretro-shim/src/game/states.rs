//! States of a game: given, taken back, and kept while linked.

use super::Game;
use crate::ahead::{self, Load};
use crate::cable::Cable;
use crate::ffi::{self, Core, SavestateContext};
use crate::messages::{self, Severity};
use crate::sync::lock;
use std::sync::atomic::Ordering;

/// For how many frames a second jump of the game is not worth a word: rewind is one a frame.
const JUMP_SILENCE: u32 = 600;

impl Game {
    /// Saves a state into `out`: of now where that is safe, else the newest that was.
    pub(crate) fn serialize(&self, core: &Core, out: &mut [u8]) -> bool {
        if self.state_size().is_some_and(|size| size != out.len()) {
            return false;
        }
        let Some(cable) = self.working_cable() else {
            return core.serialize(out);
        };
        let context = ffi::savestate_context();
        if context == SavestateContext::Netplay {
            self.netplay_seen.store(
                self.frames.load(Ordering::Relaxed).wrapping_add(1).max(1),
                Ordering::Relaxed,
            );
            self.look_for_netplay(cable, context);
        }
        if context == SavestateContext::RunAhead {
            return self.serialize_ahead(core, cable, out);
        }
        lock(&self.ahead).clear();
        // Where a guess may be open, only what cannot be undone any more is given, or nothing.
        if cable.link().confirmed().0.is_some() {
            let mending = lock(&self.mending);
            let mending = mending.as_ref();
            return mending.is_some_and(|mending| mending.confirmed_state(cable.link(), out));
        }
        if !cable.link().is_linked() {
            return core.serialize(out);
        }
        if context == SavestateContext::Netplay || cable.is_safe(ffi::serial_control()) {
            return core.serialize(out);
        }
        // Rather no state than one with a garbled byte: the frontend says so, and the next frame is safe.
        lock(&self.snapshots).copy_to(out)
    }

    /// Saves what the frontend needs to look ahead and come back.
    fn serialize_ahead(&self, core: &Core, cable: &Cable, out: &mut [u8]) -> bool {
        let is_resting = lock(&self.ahead).handle_save(cable.link().is_linked());
        if self.is_ahead_resting.swap(is_resting, Ordering::Relaxed) != is_resting {
            log::info!("run-ahead switched by the link: is_resting={is_resting}");
        }
        if !is_resting {
            return core.serialize(out);
        }
        if !self.was_ahead_told.swap(true, Ordering::Relaxed) {
            self.tell(Severity::Warning, messages::RUN_AHEAD);
        }
        ahead::write_stand_in(out)
    }

    /// Loads a state, or what the frontend got instead of one.
    pub(crate) fn unserialize(&self, core: &Core, state: &[u8]) -> bool {
        match self.load(state) {
            Load::Jump => {
                self.handle_jump();
                core.unserialize(state)
            }
            Load::Back => core.unserialize(state),
            Load::Nothing => true,
        }
    }

    fn load(&self, state: &[u8]) -> Load {
        let is_stand_in = ahead::is_stand_in(state);
        match self.working_cable() {
            Some(cable) if is_stand_in || ffi::savestate_context() == SavestateContext::RunAhead => {
                lock(&self.ahead).handle_load(is_stand_in, cable.link().is_linked())
            }
            None if is_stand_in => Load::Nothing,
            _ => Load::Jump,
        }
    }

    /// The game has gone elsewhere: by a reset, or by a loaded state.
    pub(crate) fn handle_jump(&self) {
        lock(&self.ahead).clear();
        lock(&self.snapshots).clear();
        let Some(cable) = self.working_cable() else { return };
        cable.link().jump();
        let now = self.frames.load(Ordering::Relaxed);
        let last = self.jump_told.load(Ordering::Relaxed);
        let is_news = last == 0 || now.wrapping_sub(last) > JUMP_SILENCE;
        if is_news && cable.link().is_linked() {
            self.jump_told.store(now.max(1), Ordering::Relaxed);
            self.tell(Severity::Warning, messages::JUMP);
        }
    }

    pub(super) fn take_snapshot(&self, core: &Core) {
        let mut buffer = lock(&self.snapshots).take_spare();
        let is_complete = core.serialize(&mut buffer);
        lock(&self.snapshots).give_back(buffer, is_complete);
    }
}
