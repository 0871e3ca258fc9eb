//! Recognition of cables by driver and by USB vendor and product.

use super::cable_list::{self, Kind};
use super::environment;
use super::udev::Mark;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Device of an interface, by sysfs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Device {
    /// The driver's name.
    pub(crate) driver: Option<String>,
    /// Vendor and product, as `067b:25a1`.
    pub(crate) usb_id: Option<String>,
    /// The place in the USB tree, as `1-1.2:1.0`.
    pub(crate) usb_path: Option<String>,
    /// This machine's own port as a USB device.
    pub(crate) is_gadget_port: bool,
    /// The kernel drew the MAC at random (`NET_ADDR_RANDOM`).
    pub(crate) has_random_mac: bool,
}

/// Certainty that an interface is a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// A gadget's interface at either end, or a driver that also serves phones and modems: nothing is changed
    /// until a peer answers.
    Maybe,
    /// A host-to-host cable by number or driver, or the operator's word.
    Sure,
}

/// The operator's list of cables: a `VENDOR:PRODUCT` or driver name a line, `#` starts a comment.
#[derive(Clone, Debug, Default)]
pub(crate) struct CableList(Vec<String>);

impl CableList {
    pub(crate) fn read(path: &Path) -> io::Result<CableList> {
        fs::read_to_string(path).map(|text| CableList::parse(&text))
    }

    fn parse(text: &str) -> CableList {
        let entries = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim());
        let entries = entries.filter(|entry| !entry.is_empty());
        CableList(entries.map(str::to_ascii_lowercase).collect())
    }

    fn names(&self, text: &str) -> bool {
        self.0.iter().any(|known| known == &text.to_ascii_lowercase())
    }
}

impl Device {
    /// Reads the device of an interface; empty for one without (veth, lo).
    pub(crate) fn read(interface: &str) -> Device {
        // A name must not leave the folder.
        if interface.contains('/') || interface.starts_with('.') {
            return Device::default();
        }
        let net = Path::new("/sys/class/net").join(interface);
        let word = |path: PathBuf| Some(environment::read(path)?.to_ascii_lowercase());
        let found = Device {
            has_random_mac: word(net.join("addr_assign_type")).as_deref() == Some("1"),
            is_gadget_port: environment::read(net.join("uevent")).is_some_and(|text| is_gadget_port(&text)),
            ..Device::default()
        };
        let Ok(device) = fs::canonicalize(net.join("device")) else {
            return found;
        };
        let base = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
        let driver = fs::canonicalize(device.join("driver")).ok();
        let usb_id = device.ancestors().take(3).find_map(|path| {
            let (vendor, product) = (word(path.join("idVendor"))?, word(path.join("idProduct"))?);
            Some(format!("{vendor}:{product}"))
        });
        Device {
            driver: driver.and_then(|path| base(&path)),
            usb_path: usb_id.as_ref().and_then(|_| base(&device)),
            usb_id,
            ..found
        }
    }

    /// Certainty by a rule of udev's and the operator's list, else by number and driver.
    pub(crate) fn certainty(&self, mark: Option<Mark>, cables: &CableList) -> Option<Certainty> {
        let driver = self.driver.as_deref().unwrap_or_default();
        let number = self.usb_id.as_deref().unwrap_or_default();
        match mark {
            Some(Mark::NoCable) => return None,
            Some(Mark::Cable) => return Some(Certainty::Sure),
            _ if cables.names(driver) || cables.names(number) => return Some(Certainty::Sure),
            Some(Mark::Gadget) => return Some(Certainty::Maybe),
            None => {}
        }
        let by_port = self.is_gadget_port.then_some(Kind::Gadget);
        let by_number = || cable_list::kind_of_number(number);
        let by_driver = || cable_list::kind_of_driver(driver);
        by_port
            .or_else(by_number)
            .or_else(by_driver)
            .map(|kind| match kind {
                Kind::Bridge => Certainty::Sure,
                Kind::Gadget => Certainty::Maybe,
            })
    }

    /// True if it is a gadget's interface by its port or number, and not for its driver alone.
    pub(crate) fn is_listed_gadget(&self) -> bool {
        let number = self.usb_id.as_deref().unwrap_or_default();
        self.is_gadget_port || cable_list::kind_of_number(number) == Some(Kind::Gadget)
    }

