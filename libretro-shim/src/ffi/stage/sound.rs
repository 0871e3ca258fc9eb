//! A sound that goes on elsewhere than the last ended.

/// Samples over which a break in the sound is evened out: 2 ms, too short to be heard as a fade.
const SOFTENED: usize = 64;

/// Adds to the first samples what is missing to `last`, less and less.
pub(super) fn soften(sound: &mut [i16], last: [i16; 2]) {
    let Some(&first) = sound.first_chunk::<2>() else {
        return;
    };
    for (place, sample) in sound.chunks_exact_mut(2).take(SOFTENED).enumerate() {
        for side in 0..2 {
            let gap = i32::from(last[side]) - i32::from(first[side]);
            let left = i32::try_from(SOFTENED - place).unwrap_or(0);
            let value = i32::from(sample[side]) + gap * left / SOFTENED as i32;
            sample[side] = i16::try_from(value).unwrap_or(if value < 0 { i16::MIN } else { i16::MAX });
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
        assert!(sound[2 * SOFTENED..].iter().all(|sample| *sample == 0));
        soften(&mut [], [1, 1]);
        let mut loud = [i16::MAX; 4];
        soften(&mut loud, [i16::MIN, i16::MAX]);
        assert_eq!(loud[..2], [i16::MIN, i16::MAX]);
    }
}
