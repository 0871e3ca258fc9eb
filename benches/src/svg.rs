//! A line chart as SVG: enough for a few series over a few delays.

use std::fmt::Write as _;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) color: &'static str,
    pub(crate) is_dashed: bool,
    /// Place on the horizontal axis, and value.
    pub(crate) points: Vec<(usize, f64)>,
}

/// A chart: places named along the bottom, values up the side.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) across: &'static str,
    pub(crate) up: &'static str,
    pub(crate) places: Vec<String>,
    pub(crate) is_logarithmic: bool,
    pub(crate) series: Vec<Series>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 225.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// No axis ends below or above these: beyond, steps would overflow.
const MIN_SCALE: f64 = 1e-6;
const MAX_SCALE: f64 = 1e15;

impl Chart {
    /// The whole picture.
    pub(crate) fn svg(&self) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        text(&mut out, LEFT, 22.0, "start", 15, &self.title);
        let ticks = self.ticks();
        let (low, high) = match (ticks.first(), ticks.last()) {
            (Some(&low), Some(&high)) if high > low => (low, high),
            _ => (0.0, 1.0),
        };
        let y = |value: f64| {
            let share = match self.is_logarithmic {
                true => (value.max(low).log10() - low.log10()) / (high.log10() - low.log10()),
                false => (value - low) / (high - low),
            };
            HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
        };
        let step = (WIDTH - LEFT - RIGHT) / self.places.len().max(1) as f64;
        let x = |place: usize| LEFT + step * (place as f64 + 0.5);
        for tick in &ticks {
            let at = y(*tick);
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>",
                WIDTH - RIGHT
            );
            text(&mut out, LEFT - 6.0, at + 4.0, "end", 12, &number(*tick));
        }
        for (place, name) in self.places.iter().enumerate() {
            text(&mut out, x(place), HEIGHT - BOTTOM + 17.0, "middle", 12, name);
        }
        let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
        text(&mut out, middle, HEIGHT - 12.0, "middle", 12, self.across);
        let half = TOP + (HEIGHT - TOP - BOTTOM) / 2.0;
        let _ = writeln!(
            out,
            "<text x=\"16\" y=\"{half}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {half})\">{}</text>",
            escape(self.up)
        );
        for (index, series) in self.series.iter().enumerate() {
            let Series {
                name,
                color,
                is_dashed,
                points,
            } = series;
            let dash = if *is_dashed {
                " stroke-dasharray=\"5 4\""
            } else {
                ""
            };
            let path: Vec<String> = points
                .iter()
                .map(|(place, value)| format!("{:.1},{:.1}", x(*place), y(*value)))
                .collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"{dash}/>",
                path.join(" ")
            );
            for (place, value) in points {
                let _ = writeln!(
                    out,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{color}\"><title>{}: {}</title></circle>",
                    x(*place),
                    y(*value),
                    escape(name),
                    number(*value)
                );
            }
            let (key_x, key_y) = (WIDTH - RIGHT + 14.0, TOP + 8.0 + 18.0 * index as f64);
            let _ = writeln!(
                out,
                "<line x1=\"{key_x}\" x2=\"{}\" y1=\"{key_y}\" y2=\"{key_y}\" stroke=\"{color}\" stroke-width=\"2\"{dash}/>",
                key_x + 22.0
            );
            text(&mut out, key_x + 28.0, key_y + 4.0, "start", 12, name);
        }
        out.push_str("</svg>\n");
        out
    }

    /// Where the lines across are: powers of ten, or about five even steps from 0.
    fn ticks(&self) -> Vec<f64> {
        let values = || {
            self.series
                .iter()
                .flat_map(|series| series.points.iter().map(|point| point.1))
        };
        let most = values().fold(MIN_SCALE, f64::max).min(MAX_SCALE);
        if self.is_logarithmic {
            let least = values().filter(|value| *value > 0.0).fold(most, f64::min);
            let (from, to) = (least.log10().floor(), most.log10().ceil());
            let count = (to - from).clamp(1.0, 12.0) as i32;
            return (0..=count).map(|step| 10f64.powi(from as i32 + step)).collect();
        }
        let rough = most / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|digit| digit * power)
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let count = (most / step).ceil().clamp(1.0, 10.0) as u32;
        (0..=count).map(|tick| f64::from(tick) * step).collect()
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, size: u32, what: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{}</text>",
        escape(what)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A number with as many digits as help.
fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.4}").trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(is_logarithmic: bool, values: &[f64]) -> Chart {
        Chart {
            title: "a < b".to_owned(),
            across: "ms",
            up: "us",
            places: values.iter().map(ToString::to_string).collect(),
            is_logarithmic,
            series: vec![Series {
                name: "one".to_owned(),
                color: "#000",
                is_dashed: false,
                points: values.iter().copied().enumerate().collect(),
            }],
        }
    }

    #[test]
    fn ticks_enclose_the_values() {
        assert_eq!(
            chart(true, &[3.0, 40.0, 700.0]).ticks(),
            [1.0, 10.0, 100.0, 1000.0]
        );
        assert_eq!(chart(false, &[59.7]).ticks(), [0.0, 20.0, 40.0, 60.0]);
    }

    #[test]
    fn odd_values_give_a_picture_all_the_same() {
        for values in [&[][..], &[0.0], &[1.0, 1.0], &[f64::MAX]] {
            for is_logarithmic in [false, true] {
                let svg = chart(is_logarithmic, values).svg();
                assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
                assert!(svg.contains("a &lt; b"));
            }
        }
    }
}
