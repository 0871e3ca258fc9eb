//! Recognition of cables by driver and by USB vendor and product.

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
    /// The kernel drew the MAC at random (`NET_ADDR_RANDOM`).
    pub(crate) has_random_mac: bool,
}

/// Certainty that an interface is a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// A driver that also serves phones and modems: never set up, and nothing is changed until a peer
    /// answers.
    Maybe,
    /// A host-to-host cable by driver or number, or the operator's word.
    Sure,
}

/// Drivers of nothing but host-to-host cables.
const CABLE_DRIVERS: [&str; 3] = ["plusb", "cdc_subset", "net1080"];
/// Drivers of cables and of other things.
const SHARED_DRIVERS: [&str; 5] = ["cdc_ether", "cdc_eem", "rndis_host", "g_ether", "configfs-gadget"];
/// Host-to-host cables by number (`drivers/net/usb/plusb.c`, `cdc_subset.c`, `net1080.c`), and the default
/// numbers of a Linux machine's gadget port, which udev takes for a cable too.
#[rustfmt::skip]
const CABLE_IDS: [&str; 21] = [
    "067b:0000", "067b:0001", "067b:25a1", "067b:27a1", "050d:258a", "3923:7825", "0402:5632",
    "182d:207c", "0525:1080", "06d0:0622", "0525:a4a1", "0525:a4a2", "0547:2720", "0547:2727",
    "050d:0004", "050f:0190", "056c:8100", "0525:9901", "04e8:6601", "0525:2888", "1286:8001",
];

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
        let has_random_mac = word(net.join("addr_assign_type")).as_deref() == Some("1");
        let Ok(device) = fs::canonicalize(net.join("device")) else {
            return Device {
                has_random_mac,
                ..Device::default()
            };
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
            has_random_mac,
        }
    }

    /// Certainty by udev's mark, if there is one, else by the device.
    pub(crate) fn certainty(&self, mark: Option<Mark>, cables: &CableList) -> Option<Certainty> {
        if let Some(mark) = mark {
            return (mark == Mark::Cable).then_some(Certainty::Sure);
        }
        let driver = self.driver.as_deref().unwrap_or_default();
        let id = self.usb_id.as_deref().unwrap_or_default();
        if CABLE_DRIVERS.contains(&driver)
            || CABLE_IDS.contains(&id)
            || cables.names(driver)
            || cables.names(id)
        {
            Some(Certainty::Sure)
        } else if SHARED_DRIVERS.iter().any(|shared| driver.starts_with(shared)) {
            Some(Certainty::Maybe)
        } else {
            None
        }
    }

    /// True if its driver needs a cycle when one end is replugged.
    pub(crate) fn recovers(&self) -> bool {
        self.driver.as_deref() == Some("plusb")
    }
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
    fn what_udev_takes_for_a_cable_is_served() {
        let rules = include_str!("../../dist/udev/70-gamelink.rules");
        let values = |line: &str, key: &str| -> Option<Vec<String>> {
            let value = line.split_once(&format!("{key}}}==\""))?.1.split_once('"')?.0;
            Some(value.split('|').map(str::to_owned).collect())
        };
        let mut count = 0;
        for line in rules.lines().filter(|line| line.starts_with("ENV{ID_VENDOR_ID}")) {
            let (vendors, models) = (values(line, "ID_VENDOR_ID"), values(line, "ID_MODEL_ID"));
            for model in models.unwrap() {
                let id = format!("{}:{model}", vendors.as_ref().unwrap()[0]);
                // Whatever driver it has.
                let certainty = device("cdc_ether", &id).certainty(None, &CableList::default());
                assert_eq!(certainty, Some(Certainty::Sure), "{id}");
                count += 1;
            }
        }
        assert!(count > 12, "{count}");
    }

    #[test]
    fn the_word_of_a_local_rule_decides() {
        let none = CableList::default();
        let gadget = device("cdc_ether", "0525:a4a2");
        assert_eq!(gadget.certainty(None, &none), Some(Certainty::Sure));
        assert_eq!(gadget.certainty(Some(Mark::NoCable), &none), None);
        let other = device("r8152", "0bda:8153");
        assert_eq!(other.certainty(Some(Mark::Cable), &none), Some(Certainty::Sure));
    }

    #[test]
    fn cables_are_known_by_driver_or_number_and_others_are_not() {
        let none = CableList::default();
        assert_eq!(
            device("plusb", "067b:25a1").certainty(None, &none),
            Some(Certainty::Sure)
        );
        assert_eq!(
            device("cdc_ether", "12d1:1234").certainty(None, &none),
            Some(Certainty::Maybe)
        );
        assert_eq!(device("r8152", "0bda:8153").certainty(None, &none), None);
        assert_eq!(Device::default().certainty(None, &none), None);
        let cables = CableList::parse("# ours\n0BDA:8153  # adapter\n\n");
        assert_eq!(
            device("r8152", "0bda:8153").certainty(None, &cables),
            Some(Certainty::Sure)
        );
    }
}
