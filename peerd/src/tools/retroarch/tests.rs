use super::*;
use std::os::unix::fs::symlink;

/// A machine in a folder.
struct Machine(PathBuf);

impl Machine {
    fn new(name: &str) -> Machine {
        let root = std::env::temp_dir().join(format!("gamelink-folders-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Machine(root)
    }

    fn file(&self, path: &str, text: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A core, of this program's kind.
    fn core(&self, path: &str) {
        self.file(path, &fs::read("/proc/self/exe").unwrap()[..64]);
    }

    fn settings(&self, path: &str, cores: &str) {
        self.file(
            path,
            format!("# libretro_directory = \"/no\"\nlibretro_directory = \"{cores}\"\n").as_bytes(),
        );
    }

    fn found(&self) -> Found {
        let mut found = Found::default();
        let own = Kind::of(Path::new("/proc/self/exe"));
        found.add_places(&self.0, &[self.0.join("home/player")], own);
        found
    }

    fn cores(&self) -> Vec<String> {
        let found = self.found();
        let below = |folder: &CoreFolder| {
            let below = folder.cores.strip_prefix(&self.0).unwrap();
            below.to_str().unwrap().to_owned()
        };
        found.0.iter().map(below).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn folders_are_found_where_systems_keep_their_settings() {
    let kinds = [
        ("home/player/.config/retroarch/retroarch.cfg", "usual"),
        (
            "home/player/.var/app/org.libretro.RetroArch/config/retroarch/retroarch.cfg",
            "flatpak",
        ),
        (
            "home/player/snap/retroarch/current/.config/retroarch/retroarch.cfg",
            "snap",
        ),
        ("storage/.config/retroarch/retroarch.cfg", "lakka"),
        ("opt/retropie/configs/all/retroarch.cfg", "retropie"),
        (
            "userdata/system/configs/retroarch/retroarchcustom.cfg",
            "batocera",
        ),
        ("mnt/SDCARD/RetroArch/.retroarch/retroarch.cfg", "onion"),
        ("mnt/mmc/MUOS/retroarch/retroarch.cfg", "muos"),
        ("etc/retroarch.cfg", "template"),
    ];
    for (settings, name) in kinds {
        let machine = Machine::new(name);
        let cores = machine.0.join("cores-of").join(name);
        machine.settings(settings, cores.to_str().unwrap());
        assert!(machine.cores().is_empty(), "{name}: a folder that is not there");
        fs::create_dir_all(&cores).unwrap();
        assert_eq!(machine.cores(), [format!("cores-of/{name}")]);
    }
}

#[test]
fn a_home_a_missing_value_and_a_link_are_understood() {
    let machine = Machine::new("values");
    machine.settings("home/player/.config/retroarch/retroarch.cfg", "~/my cores");
    machine.core("home/player/my cores/gambatte_libretro.so");
    machine.settings("storage/.config/retroarch/retroarch.cfg", "default");
    machine.core("storage/.config/retroarch/cores/x_libretro.so");
    // The same file by another name is no second folder.
    symlink("player", machine.0.join("home/other")).unwrap();
    assert_eq!(
        machine.cores(),
        ["home/player/my cores", "storage/.config/retroarch/cores"]
    );
}

#[test]
fn the_template_and_packages_are_left_alone_where_the_player_has_settings() {
    let machine = Machine::new("template-too");
    let system = machine.0.join("usr/lib/libretro");
    fs::create_dir_all(&system).unwrap();
    machine.settings("etc/retroarch.cfg", &format!("{}/", system.display()));
    let line = |cores: &Path, info: &Path| format!("{}\t{}\n", cores.display(), info.display());
    assert_eq!(machine.found().for_programs(), line(&system, &system));

    let cores = machine.0.join("home/player/.config/retroarch/cores");
    machine.settings(
        "home/player/.config/retroarch/retroarch.cfg",
        "~/.config/retroarch/cores",
    );
    fs::create_dir_all(&cores).unwrap();
    assert_eq!(machine.found().for_programs(), line(&cores, &cores));
    assert_eq!(machine.found().gaps().len(), 1);
}

#[test]
fn the_command_puts_the_core_where_it_is_missing() {
    let machine = Machine::new("gap");
    let cores = machine.0.join("home/player/.config/retroarch/cores");
    machine.settings(
        "home/player/.config/retroarch/retroarch.cfg",
        cores.to_str().unwrap(),
    );
    machine.core("home/player/.config/retroarch/cores/gambatte_libretro.so");
    let gaps = machine.found().gaps();
    assert_eq!(gaps[0].1[0], format!("cp {CORE} {}/", cores.display()));
    assert!(machine.found().lines()[0].ends_with("Gambatte is there, Gamelink's is not"));

    machine.core("home/player/.config/retroarch/cores/gamelink_libretro.so");
    assert_eq!(machine.found().gaps().len(), 1, "its description is missing");
    machine.file("home/player/.config/retroarch/cores/gamelink_libretro.info", b"");
    assert!(machine.found().gaps().is_empty());
    let folders = format!("{}\t{}\n", cores.display(), cores.display());
    assert_eq!(machine.found().for_programs(), folders);
}

#[test]
fn a_package_is_linked_to_so_that_an_upgrade_reaches_the_player() {
    let machine = Machine::new("package");
    let cores = machine.0.join("home/player/.config/retroarch/cores");
    machine.settings(
        "home/player/.config/retroarch/retroarch.cfg",
        cores.to_str().unwrap(),
    );
    fs::create_dir_all(&cores).unwrap();
    machine.core("usr/lib/arm-linux-gnueabihf/libretro/gamelink_libretro.so");
    machine.file("usr/lib/arm-linux-gnueabihf/libretro/gamelink_libretro.info", b"");
    let mut found = machine.found();
    for folder in found.0.iter_mut().filter(|folder| folder.is_packaged()) {
        folder.has_info = true;
    }
    let remedy = &found.gaps()[0].1[0];
    assert!(
        remedy.starts_with("ln -sf ") && remedy.ends_with("/cores/"),
        "{remedy}"
    );
}

#[test]
fn cores_of_another_kind_of_machine_are_left_alone() {
    let machine = Machine::new("foreign");
    let cores = machine.0.join("cores32");
    machine.settings(
        "home/player/.config/retroarch32/retroarch.cfg",
        cores.to_str().unwrap(),
    );
    let mut header = fs::read("/proc/self/exe").unwrap()[..64].to_vec();
    header[18] ^= 0xFF;
    machine.file("cores32/gambatte_libretro.so", &header);
    let found = machine.found();
    assert!(found.0[0].is_foreign && found.gaps().is_empty());
    assert!(found.for_programs().is_empty());
}

#[test]
fn a_running_retroarch_says_where_its_settings_and_cores_are() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        named_settings(&words("retroarch -v -c /a.cfg -L x.so")),
        Some("/a.cfg")
    );
    assert_eq!(
        named_settings(&words("retroarch --config=/b.cfg")),
        Some("/b.cfg")
    );
    assert_eq!(named_settings(&words("retroarch -c")), None);
    let maps = "7f00-7f01 r-xp 0 08:01 12 /lib/libc.so.6\n\
        7f02-7f03 r-xp 0 08:01 13 /tmp/cores/gambatte_libretro.so\n\
        7f04-7f05 r-xp 0 08:01 14 /my cores/gamelink_libretro.so\n\
        7f06-7f07 rw-p 0 00:00 0 [heap]\n";
    assert_eq!(
        loaded_core(maps),
        Some(Path::new("/my cores/gamelink_libretro.so"))
    );
    assert_eq!(loaded_core("7f06-7f07 rw-p 0 00:00 0 [heap]\n"), None);
}
