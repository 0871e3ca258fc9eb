//! The words on screen.

use gamelink_core::driver::Notice;

/// How a message is shown and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Something came or went.
    Info,
    /// Play goes on, but not as the player may think.
    Warning,
    /// The player must do something.
    Error,
}

/// What is said of a stock core without the link, behind the name of its file.
pub(crate) const NO_LINK: &str = "was built without a link cable.";

/// What netplay gets said.
pub(crate) const NETPLAY: &str = "Link cable unplugged: RetroArch's own netplay is active";

/// What run-ahead gets said.
pub(crate) const RUN_AHEAD: &str =
    "Run-ahead rests while the link cable is connected: it would send every byte twice";

/// What a window beside another gets said, whose game stands still whenever this one has the focus.
pub(crate) const WINDOWS: &str = "Link cable: the other window pauses when it loses focus. Switch that off: Settings, User Interface, \
    Pause Content When Not Active (pause_nonactive = \"false\")";

/// What a state loaded, or a reset, in a linked game gets said.
pub(crate) const JUMP: &str =
    "Link cable: the other game has not gone back with this one; the two may disagree from here on";

/// What a byte that only one of the two games took gets said.
pub(crate) const OUT_OF_STEP: &str =
    "Link cable: a byte came too late, so the two games may disagree; if they do, link them anew";

/// What a core that does not show its serial port gets said.
pub(crate) const BLIND: &str = "This Gambatte does not show its serial port, so the link cable stays unplugged. \
    Get RetroArch's own: Main Menu, Online Updater, Core Downloader, Gambatte.";

/// What a core gets said whose states are not known, so that its serial port cannot be proved and no prediction corrected.
pub(crate) const STRICT_ONLY: &str = "This Gambatte is not known to Gamelink, so the link cable waits for every byte. \
    Get RetroArch's own: Main Menu, Online Updater, Core Downloader, Gambatte.";

/// What a mistake of our own gets said.
pub(crate) const BROKEN: &str =
    "Gamelink has failed and pulled the link cable out; the game goes on without it";

/// What a notice of the link says on screen; `peer` is what the other machine calls itself, where known.
pub(crate) fn notice(notice: &Notice, peer: Option<&str>) -> (Severity, String) {
    let other = peer.unwrap_or("the other player");
    match notice {
        Notice::Linked => {
            let to = peer.map(|peer| format!(" to {peer}")).unwrap_or_default();
            (Severity::Info, format!("Link cable connected{to}"))
        }
        Notice::PeerPaused { is_waited_for: false } => {
            (Severity::Info, format!("Link cable: {other} has paused"))
        }
        Notice::PeerPaused { is_waited_for: true } => (
            Severity::Info,
            format!("Link cable: {other} has paused. Your game waits (Link mode Off: play on alone)"),
        ),
        Notice::PeerResumed => (Severity::Info, format!("Link cable: {other} goes on")),
        Notice::PeerGone => (Severity::Warning, format!("Link cable: {other} is gone")),
        Notice::PeerStalled => (
            Severity::Warning,
            format!("Link cable: {other} does not answer; unplugged for a few seconds"),
        ),
        Notice::Unplugged => (Severity::Warning, "Link cable unplugged".into()),
        Notice::OutOfStep => (Severity::Warning, OUT_OF_STEP.into()),
        Notice::Failed => (Severity::Error, BROKEN.into()),
        Notice::VersionMismatch { ours, theirs } => {
            let older = if ours < theirs {
                "this machine"
            } else {
                "the other machine"
            };
            let text = format!(
                "Link cable: the two Gamelinks do not understand each other; update {older} (here {ours}, there {theirs})"
            );
            (Severity::Error, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first column of the table "what you see".
    fn quoted() -> Vec<String> {
        let readme = include_str!("../../README.md");
        let (_, table) = readme.split_once("| what you see | what it means |\n").unwrap();
        let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        cells
            .map(|cell| cell.trim().trim_matches('"').to_owned())
            .collect()
    }

    /// Everything that the screen may say where nothing is known of the peer's name.
    fn shown() -> Vec<String> {
        use gamelink_core::driver::StartError;
        let versions = Notice::VersionMismatch { ours: 1, theirs: 2 };
        let notices = [
            Notice::Linked,
            Notice::PeerPaused { is_waited_for: false },
            Notice::PeerResumed,
            Notice::PeerGone,
            Notice::PeerStalled,
            Notice::Unplugged,
            Notice::OutOfStep,
            Notice::Failed,
            versions,
        ];
        let port = StartError::PeerPort(
            "0.0.0.0:56400".parse().unwrap(),
            std::io::ErrorKind::AddrInUse.into(),
        );
        let constants = [NO_LINK, NETPLAY, RUN_AHEAD, WINDOWS, JUMP, BLIND, STRICT_ONLY].map(str::to_owned);
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
                "\"{quote}\" is in README.md and never on screen: {shown:#?}"
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
