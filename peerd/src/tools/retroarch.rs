//! RetroArch's folders on this machine: found by its settings files, wherever systems keep them, and by what
//! a running RetroArch says of itself. Nothing is guessed: a folder that is named here exists.

mod places;
#[cfg(test)]
mod tests;

use crate::escape::visible;
use crate::sys::environment;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// File names of our core, of its description, and of the core that it loads.
const CORE: &str = "gamelink_libretro.so";
const INFO: &str = "gamelink_libretro.info";
const STOCK: &str = "gambatte_libretro.so";

/// Source of a folder that packages fill.
const PACKAGED: &str = "the system's packages";

/// A folder that RetroArch lists cores from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoreFolder {
    pub(crate) cores: PathBuf,
    /// Where it reads the cores' descriptions: names, and which games they play.
    pub(crate) info: PathBuf,
    /// The settings file that names it, or the running process.
    pub(crate) source: String,
    /// Its cores are for another kind of machine than this program, such as 32-bit ones beside 64-bit ones.
    pub(crate) is_foreign: bool,
    has_core: bool,
    has_info: bool,
    has_stock: bool,
}

impl CoreFolder {
    fn look(cores: &Path, info: &Path, source: String, own: Option<Kind>) -> CoreFolder {
        // Settings may have a slash at the end.
        let [cores, info] = [cores, info].map(|folder| folder.components().collect::<PathBuf>());
        let kinds: Vec<Kind> = libraries(&cores)
            .iter()
            .filter_map(|path| Kind::of(path))
            .collect();
        CoreFolder {
            is_foreign: !kinds.is_empty() && own.is_some_and(|own| !kinds.contains(&own)),
            has_core: cores.join(CORE).is_file(),
            has_info: info.join(INFO).is_file(),
            has_stock: cores.join(STOCK).is_file(),
            cores,
            info,
            source,
        }
    }

    /// The line that describes it.
    fn line(&self) -> String {
        let mut text = format!("RetroArch ({}): cores in {}", self.source, self.cores.display());
        if self.info != self.cores {
            let _ = write!(text, ", their descriptions in {}", self.info.display());
        }
        text += match (self.has_core, self.has_stock) {
            (true, true) => "; Gamelink's and Gambatte are there",
            (true, false) => "; Gamelink's is there, Gambatte is not",
            (false, true) => "; Gambatte is there, Gamelink's is not",
            (false, false) => "; neither Gamelink's nor Gambatte is there",
        };
        if self.is_foreign {
            text += "; they are for another kind of machine";
        }
        visible(&text)
    }

    /// The commands that put our core there, if it is missing: links to the package's, so that an upgrade
    /// reaches it, else copies of what the tarball has.
    fn remedy(&self, packaged: Option<&CoreFolder>) -> Option<Vec<String>> {
        if self.is_foreign || (self.has_core && self.has_info) {
            return None;
        }
        let (verb, core, info) = match packaged {
            Some(of) => ("ln -sf", of.cores.join(CORE), of.info.join(INFO)),
            None => ("cp", CORE.into(), INFO.into()),
        };
        let command =
            |from: &Path, to: &Path| visible(&format!("{verb} {} {}/", from.display(), to.display()));
        Some(vec![command(&core, &self.cores), command(&info, &self.info)])
    }

    fn is_packaged(&self) -> bool {
        self.source == PACKAGED
    }
}

/// Findings in the order of trust: running ones first.
#[derive(Debug, Default)]
pub(crate) struct Found(Vec<CoreFolder>);

impl Found {
    /// Looks at this machine.
    pub(crate) fn probe() -> Found {
        let own = Kind::of(Path::new("/proc/self/exe"));
        let mut found = Found::default();
        for process in environment::processes()
            .filter(|(_, name)| name.starts_with("retroarch"))
            .map(|(entry, _)| entry.path())
        {
            found.add_process(&process, own);
        }
        found.add_places(Path::new("/"), &places::homes(), own);
        found
    }

    /// All places below a root. The template counts only for a player who has no settings yet.
    fn add_places(&mut self, root: &Path, homes: &[PathBuf], own: Option<Kind>) {
        for place in places::all(root, homes) {
            self.add_settings(&place, own);
        }
        if self.0.is_empty() {
            for place in places::templates(root, homes) {
                self.add_settings(&place, own);
            }
        }
        for folder in places::packaged(root) {
            self.add_packaged(&folder, own);
        }
    }

    fn add(&mut self, folder: CoreFolder) {
        let is_known = |known: &CoreFolder| known.cores == folder.cores && known.info == folder.info;
        if folder.cores.is_dir() && !self.0.iter().any(is_known) {
            self.0.push(folder);
        }
    }

    /// A settings file.
    fn add_settings(&mut self, place: &places::Place, own: Option<Kind>) {
        let Ok(text) = fs::read_to_string(&place.settings) else {
            return;
        };
        let settings = parse(&text);
        let base = place.settings.parent().unwrap_or(Path::new("/"));
        let folder = |key: &str| {
            let value = settings
                .get(key)
                .filter(|value| !value.is_empty() && **value != "default")?;
            Some(expand(value, &place.home, base))
        };
        let cores = folder("libretro_directory").unwrap_or_else(|| base.join("cores"));
        let info = folder("libretro_info_path").unwrap_or_else(|| cores.clone());
        let source = place.settings.display().to_string();
        self.add(CoreFolder::look(&cores, &info, source, own));
    }

