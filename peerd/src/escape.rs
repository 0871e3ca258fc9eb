//! Foreign text made fit for a terminal: names of other programs and machines cannot move the cursor, hide
//! text or reverse a line.

use gamelink_core::control::Status;
use serde_json::Value;
use std::fmt::Write;
use std::ops::RangeInclusive;

/// Replacement of a hidden character.
const STAND_IN: char = '\u{FFFD}';

/// Replaces characters that a terminal obeys or does not show.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if is_shown(c) { c } else { STAND_IN })
        .collect()
}

/// Replaces them in all strings of a value.
fn make_visible(value: &mut Value) {
    match value {
        Value::String(text) => *text = visible(text),
        Value::Array(values) => values.iter_mut().for_each(make_visible),
        Value::Object(map) => map.values_mut().for_each(make_visible),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The status, fit for a terminal.
pub(crate) fn shown(status: &Status) -> Status {
    let shown = serde_json::to_value(status).and_then(|mut value| {
        make_visible(&mut value);
        serde_json::from_value(value)
    });
    // Its own output can be read, and words of the types are not replaced.
    shown.unwrap_or_default()
}

/// A value as JSON; hidden characters are escaped, so that nothing is lost.
pub(crate) fn json(value: &Value) -> String {
    let mut text = String::new();
    for c in format!("{value:#}").chars() {
        if c == '\n' || is_shown(c) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

/// Characters without a shape: Unicode's general category Cf, line and paragraph separators, variation
/// selectors and fillers without a width (Unicode 16, `General_Category` and `Default_Ignorable_Code_Point`).
#[rustfmt::skip]
const SHAPELESS: [RangeInclusive<char>; 25] = [
    '\u{AD}'..='\u{AD}', '\u{34F}'..='\u{34F}', '\u{600}'..='\u{605}', '\u{61C}'..='\u{61C}',
    '\u{6DD}'..='\u{6DD}', '\u{70F}'..='\u{70F}', '\u{890}'..='\u{891}', '\u{8E2}'..='\u{8E2}',
    '\u{115F}'..='\u{1160}', '\u{17B4}'..='\u{17B5}', '\u{180B}'..='\u{180F}',
    '\u{200B}'..='\u{200F}', '\u{2028}'..='\u{202E}', '\u{2060}'..='\u{206F}',
    '\u{3164}'..='\u{3164}', '\u{FE00}'..='\u{FE0F}', '\u{FEFF}'..='\u{FEFF}',
    '\u{FFA0}'..='\u{FFA0}', '\u{FFF0}'..='\u{FFFB}', '\u{110BD}'..='\u{110BD}',
    '\u{110CD}'..='\u{110CD}', '\u{13430}'..='\u{1343F}', '\u{1BCA0}'..='\u{1BCA3}',
    '\u{1D173}'..='\u{1D17A}', '\u{E0000}'..='\u{E0FFF}',
];

/// True for a character that is neither a control (C0, C1, DEL) nor invisible.
pub(crate) fn is_shown(c: char) -> bool {
    !c.is_control() && !SHAPELESS.iter().any(|range| range.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_in_any_script_are_shown_as_they_are() {
        for name in [
            "gameboy",
            "böse Katze",
            "ゲームボーイ",
            "Ὀδυσσεύς",
            "مرحبا",
            "🎮",
            "a b",
        ] {
            assert_eq!(visible(name), name);
        }
    }

    #[test]
    fn what_a_terminal_obeys_or_hides_is_replaced() {
        for hidden in [
            "\u{1b}",
            "\r",
            "\n",
            "\t",
            "\u{7f}",
            "\u{9b}",
            "\u{202e}",
            "\u{2066}",
            "\u{200b}",
            "\u{feff}",
            "\u{e0041}",
            "\u{2028}",
        ] {
            assert_eq!(visible(&format!("a{hidden}b")), "a\u{fffd}b", "{hidden:?}");
        }
    }

    #[test]
    fn json_keeps_what_it_does_not_show() {
        let value = json!({"name": "a\u{1b}\u{9b}\u{202e}\u{e0041}b", "n": [1, 2]});
        let text = json(&value);
        assert!(text.chars().all(|c| c == '\n' || is_shown(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn every_text_of_a_value_is_made_visible() {
        let mut value = json!({"a": ["x\u{1b}[2J", {"b": "\u{202e}"}], "c": 1});
        make_visible(&mut value);
        assert_eq!(value, json!({"a": ["x\u{fffd}[2J", {"b": "\u{fffd}"}], "c": 1}));
    }
}
