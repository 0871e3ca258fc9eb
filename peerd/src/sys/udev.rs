//! Progress of udev, and its marks.
//!
//! udev names a cable. Older kernels refuse to rename an interface that is up, so the daemon leaves a new one
//! alone until udev is done.

use crate::identity::IfIndex;
use std::fs;
use std::path::Path;

/// Progress of udev with an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its rules are done, or it does not run here.
    Done,
    /// It is at work, on this interface or others.
    Busy,
    /// It is idle: it has not heard of the interface yet, has failed, or was stopped.
    Idle,
}

/// `GAMELINK_CABLE`, set by our udev rules or an owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// "0"
    NoCable,
    /// "gadget"
    Gadget,
    /// "1"
    Cable,
}

/// udev's entry of an interface.
fn entry(index: IfIndex) -> Option<String> {
    fs::read_to_string(format!("/run/udev/data/n{}", index.0)).ok()
}

/// The mark of an interface, if it has one.
pub(crate) fn mark(index: IfIndex) -> Option<Mark> {
    mark_in(&entry(index)?)
}

fn mark_in(entry: &str) -> Option<Mark> {
    entry.lines().find_map(|line| match line {
        "E:GAMELINK_CABLE=1" => Some(Mark::Cable),
        "E:GAMELINK_CABLE=gadget" => Some(Mark::Gadget),
        "E:GAMELINK_CABLE=0" => Some(Mark::NoCable),
        _ => None,
    })
}

/// Progress of udev with an interface.
pub(crate) fn progress(index: IfIndex) -> Progress {
    if !Path::new("/run/udev/control").exists() || entry(index).is_some_and(|entry| is_final(&entry)) {
        Progress::Done
    } else if Path::new("/run/udev/queue").exists() {
        Progress::Busy
    } else {
        Progress::Idle
    }
}

/// True if udev's entry of a device is final.
///
/// An entry may exist before the rename; only the last has the time of initialisation (systemd,
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
        assert_eq!(mark_in("I:1\nE:GAMELINK_CABLE=gadget\n"), Some(Mark::Gadget));
        assert_eq!(mark_in("I:1\nE:ID_BUS=usb\n"), None);
    }

    #[test]
    fn an_entry_before_the_rename_is_not_the_last() {
        assert!(!is_final("E:ID_RENAMING=1\nE:GAMELINK_CABLE=1\n"));
        assert!(is_final(
            "I:1234567\nE:ID_RENAMING=1\nE:GAMELINK_CABLE=1\nG:systemd\n"
        ));
    }
}
