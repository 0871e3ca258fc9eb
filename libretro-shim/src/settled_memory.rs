//! The frontend's view of memory that may still be undone: a copy with committed frames only.
//!
//! The frontend writes what it finds in battery RAM to the player's disk, at any time, and decides by work
//! RAM what a player has achieved. What a game wrote after a prediction must not be there before that has
//! come true; so each frame's memory is kept until the frame is committed.

use crate::fail_points;
use crate::shared_blocks::{Change, SharedBlocks};

/// Frames kept: more than any correction goes back.
const FRAMES: u64 = 64;

/// Committed frames that may wait until they are shown one after the other; with the forty that a correction
/// may go back they stay below [`FRAMES`].
const WAITING: u64 = 16;

/// The copy, and the frames that may still become it.
pub(crate) struct SettledMemory {
    /// The frontend reads it and may write into it.
    public: Box<[u8]>,
    /// The content that was put there last; where the two differ, the frontend has written.
    published: Vec<u8>,
    /// One a frame kept, and behind them the one that was stored last.
    frames: Vec<SharedBlocks>,
    /// Room for what the core has.
    now: Vec<u8>,
    /// Frame that follows the last one that was emulated.
    end: u64,
    /// Frame that follows the one that is shown.
    shown: u64,
}

impl SettledMemory {
    /// A copy of what the core has now.
    pub(crate) fn new(now: Vec<u8>) -> SettledMemory {
        SettledMemory {
            public: now.clone().into(),
            frames: vec![SharedBlocks::new(&now); FRAMES as usize + 1],
            published: now.clone(),
            now,
            end: 0,
            shown: 0,
        }
    }

    /// The copy that the frontend finds, in place as long as this lives.
    pub(crate) fn public(&mut self) -> &mut [u8] {
        &mut self.public
    }

    /// Before a frame: `write` gives the core what the frontend has written, as it does with a save file and
    /// with a cheat. Bytes that it has not touched stay the core's own.
    pub(crate) fn take_over(&mut self, write: impl FnOnce(&[Change])) {
        fail_points::place("take_over");
        let changes = self.changes();
        if changes.is_empty() {
            return;
        }
        self.published.copy_from_slice(&self.public);
        SharedBlocks::write(&mut self.frames, &changes);
        write(&changes);
    }

    /// Bytes that the frontend has written since they were shown.
    fn changes(&self) -> Vec<Change> {
        if *self.public == *self.published {
            return Vec::new();
        }
        let pairs = self.public.iter().zip(&self.published);
        let changed = pairs.enumerate().filter(|(_, (now, before))| now != before);
        changed.map(|(place, (now, _))| (place, *now)).collect()
    }

    /// After a frame, live or replayed: `read` copies the core's memory.
    pub(crate) fn keep(&mut self, frame: u64, read: impl FnOnce(&mut [u8])) {
        fail_points::place("keep");
        read(&mut self.now);
        if let Some((newest, frames)) = self.frames.split_last_mut() {
            frames[(frame % FRAMES) as usize].store(&self.now, newest);
        }
        self.end = frame + 1;
    }

    /// Shows the frontend the memory of the last committed frame, the one before `frame`; with `None` what
    /// the core has now. What the frontend has written meanwhile stays there: `RetroArch` carries out the
    /// commands of its network port in mid-frame, while the core asks for the buttons.
    pub(crate) fn publish(&mut self, frame: Option<u64>, read: impl FnOnce(&mut [u8])) {
        fail_points::place("publish");
        let changes = self.changes();
        match frame {
            None => {
                read(&mut self.published);
                self.shown = self.end;
            }
            Some(0) => return,
            Some(frame) => {
                let last = &self.frames[((frame - 1) % FRAMES) as usize];
                last.copy_to(&mut self.published);
                self.shown = frame;
            }
        }
        self.public.copy_from_slice(&self.published);
        for (place, byte) in changes {
            self.public[place] = byte;
        }
    }

