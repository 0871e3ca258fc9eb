//! Line charts as SVG, side by side with one legend: places named along the bottom, values up the side.

use crate::axis::{Axis, number};
use std::fmt::Write as _;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) color: &'static str,
    /// Dashed: not one of the contestants.
    pub(crate) is_dashed: bool,
    /// Place on the horizontal axis, and value.
    pub(crate) points: Vec<(usize, f64)>,
    /// Upper end of the shade that begins at the point, for some places.
    pub(crate) reach: Vec<(usize, f64)>,
}

/// One chart.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) across: &'static str,
    pub(crate) up: &'static str,
    pub(crate) places: Vec<String>,
    pub(crate) is_logarithmic: bool,
    /// A value that means something, and what.
    pub(crate) mark: Option<(f64, &'static str)>,
    pub(crate) series: Vec<Series>,
}

/// Charts side by side; a series has the same name and colour in all of them.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) panels: Vec<Panel>,
    /// Machine and manner of the measurement.
    pub(crate) caption: String,
}

const PANEL_WIDTH: f64 = 440.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 68.0;
const BOTTOM: f64 = 68.0;
/// The plotted lines of one panel.
const INNER_WIDTH: f64 = PANEL_WIDTH - LEFT - RIGHT;
const INNER_HEIGHT: f64 = HEIGHT - TOP - BOTTOM;
/// Distance between the points of two series at one place, or one would hide the other.
const APART: f64 = 5.0;

const INK: &str = "#24292f";
const PALE: &str = "#57606a";

impl Figure {
    /// The whole picture.
    pub(crate) fn svg(&self) -> String {
        let width = PANEL_WIDTH * self.panels.len().max(1) as f64;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" \
             font-family=\"Helvetica, Arial, 'Liberation Sans', sans-serif\" font-size=\"12\">\n\
             <rect width=\"{width}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"white\"/>\n"
        );
        self.legend(&mut out);
        for (index, panel) in self.panels.iter().enumerate() {
            let _ = writeln!(
                out,
                "<g transform=\"translate({} 0)\">",
                PANEL_WIDTH * index as f64
            );
            panel.draw(&mut out);
            out.push_str("</g>\n");
        }
        text(
            &mut out,
            width / 2.0,
            HEIGHT - 10.0,
            "middle",
            10,
            PALE,
            &self.caption,
        );
        out.push_str("</svg>\n");
        out
    }

    /// Every name once, in a row along the top.
    fn legend(&self, out: &mut String) {
        let mut known: Vec<&Series> = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            if !known.iter().any(|one| one.name == series.name) {
                known.push(series);
            }
        }
        let mut x = LEFT;
        for series in known {
            let y = 20.0;
            line(out, [x, y, x + 24.0, y], series.color, 2.5, series.is_dashed);
            dot(out, x + 12.0, y, series.color, "");
            text(out, x + 30.0, y + 4.0, "start", 12, INK, &series.name);
            // A letter is about half as wide as it is high.
            x += 30.0 + 6.4 * series.name.chars().count() as f64 + 22.0;
        }
    }
}

impl Panel {
    fn axis(&self) -> Axis {
        let mut values: Vec<f64> = self.mark.iter().map(|mark| mark.0).collect();
        for series in &self.series {
            values.extend(series.points.iter().chain(&series.reach).map(|point| point.1));
        }
        Axis::of(&values, self.is_logarithmic)
    }

    fn draw(&self, out: &mut String) {
        text(out, LEFT, TOP - 18.0, "start", 13, INK, &self.title);
        let axis = self.axis();
        let y = |value: f64| TOP + (1.0 - axis.share(value)) * INNER_HEIGHT;
        self.draw_grid(out, &axis, y);
        self.draw_words(out);
        if let Some((value, what)) = self.mark {
            across(out, y(value), PALE, true);
            text(out, LEFT + INNER_WIDTH, y(value) - 5.0, "end", 10, PALE, what);
        }
        let off_centre = (self.series.len().saturating_sub(1)) as f64 / 2.0;
        for (index, series) in self.series.iter().enumerate() {
            let aside = APART * (index as f64 - off_centre);
            series.draw(out, |place| self.x(place) + aside, y);
        }
    }

    /// Middle of a place on the level axis.
    fn x(&self, place: usize) -> f64 {
        LEFT + INNER_WIDTH / self.places.len().max(1) as f64 * (place as f64 + 0.5)
    }

