//! Texts on screen.

use gamelink_driver::{LookupError, Notice, Slowness};

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

/// Shown where netplay starts in a `RetroArch` that cannot carry our packets, as before 1.17.
pub(crate) const NETPLAY: &str = "Link cable unplugged: RetroArch's own netplay is active";

/// Shown where this side hosts netplay, which is the cable.
pub(crate) const HOSTING: &str = "Link cable: waiting for the other player to join by netplay";

/// Shown to a host whose partner has left netplay.
pub(crate) const PARTNER_LEFT: &str = "Link cable: the other player has left netplay";

/// Shown where netplay, which was the cable, is over.
pub(crate) const NETPLAY_ENDED: &str = "Link cable: netplay has ended";

/// Shown to a host to whom one more player has come.
pub(crate) const TURNED_AWAY: &str = "Link cable: a third player was turned away";

/// Shown where netplay starts and there is no cable that it could be.
pub(crate) const NETPLAY_IMPOSSIBLE: &str = "Link cable: netplay cannot link this game";

/// Shown where netplay starts and the option keeps the cable out.
pub(crate) const NETPLAY_OFF: &str = "Link cable: Link mode is Off; set it to Automatic to play over netplay";

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

/// Text about a name of the peer that cannot be resolved.
pub(crate) fn unresolved(error: &LookupError) -> String {
    format!("Link cable: {error}")
}

/// The other side, as the player knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// A machine at a cable or in a network, of which a daemon tells.
    Machine {
        /// Its name.
        name: String,
        /// Title of its game, where known.
        title: Option<String>,
    },
    /// Whoever is at the address that the player has set.
    Player,
    /// A partner in the frontend's netplay.
    Netplay,
}

/// Text of a notice about the other side.
pub(crate) fn notice(notice: &Notice, other_side: &Other) -> (Severity, String) {
    use Severity::{Error, Info, Warning};
    let other = match other_side {
        Other::Machine { name, .. } => name,
        Other::Player | Other::Netplay => "the other player",
    };
    match notice {
        Notice::Linked => (Info, linked(other_side)),
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
        Notice::Slow { cause, round_trip_ms } => (Warning, slow(*cause, *round_trip_ms)),
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
        Notice::VersionMismatch { ours, theirs } => (Error, other_version(*ours, *theirs)),
    }
}

/// Shown once a link is there.
fn linked(other_side: &Other) -> String {
    let to = match other_side {
        Other::Machine { name, title: None } => format!(" to {name}"),
        Other::Machine {
            name,
            title: Some(title),
        } => format!(" to {name}, playing {title}"),
        Other::Player => String::new(),
        Other::Netplay => " by netplay".to_owned(),
    };
    format!("Link cable connected{to}")
}

/// Shown where the game stands still at times.
fn slow(cause: Slowness, round_trip_ms: u32) -> String {
    let what = match cause {
        Slowness::Machine => format!("this machine is slow for a round trip of {round_trip_ms} ms"),
        Slowness::Path => format!("the round trip of {round_trip_ms} ms is long"),
    };
    format!("Link cable: {what}, and the game stands still at times")
}

/// Shown where the two sides do not understand each other.
fn other_version(ours: u16, theirs: u16) -> String {
    let older = if ours < theirs {
        "this machine"
    } else {
        "the other machine"
    };
    format!("Incompatible Gamelink versions: update {older} (here {ours}, there {theirs})")
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
            HOSTING,
            PARTNER_LEFT,
            NETPLAY_ENDED,
            TURNED_AWAY,
            NETPLAY_OFF,
            NETPLAY_IMPOSSIBLE,
            RUN_AHEAD,
            WINDOWS,
            JUMP,
            BLIND,
            STRICT_ONLY,
            GARBLED,
        ]
        .map(str::to_owned);
        let notices = notices.iter().map(|of| notice(of, &Other::Player).1);
        let den = Other::Machine {
            name: "den".into(),
            title: Some("TETRIS".into()),
        };
        let links = [Other::Netplay, den].map(|other| notice(&Notice::Linked, &other).1);
        let notices = notices.chain(links);
        let lookup = unresolved(&LookupError {
            name: "raspi.local".to_owned(),
            reason: "Name or service not known".to_owned(),
        });
        let rest = constants.into_iter().chain([port.to_string(), lookup]);
        notices.chain(rest).chain(shown_on_a_lan()).collect()
    }

    /// Texts about a machine on a LAN.
    fn shown_on_a_lan() -> Vec<String> {
        use crate::partners::messages::{IS_OPEN, other_game, pairing, stranger, waits_for};
        use gamelink_driver::PairingStatus;
        let name = || "den".to_owned();
        let shows = PairingStatus::ShowsCode {
            name: name(),
            code: "47 11".into(),
            was_wrong: false,
        };
        let wants = |was_wrong| PairingStatus::WantsCode {
            name: name(),
            was_wrong,
        };
        let meetings = [shows, wants(false), wants(true)];
        let meetings = meetings.iter().filter_map(pairing);
        let others = [
            waits_for("den"),
            stranger("den", "TETRIS"),
            other_game("den", "TETRIS"),
        ];
        let texts = meetings.chain(others).map(|(_, text)| text);
        texts.chain([IS_OPEN.to_owned()]).collect()
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
        let text = |ours, theirs| notice(&Notice::VersionMismatch { ours, theirs }, &Other::Netplay).1;
        assert!(text(1, 2).contains("update this machine"));
        assert!(text(2, 1).contains("update the other machine"));
    }
}
