//! Sound of the frames that the player hears, joined where the game was taken back or stood still.

/// Sound of more than this in one frame is dropped: a frame has about 550 samples, at most 1100.
const SAMPLES_MAX: usize = 16_384;

/// Samples over which a break in the sound is evened out: 2 ms, too short to be heard as a fade.
const SOFTENED: i32 = 64;

/// The live frame's sound, left and right in turn, and how the sound before it ended.
#[derive(Default)]
pub(super) struct Sound {
    samples: Vec<i16>,
    /// Sound of a live frame that stands still in its midst.
    aside: Vec<i16>,
    /// Length of the last frame that was heard.
    last_len: usize,
    /// The last sample that was played, left and right.
    last: [i16; 2],
    /// The samples do not continue from `last`.
    is_broken: bool,
}

impl Sound {
    pub(super) fn clear(&mut self) {
        self.samples.clear();
    }

    pub(super) fn push(&mut self, samples: &[i16]) {
        push(&mut self.samples, samples);
    }

    /// Takes the frame's samples out for the player; [`give_back`](Self::give_back) returns the buffer. They
    /// do not continue from the last ones after a loaded state, which resets the core's resampler.
    pub(super) fn take(&mut self, is_broken: bool) -> Vec<i16> {
        self.last_len = self.samples.len();
        self.hand_out(is_broken)
    }

    /// Takes out as much silence as the last frame was long.
    pub(super) fn take_silence(&mut self) -> Vec<i16> {
        self.samples.clear();
        self.samples.resize(self.last_len, 0);
        let silence = self.hand_out(true);
        // The sound after the silence does not continue from it either.
        self.is_broken = true;
        silence
    }

    /// Puts the frame's samples so far aside, for [`take_up`](Self::take_up).
    pub(super) fn put_aside(&mut self) {
        std::mem::swap(&mut self.samples, &mut self.aside);
    }

    /// Goes on after the samples that were put aside.
    pub(super) fn take_up(&mut self) {
        std::mem::swap(&mut self.samples, &mut self.aside);
    }

    fn hand_out(&mut self, is_broken: bool) -> Vec<i16> {
        if std::mem::take(&mut self.is_broken) || is_broken {
            soften(&mut self.samples, self.last);
        }
        if let [.., left, right] = self.samples[..] {
            self.last = [left, right];
        }
        std::mem::take(&mut self.samples)
    }

    /// Takes the buffer back, so that no frame allocates another.
    pub(super) fn give_back(&mut self, mut buffer: Vec<i16>) {
        buffer.clear();
        self.samples = buffer;
    }
}

/// Appends samples unless the frame has too many.
pub(super) fn push(to: &mut Vec<i16>, samples: &[i16]) {
    if to.len() + samples.len() <= SAMPLES_MAX {
        to.extend_from_slice(samples);
    }
}

/// Adds to the first samples the difference to `last`, less and less.
fn soften(sound: &mut [i16], last: [i16; 2]) {
    let Some(&first) = sound.first_chunk::<2>() else {
        return;
    };
    for (left, sample) in (1..=SOFTENED).rev().zip(sound.chunks_exact_mut(2)) {
        for side in 0..2 {
            let gap = i32::from(last[side]) - i32::from(first[side]);
            let value = i32::from(sample[side]) + gap * left / SOFTENED;
            sample[side] = value.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_in_the_sound_is_evened_out() {
        let mut sound = vec![0; 1000];
        soften(&mut sound, [3200, -3200]);
        assert_eq!(sound[..2], [3200, -3200], "it begins where the last ended");
        let steps = sound.chunks_exact(2).zip(sound.chunks_exact(2).skip(1));
        let largest = steps
            .map(|(one, next)| (i32::from(one[0]) - i32::from(next[0])).abs())
            .max();
        assert_eq!(largest, Some(50));
        assert!(sound[2 * SOFTENED as usize..].iter().all(|sample| *sample == 0));
        soften(&mut [], [1, 1]);
        let mut loud = [i16::MAX; 4];
        soften(&mut loud, [i16::MIN, i16::MAX]);
        assert_eq!(loud[..2], [i16::MIN, i16::MAX]);
    }
}
