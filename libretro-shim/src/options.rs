//! Core options of the link cable, and the stock core's answers to them.
//!
//! Two vocabularies are in use: current builds ask for the server's address digit by digit
//! (`gambatte_gb_link_network_server_ip_1` to `_12`), older ones by octet (`..._ip_octet1` to `_octet4`).
//! Both are answered, so they need not be distinguished.

use gamelink_core::bridge::SILENCE_LIMIT;
use std::ffi::{CStr, CString};
use std::net::SocketAddrV4;
use std::time::Duration;

/// Our own option: how the cable is used, one of the values of [`LinkMode`].
pub(crate) const MODE: &CStr = c"gamelink_mode";
/// Our own option: notices of the link on screen.
pub(crate) const MESSAGES: &CStr = c"gamelink_messages";
/// Our own option: seconds of the other machine's silence that the game waits out.
pub(crate) const SILENCE: &CStr = c"gamelink_silence";
/// Our own option: the machine to play with on a LAN, by its name; [`ANYONE`] for any that the game may be
/// linked with.
pub(crate) const PARTNER: &CStr = c"gamelink_partner";
/// The value of [`PARTNER`] that names nobody.
pub(crate) const ANYONE: &CStr = c"anyone";
/// Our own option: whether machines on a LAN count that this one has not met, [`OPEN`], or not.
pub(crate) const LAN: &CStr = c"gamelink_lan";
/// The value of [`LAN`] that lets anybody link.
pub(crate) const OPEN: &CStr = c"open";
/// Our own options: the two halves of the code that another machine shows, [`NO_CODE`] or two digits each.
pub(crate) const CODE: [&CStr; 2] = [c"gamelink_code_1", c"gamelink_code_2"];
/// The value of a half that has not been chosen.
pub(crate) const NO_CODE: &CStr = c"--";
/// Most names that [`PARTNER`] lists.
const MAX_NAMES: usize = 64;
/// The value that switches one of our own options off; anything else is on.
pub(crate) const DISABLED: &CStr = c"disabled";

/// Use of the cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LinkMode {
    /// Rollback, where the peer can too.
    #[default]
    Automatic,
    /// Every byte is waited for.
    Strict,
    /// The cable is out.
    Off,
}

/// Link modes with their values in the frontend's options and in `GAMELINK_MODE`, and their texts in the
/// menu; the default first.
const LINK_MODES: [(LinkMode, &CStr, &CStr); 3] = [
    (
        LinkMode::Automatic,
        c"automatic",
        c"Automatic: play on, correct later",
    ),
    (LinkMode::Strict, c"strict", c"Strict: wait for every byte"),
    (LinkMode::Off, c"off", c"Off: unplugged"),
];

impl LinkMode {
    pub(crate) fn parse(value: &CStr) -> Option<LinkMode> {
        let found = LINK_MODES.into_iter().find(|(_, known, _)| *known == value);
        found.map(|(mode, ..)| mode)
    }
}

/// Values of [`SILENCE`] and their texts in the menu; the default, the bridge's own limit, first.
const SILENCES: [(&CStr, &CStr); 4] = [
    (c"10", c"10 seconds"),
    (c"2", c"2 seconds"),
    (c"30", c"30 seconds"),
    (c"60", c"1 minute"),
];

/// Silence that this value says is waited out; the default where it is none of ours.
pub(crate) fn silence_limit(value: Option<&CStr>) -> Duration {
    let known = |value: &&CStr| SILENCES.iter().any(|(known, _)| known == value);
    let seconds = value
        .filter(known)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(SILENCE_LIMIT, Duration::from_secs)
}

/// The category that our options appear in.
const CATEGORY: &CStr = c"gamelink";
/// The stock core's category of link options, which loses all its entries.
const STOCK_CATEGORY: &CStr = c"gb_link";

/// A stock option of the link cable, hidden from the player and answered by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKey {
    /// `gambatte_gb_link_mode`: not connected, server or client.
    Mode,
    /// `gambatte_gb_link_network_port`.
    Port,
    /// `gambatte_gb_link_network_server_ip_1` to `_12`, counted from 0: one decimal digit.
    Digit(u8),
    /// `gambatte_gb_link_network_server_ip_octet1` to `_octet4`, counted from 0: one number of the address.
    Octet(u8),
    /// `gambatte_show_gb_link_settings`: whether the stock core shows the rest.
    Show,
    /// A link option that no known build has; hidden, and left at the build's own default.
    Unknown,
}