    /// A running RetroArch: the settings file that its command line names, and the folder of the core it has
    /// loaded.
    fn add_process(&mut self, process: &Path, own: Option<Kind>) {
        let id = process
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let words: Vec<String> = line
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        if let Some(settings) = named_settings(&words) {
            let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
            self.add_settings(
                &places::Place {
                    settings: settings.into(),
                    home,
                },
                own,
            );
        }
        let maps = fs::read_to_string(process.join("maps")).unwrap_or_default();
        if let Some(folder) = loaded_core(&maps).and_then(Path::parent) {
            let source = format!("running, process {id}");
            if !self.0.iter().any(|known| known.cores == folder) {
                self.add(CoreFolder::look(folder, folder, source, own));
            }
        }
    }

    /// A folder of a distribution, which RetroArch reads where its settings do not name another.
    fn add_packaged(&mut self, cores: &Path, own: Option<Kind>) {
        let info = Path::new("/usr/share/libretro/info");
        let info = if info.is_dir() { info } else { cores };
        if !self.0.iter().any(|known| known.cores == cores) {
            self.add(CoreFolder::look(cores, info, PACKAGED.to_owned(), own));
        }
    }

    /// One line each, for a person.
    pub(crate) fn lines(&self) -> Vec<String> {
        if self.0.is_empty() {
            return vec![
                "RetroArch: no folder of cores was found; start RetroArch once, then look again".to_owned(),
            ];
        }
        self.0.iter().map(CoreFolder::line).collect()
    }

    /// Folders for programs: of cores and of descriptions, a tab between them. Those of packages only where
    /// there are no others.
    pub(crate) fn for_programs(&self) -> String {
        let is_all = self.0.iter().all(CoreFolder::is_packaged);
        let is_wanted = |folder: &&CoreFolder| !folder.is_foreign && (is_all || !folder.is_packaged());
        let folders = self.0.iter().filter(is_wanted);
        let line = |folder: &CoreFolder| format!("{}\t{}\n", folder.cores.display(), folder.info.display());
        folders.map(line).collect()
    }

    /// Folders without our core, and the commands that put it there. Those of packages are filled by
    /// packages.
    pub(crate) fn gaps(&self) -> Vec<(String, Vec<String>)> {
        let is_installed = |folder: &&CoreFolder| folder.is_packaged() && folder.has_core && folder.has_info;
        let packaged = self.0.iter().find(is_installed);
        let gap = |folder: &CoreFolder| {
            let remedy = folder.remedy(packaged).filter(|_| !folder.is_packaged())?;
            let place = folder.cores.display();
            Some((
                visible(&format!(
                    "RetroArch does not list the Gamelink core: it is not in {place}"
                )),
                remedy,
            ))
        };
        self.0.iter().filter_map(gap).collect()
    }
}

/// Lines `key = "value"` of a settings file.
fn parse(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim().trim_matches('"')))
        .collect()
}

/// A folder as RetroArch writes it: `~` is the player's home, `:` the folder of the program.
fn expand(value: &str, home: &Path, base: &Path) -> PathBuf {
    match (value.strip_prefix('~'), value.strip_prefix(':')) {
        (Some(rest), _) => home.join(rest.trim_start_matches('/')),
        (_, Some(rest)) => base.join(rest.trim_start_matches(['/', '\\'])),
        _ => PathBuf::from(value),
    }
}

/// The settings file that a command line names.
fn named_settings(words: &[String]) -> Option<&str> {
    let apart = words.windows(2).find_map(|pair| match pair {
        [option, value] if option == "-c" || option == "--config" => Some(value.as_str()),
        _ => None,
    });
    apart.or_else(|| words.iter().find_map(|word| word.strip_prefix("--config=")))
}

/// The libretro core among the files that a process has mapped: ours where it is one of them, as that is the
/// one that RetroArch listed.
fn loaded_core(maps: &str) -> Option<&Path> {
    let cores = maps
        .lines()
        .filter_map(|line| line.get(line.find('/')?..))
        .filter(|path| path.ends_with("_libretro.so"));
    cores.max_by_key(|path| path.ends_with(CORE)).map(Path::new)
}

/// Libraries of a folder.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_core = |path: &PathBuf| path.to_string_lossy().ends_with("_libretro.so");
    entries.map(|entry| entry.path()).filter(is_core).collect()
}

/// Kind of machine that an ELF file is for: its class and its processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind(u8, [u8; 2]);

impl Kind {
    fn of(path: &Path) -> Option<Kind> {
        let mut header = [0; 20];
        File::open(path).ok()?.read_exact(&mut header).ok()?;
        match header {
            [0x7F, b'E', b'L', b'F', class, .., low, high] => Some(Kind(class, [low, high])),
            _ => None,
        }
    }
}
