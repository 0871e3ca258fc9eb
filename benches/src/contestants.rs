//! Contestants of the benchmark: the stock pair, and our core in each way of working that the build has.

use anyhow::{Context as _, Result, bail};
use gamelink_driver::Report;
use gamelink_lab::pair::{Cores, PairReport};
use gamelink_lab::provision::SHIM_VARIABLE;
use serde::Serialize;
use std::path::PathBuf;
use std::str::FromStr;

/// The stock pair's name.
pub const STOCK: &str = "stock";
/// The name of ours through a socket.
pub const LOOPBACK: &str = "loopback";

/// A pair of cores that takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contestant {
    /// Name in tables and pictures.
    pub name: String,
    /// Variables that tell our core how to work; `None` for the stock pair, which is told nothing.
    pub environment: Option<Vec<(String, String)>>,
}

impl Contestant {
    fn ours(name: &str, environment: &[(&str, &str)]) -> Contestant {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Contestant {
            name: name.to_owned(),
            environment: Some(environment.iter().map(owned).collect()),
        }
    }

    /// Contestants that take part if nobody says otherwise, in the order of their turns: the simplest first.
    #[must_use]
    pub fn all() -> Vec<Contestant> {
        vec![
            Contestant {
                name: STOCK.to_owned(),
                environment: None,
            },
            Contestant::ours(LOOPBACK, &[("GAMELINK_PORT", "loopback")]),
            Contestant::ours(
                "direct strict",
                &[("GAMELINK_PORT", "direct"), ("GAMELINK_MODE", "strict")],
            ),
            Contestant::ours(
                "direct automatic",
                &[("GAMELINK_PORT", "direct"), ("GAMELINK_MODE", "automatic")],
            ),
        ]
    }

    /// Tells if it is the stock pair.
    #[must_use]
    pub fn is_stock(&self) -> bool {
        self.environment.is_none()
    }

    /// Tells if its games go on with predictions.
    #[must_use]
    pub fn predicts(&self) -> bool {
        let is_told = |told: &(String, String)| told.0 == "GAMELINK_MODE" && told.1 == "automatic";
        self.environment
            .as_ref()
            .is_some_and(|told| told.iter().any(is_told))
    }

    /// The cores that both sides have.
    ///
    /// # Errors
    /// When one is missing or does not build.
    pub fn cores(&self) -> Result<Cores> {
        if self.is_stock() {
            Cores::stock()
        } else {
            // Tables go by the contestant's own name; this one is only written down beside it.
            let mut cores = Cores::gamelink_as("gamelink", &[])?;
            if let (Cores::Gamelink { core, .. }, Some(build)) = (&mut cores, self.build()) {
                *core = build;
            }
            Ok(cores)
        }
    }

    /// The build of our core that takes part, if not that of this source tree: an earlier one to compare
    /// with.
    fn build(&self) -> Option<PathBuf> {
        let mut told = self.environment.iter().flatten();
        let (_, path) = told.find(|(key, _)| key == SHIM_VARIABLE)?;
        Some(path.into())
    }

    /// Reason for which a run was not one of this contestant, going by what the cores themselves say of how
    /// they worked.
    #[must_use]
    pub fn mismatch(&self, report: &PairReport) -> Option<String> {
        let asked = self.environment.as_ref()?;
        let mut links = report.sides.iter().filter_map(|side| side.link.as_ref());
        links.find_map(|link| mismatch(asked, link))
    }
}

/// First difference between a core's report and its orders.
fn mismatch(asked: &[(String, String)], link: &Report) -> Option<String> {
    asked.iter().find_map(|(variable, wanted)| {
        let (what, is) = match variable.as_str() {
            "GAMELINK_PORT" => ("port", link.port.to_string()),
            "GAMELINK_MODE" => ("mode", link.mode.to_string()),
            _ => return None,
        };
        (*wanted != is).then(|| format!("told {variable}={wanted}, it works with {what} {is}"))
    })
}

impl FromStr for Contestant {
    type Err = anyhow::Error;

    /// `NAME`, of those that are known; or `NAME:KEY=VALUE,KEY=VALUE`, our core told in a way of its own.
    fn from_str(text: &str) -> Result<Contestant> {
        let Some((name, variables)) = text.split_once(':') else {
            let mut all = Contestant::all();
            let names: Vec<String> = all.iter().map(|one| one.name.clone()).collect();
            let place = all.iter().position(|one| one.name == text);
            return place.map(|place| all.swap_remove(place)).with_context(|| {
                format!(
                    "`{text}` is none of {}: write one of these, or NAME:KEY=VALUE,KEY=VALUE",
                    names.join(", ")
                )
            });
        };
        let mut environment = Vec::new();
        for variable in variables.split(',').filter(|variable| !variable.is_empty()) {
            let Some((key, value)) = variable.split_once('=') else {
                bail!("`{variable}` is no KEY=VALUE");
            };
            environment.push((key.to_owned(), value.to_owned()));
        }
        Ok(Contestant {
            name: name.to_owned(),
            environment: Some(environment),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_core::bridge::Mode;
    use gamelink_core::serial::GamePort;
    use gamelink_driver::{Config, Link};

    #[test]
    fn contestants_are_read_by_name_or_by_their_variables() {
        for known in Contestant::all() {
            assert_eq!(known.name.parse::<Contestant>().unwrap(), known);
        }
        let own: Contestant = "mine:GAMELINK_PORT=direct,A=b=c".parse().unwrap();
        assert_eq!(own.name, "mine");
        let expected = [("GAMELINK_PORT", "direct"), ("A", "b=c")];
        assert_eq!(own, Contestant::ours("mine", &expected));
        assert_eq!(own.build(), None);
        let before: Contestant = "before:GAMELINK_LAB_SHIM=/b.so".parse().unwrap();
        assert_eq!(before.build(), Some("/b.so".into()));
        assert!("nobody".parse::<Contestant>().is_err());
        assert!("mine:nothing".parse::<Contestant>().is_err());
    }

    #[test]
    fn a_core_that_works_otherwise_is_not_the_contestant() {
        let automatic = "direct automatic".parse::<Contestant>().unwrap();
        let asked = automatic.environment.unwrap();
        let mut link = Link::start(&Config::default()).unwrap().report();
        (link.port, link.mode) = (GamePort::Direct, Mode::Rollback);
        assert_eq!(mismatch(&asked, &link), None);
        link.mode = Mode::Strict;
        assert!(mismatch(&asked, &link).unwrap().contains("strict"));
        (link.port, link.mode) = (GamePort::Loopback, Mode::Rollback);
        assert!(mismatch(&asked, &link).unwrap().contains("loopback"));
    }
}
