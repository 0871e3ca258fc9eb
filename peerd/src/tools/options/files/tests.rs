use super::*;
use std::net::Ipv4Addr;

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
fn every_file_is_edited_and_undone_to_the_byte() {
    let folder = scratch("undo");
    let game = folder.join("config").join(CORE).join("Tetris.opt");
    let global = folder.join("retroarch-core-options.cfg");
    let old_game = "gambatte_gb_colorization = \"auto\"\ngambatte_gb_link_mode = \"Not Connected\"\n";
    fs::write(&game, old_game).unwrap();
    fs::write(&global, "# mine\nother_core = \"x\"\n").unwrap();
    let created = folder.join("config").join(CORE).join("Gambatte.opt");
    let files = edit(&folder, false, CLIENT).done;
    assert_eq!(files.len(), 3);
    for file in [&game, &global, &created] {
        assert_eq!(
            value_of(&fs::read_to_string(file).unwrap(), "gambatte_gb_link_mode").unwrap(),
            "Network Client"
        );
    }
    // A second run finds nothing to do, and does not back up its own work.
    assert!(edit(&folder, false, CLIENT).done.is_empty());
    assert_eq!(edit(&folder, true, CLIENT).done.len(), 3);
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
    edit(&folder, false, CLIENT);
    let text = fs::read_to_string(&game)
        .unwrap()
        .replace("a = \"1\"", "a = \"2\"");
    fs::write(&game, text).unwrap();
    edit(&folder, true, CLIENT);
    assert_eq!(fs::read_to_string(&game).unwrap(), "a = \"2\"\n");
    fs::remove_dir_all(folder).unwrap();
}

const MODE: &str = "gambatte_gb_link_mode";

fn mode(file: &Path) -> Option<String> {
    value_of(&fs::read_to_string(file).unwrap(), MODE)
}

#[test]
fn a_link_stays_one_and_what_it_leads_to_is_edited_and_restored() {
    let folder = scratch("link");
    let (game, real) = (
        folder.join("config").join(CORE).join("Tetris.opt"),
        folder.join("mine.opt"),
    );
    let old = "gambatte_gb_link_mode = \"Not Connected\"\n";
    fs::write(&real, old).unwrap();
    std::os::unix::fs::symlink("../../mine.opt", &game).unwrap();
    let edited = edit(&folder, false, CLIENT);
    assert!(edited.done.contains(&game), "{edited:?}");
    assert!(fs::symlink_metadata(&game).unwrap().is_symlink());
    assert_eq!(mode(&real).as_deref(), Some("Network Client"));
    edit(&folder, true, CLIENT);
    assert!(fs::symlink_metadata(&game).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), old);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn links_to_nothing_and_in_circles_stop_nobody_else() {
    let folder = scratch("circle");
    let of = |name: &str| folder.join("config").join(CORE).join(name);
    std::os::unix::fs::symlink("B.opt", of("A.opt")).unwrap();
    std::os::unix::fs::symlink("A.opt", of("B.opt")).unwrap();
    std::os::unix::fs::symlink("later", of("C.opt")).unwrap();
    let edited = edit(&folder, false, CLIENT);
    assert_eq!(
        (edited.done, edited.failed.len()),
        (vec![of("C.opt"), of("Gambatte.opt")], 2)
    );
    assert_eq!(mode(&of("later")).as_deref(), Some("Network Client"));
    edit(&folder, true, CLIENT);
    assert!(!of("later").exists() && fs::symlink_metadata(of("C.opt")).unwrap().is_symlink());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_backup_of_a_file_that_was_deleted_is_restored_into_no_later_one() {
    let folder = scratch("later");
    let game = folder.join("config").join(CORE).join("Gambatte.opt");
    let later = "gambatte_gb_link_mode = \"Not Connected\"\n";
    for is_applied_again in [false, true] {
        fs::write(&game, "gambatte_gb_link_mode = \"Network Server\"\n").unwrap();
        edit(&folder, false, CLIENT);
        fs::remove_file(&game).unwrap();
        fs::write(&game, later).unwrap();
        if is_applied_again {
            edit(&folder, false, CLIENT);
        }
        edit(&folder, true, CLIENT);
        assert_eq!(
            fs::read_to_string(&game).unwrap(),
            later,
            "again: {is_applied_again}"
        );
        assert!(!backup_of(&game).exists());
    }
    // A file that is gone keeps nobody else from being restored.
    let other = folder.join("config").join(CORE).join("Other.opt");
    fs::write(&other, later).unwrap();
    edit(&folder, false, CLIENT);
    fs::remove_file(&game).unwrap();
    edit(&folder, true, CLIENT);
    assert_eq!(fs::read_to_string(&other).unwrap(), later);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_was_there_before_the_first_of_several_runs_comes_back() {
    let folder = scratch("twice");
    let game = folder.join("config").join(CORE).join("Gambatte.opt");
    let old = "gambatte_gb_link_mode = \"Not Connected\"\n";
    fs::write(&game, old).unwrap();
    for port in [56_400, 56_405, 56_400] {
        assert_eq!(edit(&folder, false, Wanted { port, ..CLIENT }).done.len(), 1);
    }
    edit(&folder, true, CLIENT);
    assert_eq!(fs::read_to_string(&game).unwrap(), old);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_is_no_text_is_passed_over_and_the_others_are_written() {
    let folder = scratch("bytes");
    let of = |name: &str| folder.join("config").join(CORE).join(name);
    fs::write(of("A.opt"), b"path = \"\xe9\"\n").unwrap();
    fs::write(of("B.opt"), "x = \"1\"\n").unwrap();
    let edited = edit(&folder, false, CLIENT);
    assert_eq!(edited.done, [of("B.opt"), of("Gambatte.opt")]);
    assert_eq!((edited.passed_over.len(), edited.failed.len()), (1, 0));
    assert_eq!(fs::read(of("A.opt")).unwrap(), b"path = \"\xe9\"\n");
    assert_eq!(edit(&folder, true, CLIENT).done.len(), 2);
    fs::remove_dir_all(folder).unwrap();
}
