//! Texts on screen about machines on a LAN.

use crate::messages::Severity;
use gamelink_driver::PairingStatus;

/// Texts about machines that are kept apart: more than any room has machines.
pub(crate) const MAX_TOLD: usize = 16;

/// Text about a first meeting; `None` where there is nothing to say.
pub(crate) fn pairing(status: &PairingStatus) -> Option<(Severity, String)> {
    use Severity::{Info, Warning};
    Some(match status {
        PairingStatus::ShowsCode {
            name,
            code,
            was_wrong,
        } => {
            let wrong = if *was_wrong { "That code was wrong. " } else { "" };
            (
                Warning,
                format!("{wrong}Code for {name}: {code}. Choose it there: Core Options, Link cable, Code"),
            )
        }
        PairingStatus::WantsCode { name, was_wrong } => {
            let wrong = if *was_wrong { "That code was wrong. " } else { "" };
            (
                Warning,
                format!("{wrong}{name} wants to play. Choose its code: Core Options, Link cable, Code"),
            )
        }
        PairingStatus::Paired { name } => (
            Info,
            format!("Link cable: {name} and this machine know each other now"),
        ),
        PairingStatus::Unanswered { name } => (Warning, format!("Link cable: {name} does not answer")),
        PairingStatus::TooMany { name } => (
            Warning,
            format!("Too many wrong codes of {name}: choose it again in a minute"),
        ),
        PairingStatus::Idle | PairingStatus::Trying { .. } | PairingStatus::Unknown => return None,
    })
}

/// Text about the machine that is waited for.
pub(crate) fn waits_for(name: &str) -> (Severity, String) {
    (Severity::Info, format!("Link cable: waiting for {name}"))
}

/// Text about a machine with the same game that this one has not met.
pub(crate) fn stranger(name: &str, title: &str) -> (Severity, String) {
    let text = format!("{name} plays {title} too. To link: Core Options, Link cable, Play with");
    (Severity::Info, text)
}

/// Text about a machine with another game.
pub(crate) fn other_game(name: &str, title: &str) -> (Severity, String) {
    let game = if title.is_empty() { "another game" } else { title };
    let text = format!("{name} is here with {game}. Machines with the same game are linked");
    (Severity::Info, text)
}

/// Shown with a link that anybody could have made.
pub(crate) const IS_OPEN: &str = "Link cable: open, anybody on this network can join";
