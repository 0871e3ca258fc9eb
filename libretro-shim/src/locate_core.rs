//! Search for the stock core's file.
//!
//! In this order: the file that `GAMELINK_GAMBATTE` names, and then no other; `gambatte_libretro.so` beside
//! our own file; in the folder that the frontend loaded us from; in the places where `RetroArch` and
//! distributions keep cores. One without a link, as Debian's, is used only where there is no other.

use crate::ffi::{self, Core, OpenError};
use crate::messages::NO_LINK;
use crate::settings::GAMBATTE;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The stock core's file name, the same everywhere.
const FILE_NAME: &str = "gambatte_libretro.so";

/// Cores under the home folder: `RetroArch`'s own, its Flatpak's, its Snap's.
const HOME_FOLDERS: [&str; 3] = [
    ".config/retroarch/cores",
    ".var/app/org.libretro.RetroArch/config/retroarch/cores",
    "snap/retroarch/current/.config/retroarch/cores",
];

/// Cores of distributions; Debian and its kin add one folder an architecture, `/usr/lib/*/libretro`.
const SYSTEM_FOLDERS: [&str; 5] = [
    "/usr/local/lib/libretro",
    "/usr/lib/libretro",
    "/usr/lib64/libretro",
    "/app/lib/libretro",
    "/opt/retropie/libretrocores/lr-gambatte",
];

/// Files named in one sentence on screen; the log has all.
const NAMED_MAX: usize = 3;

/// The stock core to run.
#[derive(Debug)]
pub(crate) struct Found<C = Core> {
    pub(crate) core: C,
    pub(crate) path: PathBuf,
    /// Files before it in the order that are not used.
    passed_over: Vec<PassedOver>,
}

/// A file that is not used.
#[derive(Debug)]
pub(crate) struct PassedOver {
    path: PathBuf,
    reason: OpenError,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: it {}", self.path.display(), self.reason)
    }
}

impl<C> Found<C> {
    /// Message for a core without a link: its file, the others, and the remedy.
    pub(crate) fn no_link(&self) -> String {
        let others = match self.passed_over.is_empty() {
            true => String::new(),
            false => format!(" Not used either: {}.", list(&self.passed_over)),
        };
        format!(
            "{} {NO_LINK}{others} Get RetroArch's own: Main Menu, Online Updater, \
             Core Downloader, Gambatte. Or name another file in {GAMBATTE}.",
            self.path.display()
        )
    }
}

/// Reason for having no stock core.
#[derive(Debug)]
pub(crate) enum LocateError {
    /// No file of that name in any of the places.
    Nowhere,
    /// There are some, but none can be used.
    Unusable(Vec<PassedOver>),
    /// It runs already in this process; a second game in the same copy would overwrite the first.
    InUse(PathBuf),
}

impl fmt::Display for LocateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocateError::Nowhere => write!(
                f,
                "Gamelink needs the Gambatte core, and found none. Get it from RetroArch: Main Menu, \
                 Online Updater, Core Downloader, Gambatte. Or name its file in {GAMBATTE}."
            ),
            LocateError::Unusable(files) => write!(
                f,
                "Gamelink cannot use {}. Get Gambatte again from RetroArch: Main Menu, Online Updater, \
                 Core Downloader; or name another file in {GAMBATTE}.",
                list(files)
            ),
            LocateError::InUse(path) => write!(
                f,
                "Gambatte already runs a game in this RetroArch, and one link cable cannot serve two: \
                 no second instance ({} is in use)",
                path.display()
            ),
        }
    }
}

/// The first of these, and how many more.
fn list(files: &[PassedOver]) -> String {
    let named: Vec<String> = files.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = match files.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    named.join("; ") + &more
}

/// Opens the stock core, unless it is already in use in this process.
pub(crate) fn open() -> Result<Found, LocateError> {
    let files = files();
    match files.iter().find(|path| ffi::is_loaded(path)) {
        Some(path) => Err(LocateError::InUse(path.clone())),
        None => open_best(&files),
    }
}

/// Opens the stock core to ask for its identity, in use or not.
pub(crate) fn open_for_a_look() -> Result<Found, LocateError> {
    open_best(&files())
}

fn open_best(files: &[PathBuf]) -> Result<Found, LocateError> {
    let found = choose(files, Core::open, Core::may_have_link)?;
    for file in &found.passed_over {
        log::warn!("stock core not used: {file}");
    }
    log::info!("stock core opened: path={}", found.path.display());
    Ok(found)
}

/// The first file that can be used and has a link; else the first that can be used.
fn choose<C>(
    files: &[PathBuf],
    open: impl Fn(&Path) -> Result<C, OpenError>,
    has_link: impl Fn(&C) -> bool,
) -> Result<Found<C>, LocateError> {
    let mut passed_over = Vec::new();
    let mut without_link = None;
    for path in files {
        let path = path.clone();
        let reason = match open(&path) {
            Ok(core) if has_link(&core) => {
                return Ok(Found {
                    core,
                    path,
                    passed_over,
                });
            }
            Ok(core) => {
                // Kept open, for as long as a later one may be no better.
                without_link.get_or_insert((core, passed_over.len()));
                OpenError::NoLink
            }
            Err(error) => error,
        };
        passed_over.push(PassedOver { path, reason });
    }
    match without_link {
        Some((core, place)) => Ok(Found {
            core,
            path: passed_over.remove(place).path,
            passed_over,
        }),
        None if passed_over.is_empty() => Err(LocateError::Nowhere),
        None => Err(LocateError::Unusable(passed_over)),
    }
}

