//! `peerd options`: writes the stock Gambatte core's link options into RetroArch's option files, as the player.
//!
//! RetroArch reads the first of game file, folder file, core file and global file, and rewrites all of it when content closes: so
//! each file that is there is edited, and only while no RetroArch of this player runs. A file is replaced in one step, keeps its
//! mode and every line that is not ours, and is backed up once, for `--undo`.

use super::client::{Client, Status};
use super::{EXIT_FAILED, EXIT_NO_DAEMON};
use gamelink_core::control::Role;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The name that RetroArch gives the core, and so its folder.
const CORE: &str = "Gambatte";
/// Appended to the name of the copy that `--undo` reads.
const BACKUP: &str = ".gamelink-backup";
/// The whole content of the backup of a file that was not there.
const NO_FILE: &str = "# gamelink: there was no file\n";

/// What the core is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    is_server: bool,
    address: Ipv4Addr,
    port: u16,
}

impl Wanted {
    /// Our keys and their values, in the words of current cores (digits) and of older ones (octets).
    fn lines(self) -> Vec<(String, String)> {
        let mode = if self.is_server {
            "Network Server"
        } else {
            "Network Client"
        };
        let mut lines = vec![
            ("gambatte_gb_link_mode".to_owned(), mode.to_owned()),
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

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) control: &'a Path,
    pub(crate) port: u16,
    pub(crate) is_direct: bool,
    pub(crate) is_undo: bool,
}

/// Edits or restores the files.
pub(crate) fn run(request: &Request<'_>) -> ExitCode {
    let wanted = if request.is_direct && !request.is_undo {
        match direct(request.control, request.port) {
            Ok(wanted) => wanted,
            Err((error, code)) => {
                eprintln!("peerd: {error}");
                return ExitCode::from(code);
            }
        }
    } else {
        Wanted {
            is_server: false,
            address: Ipv4Addr::LOCALHOST,
            port: request.port,
        }
    };
    match edit(request, wanted) {
        Ok(files) if files.is_empty() => {
            println!("nothing to write");
            if !request.is_undo {
                println!("{}", next_steps(request.is_direct, wanted));
            }
            ExitCode::SUCCESS
        }
        Ok(files) => {
            let done = if request.is_undo { "restored" } else { "written" };
            files
                .iter()
                .for_each(|file| println!("{done}: {}", file.display()));
            if !request.is_undo {
                println!("{}", next_steps(request.is_direct, wanted));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("peerd: {error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

/// What the player has to do now, because the stock core would not do it.
///
/// It connects when a game is loaded, and then at most once in five seconds of its own processor time (`clock`), which is minutes
/// at a game's own pace. A server can have no client yet in the moment in which it opens its port, so it always has to wait.
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

/// One side is the server, the other its client: whoever has the even address of the pair.
fn direct(control: &Path, port: u16) -> Result<Wanted, (String, u8)> {
    let value = Client::connect(control, Role::Tool)
        .and_then(|mut client| client.status())
        .map_err(|error| (error.to_string(), EXIT_NO_DAEMON))?;
    let status = Status::parse(&value);
    let pair = status.cables.iter().find_map(|cable| {
        let peer = cable.peer.as_ref()?.address.as_ref()?;
        Some((
            cable.local.as_ref()?.parse::<Ipv4Addr>().ok()?,
            peer.parse::<Ipv4Addr>().ok()?,
        ))
    });
    let (local, peer) = pair.ok_or((
        "no cable is linked with IPv4 addresses, and the stock core knows no others: plug the cable in, and start the daemon at \
         both ends with `peerd run --ipv4`"
            .to_owned(),
        EXIT_FAILED,
    ))?;
    Ok(Wanted {
        is_server: local.octets()[3] % 2 == 0,
        address: peer,
        port,
    })
}

fn edit(request: &Request<'_>, wanted: Wanted) -> Result<Vec<PathBuf>, String> {
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
    edit_files(&folder, request.is_undo, wanted)
}

fn edit_files(folder: &Path, is_undo: bool, wanted: Wanted) -> Result<Vec<PathBuf>, String> {
    let mut files = option_files(folder);
    let core_file = folder.join("config").join(CORE).join(format!("{CORE}.opt"));
    if !is_undo && !files.contains(&core_file) {
        files.push(core_file);
    }
    let mut done = vec![];
    for file in files {
        let result = if is_undo {
            undo(&file, wanted)
        } else {
            apply(&file, wanted)
        };
        match result {
            Ok(true) => done.push(file),
            Ok(false) => {}
            Err(error) => return Err(format!("{}: {error}", file.display())),
        }
    }
    Ok(done)
}

/// RetroArch's folder, of the usual installation or of Flatpak's or Snap's.
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

/// All option files that RetroArch may read for this core.
fn option_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join("config").join(CORE))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "opt"))
        .collect();
    let global = folder.join("retroarch-core-options.cfg");
    if global.is_file() {
        files.push(global);
    }
    files.sort();
    files
}

fn running_retroarch(uid: u32) -> Option<String> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        let is_players = entry.metadata().ok()?.uid() == uid;
        (is_players && name.trim() == "retroarch").then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

fn backup_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(BACKUP);
    name.into()
}

fn apply(file: &Path, wanted: Wanted) -> io::Result<bool> {
    let (text, mode) = match fs::read_to_string(file) {
        Ok(text) => (Some(text), fs::metadata(file)?.mode()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (None, 0o644),
        Err(error) => return Err(error),
    };
    let lines = wanted.lines();
    let new = set_keys(text.as_deref().unwrap_or_default(), |key| {
        lines
            .iter()
            .find(|(of, _)| of == key)
            .map(|(_, value)| Some(value.clone()))
    });
    let new = append_missing(new, &lines);
    if text.as_deref() == Some(new.as_str()) {
        return Ok(false);
    }
    let backup = backup_of(file);
    if !backup.exists() {
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        replace(&backup, text.as_deref().unwrap_or(NO_FILE), mode)?;
    }
    replace(file, &new, mode)?;
    Ok(true)
}

fn undo(file: &Path, wanted: Wanted) -> io::Result<bool> {
    let backup = backup_of(file);
    let old = match fs::read_to_string(&backup) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let keys = wanted.lines();
    let text = fs::read_to_string(file)?;
    // Only our keys go back: RetroArch may have written others since.
    let new = set_keys(&text, |key| {
        keys.iter().any(|(of, _)| of == key).then(|| value_of(&old, key))
    });
    if old == NO_FILE && new.trim().is_empty() {
        fs::remove_file(file)?;
    } else {
        replace(file, &new, fs::metadata(file)?.mode())?;
    }
    fs::remove_file(backup)?;
    Ok(true)
}

/// The key of a line `key = "value"`.
fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    (!key.is_empty() && !key.starts_with('#')).then_some(key)
}

fn value_of(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find(|line| key_of(line) == Some(key))?;
    let (_, value) = line.split_once('=')?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// The text with some keys changed: `decide` gives nothing for a line to keep, no value for one to drop.
fn set_keys(text: &str, decide: impl Fn(&str) -> Option<Option<String>>) -> String {
    let mut new = String::with_capacity(text.len() + 1024);
    for line in text.lines() {
        match key_of(line).and_then(|key| Some((key, decide(key)?))) {
            None => new.push_str(line),
            Some((key, Some(value))) => new.push_str(&format!("{key} = \"{value}\"")),
            Some((_, None)) => continue,
        }
        new.push('\n');
    }
    new
}

fn append_missing(mut text: String, lines: &[(String, String)]) -> String {
    for (key, value) in lines {
        if value_of(&text, key).is_none() {
            text.push_str(&format!("{key} = \"{value}\"\n"));
        }
    }
    text
}

/// Puts a file in place in one step: whoever reads sees the old one or the new one, also after a power cut.
fn replace(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let write = || {
        let mut to = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode & 0o777)
            .open(&temporary)?;
        to.write_all(text.as_bytes())?;
        to.sync_all()?;
        fs::rename(&temporary, file)?;
        // The rename itself, too.
        file.parent()
            .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    write().inspect_err(|_: &io::Error| {
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Wanted = Wanted {
        is_server: false,
        address: Ipv4Addr::LOCALHOST,
        port: 56_400,
    };

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("gamelink-options-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("config").join(CORE)).unwrap();
        folder
    }

    #[test]
    fn both_vocabularies_say_the_same_address() {
        let lines = Wanted {
            address: Ipv4Addr::new(169, 254, 7, 31),
            ..CLIENT
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

    #[test]
    fn every_file_is_edited_and_undone_to_the_byte() {
        let folder = scratch("undo");
        let game = folder.join("config").join(CORE).join("Tetris.opt");
        let global = folder.join("retroarch-core-options.cfg");
        let old_game = "gambatte_gb_colorization = \"auto\"\ngambatte_gb_link_mode = \"Not Connected\"\n";
        fs::write(&game, old_game).unwrap();
        fs::write(&global, "# mine\nother_core = \"x\"\n").unwrap();
        let created = folder.join("config").join(CORE).join("Gambatte.opt");
        let files = edit_files(&folder, false, CLIENT).unwrap();
        assert_eq!(files.len(), 3);
        for file in [&game, &global, &created] {
            assert_eq!(
                value_of(&fs::read_to_string(file).unwrap(), "gambatte_gb_link_mode").unwrap(),
                "Network Client"
            );
        }
        // A second run finds nothing to do, and does not back up its own work.
        assert!(edit_files(&folder, false, CLIENT).unwrap().is_empty());
        assert_eq!(edit_files(&folder, true, CLIENT).unwrap().len(), 3);
        assert_eq!(fs::read_to_string(&game).unwrap(), old_game);
        assert_eq!(
            fs::read_to_string(&global).unwrap(),
            "# mine\nother_core = \"x\"\n"
        );
        assert!(!created.exists());
        let left: Vec<_> = fs::read_dir(folder.join("config").join(CORE))
            .unwrap()
            .flatten()
            .collect();
        assert_eq!(left.len(), 1, "{left:?}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn undo_keeps_what_was_changed_since() {
        let folder = scratch("since");
        let game = folder.join("config").join(CORE).join("Gambatte.opt");
        fs::write(&game, "a = \"1\"\n").unwrap();
        edit_files(&folder, false, CLIENT).unwrap();
        let text = fs::read_to_string(&game)
            .unwrap()
            .replace("a = \"1\"", "a = \"2\"");
        fs::write(&game, text).unwrap();
        edit_files(&folder, true, CLIENT).unwrap();
        assert_eq!(fs::read_to_string(&game).unwrap(), "a = \"2\"\n");
        fs::remove_dir_all(folder).unwrap();
    }
}
