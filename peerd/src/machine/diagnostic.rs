//! Diagnostics of a cable for a person, with the remedy.

use super::custody::Usage;
use crate::identity::Name;
use gamelink_core::time::LocalTime;
use std::fmt;
use std::mem::discriminant;
use std::time::Duration;

/// Time a diagnostic is shown after it was last seen.
const SHOWN_FOR: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Diagnostic {
    /// Both ends are plugged into this machine; `other` is the interface, where it is known.
    SameMachine {
        other: Name,
    },
    Loop,
    /// A machine answers that is linked with another one.
    Taken {
        name: Name,
    },
    /// A further machine answers on a cable that has its peer.
    Claimant {
        name: Name,
        peer: Name,
    },
    Version {
        name: Name,
        theirs: u8,
        ours: u8,
    },
    /// A machine answers on an interface that its owner uses for something else.
    InUse {
        name: Name,
        usage: Usage,
    },
    HeldDown,
    Contested,
    MacRefused,
    AddressTaken,
}

impl Diagnostic {
    /// True if games can be linked all the same.
    pub(crate) fn is_harmless(&self) -> bool {
        matches!(
            self,
            Diagnostic::MacRefused | Diagnostic::Claimant { .. } | Diagnostic::Contested
        )
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Diagnostic::SameMachine { other } if other.as_str().is_empty() => {
                f.write_str("both ends of this cable are plugged into this machine: plug one end into the other player's")
            }
            Diagnostic::SameMachine { other } => write!(
                f,
                "both ends of this cable are plugged into this machine (the other is {other}): plug one end into the other player's"
            ),
            Diagnostic::Loop => {
                f.write_str("frames sent on this cable come back: look for a loop in a hub or switch")
            }
            Diagnostic::Taken { name } => write!(
                f,
                "{name} answers on this cable but is linked with another machine: remove the hub or switch between them"
            ),
            Diagnostic::Claimant { name, peer } => write!(
                f,
                "{name} also answers on this cable, which is linked with {peer}: remove the hub or switch between them"
            ),
            Diagnostic::Version { name, theirs, ours } => {
                let remedy = if theirs < ours { "update Gamelink there" } else { "update Gamelink on this side" };
                write!(f, "{name} speaks version {theirs} of the handshake and this side {ours}: {remedy}")
            }
            Diagnostic::InUse { name, usage } => write!(
                f,
                "{name} answers on this interface, which is left alone: {usage}"
            ),
            Diagnostic::HeldDown => f.write_str(
                "another program sets this interface down each time it is set up: exclude the interface from that network manager",
            ),
            Diagnostic::Contested => f.write_str(
                "another program keeps removing the address of this interface: exclude the interface from that network manager",
            ),
            Diagnostic::AddressTaken => f.write_str(
                "another interface of this machine uses an address of this link: replug the cable to draw new ones",
            ),
            Diagnostic::MacRefused => f.write_str(
                "both ends have the same MAC address and the driver refuses to change it; the link works all the same",
            ),
        }
    }
}

/// The diagnostics of a cable, at most one of each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagnostics(Vec<(LocalTime, Diagnostic)>);

impl Diagnostics {
    /// Notes a diagnostic. True if it is new, and worth a log line.
    pub(crate) fn note(&mut self, now: LocalTime, diagnostic: Diagnostic) -> bool {
        let is_like = |(_, of): &&mut (LocalTime, Diagnostic)| discriminant(of) == discriminant(&diagnostic);
        let old = match self.0.iter_mut().find(is_like) {
            Some(known) => Some(std::mem::replace(known, (now, diagnostic))),
            None => {
                self.0.push((now, diagnostic));
                None
            }
        };
        old.is_none_or(|(at, _)| now.since(at) >= SHOWN_FOR)
    }

    /// Current diagnostics. A refused change of the MAC holds until the cable is replugged.
    pub(crate) fn iter(&self, now: LocalTime) -> impl Iterator<Item = Diagnostic> {
        let holds = move |(at, of): &&(LocalTime, Diagnostic)| {
            *of == Diagnostic::MacRefused || now.since(*at) < SHOWN_FOR
        };
        self.0.iter().filter(holds).map(|&(_, diagnostic)| diagnostic)
    }
}
