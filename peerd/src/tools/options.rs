//! `peerd options`: writes the stock Gambatte core's link options into RetroArch's option files, as the
//! player.
//!
//! RetroArch reads the first of game, folder, core and global file, and rewrites it when content closes: each
//! existing file is edited, and only while no RetroArch of this player runs.

mod files;

use super::status_query::{Client, Control};
use super::{EXIT_FAILED, Failure};
use crate::sys::environment::processes;
use clap::Args;
use files::Edited;
use gamelink_core::control::BRIDGE_PORT;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// RetroArch's name of the core, and of its folder.
const CORE: &str = "Gambatte";
/// The core's key of the link mode.
const MODE_KEY: &str = "gambatte_gb_link_mode";

/// Link options of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    is_server: bool,
    address: Ipv4Addr,
    port: u16,
}

impl Wanted {
    /// Keys and values, in the words of current cores (digits) and of older ones (octets).
    fn lines(self) -> Vec<(String, String)> {
        let mode = if self.is_server {
            "Network Server"
        } else {
            "Network Client"
        };
        let mut lines = vec![
            (MODE_KEY.to_owned(), mode.to_owned()),
            ("gambatte_gb_link_network_port".to_owned(), self.port.to_string()),
        ];
        let mut digit = 0;
        for (n, octet) in (1..).zip(self.address.octets()) {
            lines.push((
                format!("gambatte_gb_link_network_server_ip_octet{n}"),
                octet.to_string(),
            ));
            for c in format!("{octet:03}").chars() {
                digit += 1;
                lines.push((
                    format!("gambatte_gb_link_network_server_ip_{digit}"),
                    c.to_string(),
                ));
            }
        }
        lines
    }
}

/// Options of `peerd options`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Request {
    #[command(flatten)]
    control: Control,
    /// RetroArch's folder [default: found].
    #[arg(long = "config", value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    folder: Option<PathBuf>,
    /// The TCP port of `peerd relay`, or of the server with --direct.
    #[arg(long, default_value_t = BRIDGE_PORT)]
    port: u16,
    /// Without the relay: one side is the server, the other its client (needs `peerd run --ipv4` at both
    /// ends).
    #[arg(long = "direct")]
    is_direct: bool,
    /// Restore the former options.
    #[arg(long = "undo")]
    is_undo: bool,
}

/// Edits or restores the files.
pub(crate) fn run(request: &Request) -> Result<ExitCode, Failure> {
    let wanted = if request.is_direct && !request.is_undo {
        direct(&request.control.control, request.port)?
    } else {
        Wanted {
            is_server: false,
            address: Ipv4Addr::LOCALHOST,
            port: request.port,
        }
    };
    let edited = edit(request, wanted)?;
    let done = if request.is_undo { "restored" } else { "written" };
    for file in &edited.done {
        println!("{done}: {}", file.display());
    }
    if edited.done.is_empty() {
        println!("nothing to write");
    }
    if !request.is_undo {
        println!("{}", next_steps(request.is_direct, wanted));
    }
    for (file, reason) in &edited.passed_over {
        eprintln!("peerd: passed over {}: {reason}", file.display());
    }
    for (file, error) in &edited.failed {
        eprintln!("peerd: {}: {error}", file.display());
    }
    Ok(match edited.failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_FAILED),
    })
}

/// Instructions for the player, which the stock core requires.
///
/// The core connects when a game is loaded, then at most once in five seconds of its own processor time
/// (`clock`), which is minutes at a game's pace. A server has no client when it opens its port, so it always
/// waits.
fn next_steps(is_direct: bool, wanted: Wanted) -> String {
    let Wanted { is_server, port, .. } = wanted;
    match (is_direct, is_server) {
        (false, _) => format!(
            "Start `peerd relay --port {port}` before the game, and leave it running: the core looks for it only when a game is loaded."
        ),
        (true, true) => format!(
            "This side is the server. Load the game here first, then on the other side. When both are loaded, fast-forward \
             here (Space in RetroArch) for ten to twenty seconds, with the game where it waits for the other player: the core looks \
             for its client only once in five seconds of processor time. The other side's picture may stand still until then.\n\
             A firewall has to let TCP port {port} in on the cable. The core opens it on all networks of this machine.\n\
             The addresses hold until the daemon of either side is started again: then run this again on both."
        ),
        (true, false) => "This side is the client. Load the game here after the other side's: the core looks for its server \
             only when a game is loaded. Its picture may stand still until the other side has found it; fast-forward there for \
             ten to twenty seconds (Space in RetroArch).\n\
             The addresses hold until the daemon of either side is started again: then run this again on both."
            .to_owned(),
    }
}

/// Server or client: the even address of the pair is the server's.
fn direct(control: &Path, port: u16) -> Result<Wanted, Failure> {
    let status = Client::connect(control)?.status()?;
    let pair = status
        .cables
        .iter()
        .find_map(|cable| match (cable.local?, cable.peer.as_ref()?.address?) {
            (IpAddr::V4(local), IpAddr::V4(peer)) => Some((local, peer)),
            _ => None,
        });
    let (local, address) = pair.ok_or_else(|| {
        "no cable is linked with IPv4 addresses, and the stock core knows no others: plug the cable in, and start the daemon at \
         both ends with `peerd run --ipv4`"
            .to_owned()
    })?;
    Ok(Wanted {
        is_server: local.octets()[3] % 2 == 0,
        address,
        port,
    })
}

fn edit(request: &Request, wanted: Wanted) -> Result<Edited, String> {
    let folder = match &request.folder {
        Some(folder) => folder.clone(),
        None => find_folder()?,
    };
    let owner = fs::metadata(&folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .uid();
    let me = nix::unistd::geteuid().as_raw();
    if owner != me {
        return Err(format!(
            "{} belongs to another user: run this as that player, without sudo",
            folder.display()
        ));
    }
    if let Some(pid) = running_retroarch(me) {
        return Err(format!(
            "RetroArch runs (process {pid}) and would overwrite the options when it closes: leave it first, then try again"
        ));
    }
    Ok(files::edit(&folder, request.is_undo, wanted))
}

/// Finds RetroArch's folder, of the usual installation, Flatpak or Snap.
fn find_folder() -> Result<PathBuf, String> {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .ok_or("HOME is not set: name RetroArch's folder with --config")?;
    let base = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let places = [
        base.join("retroarch"),
        home.join(".var/app/org.libretro.RetroArch/config/retroarch"),
        home.join("snap/retroarch/current/.config/retroarch"),
    ];
    let found = places.iter().find(|place| place.is_dir()).cloned();
    found.ok_or_else(|| {
        format!(
            "no RetroArch folder at {}: start RetroArch once, or name it with --config",
            places[0].display()
        )
    })
}

fn running_retroarch(uid: u32) -> Option<String> {
    processes().find_map(|(entry, name)| {
        let is_players = name == "retroarch" && entry.metadata().ok()?.uid() == uid;
        is_players.then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_vocabularies_say_the_same_address() {
        let lines = Wanted {
            is_server: false,
            address: Ipv4Addr::new(169, 254, 7, 31),
            port: 56_400,
        }
        .lines();
        let value = |key: &str| lines.iter().find(|(of, _)| of == key).unwrap().1.clone();
        let digits: String = (1..=12)
            .map(|n| value(&format!("gambatte_gb_link_network_server_ip_{n}")))
            .collect();
        assert_eq!(digits, "169254007031");
        assert_eq!(value("gambatte_gb_link_network_server_ip_octet4"), "31");
        assert_eq!(value("gambatte_gb_link_mode"), "Network Client");
    }
}
