//! `RetroArch`'s own netplay, which runs the same game on both machines and would send every byte twice.

use crate::ffi::SavestateContext;

/// Frames for which netplay counts as running after a state was saved for it.
///
/// `RetroArch` 1.14 tells the purpose of a state only while it asks for one, and netplay asks in every frame;
/// two seconds bridge a stall.
const MEMORY: u32 = 120;

/// Signs of netplay in one game.
#[derive(Debug, Default)]
pub(super) struct Netplay {
    /// The frame in which it last saved a state.
    seen: Option<u32>,
}

impl Netplay {
    /// True where netplay runs, by the purpose of savestates in this frame.
    pub(super) fn is_active(&self, context: SavestateContext, frame: u32) -> bool {
        let is_recent = self.seen.is_some_and(|seen| frame.wrapping_sub(seen) <= MEMORY);
        is_recent || context == SavestateContext::Netplay
    }

    /// Records that netplay has saved a state.
    pub(super) fn handle_save(&mut self, frame: u32) {
        self.seen = Some(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netplay_runs_until_two_seconds_after_its_last_state() {
        let mut netplay = Netplay::default();
        assert!(!netplay.is_active(SavestateContext::Normal, 5));
        assert!(netplay.is_active(SavestateContext::Netplay, 5));
        let last = u32::MAX - 10;
        netplay.handle_save(last);
        assert!(netplay.is_active(SavestateContext::Normal, last.wrapping_add(MEMORY)));
        assert!(!netplay.is_active(SavestateContext::Normal, last.wrapping_add(MEMORY + 1)));
    }
}
