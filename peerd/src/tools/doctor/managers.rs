//! Network managers that lay hands on a cable, and how each is told to leave it.

use super::Findings;
use crate::sys::environment;
use gamelink_core::control::CableStatus;
use std::fs;
use std::path::{Path, PathBuf};

const CONNMAN_FILE: &str = "/etc/connman/main.conf";
/// Names that `ConnMan` leaves alone where its file says nothing (connman.conf(5)).
const CONNMAN_DEFAULT: &str = "vmnet,vboxnet,virbr,ifb,ve-,vb-";
const IFUPDOWN_FILE: &str = "/etc/network/interfaces";
/// Programs that ask for an address on the interface that their command line ends with.
const CLIENTS: [&str; 3] = ["dhclient", "udhcpc", "dhcpcd"];

/// Judges who else manages a cable.
pub(super) fn judge(findings: &mut Findings, cable: &CableStatus) {
    let name = cable.device.interface.as_str();
    if let Some(usage) = &cable.in_use {
        let what = format!("it may be a cable, and is left alone: {usage}");
        findings.add(Some(name), false, what, [rule(cable)]);
    }
    if !cable.device.is_certain {
        return;
    }
    let is_of = |name: &str| CLIENTS.contains(&name);
    for (entry, command) in environment::processes().filter(|(_, command)| is_of(command)) {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if is_client_of(&arguments, name) {
            let what = format!(
                "{command} (pid {}) asks for an address on the cable",
                entry.file_name().to_string_lossy()
            );
            findings.add(Some(name), false, what, ifupdown_remedy(name));
        }
    }
    let runs_connman = || environment::processes().any(|(_, command)| command == "connmand");
    if let Some(line) = connman_line(name, &fs::read_to_string(CONNMAN_FILE).unwrap_or_default())
        && runs_connman()
    {
        let what = "ConnMan runs on this machine and does not leave the cable alone";
        let remedy = [
            format!("in {CONNMAN_FILE}, under [General]: {line}"),
            "systemctl restart connman".to_owned(),
        ];
        findings.add(Some(name), false, what, remedy);
    }
}

/// The rule that makes an interface a cable for good.
fn rule(cable: &CableStatus) -> String {
    let ids = cable.device.usb_id.as_deref().and_then(|id| id.split_once(':'));
    let device = match ids {
        Some((vendor, product)) => {
            format!("SUBSYSTEMS==\"usb\", ATTRS{{idVendor}}==\"{vendor}\", ATTRS{{idProduct}}==\"{product}\"")
        }
        None => "SUBSYSTEM==\"net\", ENV{DEVTYPE}==\"gadget\"".to_owned(),
    };
    format!(
        "if it is one, say so in /etc/udev/rules.d/69-gamelink-local.rules, and replug it: {device}, \
         ENV{{GAMELINK_CABLE}}=\"1\""
    )
}

/// True for the command line of a client of this interface: words that end with zeros.
fn is_client_of(arguments: &[u8], name: &str) -> bool {
    let mut words = arguments.split(|byte| *byte == 0).skip(1);
    words.any(|word| word == name.as_bytes())
}

fn ifupdown_remedy(name: &str) -> Vec<String> {
    let folder = fs::read_dir(format!("{IFUPDOWN_FILE}.d")).into_iter().flatten();
    let more = folder.filter_map(|entry| Some(entry.ok()?.path()));
    let files: Vec<PathBuf> = [PathBuf::from(IFUPDOWN_FILE)].into_iter().chain(more).collect();
    let has_stanza = |path: &&PathBuf| fs::read_to_string(path).is_ok_and(|text| has_stanza(&text, name));
    let file = files
        .iter()
        .find(has_stanza)
        .map_or(Path::new(IFUPDOWN_FILE), |path| path);
    vec![
        format!("ifdown {name}"),
        format!(
            "where ifupdown has started it, remove its `allow-hotplug` and `iface` from {}",
            file.display()
        ),
    ]
}

/// Stanzas that name an interface (interfaces(5)).
fn has_stanza(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        let begins = words
            .next()
            .is_some_and(|word| word == "auto" || word == "iface" || word.starts_with("allow-"));
        begins && words.any(|word| word == name)
    })
}