    /// Shows the frontend the committed frame that follows the last one shown: frames are committed several
    /// at once, and who looks at each one misses none. Otherwise as [`publish`](Self::publish).
    pub(crate) fn publish_next(&mut self, frame: Option<u64>, read: impl FnOnce(&mut [u8])) {
        // No older one is kept.
        let oldest = (self.end + 1).saturating_sub(FRAMES);
        let first = |frame: u64| frame.saturating_sub(WAITING).max(oldest);
        let next = frame.map(|frame| (self.shown + 1).max(first(frame)).min(frame));
        self.publish(next, read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(memory: &mut SettledMemory, frame: u64, byte: u8) {
        memory.keep(frame, |to| to.fill(byte));
    }

    #[test]
    fn the_frontend_sees_final_frames_only() {
        let mut memory = SettledMemory::new(vec![0; 2]);
        let not_read = |_: &mut [u8]| panic!("what the core has now may be undone");
        memory.publish(Some(0), not_read);
        assert_eq!(memory.public(), [0, 0]);
        for frame in 0..5 {
            keep(&mut memory, frame, 10 + frame as u8);
        }
        memory.publish(Some(3), not_read);
        assert_eq!(memory.public(), [12, 12], "as of frame 2");
        keep(&mut memory, 3, 99);
        memory.publish(Some(4), not_read);
        assert_eq!(
            memory.public(),
            [99, 99],
            "as frame 3 was when it was emulated last"
        );
        memory.publish(None, |to| to.fill(7));
        assert_eq!(memory.public(), [7, 7]);
    }

    #[test]
    fn what_the_frontend_writes_reaches_the_core_once_and_no_older_frame_undoes_it() {
        let mut memory = SettledMemory::new(vec![0; 2]);
        keep(&mut memory, 0, 1);
        memory.take_over(|_| panic!("it has written nothing"));
        memory.public()[1] = 5;
        memory.take_over(|changes| assert_eq!(changes, [(1, 5)], "the other byte is the core's own"));
        memory.take_over(|_| panic!("it has written nothing more"));
        memory.publish(Some(1), |_| {});
        assert_eq!(memory.public(), [1, 5]);
    }

    #[test]
    fn what_the_frontend_writes_in_mid_frame_is_not_shown_over() {
        let mut memory = SettledMemory::new(vec![0; 2]);
        memory.take_over(|_| panic!("it has written nothing"));
        memory.public()[1] = 5;
        memory.publish(None, |to| to.fill(7));
        assert_eq!(memory.public(), [7, 5]);
        memory.take_over(|changes| assert_eq!(changes, [(1, 5)]));
        memory.publish(None, |to| to.copy_from_slice(&[8, 5]));
        assert_eq!(memory.public(), [8, 5]);
        memory.take_over(|_| panic!("it has written nothing more"));
    }

    #[test]
    fn frames_that_are_committed_at_once_are_shown_one_after_the_other() {
        let mut memory = SettledMemory::new(vec![0]);
        let mut shown = Vec::new();
        let mut show = |memory: &mut SettledMemory, committed| {
            memory.publish_next(committed, |to| to.fill(200));
            shown.push(memory.public()[0]);
        };
        for frame in 0..60 {
            keep(&mut memory, frame, 100 + frame as u8);
            if frame == 5 {
                show(&mut memory, Some(3));
                show(&mut memory, Some(3));
            }
        }
        for committed in [5, 5, 5, 5, 40, 40] {
            show(&mut memory, Some(committed));
        }
        show(&mut memory, None);
        keep(&mut memory, 60, 160);
        show(&mut memory, Some(61));
        // Frames 0 and 1; 2 to 4; at most sixteen wait; what the core has; what has come since.
        assert_eq!(shown, [100, 101, 102, 103, 104, 104, 123, 124, 200, 160]);
    }
}
