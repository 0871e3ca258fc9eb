//! Frequency of corrections of one cause.
//!
//! A rare correction may be dear: one late frame in a hundred is not noticed, and a window as wide as the
//! path asks for never holds the game up. Frequent ones must fit into each frame's slack. As a narrow window
//! may itself make corrections rare, the wide one is tried again after a while, ever more seldom.

/// Weight of a call with a correction, of [`WHOLE`], and the divisor by which the share falls in each call:
/// it is that of the last second.
const WEIGHT: u32 = WHOLE / DECAY_DIVISOR;
const DECAY_DIVISOR: u32 = 64;
const WHOLE: u32 = 1024;
/// Share of the calls, of [`WHOLE`], up to which corrections are rare: three in a short time are.
const RARE: u32 = 40;
/// Calls for which corrections count as frequent at first: three seconds.
const FREQUENT_CALLS: u32 = 180;
/// Largest power of two by which that grows while they are frequent again soon after: a minute and a half.
const MAX_BACKOFF: u32 = 5;
/// Calls without frequent corrections after which it is short again.
const RARE_CALLS: u32 = 600;

/// Watches calls of `retro_run` for corrections of one cause.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frequency {
    /// Share of the calls lately that had one.
    share: u32,
    /// Calls for which they count as frequent.
    frequent_for: u32,
    /// Calls since then.
    rare_for: u32,
    backoff: u32,
}

impl Frequency {
    pub(super) fn is_rare(&self) -> bool {
        self.frequent_for == 0
    }

    /// The call that runs has a correction.
    pub(super) fn handle_correction(&mut self) {
        self.share += WEIGHT;
        if self.is_rare() && self.share > RARE {
            let is_again = self.rare_for < RARE_CALLS;
            self.backoff = if is_again {
                (self.backoff + 1).min(MAX_BACKOFF)
            } else {
                0
            };
            self.frequent_for = FREQUENT_CALLS << self.backoff;
        }
    }

    pub(super) fn handle_call_end(&mut self) {
        self.share -= self.share.div_ceil(DECAY_DIVISOR);
        self.rare_for = self.rare_for.saturating_add(1);
        if self.frequent_for > 0 {
            self.frequent_for -= 1;
            (self.share, self.rare_for) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of these in which corrections count as frequent, where every so many have one.
    fn frequent(calls: u32, every: u32) -> u32 {
        let mut frequency = Frequency::default();
        let mut frequent = 0;
        for call in 0..calls {
            if call % every == 0 {
                frequency.handle_correction();
            }
            frequent += u32::from(!frequency.is_rare());
            frequency.handle_call_end();
        }
        frequent
    }

    #[test]
    fn a_correction_in_each_call_is_frequent_and_one_a_second_is_rare() {
        assert_eq!(frequent(6000, 60), 0);
        let calls = frequent(36_000, 1);
        assert!(calls > 35_950, "{calls}");
    }

    #[test]
    fn corrections_that_have_ended_are_rare_after_seconds() {
        let mut frequency = Frequency::default();
        (0..4).for_each(|_| frequency.handle_correction());
        assert!(!frequency.is_rare());
        (0..FREQUENT_CALLS * 2).for_each(|_| frequency.handle_call_end());
        assert!(frequency.is_rare());
    }
}