    /// True if its driver needs a cycle when one end is replugged.
    pub(crate) fn recovers(&self) -> bool {
        self.driver.as_deref() == Some("plusb")
    }
}

/// By the `uevent` of an interface (Linux, `u_ether.c`).
fn is_gadget_port(uevent: &str) -> bool {
    uevent.lines().any(|line| line == "DEVTYPE=gadget")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(driver: &str, id: &str) -> Device {
        Device {
            driver: Some(driver.into()),
            usb_id: Some(id.into()),
            ..Device::default()
        }
    }

    #[test]
    fn the_word_of_a_local_rule_decides() {
        let (none, ours) = (CableList::default(), CableList::parse("0525:a4a2"));
        let gadget = device("cdc_ether", "0525:a4a2");
        assert_eq!(gadget.certainty(None, &none), Some(Certainty::Maybe));
        assert_eq!(
            gadget.certainty(Some(Mark::Gadget), &none),
            Some(Certainty::Maybe)
        );
        assert_eq!(gadget.certainty(Some(Mark::Gadget), &ours), Some(Certainty::Sure));
        assert_eq!(gadget.certainty(Some(Mark::Cable), &none), Some(Certainty::Sure));
        assert_eq!(gadget.certainty(Some(Mark::NoCable), &ours), None);
        // A driver and a number that nobody knows.
        let other = device("r8152", "0bda:8153");
        assert_eq!(other.certainty(Some(Mark::Cable), &none), Some(Certainty::Sure));
        assert_eq!(other.certainty(Some(Mark::Gadget), &none), Some(Certainty::Maybe));
    }

    /// Devices as players have them: driver, number, certainty.
    #[rustfmt::skip]
    const DEVICES: [(&str, &str, Option<Certainty>); 14] = [
        ("plusb", "067b:25a1", Some(Certainty::Sure)),
        // A chip's number under a driver that was told to take it.
        ("cdc_ether", "067b:27a1", Some(Certainty::Sure)),
        ("net1080", "1234:5678", Some(Certainty::Sure)),
        ("cdc_subset", "056c:8100", Some(Certainty::Sure)),
        ("cdc_subset", "049f:505a", Some(Certainty::Maybe)),
        ("cdc_ncm", "1d6b:0104", Some(Certainty::Maybe)),
        ("cdc_ether", "1d6b:0104", Some(Certainty::Maybe)),
        ("rndis_host", "0525:a4a2", Some(Certainty::Maybe)),
        ("cdc_eem", "1d6b:0102", Some(Certainty::Maybe)),
        ("cdc_ncm", "0525:a4a1", Some(Certainty::Maybe)),
        ("rndis_host", "18d1:4eeb", Some(Certainty::Maybe)),
        ("cdc_mbim", "1199:9071", None),
        ("huawei_cdc_ncm", "12d1:1506", None),
        ("r8152", "0bda:8153", None),
    ];

    #[test]
    fn devices_are_known_by_number_and_driver() {
        for (driver, number, certainty) in DEVICES {
            let found = device(driver, number).certainty(None, &CableList::default());
            assert_eq!(found, certainty, "{driver} {number}");
        }
        assert_eq!(Device::default().certainty(None, &CableList::default()), None);
        let cables = CableList::parse("# ours\n0BDA:8153  # adapter\n\n");
        let adapter = device("r8152", "0bda:8153").certainty(None, &cables);
        assert_eq!(adapter, Some(Certainty::Sure));
    }

    #[test]
    fn the_gadget_port_is_known_whatever_drives_it() {
        assert!(is_gadget_port("DEVTYPE=gadget\nINTERFACE=usb0\nIFINDEX=3\n"));
        assert!(!is_gadget_port("DEVTYPE=wlan\nINTERFACE=wlan0\nIFINDEX=3\n"));
        let port = Device {
            driver: Some("configfs-gadget.g1".into()),
            is_gadget_port: true,
            ..Device::default()
        };
        assert_eq!(
            port.certainty(None, &CableList::default()),
            Some(Certainty::Maybe)
        );
    }
}