/// The files to try, in order: those that exist and are not ourselves; the chosen one in any case.
///
/// From the root on: the linker would look for a name without a slash elsewhere.
fn files() -> Vec<PathBuf> {
    if let Some(chosen) = variable(GAMBATTE) {
        return vec![from_root(Path::new(&chosen))];
    }
    let own = ffi::own_file().map(|path| from_root(&path));
    let mut ids = Vec::from_iter(own.as_deref().and_then(file_id));
    let folders = folders(own.as_deref());
    let files = folders.iter().map(|folder| from_root(&folder.join(FILE_NAME)));
    let is_new = |path: &PathBuf| {
        let id = file_id(path).filter(|id| !ids.contains(id));
        ids.extend(id);
        id.is_some()
    };
    files.filter(is_new).collect()
}

/// Makes a path absolute, so that a change of the working folder does not matter; symbolic links stay, since
/// players put files beside them.
fn from_root(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn folders(own: Option<&Path>) -> Vec<PathBuf> {
    let frontend = ffi::libretro_path();
    let beside = [own, frontend.as_deref()]
        .into_iter()
        .flatten()
        .filter_map(Path::parent);
    let mut folders: Vec<PathBuf> = beside.map(Path::to_owned).collect();
    let below = |name, folder: &str| Some(Path::new(&variable(name)?).join(folder));
    folders.extend(below("XDG_CONFIG_HOME", "retroarch/cores"));
    folders.extend(HOME_FOLDERS.iter().filter_map(|folder| below("HOME", folder)));
    folders.extend(SYSTEM_FOLDERS.map(PathBuf::from));
    let entries = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let by_machine = entries.map(|entry| entry.path().join("libretro"));
    let mut by_machine: Vec<_> = by_machine.filter(|folder| folder.is_dir()).collect();
    by_machine.sort();
    folders.extend(by_machine);
    folders
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Device and inode: the same for every name of one file.
fn file_id(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core of this name: whether it has a link.
    fn open(path: &Path) -> Result<bool, OpenError> {
        match path.to_str().unwrap().rsplit('/').next() {
            Some("linked") => Ok(true),
            Some("linkless") => Ok(false),
            _ => Err(OpenError::Ourselves),
        }
    }

    fn choose_of(files: &[&str]) -> Result<Found<bool>, LocateError> {
        let files: Vec<_> = files.iter().map(PathBuf::from).collect();
        choose(&files, open, |has_link| *has_link)
    }

    #[test]
    fn the_first_core_with_a_link_is_used_and_without_one_the_first() {
        for (files, used) in [
            (&["/a/linked", "/b/linked"][..], "/a/linked"),
            (&["/a/linkless", "/b/linked", "/c/linked"], "/b/linked"),
            (
                &["/a/broken", "/b/linkless", "/c/broken", "/d/linked"],
                "/d/linked",
            ),
            (&["/a/broken", "/b/linkless", "/c/linkless"], "/b/linkless"),
        ] {
            let found = choose_of(files).unwrap();
            assert_eq!(found.path, Path::new(used), "{files:?}");
            assert_eq!(found.core, used.ends_with("linked"));
            // Each file before it, and where it has no link each other one, is accounted for.
            let others = found.passed_over.iter().map(|file| file.path.to_str().unwrap());
            let expected = files.iter().copied().filter(|file| *file != used);
            let is_last = files.last() == Some(&used) || !found.core;
            assert!(!is_last || others.eq(expected), "{found:?}");
        }
    }

    #[test]
    fn the_words_name_the_file_that_is_used_and_those_that_are_not() {
        let found = choose_of(&["/a/broken", "/b/linkless", "/c/linkless"]).unwrap();
        let text = found.no_link();
        assert!(
            text.starts_with("/b/linkless was built without a link cable"),
            "{text}"
        );
        assert!(
            text.contains(
                "/a/broken: it is Gamelink itself, not Gambatte; /c/linkless: it has no link cable."
            ),
            "{text}"
        );
        let error = choose_of(&["/a/broken", "/b/broken", "/c/broken", "/d/broken"]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("/a/broken: it is") && text.contains("/c/broken: it is"),
            "{text}"
        );
        assert!(text.contains("; and 1 more. Get Gambatte again"), "{text}");
        assert!(matches!(choose_of(&[]), Err(LocateError::Nowhere)));
    }

    #[test]
    fn a_file_is_named_from_the_root() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(from_root(Path::new("core.so")), here.join("core.so"));
        assert_eq!(from_root(Path::new("./a/core.so")), here.join("a/core.so"));
        assert_eq!(from_root(Path::new("/a/core.so")), Path::new("/a/core.so"));
    }
}