/// The line of `ConnMan`'s file that would keep it off an interface, if it has none that does.
///
/// `ConnMan` looks at an interface before udev has renamed it, so the kernel's name must be among them.
fn connman_line(name: &str, file: &str) -> Option<String> {
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "NetworkInterfaceBlacklist").then(|| value.trim().to_owned())
    };
    let listed = file
        .lines()
        .find_map(value)
        .unwrap_or_else(|| CONNMAN_DEFAULT.to_owned());
    let is_left = |name: &str| {
        let mut prefixes = listed
            .split(',')
            .map(str::trim)
            .filter(|prefix| !prefix.is_empty());
        prefixes.any(|prefix| name.starts_with(prefix))
    };
    let missing: Vec<&str> = ["usb", "gamelink"]
        .into_iter()
        .filter(|prefix| !is_left(prefix))
        .collect();
    let is_kept = missing.is_empty() || name.starts_with("usb") && is_left(name);
    (!is_kept).then(|| format!("NetworkInterfaceBlacklist={listed},{}", missing.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_core::control::DeviceStatus;

    #[test]
    fn connman_is_told_in_its_own_words_and_once() {
        let default = connman_line("usb0", "# NetworkInterfaceBlacklist = vmnet\n").unwrap();
        assert_eq!(
            default,
            "NetworkInterfaceBlacklist=vmnet,vboxnet,virbr,ifb,ve-,vb-,usb,gamelink"
        );
        let listed = connman_line(
            "gamelink0",
            "[General]\nNetworkInterfaceBlacklist = usb,SoftAp0\n",
        );
        assert_eq!(
            listed.as_deref(),
            Some("NetworkInterfaceBlacklist=usb,SoftAp0,gamelink")
        );
        for (name, list) in [
            ("gamelink0", "vmnet,usb,gamelink"),
            ("usb0", "usb0"),
            ("gamelink1", "usb,game"),
        ] {
            assert_eq!(
                connman_line(name, &format!("NetworkInterfaceBlacklist={list}")),
                None,
                "{list}"
            );
        }
    }

    #[test]
    fn the_client_of_a_cable_is_told_from_others() {
        let arguments = b"/sbin/dhclient\0-4\0-v\0-pf\0/run/dhclient.usb0.pid\0usb0\0";
        assert!(is_client_of(arguments, "usb0"));
        assert!(!is_client_of(arguments, "usb1") && !is_client_of(b"/sbin/dhclient\0", "/sbin/dhclient"));
    }

    #[test]
    fn the_stanza_of_a_cable_is_found() {
        let text = "auto lo\niface lo inet loopback\n\nallow-hotplug usb0 usb1\niface usb0 inet dhcp\n# iface usb2\n";
        assert!(has_stanza(text, "usb0") && has_stanza(text, "usb1"));
        assert!(!has_stanza(text, "usb2") && !has_stanza(text, "inet6"));
    }

    #[test]
    fn what_is_left_alone_is_told_with_the_rule_that_makes_it_a_cable() {
        let mut cable = CableStatus {
            in_use: Some("the default route leads over it".into()),
            ..CableStatus::default()
        };
        let told = |cable: &CableStatus| {
            let mut findings = Findings::default();
            judge(&mut findings, cable);
            let [finding] = &findings.0[..] else {
                panic!("{findings:?}")
            };
            assert!(
                !finding.is_fault
                    && finding
                        .what
                        .ends_with("left alone: the default route leads over it")
            );
            finding.remedy[0].clone()
        };
        assert!(
            told(&cable).ends_with("SUBSYSTEM==\"net\", ENV{DEVTYPE}==\"gadget\", ENV{GAMELINK_CABLE}=\"1\"")
        );
        cable.device = DeviceStatus {
            usb_id: Some("1d6b:0104".into()),
            ..DeviceStatus::default()
        };
        assert!(
            told(&cable)
                .contains("ATTRS{idVendor}==\"1d6b\", ATTRS{idProduct}==\"0104\", ENV{GAMELINK_CABLE}")
        );
    }
}