    /// Lines across the panel, and the values beside them.
    fn draw_grid(&self, out: &mut String, axis: &Axis, y: impl Fn(f64) -> f64) {
        for value in axis.fine() {
            across(out, y(value), "#f1f3f5", false);
        }
        for &value in axis.ticks() {
            across(out, y(value), "#d0d7de", false);
            text(out, LEFT - 7.0, y(value) + 4.0, "end", 11, PALE, &number(value));
        }
    }

    /// Names of the places, and of both axes.
    fn draw_words(&self, out: &mut String) {
        let bottom = TOP + INNER_HEIGHT;
        for (place, name) in self.places.iter().enumerate() {
            text(out, self.x(place), bottom + 17.0, "middle", 11, PALE, name);
        }
        let middle = LEFT + INNER_WIDTH / 2.0;
        text(out, middle, bottom + 36.0, "middle", 11, INK, self.across);
        let half = TOP + INNER_HEIGHT / 2.0;
        let _ = writeln!(
            out,
            "<text x=\"15\" y=\"{half}\" text-anchor=\"middle\" font-size=\"11\" fill=\"{INK}\" \
             transform=\"rotate(-90 15 {half})\">{}</text>",
            escape(self.up)
        );
    }
}

impl Series {
    fn draw(&self, out: &mut String, x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) {
        for &(place, high) in &self.reach {
            if let Some(&(_, low)) = self.points.iter().find(|point| point.0 == place) {
                let (top, bottom) = (y(high), y(low));
                let _ = writeln!(
                    out,
                    "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\" stroke=\"{1}\" \
                     stroke-width=\"4\" stroke-opacity=\"0.35\"/>",
                    x(place),
                    self.color
                );
            }
        }
        let path: Vec<String> = self
            .points
            .iter()
            .map(|&(place, value)| format!("{:.1},{:.1}", x(place), y(value)))
            .collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\"{}/>",
            path.join(" "),
            self.color,
            dash(self.is_dashed)
        );
        for &(place, value) in &self.points {
            let words = format!("{}: {}", self.name, number(value));
            dot(out, x(place), y(value), self.color, &words);
        }
    }
}

fn dash(is_dashed: bool) -> &'static str {
    if is_dashed {
        " stroke-dasharray=\"5 4\""
    } else {
        ""
    }
}

/// Draws a thin line across the panel.
fn across(out: &mut String, y: f64, color: &str, is_dashed: bool) {
    line(out, [LEFT, y, LEFT + INNER_WIDTH, y], color, 1.0, is_dashed);
}

/// Draws a line from the first two numbers to the last two.
fn line(out: &mut String, [x1, y1, x2, y2]: [f64; 4], color: &str, width: f64, is_dashed: bool) {
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\" stroke-width=\"{width}\"{}/>",
        dash(is_dashed)
    );
}

/// A point, with words for the pointer over it.
fn dot(out: &mut String, x: f64, y: f64, color: &str, words: &str) {
    let _ = writeln!(
        out,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\" fill=\"{color}\" stroke=\"white\" stroke-width=\"0.8\"><title>{}</title></circle>",
        escape(words)
    );
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, size: u32, color: &str, what: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"{color}\">{}</text>",
        escape(what)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_values_give_a_picture_all_the_same() {
        for values in [&[][..], &[0.0], &[1.0, 1.0], &[f64::MAX], &[f64::NAN, 3.0]] {
            for is_logarithmic in [false, true] {
                let points: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
                let panel = Panel {
                    title: "a < b".to_owned(),
                    across: "ms",
                    up: "us",
                    places: values.iter().map(ToString::to_string).collect(),
                    is_logarithmic,
                    mark: Some((59.7, "full speed")),
                    series: vec![Series {
                        name: "one".to_owned(),
                        color: "#000",
                        is_dashed: false,
                        reach: points.clone(),
                        points,
                    }],
                };
                let figure = Figure {
                    panels: vec![panel.clone(), panel],
                    caption: "nowhere".to_owned(),
                };
                let svg = figure.svg();
                assert!(svg.ends_with("</svg>\n") && svg.contains("a &lt; b"));
                assert!(!svg.contains("\"NaN") && !svg.contains("inf"), "{svg}");
                assert_eq!(svg.matches(">one<").count(), 1, "one legend for both");
            }
        }
    }
}
