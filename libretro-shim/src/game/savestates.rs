//! Savestates of a game, as the frontend asks for them.

use super::{Game, unplug_for_netplay, working};
use crate::ffi::{self, Core, REGISTERS, SavestateContext};
use crate::messages::{self, Severity};
use crate::run_ahead::{self, Load};

/// Frames between two messages about jumps: rewind makes a jump in each frame.
const JUMP_SILENCE: u32 = 600;

impl Game {
    /// Saves the present state to `out` where that is safe, else the newest safe one.
    pub(crate) fn serialize(&mut self, core: &Core, out: &mut [u8]) -> bool {
        let Some(cable) = working(self.plug.as_ref()) else {
            self.finish_frame(core);
            return core.serialize(out);
        };
        let link = cable.link();
        let is_waiting = self.is_waiting();
        let context = ffi::savestate_context();
        if context == SavestateContext::Netplay {
            self.netplay.handle_save(self.frames);
            unplug_for_netplay(cable, &self.display, true);
        }
        if context == SavestateContext::RunAhead {
            if !self.run_ahead.handle_save(link.is_linked()) {
                return !is_waiting && core.serialize(out);
            }
            if self.run_ahead.poll_first_rest() {
                self.display.tell(Severity::Warning, messages::RUN_AHEAD);
            }
            return run_ahead::write_stand_in(out);
        }
        self.run_ahead.clear();
        // While a prediction may be open, only a committed state is given, or none.
        if let (Some(confirmed), _) = link.confirmed() {
            let rollback = self.rollback.as_ref();
            return rollback.is_some_and(|rollback| rollback.copy_confirmed(confirmed, out));
        }
        let is_netplay = context == SavestateContext::Netplay;
        let is_safe = is_netplay || !link.is_linked() || cable.is_safe(REGISTERS.serial_control());
        if is_safe && !is_waiting {
            return core.serialize(out);
        }
        // Rather no state than one with a garbled byte: the frontend shows the failure, and the next frame is
        // safe.
        self.safe_state.copy_to(out)
    }

    /// Loads a state, or takes back a stand-in.
    pub(crate) fn unserialize(&mut self, core: &Core, state: &[u8]) -> bool {
        let is_stand_in = run_ahead::is_stand_in(state);
        let load = match working(self.plug.as_ref()) {
            Some(cable) if is_stand_in || ffi::savestate_context() == SavestateContext::RunAhead => {
                self.run_ahead.handle_load(is_stand_in, cable.link().is_linked())
            }
            None if is_stand_in => Load::Nothing,
            _ => Load::Jump,
        };
        if load == Load::Jump {
            self.finish_frame(core);
            self.handle_jump();
        }
        load == Load::Nothing || core.unserialize(state)
    }

    /// Presses the reset button.
    pub(crate) fn reset(&mut self, core: &Core) {
        self.finish_frame(core);
        core.reset();
        self.handle_jump();
    }

    /// Tells the link that the game was reset or loaded.
    fn handle_jump(&mut self) {
        self.run_ahead.clear();
        self.safe_state.clear();
        let Some(cable) = working(self.plug.as_ref()) else {
            return;
        };
        cable.link().jump();
        let is_over = |told| self.frames.wrapping_sub(told) > JUMP_SILENCE;
        if self.jump_told.is_none_or(is_over) && cable.link().is_linked() {
            self.jump_told = Some(self.frames);
            self.display.tell(Severity::Warning, messages::JUMP);
        }
    }
}
