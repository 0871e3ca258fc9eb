//! Which file is the stock core.
//!
//! In this order: the file that `GAMELINK_GAMBATTE` names, and then no other; `gambatte_libretro.so` beside our own file; in the
//! folder that the frontend loaded us from; in the places where `RetroArch` and distributions keep cores.

use crate::ffi::{self, Core, OpenError};
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

/// Why there is no stock core to run.
#[derive(Debug)]
pub(crate) enum FindError {
    /// No file of that name in any of the places.
    Nowhere,
    /// There is one, but it cannot be used.
    Unusable { path: PathBuf, reason: OpenError },
    /// It runs already in this process; a second game in the same copy would overwrite the first.
    InUse(PathBuf),
}

impl fmt::Display for FindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FindError::Nowhere => write!(
                f,
                "Gamelink plays games with Gambatte, and there is none. Get it from RetroArch: Main Menu, Online Updater, \
                 Core Downloader, Gambatte. Or name its file in {GAMBATTE}."
            ),
            FindError::Unusable { path, reason } => write!(
                f,
                "Gamelink cannot use {}: it {reason}. Get Gambatte anew from RetroArch: Main Menu, Online Updater, \
                 Core Downloader; or name another file in {GAMBATTE}.",
                path.display()
            ),
            FindError::InUse(path) => write!(
                f,
                "Gambatte already plays a game in this RetroArch, and one link cable cannot be in two games: \
                 no second instance ({} is in use)",
                path.display()
            ),
        }
    }
}

/// Opens the stock core, unless it is already in use in this process.
pub(crate) fn open() -> Result<Core, FindError> {
    let files = files();
    match files.iter().find(|path| ffi::is_loaded(path)) {
        Some(path) => Err(FindError::InUse(path.clone())),
        None => open_first(&files),
    }
}

/// Opens the stock core if only to ask what it is, in use or not.
pub(crate) fn open_for_a_look() -> Result<Core, FindError> {
    open_first(&files())
}

/// The first file that can be used; if none can, what is wrong with the first.
fn open_first(files: &[PathBuf]) -> Result<Core, FindError> {
    let mut first_error = None;
    for path in files {
        match Core::open(path) {
            Ok(core) => {
                log::info!("stock core opened: path={}", path.display());
                return Ok(core);
            }
            Err(reason) => {
                log::warn!(
                    "stock core cannot be used: path={} reason={reason}",
                    path.display()
                );
                first_error.get_or_insert(FindError::Unusable {
                    path: path.clone(),
                    reason,
                });
            }
        }
    }
    Err(first_error.unwrap_or(FindError::Nowhere))
}

/// The files to try, in order: those that exist and are not ourselves; the chosen one in any case.
fn files() -> Vec<PathBuf> {
    if let Some(chosen) = variable(GAMBATTE) {
        return vec![PathBuf::from(chosen)];
    }
    let own = ffi::own_file();
    let own_id = own.as_deref().and_then(file_id);
    let mut ids = Vec::from_iter(own_id);
    let mut files = folders(own.as_deref());
    files.iter_mut().for_each(|folder| folder.push(FILE_NAME));
    files.retain(|path| match file_id(path) {
        Some(id) if !ids.contains(&id) => {
            ids.push(id);
            true
        }
        _ => false,
    });
    files
}

fn folders(own: Option<&Path>) -> Vec<PathBuf> {
    let frontend = ffi::libretro_path();
    let beside = [own, frontend.as_deref()]
        .into_iter()
        .flatten()
        .filter_map(Path::parent)
        .map(Path::to_owned);
    let config = variable("XDG_CONFIG_HOME").map(|folder| Path::new(&folder).join("retroarch/cores"));
    let home = variable("HOME").map(PathBuf::from);
    let home = HOME_FOLDERS
        .iter()
        .filter_map(|folder| Some(home.as_ref()?.join(folder)));
    let mut by_machine: Vec<_> = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("libretro"))
        .filter(|folder| folder.is_dir())
        .collect();
    by_machine.sort();
    beside
        .chain(config)
        .chain(home)
        .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from))
        .chain(by_machine)
        .collect()
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Device and inode: the same for every name of one file.
fn file_id(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
