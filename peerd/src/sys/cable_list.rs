//! The list of devices that are cables, or may be one: by it the daemon decides, and from it the udev rules
//! are made.

/// Kind of a device on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A chip between two host ports: nothing but a cable.
    Bridge,
    /// The port of a Linux machine that acts as a USB device: a cable, a phone that tethers, or a board that
    /// is reached by ssh.
    Gadget,
}

/// Devices of one make: a USB vendor and its products.
type Makes = &'static [(&'static str, &'static [&'static str])];

struct Group {
    kind: Kind,
    /// The chips, and the drivers that bind them.
    #[cfg_attr(not(test), expect(dead_code, reason = "read when the rules are written"))]
    about: &'static str,
    makes: Makes,
}

/// Devices by number: `plusb.c`, `cdc_subset.c` and `net1080.c` of Linux's `drivers/net/usb`, and the
/// defaults of its `drivers/usb/gadget/legacy`.
#[rustfmt::skip]
const GROUPS: [Group; 4] = [
    Group {
        kind: Kind::Bridge,
        about: "Prolific PL2301, PL2302, PL25A1, PL27A1 and what is built round them: driver plusb",
        makes: &[("067b", &["0000", "0001", "25a1", "27a1"]), ("050d", &["258a"]), ("3923", &["7825"])],
    },
    Group {
        kind: Kind::Bridge,
        about: "ALi M5632, AnchorChips AN2720, Belkin F5U104, eTEK, KC Technology KC-190: driver cdc_subset",
        makes: &[
            ("0402", &["5632"]), ("182d", &["207c"]), ("0547", &["2720", "2727"]), ("050d", &["0004"]),
            ("056c", &["8100"]), ("0525", &["9901"]), ("050f", &["0190"]),
        ],
    },
    Group {
        kind: Kind::Bridge,
        about: "NetChip 1080 and LapLink Gold: driver net1080",
        makes: &[("0525", &["1080"]), ("06d0", &["0622"])],
    },
    Group {
        kind: Kind::Gadget,
        about: "The gadget port of a Linux machine: drivers cdc_ncm, cdc_ether, cdc_eem, rndis_host, cdc_subset",
        makes: &[
            ("1d6b", &["0101", "0102", "0103", "0104", "0105", "0106"]), ("0525", &["a4a1", "a4a2", "a4aa", "2888"]),
            ("049f", &["505a"]), ("0e7e", &["1001"]), ("1286", &["8001"]), ("8086", &["07d3"]),
        ],
    },
];

/// Drivers of nothing but host-to-host cables, whatever the number. All others of `cdc_subset` are listed
/// above.
const BRIDGE_DRIVERS: [&str; 3] = ["plusb", "cdc_subset", "net1080"];
/// Drivers of gadgets, phones, modems and adapters.
const SHARED_DRIVERS: [&str; 4] = ["cdc_ncm", "cdc_ether", "cdc_eem", "rndis_host"];

/// Kind of a device by its number, such as `067b:25a1`, in lower case.
pub(crate) fn kind_of_number(number: &str) -> Option<Kind> {
    let (vendor, product) = number.split_once(':')?;
    let has = |group: &&Group| {
        let mut makes = group.makes.iter();
        makes.any(|(of, products)| *of == vendor && products.contains(&product))
    };
    GROUPS.iter().find(has).map(|group| group.kind)
}

/// Kind of a device by the driver of its interface.
pub(crate) fn kind_of_driver(driver: &str) -> Option<Kind> {
    if BRIDGE_DRIVERS.contains(&driver) {
        Some(Kind::Bridge)
    } else {
        SHARED_DRIVERS.contains(&driver).then_some(Kind::Gadget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;
    use std::{env, fs};

    const RULES: &str = include_str!("../../dist/udev/70-gamelink.rules");
    const BEGIN: &str = "# The list of peerd/src/sys/cable_list.rs, written by `WRITE_RULES=1 cargo test -p gamelink-peerd`.\n";
    const END: &str = "# End of the list.\n";

    /// The list as rules.
    fn rules() -> String {
        let mut text = String::new();
        for group in &GROUPS {
            let mark = if group.kind == Kind::Bridge { "1" } else { "gadget" };
            writeln!(text, "# {}", group.about).unwrap();
            for (vendor, products) in group.makes {
                writeln!(
                    text,
                    "ENV{{ID_VENDOR_ID}}==\"{vendor}\", ENV{{ID_MODEL_ID}}==\"{}\", ENV{{GAMELINK_CABLE}}=\"{mark}\"",
                    products.join("|")
                )
                .unwrap();
            }
        }
        text
    }

    #[test]
    fn the_udev_rules_have_the_list_and_no_other() {
        let (before, rest) = RULES.split_once(BEGIN).expect("the list's first line");
        let (list, after) = rest.split_once(END).expect("the list's last line");
        if env::var_os("WRITE_RULES").is_some() {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/udev/70-gamelink.rules");
            fs::write(file, [before, BEGIN, &rules(), END, after].concat()).unwrap();
        } else {
            assert_eq!(list, rules());
        }
        let is_number = |line: &&str| line.contains("ID_MODEL_ID");
        assert_eq!(before.lines().chain(after.lines()).find(is_number), None);
    }

    #[test]
    fn every_number_is_listed_once_and_in_lower_case() {
        let mut seen = vec![];
        for group in &GROUPS {
            for (vendor, products) in group.makes {
                for product in *products {
                    let number = format!("{vendor}:{product}");
                    assert_eq!(number, number.to_ascii_lowercase());
                    assert_eq!(kind_of_number(&number), Some(group.kind), "{number}");
                    assert!(!seen.contains(&number), "{number}");
                    seen.push(number);
                }
            }
        }
        assert_eq!(kind_of_number("067b:2303"), None);
        assert_eq!(kind_of_number("067b"), None);
    }
}
