//! Facts about this process and machine.

use crate::identity::{Instance, hash64};
use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Text of a small file without the white space around it; `None` where it cannot be read.
pub(super) fn read(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// Random bytes from the kernel; waits for the first entropy after boot.
pub(crate) fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

/// A new instance.
pub(crate) fn instance() -> std::io::Result<Instance> {
    random().map(Instance)
}

/// Hash of the boot id and the network namespace.
pub(crate) fn box_id() -> u64 {
    let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::metadata("/proc/self/ns/net").map_or((0, 0), |meta| (meta.dev(), meta.ino()));
    hash64(
        "gamelink box",
        &[&boot, &namespace.0.to_be_bytes(), &namespace.1.to_be_bytes()],
    )
}

/// The machine id, confidential by convention (machine-id(5)): used only as a key.
pub(crate) fn machine_id() -> Vec<u8> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .find_map(|path| fs::read(path).ok().filter(|id| !id.is_empty()))
        .unwrap_or_default()
}

/// Serial numbers of the board and the memory card, which cloned images do not share.
pub(crate) fn hardware_ids() -> Vec<u8> {
    let mut ids = fs::read("/proc/device-tree/serial-number").unwrap_or_default();
    let hosts = ["/sys/class/mmc_host/mmc0", "/sys/class/mmc_host/mmc1"];
    for card in hosts.iter().flat_map(fs::read_dir).flatten().flatten() {
        ids.extend(fs::read(card.path().join("cid")).unwrap_or_default());
    }
    ids
}

/// The host's name.
pub(crate) fn host_name() -> String {
    read("/proc/sys/kernel/hostname").unwrap_or_default()
}

/// The user at the screen, as systemd-logind or elogind reports.
pub(crate) fn player() -> Option<u32> {
    // As sd_seat_get_active(3) finds it: "ACTIVE_UID=1000".
    active_uid(&fs::read_to_string("/run/systemd/seats/seat0").ok()?)
}

fn active_uid(seat: &str) -> Option<u32> {
    seat.lines()
        .find_map(|line| line.strip_prefix("ACTIVE_UID="))?
        .parse()
        .ok()
}

/// Name of a process's program, if it still runs.
pub(crate) fn command(pid: i32) -> Option<String> {
    read(format!("/proc/{pid}/comm"))
}

/// Required capabilities that this process lacks.
pub(crate) fn missing_capabilities() -> Vec<&'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|caps| u64::from_str_radix(caps.trim(), 16).ok())
        .unwrap_or(u64::MAX);
    // linux/capability.h
    [(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW")]
        .into_iter()
        .filter(|(bit, _)| effective >> bit & 1 == 0)
        .map(|(_, name)| name)
        .collect()
}

/// Entries of `/proc` of all processes, with their programs' names.
pub(crate) fn processes() -> impl Iterator<Item = (DirEntry, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| read(entry.path().join("comm")).map(|name| (entry, name)))
}

/// Network managers that run here and may have removed an address.
pub(crate) fn network_managers() -> Vec<String> {
    const KNOWN: [&str; 7] = [
        "NetworkManager",
        "systemd-network",
        "dhcpcd",
        "dhclient",
        "connmand",
        "wickedd",
        "ModemManager",
    ];
    // The kernel cuts names to 15 characters.
    let is_of =
        |name: &str, known: &str| name.starts_with(known) || known.starts_with(name) && name.len() == 15;
    processes()
        .filter(|(_, name)| KNOWN.iter().any(|known| is_of(name, known)))
        .map(|(entry, name)| format!("{name} (pid {})", entry.file_name().to_string_lossy()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_at_the_screen_is_read_where_there_is_one() {
        let seat =
            "# This is private data. Do not parse.\nIS_SEAT0=1\nACTIVE=2\nACTIVE_UID=1000\nSESSIONS=2\n";
        assert_eq!(active_uid(seat), Some(1000));
        assert_eq!(active_uid("IS_SEAT0=1\nCAN_TTY=1\n"), None);
        assert_eq!(active_uid("ACTIVE_UID=-1\n"), None);
    }
}
