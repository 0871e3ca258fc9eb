//! Whether udev, where it runs, is done with an interface.
//!
//! udev gives a cable its name. Older kernels refuse to rename an interface that is up, so the daemon leaves a new one
//! alone until udev has had its turn.

use crate::identity::IfIndex;
use std::fs;
use std::path::Path;

/// How far udev is with an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It has carried out its rules, or does not run here.
    Done,
    /// It has not, and is at work: on this one or on others before it.
    Busy,
    /// It has not, and does nothing: it has yet to hear of it, has failed, or was stopped.
    Idle,
}

/// What udev's rules say of an interface, ours or an owner's: `GAMELINK_CABLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Cable,
    NoCable,
}

/// What udev's rules say of an interface, if they say that it is a cable or none.
pub(crate) fn mark(index: IfIndex) -> Option<Mark> {
    mark_in(&fs::read_to_string(format!("/run/udev/data/n{}", index.0)).ok()?)
}

fn mark_in(entry: &str) -> Option<Mark> {
    entry.lines().find_map(|line| match line {
        "E:GAMELINK_CABLE=1" => Some(Mark::Cable),
        "E:GAMELINK_CABLE=0" => Some(Mark::NoCable),
        _ => None,
    })
}

/// How far udev is with an interface.
pub(crate) fn progress(index: IfIndex) -> Progress {
    if !Path::new("/run/udev/control").exists()
        || fs::read_to_string(format!("/run/udev/data/n{}", index.0)).is_ok_and(|entry| is_final(&entry))
    {
        Progress::Done
    } else if Path::new("/run/udev/queue").exists() {
        Progress::Busy
    } else {
        Progress::Idle
    }
}

/// True if udev's entry of a device is the one written last.
///
/// There may be one before the rename; only the last tells when the device was initialised (systemd,
/// `device_update_db`).
fn is_final(entry: &str) -> bool {
    entry.lines().any(|line| line.starts_with("I:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_the_rules_is_read() {
        assert_eq!(mark_in("I:1\nE:GAMELINK_CABLE=1\n"), Some(Mark::Cable));
        assert_eq!(mark_in("I:1\nE:GAMELINK_CABLE=0\n"), Some(Mark::NoCable));
        assert_eq!(mark_in("I:1\nE:GAMELINK_CABLE=gadget\n"), None);
    }

    #[test]
    fn an_entry_before_the_rename_is_not_the_last() {
        assert!(!is_final("E:ID_RENAMING=1\nE:GAMELINK_CABLE=1\n"));
        assert!(is_final(
            "I:1234567\nE:ID_RENAMING=1\nE:GAMELINK_CABLE=1\nG:systemd\n"
        ));
    }
}
