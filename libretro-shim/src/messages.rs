//! Texts on screen.

use gamelink_driver::{Notice, PairingStatus, Slowness};

/// Importance of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// A peer came or went.
    Info,
    /// Play continues, but not as the player may think.
    Warning,
    /// The player must do something.
    Error,
}

/// Shown for a stock core without the link, behind the name of its file.
pub(crate) const NO_LINK: &str = "was built without a link cable.";

/// Shown where `RetroArch`'s netplay starts.
pub(crate) const NETPLAY: &str = "Link cable unplugged: RetroArch's own netplay is active";

/// Shown where run-ahead is switched on in a linked game.
pub(crate) const RUN_AHEAD: &str = "Run-ahead is off while linked: it would send every byte twice";

/// Shown in a window beside another, whose game pauses whenever this one has the focus.
pub(crate) const WINDOWS: &str = "Link cable: the other window pauses when it loses focus. \
    Switch that off: Settings, User Interface, Pause Content When Not Active (pause_nonactive = \"false\")";

/// Shown after a state was loaded, or a reset, in a linked game.
pub(crate) const JUMP: &str =
    "Link cable: the other game was not loaded back. If the two games disagree, link them again";

/// Shown for a core whose serial port cannot be read.
pub(crate) const BLIND: &str = "This Gambatte does not show its serial port, \
    so the link cable stays unplugged. \
    Get RetroArch's own: Main Menu, Online Updater, Core Downloader, Gambatte.";

/// Shown for a core whose states are not known, so that its serial port cannot be proved and no prediction
/// corrected.
pub(crate) const STRICT_ONLY: &str = "Gamelink does not know this Gambatte, \
    so the link cable waits for every byte. \
    Get RetroArch's own: Main Menu, Online Updater, Core Downloader, Gambatte.";

/// Shown where the game looks at its port while a byte is shifted in, which the stock core garbles.
pub(crate) const GARBLED: &str = "Link cable: this game looks at each byte while it arrives, \
    and Gambatte garbles such bytes. It cannot be linked with this core";

/// Shown after a panic.
pub(crate) const BROKEN: &str = "Gamelink failed and unplugged the link cable; the game continues without it";

/// Machines of which is told what keeps them apart: more than any room has.
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
                format!(
                    "{wrong}{name} wants to play and shows a code. Choose it here: Core Options, Link cable, Code"
                ),
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
pub(crate) const IS_OPEN: &str = "Link cable: open, anybody on this network can join. For a key, choose a partner \
    under Core Options, Link cable, Play with, and no strangers";

/// Text of a notice; `peer` is the name of the other machine, where known.
pub(crate) fn notice(notice: &Notice, peer: Option<&str>) -> (Severity, String) {
    use Severity::{Error, Info, Warning};
    let other = peer.unwrap_or("the other player");
    match notice {
        Notice::Linked => {
            let to = peer.map(|peer| format!(" to {peer}")).unwrap_or_default();
            (Info, format!("Link cable connected{to}"))
        }
        Notice::PeerPaused { is_waited_for: false } => (Info, format!("Link cable: {other} has paused")),
        Notice::PeerPaused { is_waited_for: true } => (
            Info,
            format!("Link cable: {other} has paused. Your game waits (set Link mode to Off to play alone)"),
        ),
        Notice::PeerResumed => (Info, format!("Link cable: {other} resumed")),
        Notice::PeerSilent { seconds } => (Info, format!("Link cable: waiting for {other}, {seconds} s")),
        Notice::PeerHeard => (Info, format!("Link cable: {other} is heard again")),
        Notice::PeerGone => (Warning, format!("Link cable: {other} is gone")),
        Notice::PeerStalled => (
            Warning,
            format!("Link cable: {other} does not answer; unplugged for a few seconds"),
        ),
        Notice::Unplugged => (Warning, "Link cable unplugged".into()),
        Notice::OutOfStep => (
            Warning,
            "Link cable: a byte came too late. If the two games disagree, link them again".into(),
        ),
        Notice::Slow {
            cause: Slowness::Machine,
            round_trip_ms,
        } => (
            Warning,
            format!(
                "Link cable: this machine is slow for a round trip of {round_trip_ms} ms, and the game stands still at times"
            ),
        ),
        Notice::Slow {
            cause: Slowness::Path,
            round_trip_ms,
        } => (
            Warning,
            format!(
                "Link cable: the round trip of {round_trip_ms} ms is long, and the game stands still at times"
            ),
        ),
        Notice::Failed => (Error, BROKEN.into()),
        Notice::KeyMismatch { is_ours_set: true } => (
            Error,
            "Link cable: the other machine has another key, or none: set the same GAMELINK_KEY on both"
                .into(),
        ),
        Notice::KeyMismatch { is_ours_set: false } => (
            Error,
            "Link cable: the other machine has a key: set its GAMELINK_KEY here too".into(),
        ),
        Notice::VersionMismatch { ours, theirs } => {
            let older = if ours < theirs {
                "this machine"
            } else {
                "the other machine"
            };
            let text =
                format!("Incompatible Gamelink versions: update {older} (here {ours}, there {theirs})");
            (Error, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First column of the table "what you see".
    fn quoted() -> Vec<String> {
        let readme = include_str!("../README.md");
        let (_, table) = readme.split_once("| what you see | what it means |\n").unwrap();
        let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        cells
            .map(|cell| cell.trim().trim_matches('"').to_owned())
            .collect()
    }

    /// All texts on screen for a peer without a name.
    fn shown() -> Vec<String> {
        use gamelink_driver::StartError;
        let versions = Notice::VersionMismatch { ours: 1, theirs: 2 };
        let notices = [
            Notice::Linked,
            Notice::PeerPaused { is_waited_for: false },
            Notice::PeerResumed,
            Notice::PeerSilent { seconds: 3 },
            Notice::PeerHeard,
            Notice::PeerGone,
            Notice::PeerStalled,
            Notice::Unplugged,
            Notice::OutOfStep,
            Notice::Slow {
                cause: Slowness::Machine,
                round_trip_ms: 40,
            },
            Notice::Slow {
                cause: Slowness::Path,
                round_trip_ms: 600,
            },
            Notice::Failed,
            Notice::KeyMismatch { is_ours_set: true },
            Notice::KeyMismatch { is_ours_set: false },
            versions,
        ];
        let port = StartError::PeerPort(
            "0.0.0.0:56400".parse().unwrap(),
            std::io::ErrorKind::AddrInUse.into(),
        );
        let constants = [
            NO_LINK,
            NETPLAY,
            RUN_AHEAD,
            WINDOWS,
            JUMP,
            BLIND,
            STRICT_ONLY,
            GARBLED,
        ]
        .map(str::to_owned);
        let notices = notices.iter().map(|of| notice(of, None).1);
        notices.chain(constants).chain([port.to_string()]).collect()
    }

    #[test]
    fn the_readme_quotes_what_is_shown() {
        let (quoted, shown) = (quoted(), shown());
        assert!(quoted.len() >= 4, "{quoted:?}");
        for quote in quoted {
            assert!(
                shown.iter().any(|text| text.starts_with(&quote)),
                "\"{quote}\" is in libretro-shim/README.md and never on screen: {shown:#?}"
            );
        }
    }

    #[test]
    fn the_older_side_is_the_one_to_update() {
        let text = |ours, theirs| notice(&Notice::VersionMismatch { ours, theirs }, None).1;
        assert!(text(1, 2).contains("update this machine"));
        assert!(text(2, 1).contains("update the other machine"));
    }
}
