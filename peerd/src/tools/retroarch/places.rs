//! Places of RetroArch's settings: the usual installation's, Flatpak's, Snap's and Steam's, and those of
//! systems that are made round RetroArch.

use std::fs;
use std::path::{Path, PathBuf};

/// A settings file, and whose home `~` in it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) settings: PathBuf,
    pub(super) home: PathBuf,
}

/// Below a home, that of a system's only user too. `retroarch32` is a second one for 32-bit cores.
const HOME: [&str; 8] = [
    ".config/retroarch/retroarch.cfg",
    ".config/retroarch32/retroarch.cfg",
    ".var/app/org.libretro.RetroArch/config/retroarch/retroarch.cfg",
    "snap/retroarch/current/.config/retroarch/retroarch.cfg",
    ".local/share/Steam/steamapps/common/RetroArch/retroarch.cfg",
    ".steam/steam/steamapps/common/RetroArch/retroarch.cfg",
    ".retroarch/retroarch.cfg",
    ".retroarch.cfg",
];

/// Homes of systems with one user: Lakka, ROCKNIX and their kin; Onion and others of an SD card.
const HOMES: [&str; 4] = ["root", "storage", "mnt/SDCARD/RetroArch", "mnt/SDCARD"];

/// Places of a system: RetroPie, Batocera and Knulli, Recalbox, muOS, SD cards.
const SYSTEM: [&str; 7] = [
    "opt/retropie/configs/all/retroarch.cfg",
    "userdata/system/configs/retroarch/retroarchcustom.cfg",
    "recalbox/share/system/configs/retroarch/retroarchcustom.cfg",
    "mnt/mmc/MUOS/retroarch/retroarch.cfg",
    "opt/muos/share/emulator/retroarch/retroarch.cfg",
    "mnt/SDCARD/RetroArch/retroarch.cfg",
    "opt/retropie/configs/gb/retroarch.cfg",
];

/// Template that RetroArch copies for a player who has no settings yet.
const TEMPLATES: [&str; 2] = ["usr/local/etc/retroarch.cfg", "etc/retroarch.cfg"];

/// Folders of cores of distributions; Debian's are one an architecture.
const PACKAGED: [&str; 4] = [
    "usr/local/lib/libretro",
    "usr/lib/libretro",
    "usr/lib64/libretro",
    "opt/retropie/libretrocores/lr-gambatte",
];

/// Homes to look in: this user's, and everybody's, as who installs is often root.
pub(super) fn homes() -> Vec<PathBuf> {
    let mut homes: Vec<PathBuf> = std::env::var_os("HOME").map(PathBuf::from).into_iter().collect();
    let mut others: Vec<PathBuf> = folders(Path::new("/home"));
    others.sort();
    homes.extend(others);
    homes
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// Settings files that exist below a root.
pub(super) fn all(root: &Path, homes: &[PathBuf]) -> Vec<Place> {
    let mut places = vec![];
    let mut add = |settings: PathBuf, home: &Path| {
        let place = Place {
            settings,
            home: home.to_owned(),
        };
        if place.settings.is_file()
            && !places
                .iter()
                .any(|known: &Place| known.settings == place.settings)
        {
            places.push(place);
        }
    };
    if let Some(base) = std::env::var_os("XDG_CONFIG_HOME")
        && let Some(home) = homes.first()
    {
        add(Path::new(&base).join("retroarch/retroarch.cfg"), home);
    }
    let systems = HOMES.map(|home| root.join(home));
    for home in homes.iter().chain(&systems) {
        for place in HOME {
            add(home.join(place), home);
        }
    }
    let home = homes.first().map_or(root, PathBuf::as_path);
    for place in SYSTEM {
        add(root.join(place), home);
    }
    places
}

/// Templates that exist below a root.
pub(super) fn templates(root: &Path, homes: &[PathBuf]) -> Vec<Place> {
    let home = homes.first().map_or(root, PathBuf::as_path).to_owned();
    let place = |template: &str| Place {
        settings: root.join(template),
        home: home.clone(),
    };
    TEMPLATES
        .map(place)
        .into_iter()
        .filter(|place| place.settings.is_file())
        .collect()
}

/// Folders of cores that packages fill and that exist below a root.
pub(super) fn packaged(root: &Path) -> Vec<PathBuf> {
    let mut architectures: Vec<PathBuf> = folders(&root.join("usr/lib"))
        .into_iter()
        .map(|folder| folder.join("libretro"))
        .collect();
    architectures.sort();
    let known = PACKAGED.map(|folder| root.join(folder));
    known
        .into_iter()
        .chain(architectures)
        .filter(|folder| folder.is_dir())
        .collect()
}
