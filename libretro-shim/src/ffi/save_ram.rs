//! The cartridge's battery RAM as the frontend sees it: a copy that holds only what cannot be undone any more.
//!
//! The frontend writes what it finds there to the player's disk, at any time. What a game wrote after a guess must not be there before the
//! guess has come true; so each frame's RAM is kept until the frame is final.

use super::Core;
use crate::faults;
use libc::c_void;

/// `RETRO_MEMORY_SAVE_RAM`.
pub(crate) const SAVE_RAM: libc::c_uint = 0;

/// Frames kept: more than any correction goes back.
const FRAMES: u64 = 64;

/// The copy, and the frames that may still become it.
pub(crate) struct SaveRam {
    /// What the frontend sees and may write into.
    public: Box<[u8]>,
    /// What was put there last; where the two differ, the frontend has written.
    published: Vec<u8>,
    frames: Vec<Vec<u8>>,
}

impl SaveRam {
    /// A copy of what the core's cartridge has now; `None` for one without a battery.
    pub(crate) fn new(core: &Core) -> Option<SaveRam> {
        let now = read(core)?;
        Some(SaveRam {
            public: now.clone().into(),
            frames: vec![now.clone(); FRAMES as usize],
            published: now,
        })
    }

    /// Where the frontend finds it.
    pub(crate) fn data(&mut self) -> *mut c_void {
        self.public.as_mut_ptr().cast()
    }

    /// Before a frame: gives the core what the frontend has written, as it does with a save file.
    pub(crate) fn take_over(&mut self, core: &Core) {
        faults::place("take_over");
        // The frontend wrote through the pointer that `data` gave it, on this thread.
        if *self.public != *self.published {
            self.published.copy_from_slice(&self.public);
            self.frames
                .iter_mut()
                .for_each(|frame| frame.copy_from_slice(&self.public));
            write(core, &self.published);
        }
    }

    /// After a frame, live or replayed.
    pub(crate) fn keep(&mut self, core: &Core, frame: u64) {
        faults::place("keep");
        if let Some(kept) = self.frames.get_mut((frame % FRAMES) as usize) {
            copy(core, kept);
        }
    }

    /// Frames before `frame` are final; `None` where all is.
    pub(crate) fn publish(&mut self, core: &Core, frame: Option<u64>) {
        faults::place("publish");
        match frame {
            None => copy(core, &mut self.published),
            Some(0) => return,
            Some(frame) => {
                if let Some(kept) = self.frames.get(((frame - 1) % FRAMES) as usize) {
                    self.published.copy_from_slice(kept);
                }
            }
        }
        self.public.copy_from_slice(&self.published);
    }
}

fn memory(core: &Core) -> Option<(*mut u8, usize)> {
    let (data, len) = (
        core.memory_data(SAVE_RAM).cast::<u8>(),
        core.memory_size(SAVE_RAM),
    );
    (!data.is_null() && len > 0).then_some((data, len))
}

fn read(core: &Core) -> Option<Vec<u8>> {
    let (data, len) = memory(core)?;
    // SAFETY: the core says that so many bytes are there, and it does not run now.
    Some(unsafe { std::slice::from_raw_parts(data, len) }.to_vec())
}

fn copy(core: &Core, to: &mut [u8]) {
    if let Some((data, len)) = memory(core)
        && len == to.len()
    {
        // SAFETY: as in `read`; the two do not overlap, one being ours.
        unsafe { std::ptr::copy_nonoverlapping(data, to.as_mut_ptr(), len) };
    }
}

fn write(core: &Core, from: &[u8]) {
    if let Some((data, len)) = memory(core)
        && len == from.len()
    {
        // SAFETY: as in `copy`.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), data, len) };
    }
}
