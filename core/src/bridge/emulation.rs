//! This side's emulation: its frames, and what its game did in them.

use super::exchange::Frame;
use crate::serial::GamePort;
use crate::time::LocalTime;
use std::time::Duration;

/// Without a frame for so long the emulation counts as paused; several times the longest frame of a slow
/// machine.
const PAUSE_AFTER: Duration = Duration::from_millis(250);

/// Frames of one game, as its bridge sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Emulation {
    /// Frames emulated since the start.
    frames: u64,
    /// The same, and calls in which the game stood still for its peer.
    turns: u64,
    is_armed: bool,
    is_running: bool,
    /// Nothing has been emulated since the frame before began.
    has_stood: bool,
    /// The game took a byte in the frame that runs.
    has_taken: bool,
    /// The game clocked a transfer in the frame that runs.
    has_clocked: bool,
    /// When a frame last began, or a wait last ended.
    last_active: LocalTime,
    /// When a byte was last asked for or answered.
    last_byte: Option<LocalTime>,
}

impl Emulation {
    /// The same frames without a game that has done anything: for a bridge that begins anew.
    pub(super) fn restarted(&self) -> Emulation {
        Emulation {
            frames: self.frames,
            turns: self.turns,
            ..Emulation::default()
        }
    }

    /// Counts frames and turns on from this number.
    pub(super) fn count_from(&mut self, first: u64) {
        (self.frames, self.turns) = (first, first);
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns
    }

    pub(super) fn is_armed(&self) -> bool {
        self.is_armed
    }

    pub(super) fn is_paused(&self) -> bool {
        !self.is_running
    }

    pub(super) fn last_byte(&self) -> Option<LocalTime> {
        self.last_byte
    }

    /// The emulation does something.
    pub(super) fn handle_activity(&mut self, now: LocalTime) {
        self.last_active = now;
    }

    /// True if the game has taken a byte in the frame that runs.
    pub(super) fn has_taken(&self) -> bool {
        self.has_taken
    }

    /// The game answers a byte that it has taken.
    pub(super) fn handle_taken(&mut self, now: LocalTime) {
        (self.last_active, self.last_byte) = (now, Some(now));
        self.has_taken = true;
    }

    /// The game starts a transfer with its own clock, its port enabled or not. True where that tears a byte
    /// which it has just taken.
    pub(super) fn handle_clocked(&mut self, now: LocalTime, is_enabled: bool) -> bool {
        (self.last_active, self.last_byte) = (now, Some(now));
        self.has_clocked = true;
        is_enabled && self.has_taken
    }

    /// A frame begins; `is_armed` as far as that can be seen.
    pub(super) fn handle_frame_start(
        &mut self,
        now: LocalTime,
        is_armed: Option<bool>,
        port: GamePort,
    ) -> Frame {
        self.last_active = now;
        self.is_running = true;
        self.has_taken = false;
        Frame {
            number: self.frames,
            has_advanced: !std::mem::replace(&mut self.has_stood, true),
            is_armed,
            was_armed: std::mem::replace(&mut self.is_armed, is_armed == Some(true)),
            port,
        }
    }

    /// A call is over. True where the game clocked in it.
    pub(super) fn handle_frame_end(&mut self, has_advanced: bool) -> bool {
        self.has_stood &= !has_advanced;
        self.frames = self.frames.saturating_add(has_advanced.into());
        self.turns = self.turns.saturating_add(has_advanced.into());
        std::mem::take(&mut self.has_clocked)
    }

    /// The game stands still in this call, and its turn is over all the same: a peer that takes fewer bytes
    /// in a frame than this game sends needs more frames.
    pub(super) fn pass_turn(&mut self) {
        self.turns += 1;
    }

    /// When the emulation counts as paused unless it goes on; `None` where it does already.
    pub(super) fn pause_at(&self) -> Option<LocalTime> {
        self.is_running.then(|| self.last_active.after(PAUSE_AFTER))
    }

    /// No frame has been emulated for too long.
    pub(super) fn pause(&mut self) {
        self.is_running = false;
    }
}