impl LinkKey {
    /// The link option of this name, if it is one.
    pub(crate) fn parse(key: &CStr) -> Option<LinkKey> {
        let key = key.to_str().ok()?;
        if key == "gambatte_show_gb_link_settings" {
            return Some(LinkKey::Show);
        }
        let rest = key.strip_prefix("gambatte_gb_link_")?;
        let place = |prefix: &str, last: u8| {
            let place = rest.strip_prefix(prefix)?.parse::<u8>().ok()?;
            (1..=last).contains(&place).then(|| place - 1)
        };
        let octet = || place("network_server_ip_octet", 4).map(LinkKey::Octet);
        let digit = || place("network_server_ip_", 12).map(LinkKey::Digit);
        Some(match rest {
            "mode" => LinkKey::Mode,
            "network_port" => LinkKey::Port,
            _ => octet().or_else(digit).unwrap_or(LinkKey::Unknown),
        })
    }
}

/// Answers to the stock core's link options; the strings stay in place as long as this lives.
#[derive(Debug)]
pub(crate) struct Answers(Vec<(LinkKey, CString)>);

impl Answers {
    /// A client of `server`, or not connected.
    ///
    /// Never a server: the stock core would listen on every interface.
    pub(crate) fn new(server: Option<SocketAddrV4>) -> Answers {
        let (mode, port, octets) = match server {
            Some(server) => ("Network Client", server.port(), server.ip().octets()),
            None => ("Not Connected", 56400, [0; 4]),
        };
        let digits = octets.map(|octet| format!("{octet:03}")).concat();
        let digits = digits.chars().map(|digit| digit.to_string());
        let octets = octets.into_iter().map(|octet| octet.to_string());
        let answers = [
            (LinkKey::Mode, mode.to_owned()),
            (LinkKey::Port, port.to_string()),
            (LinkKey::Show, "disabled".to_owned()),
        ];
        let answers = answers.into_iter().chain((0..).map(LinkKey::Octet).zip(octets));
        let answers = answers.chain((0..).map(LinkKey::Digit).zip(digits));
        let text = |(key, answer)| Some((key, CString::new::<String>(answer).ok()?));
        Answers(answers.filter_map(text).collect())
    }

    /// The value of this option; `None` where the build's own default does.
    pub(crate) fn value(&self, key: LinkKey) -> Option<&CStr> {
        let found = self.0.iter().find(|(known, _)| *known == key);
        found.map(|(_, answer)| answer.as_c_str())
    }
}

/// The environment command that a declaration came in, which limits what it can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `SET_VARIABLES`: a key and `description; first|second`.
    Variables,
    /// `SET_CORE_OPTIONS`, `_INTL`: values with labels, help texts.
    V1,
    /// `SET_CORE_OPTIONS_V2`, `_INTL`: categories.
    V2,
}

/// One value that an option may take, with what the menu shows for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Stored and asked for.
    pub(crate) value: CString,
    /// Shown in the menu; the value itself where missing.
    pub(crate) label: Option<CString>,
}

/// One option as a core declares it (`retro_core_option_v2_definition`). In [`Form::Variables`], `desc` is
/// the whole text and there are no `choices`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) key: CString,
    pub(crate) desc: Option<CString>,
    pub(crate) desc_categorized: Option<CString>,
    pub(crate) info: Option<CString>,
    pub(crate) info_categorized: Option<CString>,
    pub(crate) category_key: Option<CString>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) default_value: Option<CString>,
}

/// A group of options, as a core declares it (`retro_core_option_v2_category`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Category {
    pub(crate) key: CString,
    pub(crate) desc: Option<CString>,
    pub(crate) info: Option<CString>,
}

/// All that a core declares in one call and one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// Only in [`Form::V2`].
    pub(crate) categories: Vec<Category>,
    /// In the order of the menu.
    pub(crate) definitions: Vec<Definition>,
}

impl Declaration {
    /// True for a build of the stock core that has a link.
    pub(crate) fn has_link(&self) -> bool {
        let mut keys = self.definitions.iter().map(|definition| &definition.key);
        keys.any(|key| LinkKey::parse(key) == Some(LinkKey::Mode))
    }

    /// Takes the stock link options away, and the category that held them.
    pub(crate) fn remove_link(&mut self) {
        self.definitions
            .retain(|definition| LinkKey::parse(&definition.key).is_none());
        let mut in_use = self.definitions.iter().map(|definition| &definition.category_key);
        if !in_use.any(|category| category.as_deref() == Some(STOCK_CATEGORY)) {
            self.categories
                .retain(|category| *category.key != *STOCK_CATEGORY);
        }
    }

