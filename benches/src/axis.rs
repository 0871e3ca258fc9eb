//! Ticks of a chart's upright axis, and the place of a value on it.

/// An axis from its first tick to its last.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    ticks: Vec<f64>,
    is_logarithmic: bool,
}

/// Bounds of an axis: beyond, steps would overflow.
const MIN: f64 = 1e-6;
const MAX: f64 = 1e15;

impl Axis {
    /// An axis that holds all of these values: from power of ten to power of ten, or in about five even steps
    /// from 0.
    pub(crate) fn of(values: &[f64], is_logarithmic: bool) -> Axis {
        let is_usable = |value: &f64| value.is_finite() && *value > 0.0;
        let usable = || values.iter().copied().filter(is_usable);
        let most = usable().fold(MIN, f64::max).min(MAX);
        let least = usable().fold(most, f64::min).max(MIN);
        let ticks = if is_logarithmic {
            let (from, to) = (least.log10().floor(), most.log10().ceil());
            let count = (to - from).clamp(1.0, 12.0) as i32;
            (0..=count).map(|step| 10f64.powi(from as i32 + step)).collect()
        } else {
            let rough = most / 5.0;
            let power = 10f64.powf(rough.log10().floor());
            let step = [1.0, 2.0, 5.0, 10.0]
                .into_iter()
                .map(|digit| digit * power)
                .find(|step| *step >= rough)
                .unwrap_or(rough);
            let count = (most / step).ceil().clamp(1.0, 10.0) as u32;
            (0..=count).map(|tick| f64::from(tick) * step).collect()
        };
        Axis {
            ticks,
            is_logarithmic,
        }
    }

    /// The values that have a line and a number.
    pub(crate) fn ticks(&self) -> &[f64] {
        &self.ticks
    }

    /// The values that have a fine line only: 2 to 9 of each power of ten.
    pub(crate) fn fine(&self) -> Vec<f64> {
        if !self.is_logarithmic {
            return Vec::new();
        }
        let powers = self.ticks.iter().rev().skip(1);
        powers
            .flat_map(|power| (2..10).map(move |digit| power * f64::from(digit)))
            .collect()
    }

    /// Place of a value on the axis: 0 at the first tick, 1 at the last.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let (Some(&low), Some(&high)) = (self.ticks.first(), self.ticks.last()) else {
            return 0.0;
        };
        let at = |value: f64| match self.is_logarithmic {
            true => value.max(MIN).log10(),
            false => value,
        };
        let share = (at(value) - at(low)) / (at(high) - at(low));
        if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        }
    }
}

/// A number with as many digits as help.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_enclose_the_values() {
        let logarithmic = Axis::of(&[3.0, 40.0, 700.0], true);
        assert_eq!(logarithmic.ticks(), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(logarithmic.fine().len(), 24);
        assert_eq!(Axis::of(&[59.7], false).ticks(), [0.0, 20.0, 40.0, 60.0]);
    }

    #[test]
    fn values_lie_between_the_ends() {
        let axis = Axis::of(&[1.0, 100.0], true);
        assert_eq!([1.0, 10.0, 100.0].map(|value| axis.share(value)), [0.0, 0.5, 1.0]);
        assert_eq!(
            [0.0, 1e9, f64::NAN].map(|value| axis.share(value)),
            [0.0, 1.0, 0.0]
        );
        assert_eq!(Axis::of(&[60.0], false).share(30.0), 0.5);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [1105.4, 16.742, 4.0, 1.234, 0.25, 0.001].map(number),
            ["1105", "16.7", "4", "1.23", "0.25", "0.001"]
        );
    }
}
