//! Numbers for people.

/// Microseconds as milliseconds, with three digits that count.
pub(crate) fn ms(micros: f64) -> String {
    let ms = micros / 1e3;
    match ms {
        ms if ms >= 100.0 => format!("{ms:.0}"),
        ms if ms >= 10.0 => format!("{ms:.1}"),
        ms if ms >= 1.0 => format!("{ms:.2}"),
        ms => format!("{ms:.3}"),
    }
}

/// Four points of a distribution, given in microseconds.
pub(crate) fn four(p50: f64, p99: f64, p999: f64, max: f64) -> String {
    format!("{} / {} / {} / {}", ms(p50), ms(p99), ms(p999), ms(max))
}

/// One number of each side, in a cell.
pub(crate) fn pair(a: f64, b: f64, digits: usize) -> String {
    format!("{a:.digits$} / {b:.digits$}")
}

/// A number, or a dash.
pub(crate) fn optional(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_three_digits() {
        assert_eq!(
            [1.0, 62.5, 16742.0, 184137.0].map(ms),
            ["0.001", "0.062", "16.7", "184"]
        );
        assert_eq!(four(1000.0, 2000.0, 2500.0, 3000.0), "1.00 / 2.00 / 2.50 / 3.00");
        assert_eq!(
            (optional(None, 1), pair(1.0, 2.5, 1)),
            ("-".to_owned(), "1.0 / 2.5".to_owned())
        );
    }
}
