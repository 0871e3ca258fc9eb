//! Settings in environment variables.

use crate::ffi;
use crate::options::{self, LinkMode};
use gamelink_core::control::DEFAULT_SOCKET;
use gamelink_driver::{Config, known_machines};
use std::collections::BTreeSet;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::str::FromStr;

/// Variable for the stock core's file.
pub(crate) const GAMBATTE: &str = "GAMELINK_GAMBATTE";

/// Variable for the way from the core's serial port to the link: `loopback`, or `direct`, the default.
pub(crate) const PORT: &str = "GAMELINK_PORT";

/// Variable for the link mode, before the option: `automatic`, `strict` or `off`.
pub(crate) const MODE: &str = "GAMELINK_MODE";

/// Link mode of [`MODE`], or of the option where that is not set or not known.
pub(crate) fn link_mode() -> LinkMode {
    let set = || LinkMode::parse(&CString::new(std::env::var_os(MODE)?.into_vec()).ok()?);
    let chosen = || LinkMode::parse(ffi::option_value(options::MODE)?.as_c_str());
    set().or_else(chosen).unwrap_or_default()
}

/// True where the core's socket calls are to be answered in this process, as without [`PORT`].
pub(crate) fn wants_direct_port() -> bool {
    std::env::var_os(PORT).is_none_or(|port| port != "loopback")
}

/// Configuration of the link, and faults in the variables.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Without a peer where a variable is wrong: better unplugged than linked to a guess.
    pub(crate) config: Config,
    /// One sentence a wrong value, naming the variable and the remedy.
    pub(crate) problems: Vec<String>,
}

impl Settings {
    /// Reads variables of the environment.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Settings {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut problems = Vec::new();
        let peer = parsed("GAMELINK_PEER", &variable, &mut problems);
        let bind = parsed("GAMELINK_BIND", &variable, &mut problems);
        let key = parsed("GAMELINK_KEY", &variable, &mut problems);
        let ports = &["direct", "loopback"][..];
        for (name, words) in [(PORT, ports), (MODE, &["automatic", "strict", "off"])] {
            if let Some(value) = variable(name).filter(|value| !words.iter().any(|word| value == word)) {
                let value = value.to_string_lossy();
                problems.push(format!("{name}: `{value}` is not one of {}", words.join(", ")));
            }
        }
        let mut config = Config {
            stats: variable("GAMELINK_STATS").map(PathBuf::from),
            conversation: variable("GAMELINK_CONVERSATION").map(PathBuf::from),
            ..Config::default()
        };
        if problems.is_empty() {
            let control = variable("GAMELINK_CONTROL").map_or(DEFAULT_SOCKET.into(), PathBuf::from);
            (config.peer, config.bind, config.key, config.control) = (peer, bind, key, Some(control));
        }
        Settings { config, problems }
    }
}

/// Names of the machines that this one has met, where a daemon keeps them.
pub(crate) fn machines_met() -> BTreeSet<CString> {
    let config = Settings::read(|name| std::env::var_os(name)).config;
    let control = config.control.filter(|_| config.peer.is_none());
    let known = control.map(|path| known_machines(&path)).unwrap_or_default();
    let names = known.into_iter().filter_map(|name| CString::new(name).ok());
    names.collect()
}

fn parsed<A: FromStr<Err: std::fmt::Display>>(
    name: &str,
    variable: &dyn Fn(&str) -> Option<OsString>,
    problems: &mut Vec<String>,
) -> Option<A> {
    let report = |reason| problems.push(format!("{name}: {reason}"));
    variable(name)?.to_string_lossy().parse().map_err(report).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            let (_, value) = values.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(value))
        })
    }

    #[test]
    fn good_values_are_taken_as_they_are() {
        let settings = read(&[
            ("GAMELINK_PEER", "[fe80::1%usb0]:56400"),
            ("GAMELINK_BIND", "::"),
            ("GAMELINK_STATS", "/tmp/stats.json"),
            ("GAMELINK_CONVERSATION", "/tmp/conversation.jsonl"),
        ]);
        assert_eq!(settings.problems, [""; 0]);
        assert_eq!(settings.config.peer.unwrap().to_string(), "[fe80::1%usb0]:56400");
        assert!(settings.config.bind.is_some());
        assert_eq!(settings.config.stats.unwrap(), PathBuf::from("/tmp/stats.json"));
        assert_eq!(
            settings.config.conversation.unwrap(),
            PathBuf::from("/tmp/conversation.jsonl")
        );
        assert_eq!(settings.config.control.unwrap(), PathBuf::from(DEFAULT_SOCKET));
    }

    #[test]
    fn a_bad_value_is_named_and_leaves_the_cable_unplugged() {
        let settings = read(&[
            ("GAMELINK_PEER", "10.0.0.1:56400"),
            ("GAMELINK_BIND", "somewhere"),
        ]);
        assert_eq!(settings.problems.len(), 1);
        assert!(settings.problems[0].starts_with("GAMELINK_BIND: `somewhere`"));
        assert!(settings.config.peer.is_none());
        assert!(settings.config.control.is_none());
    }

    #[test]
    fn a_key_is_read_and_a_bad_one_leaves_the_cable_unplugged_rather_than_open() {
        let peer = ("GAMELINK_PEER", "10.0.0.1:56400");
        let settings = read(&[peer, ("GAMELINK_KEY", "GAYTE-MZUGU-3DOOB-ZMFRG-GZDFM-Y")]);
        assert!(settings.config.key.is_some() && settings.config.peer.is_some());
        let settings = read(&[peer, ("GAMELINK_KEY", "secret")]);
        assert_eq!(settings.problems.len(), 1);
        assert!(settings.problems[0].starts_with("GAMELINK_KEY: a key is 26 letters"));
        assert!(settings.config.peer.is_none() && settings.config.control.is_none());
    }

    #[test]
    fn an_unknown_word_is_named_with_those_that_are_known() {
        let settings = read(&[("GAMELINK_MODE", "fast"), ("GAMELINK_PORT", "direct")]);
        assert_eq!(
            settings.problems,
            ["GAMELINK_MODE: `fast` is not one of automatic, strict, off"]
        );
    }

    #[test]
    fn an_empty_value_is_none() {
        let settings = read(&[("GAMELINK_PEER", "")]);
        assert!(settings.problems.is_empty());
        assert!(settings.config.peer.is_none());
    }
}
