//! Description of a game by itself, and with whom it means to play.

use super::Cartridge;
use serde::{Deserialize, Serialize};

/// A game as its client describes it: sent after the hello, and again when anything of it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playing {
    /// The cartridge.
    pub cartridge: Cartridge,
    /// Name of the machine that it means to play with; `None` for any that it may.
    #[serde(default)]
    pub partner: Option<String>,
    /// On a LAN, machines count that have no key of this one.
    #[serde(default)]
    pub is_open: bool,
    /// Code that the other machine shows, as the player has entered it: see [`Code`].
    #[serde(default)]
    pub code: Option<String>,
}

/// Code of a first meeting: four decimal digits, shown by one machine and entered at the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(u16);

impl Code {
    /// Number of codes.
    pub const COUNT: u16 = 10_000;

    /// The code of this number, of which the part below [`COUNT`](Code::COUNT) counts.
    #[must_use]
    pub fn new(number: u64) -> Code {
        // Below 10,000.
        Code((number % u64::from(Code::COUNT)) as u16)
    }

    /// Reads four digits; blanks and hyphens between them do not count.
    #[must_use]
    pub fn parse(text: &str) -> Option<Code> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let is_code = digits.len() == 4 && digits.bytes().all(|c| c.is_ascii_digit());
        is_code.then(|| digits.parse().ok().map(Code)).flatten()
    }
}

impl std::fmt::Display for Code {
    /// As people read it: `47 11`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02} {:02}", self.0 / 100, self.0 % 100)
    }
}

impl std::fmt::Debug for Code {
    /// A secret, as short as it lives.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code")
    }
}

/// State of a first meeting of two machines on a LAN, which makes their key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PairingStatus {
    /// None is under way.
    #[default]
    Idle,
    /// This machine shows a code, to be entered at the other.
    ShowsCode {
        /// The other machine.
        name: String,
        /// The code.
        code: String,
        /// The code before this one was wrong.
        was_wrong: bool,
    },
    /// The other machine shows a code, to be entered here.
    WantsCode {
        /// The other machine.
        name: String,
        /// The code that was entered last is wrong.
        was_wrong: bool,
    },
    /// The code that was entered is being tried.
    Trying {
        /// The other machine.
        name: String,
    },
    /// The two have a key.
    Paired {
        /// The other machine.
        name: String,
    },
    /// The other machine does not answer.
    Unanswered {
        /// The other machine.
        name: String,
    },
    /// Too many codes were wrong: the next is shown in a minute.
    TooMany {
        /// The other machine.
        name: String,
    },
    /// A value of another version.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_shown_and_nothing_else_is() {
        for number in [0, 7, 4711, 9999] {
            let code = Code::new(number);
            assert_eq!(Code::parse(&code.to_string()), Some(code));
        }
        assert_eq!(Code::parse("47-11"), Some(Code::new(4711)));
        for wrong in ["", "471", "47111", "47 1x", "+471", "４７１１"] {
            assert_eq!(Code::parse(wrong), None, "{wrong}");
        }
    }
}