    /// Adds our own options, and in [`Form::V2`] their category.
    ///
    /// Only the default language needs them: frontends fall back to it for what a translation lacks.
    pub(crate) fn add_own(&mut self, form: Form, partners: &[CString]) {
        if form == Form::V2 {
            self.categories.push(Category {
                key: CATEGORY.to_owned(),
                desc: Some(c"Link cable".to_owned()),
                info: Some(c"Two-player games over a cable or network between two machines.".to_owned()),
            });
        }
        let mode = choose(
            form,
            MODE,
            c"Link mode",
            c"How the Game Boy's link port uses the cable to the other machine. Automatic: the game plays on \
              and is corrected unseen; where the other machine is not automatic too, it waits for every \
              byte. Strict always waits: to find faults, or for a machine that is too slow. \
              A change between the two takes effect when a game is loaded.",
            &LINK_MODES.map(|(_, value, label)| (value, label)),
        );
        let messages = choose(
            form,
            MESSAGES,
            c"Link cable messages",
            c"Show a message when the other machine connects, pauses or disconnects.",
            &[(c"enabled", c"On"), (DISABLED, c"Off")],
        );
        let silence = choose(
            form,
            SILENCE,
            c"Wait for a silent partner",
            c"How long a game that uses the cable stands still where nothing is heard of the other machine, as \
              when Wi-Fi holds everything up. Then the cable counts as unplugged.",
            &SILENCES,
        );
        self.definitions.extend([mode, messages, silence]);
        self.definitions.extend(lan_options(form, partners));
    }
}

/// Our own options about machines on a LAN, with these to play with.
fn lan_options(form: Form, partners: &[CString]) -> [Definition; 4] {
    let anyone: (&CStr, &CStr) = (ANYONE, c"Anyone with the same game");
    let names = partners
        .iter()
        .take(MAX_NAMES)
        .map(|name| (name.as_c_str(), name.as_c_str()));
    let partner = choose(
        form,
        PARTNER,
        c"Play with",
        c"On a local network: the other machine to play with. Choose it on both, or only on one where the other \
          has \"anyone\". The first time, one of the two shows a code to be chosen on the other. Over a cable \
          there is nothing to choose.",
        &[anyone].into_iter().chain(names).collect::<Vec<_>>(),
    );
    let lan = choose(
        form,
        LAN,
        c"Strangers on the network",
        c"Whether machines on a local network may link that this one has not met, by a code or a cable. Open on \
          both: no code is asked for, and anybody on the network can join.",
        &[(c"met", c"Need a code, once"), (OPEN, c"May link")],
    );
    let digits: Vec<CString> = (0..100)
        .filter_map(|n| CString::new(format!("{n:02}")).ok())
        .collect();
    let digits = digits.iter().map(|of| (of.as_c_str(), of.as_c_str()));
    let digits: Vec<_> = [(NO_CODE, NO_CODE)].into_iter().chain(digits).collect();
    let info = c"The code that the other machine shows, where it asks to play: first both digits of the first half, \
                 then those of the second half, which tries it.";
    let [first, second] = [c"Code, first half", c"Code, second half"];
    let first = choose(form, CODE[0], first, info, &digits);
    let second = choose(form, CODE[1], second, info, &digits);
    [partner, lan, first, second]
}

/// An option with these values and labels, the default first.
fn choose(form: Form, key: &CStr, desc: &CStr, info: &CStr, values: &[(&CStr, &CStr)]) -> Definition {
    let mut definition = Definition {
        key: key.to_owned(),
        ..Definition::default()
    };
    if form == Form::Variables {
        let values: Vec<&[u8]> = values.iter().map(|(value, _)| value.to_bytes()).collect();
        let text = [desc.to_bytes(), b"; ", &values.join(&b'|')].concat();
        definition.desc = CString::new(text).ok();
        return definition;
    }
    let choice = |(value, label): &(&CStr, &CStr)| Choice {
        value: (*value).to_owned(),
        label: Some((*label).to_owned()),
    };
    definition.desc = Some(desc.to_owned());
    definition.info = Some(info.to_owned());
    definition.category_key = (form == Form::V2).then(|| CATEGORY.to_owned());
    definition.choices = values.iter().map(choice).collect();
    definition.default_value = values.first().map(|(value, _)| (*value).to_owned());
    definition
}

#[cfg(test)]
mod tests;
