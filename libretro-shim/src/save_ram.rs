//! The frontend's view of the cartridge's battery RAM: a copy with committed frames only.
//!
//! The frontend writes what it finds there to the player's disk, at any time. What a game wrote after a
//! prediction must not be there before that has come true; so each frame's RAM is kept until the frame is
//! committed.

use crate::fail_points;

/// Frames kept: more than any correction goes back.
const FRAMES: u64 = 64;

/// The copy, and the frames that may still become it.
pub(crate) struct SaveRam {
    /// The frontend reads it and may write into it.
    public: Box<[u8]>,
    /// The content that was put there last; where the two differ, the frontend has written.
    published: Vec<u8>,
    frames: Vec<Vec<u8>>,
}

impl SaveRam {
    /// A copy of what the cartridge has now.
    pub(crate) fn new(now: Vec<u8>) -> SaveRam {
        SaveRam {
            public: now.clone().into(),
            frames: vec![now.clone(); FRAMES as usize],
            published: now,
        }
    }

    /// The copy that the frontend finds, in place as long as this lives.
    pub(crate) fn public(&mut self) -> &mut [u8] {
        &mut self.public
    }

    /// Before a frame: `write` gives the core what the frontend has written, as it does with a save file.
    pub(crate) fn take_over(&mut self, write: impl FnOnce(&[u8])) {
        fail_points::place("take_over");
        if *self.public != *self.published {
            self.published.copy_from_slice(&self.public);
            for frame in &mut self.frames {
                frame.copy_from_slice(&self.public);
            }
            write(&self.published);
        }
    }

    /// After a frame, live or replayed: `read` copies the core's RAM.
    pub(crate) fn keep(&mut self, frame: u64, read: impl FnOnce(&mut [u8])) {
        fail_points::place("keep");
        read(&mut self.frames[(frame % FRAMES) as usize]);
    }

    /// Shows the frontend the RAM of the last committed frame, the one before `frame`; with `None` what the
    /// core has now.
    pub(crate) fn publish(&mut self, frame: Option<u64>, read: impl FnOnce(&mut [u8])) {
        fail_points::place("publish");
        match frame {
            None => read(&mut self.published),
            Some(0) => return,
            Some(frame) => {
                let last = &self.frames[((frame - 1) % FRAMES) as usize];
                self.published.copy_from_slice(last);
            }
        }
        self.public.copy_from_slice(&self.published);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(save_ram: &mut SaveRam, frame: u64, byte: u8) {
        save_ram.keep(frame, |to| to.fill(byte));
    }

    #[test]
    fn the_frontend_sees_final_frames_only() {
        let mut save_ram = SaveRam::new(vec![0; 2]);
        let not_read = |_: &mut [u8]| panic!("what the core has now may be undone");
        save_ram.publish(Some(0), not_read);
        assert_eq!(save_ram.public(), [0, 0]);
        for frame in 0..5 {
            keep(&mut save_ram, frame, 10 + frame as u8);
        }
        save_ram.publish(Some(3), not_read);
        assert_eq!(save_ram.public(), [12, 12], "as of frame 2");
        keep(&mut save_ram, 3, 99);
        save_ram.publish(Some(4), not_read);
        assert_eq!(
            save_ram.public(),
            [99, 99],
            "as frame 3 was when it was emulated last"
        );
        save_ram.publish(None, |to| to.fill(7));
        assert_eq!(save_ram.public(), [7, 7]);
    }

    #[test]
    fn what_the_frontend_writes_reaches_the_core_once_and_no_older_frame_undoes_it() {
        let mut save_ram = SaveRam::new(vec![0; 2]);
        keep(&mut save_ram, 0, 1);
        save_ram.take_over(|_| panic!("it has written nothing"));
        save_ram.public()[1] = 5;
        let mut core = vec![1, 1];
        save_ram.take_over(|from| core.copy_from_slice(from));
        assert_eq!(core, [0, 5]);
        save_ram.take_over(|_| panic!("it has written nothing more"));
        save_ram.publish(Some(1), |_| {});
        assert_eq!(save_ram.public(), [0, 5]);
    }
}
