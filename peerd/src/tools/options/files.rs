//! Option files: each is replaced in one step, keeps its mode, foreign lines and symbolic link, and is backed
//! up for `--undo`.

use super::{CORE, MODE_KEY, Wanted};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Suffix of the backup.
const BACKUP: &str = ".gamelink-backup";
/// Start of a backup's first line; the written options follow.
const HEADER: &str = "# gamelink: what was here before ";
/// Content of the backup of a missing file.
const NO_FILE: &str = "# gamelink: there was no file\n";
/// Limit of symbolic links, the kernel's (`path_resolution(7)`).
const LINKS: u32 = 40;

/// Results for the files.
#[derive(Debug, Default)]
pub(super) struct Edited {
    pub(super) done: Vec<PathBuf>,
    /// Files that are no text, with the reason.
    pub(super) passed_over: Vec<(PathBuf, String)>,
    pub(super) failed: Vec<(PathBuf, io::Error)>,
}

/// Edits or restores all option files of a RetroArch folder, independently.
pub(super) fn edit(folder: &Path, is_undo: bool, wanted: Wanted) -> Edited {
    let mut files = option_files(folder);
    let core_file = folder.join("config").join(CORE).join(format!("{CORE}.opt"));
    if !is_undo && !files.contains(&core_file) {
        files.push(core_file);
    }
    let mut edited = Edited::default();
    for file in files {
        let result = if is_undo {
            undo(&file)
        } else {
            apply(&file, wanted)
        };
        match result {
            Ok(true) => edited.done.push(file),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                edited.passed_over.push((file, error.to_string()));
            }
            Err(error) => edited.failed.push((file, error)),
        }
    }
    edited
}

/// Option files that RetroArch may read for this core.
fn option_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("config").join(CORE));
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let is_options = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "opt");
    let mut files: Vec<PathBuf> = paths.filter(is_options).collect();
    let global = folder.join("retroarch-core-options.cfg");
    if global.is_file() {
        files.push(global);
    }
    files.sort();
    files
}

fn backup_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(BACKUP);
    name.into()
}

/// Backup of a file: its former text, and the options written.
struct Backup {
    text: String,
    written: Wanted,
}

impl Backup {
    fn read(file: &Path) -> io::Result<Option<Backup>> {
        let Some(text) = read(file)? else {
            return Ok(None);
        };
        let foreign = || {
            let text = format!("{} is no backup of this program", file.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        Backup::parse(&text).map(Some).ok_or_else(foreign)
    }

    fn parse(text: &str) -> Option<Backup> {
        let (header, text) = text.split_once('\n')?;
        let mut words = header.strip_prefix(HEADER)?.split(' ');
        let written = Wanted {
            is_server: words.next()? == "server",
            address: words.next()?.parse().ok()?,
            port: words.next()?.parse().ok()?,
        };
        let text = text.to_owned();
        Some(Backup { text, written })
    }

    fn write(&self, file: &Path, mode: u32) -> io::Result<()> {
        let (text, of) = (&self.text, self.written);
        let role = if of.is_server { "server" } else { "client" };
        let header = format!("{HEADER}{role} {} {}", of.address, of.port);
        replace(file, &format!("{header}\n{text}"), mode)
    }

    /// True if a file still has the written options. A file made anew, or changed by the player since, has
    /// not: the backup is obsolete.
    fn is_of(&self, text: &str) -> bool {
        let is_kept = |(key, value): &(String, String)| value_of(text, key).is_none_or(|of| of == *value);
        value_of(text, MODE_KEY).is_some() && self.written.lines().iter().all(is_kept)
    }
}

/// Reads a file; `None` if there is none.
fn read(file: &Path) -> io::Result<Option<String>> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text");
    String::from_utf8(bytes).map(Some).map_err(no_text)
}

/// Resolves symbolic links: their target is edited, and the link stays.
fn end_of(file: &Path) -> io::Result<PathBuf> {
    let mut place = file.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&place) {
            Ok(to) => place = place.parent().unwrap_or(Path::new("")).join(to),
            Err(error) => match error.kind() {
                // No link, or its target does not exist yet.
                io::ErrorKind::InvalidInput | io::ErrorKind::NotFound => return Ok(place),
                _ => return Err(error),
            },
        }
    }
    Err(io::Error::other("its symbolic links lead in a circle"))
}

fn apply(file: &Path, wanted: Wanted) -> io::Result<bool> {
    let place = end_of(file)?;
    let text = read(&place)?;
    let mode = match &text {
        Some(_) => fs::metadata(&place)?.mode(),
        None => 0o644,
    };
    let mut new = text.clone().unwrap_or_default();
    for (key, value) in wanted.lines() {
        new = set(&new, &key, Some(value));
    }
    if text.as_deref() == Some(new.as_str()) {
        return Ok(false);
    }
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    // A backup of a deleted file is obsolete.
    let before = Backup::read(&backup_of(file)).ok().flatten();
    let before = before.filter(|backup| text.as_ref().is_some_and(|text| backup.is_of(text)));
    let former = before.map(|backup| backup.text).or(text);
    let backup = Backup {
        text: former.unwrap_or_else(|| NO_FILE.to_owned()),
        written: wanted,
    };
    backup.write(&backup_of(file), mode)?;
    replace(&place, &new, mode)?;
    Ok(true)
}

fn undo(file: &Path) -> io::Result<bool> {
    let Some(backup) = Backup::read(&backup_of(file))? else {
        return Ok(false);
    };
    let place = end_of(file)?;
    let text = read(&place)?.filter(|text| backup.is_of(text));
    let is_restored = text.is_some();
    if let Some(mut new) = text {
        // Only our keys are restored: RetroArch may have written others since.
        for (key, _) in backup.written.lines() {
            if value_of(&new, &key).is_some() {
                new = set(&new, &key, value_of(&backup.text, &key));
            }
        }
        if backup.text == NO_FILE && new.trim().is_empty() {
            fs::remove_file(&place)?;
        } else {
            replace(&place, &new, fs::metadata(&place)?.mode())?;
        }
    }
    fs::remove_file(backup_of(file))?;
    Ok(is_restored)
}

/// Key of a line `key = "value"`.
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

/// Gives a key this value, in place or at the end; without one its line is dropped.
fn set(text: &str, key: &str, value: Option<String>) -> String {
    let line = value.map_or_else(String::new, |value| format!("{key} = \"{value}\"\n"));
    let mut new = String::with_capacity(text.len() + line.len());
    for old in text.lines() {
        match key_of(old) == Some(key) {
            true => new.push_str(&line),
            false => new.extend([old, "\n"]),
        }
    }
    if value_of(text, key).is_none() {
        new.push_str(&line);
    }
    new
}

/// Replaces a file in one step: readers see the old or the new one, also after a power cut.
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
        // Syncs the rename.
        file.parent()
            .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    write().inspect_err(|_: &io::Error| {
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests;
