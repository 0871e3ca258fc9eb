//! Sysctls that let a neighbour configure this machine by `ICMPv6` (Linux,
//! `Documentation/networking/ip-sysctl.rst`).
//!
//! rtnetlink cannot set them. Writing needs `CAP_NET_ADMIN` and a writable `/proc/sys`; the packaged service
//! has neither, and uses `sysctl.d`.

use super::environment;
use std::fs;
use std::path::PathBuf;

/// Routes and addresses by router advertisement, routes by redirect.
const TRUSTING: [&str; 3] = ["accept_ra", "accept_redirects", "autoconf"];

/// A changed setting and its former value.
pub(crate) type Changed = (&'static str, String);

fn path(interface: &str, setting: &str) -> Option<PathBuf> {
    // A name must not leave the folder, nor name the settings of all interfaces.
    let is_one = !interface.contains('/') && !["", ".", "..", "all", "default"].contains(&interface);
    is_one.then(|| PathBuf::from(format!("/proc/sys/net/ipv6/conf/{interface}/{setting}")))
}

fn read(interface: &str, setting: &str) -> Option<String> {
    environment::read(path(interface, setting)?)
}

/// True if IPv6 is enabled on an interface.
pub(crate) fn has_v6(interface: &str) -> bool {
    read(interface, "disable_ipv6").is_some_and(|word| word == "0")
}

/// Switches them off, as far as permitted; returns the changes.
pub(crate) fn distrust(interface: &str) -> Vec<Changed> {
    let switch_off = |setting| {
        let old = read(interface, setting).filter(|old| old != "0")?;
        fs::write(path(interface, setting)?, "0").ok()?;
        Some((setting, old))
    };
    TRUSTING.into_iter().filter_map(switch_off).collect()
}

/// Restores changed settings.
pub(crate) fn restore(interface: &str, changed: Vec<Changed>) {
    for (setting, old) in changed {
        if let Some(path) = path(interface, setting) {
            let _ = fs::write(path, old);
        }
    }
}

/// True if router advertisements are accepted there.
pub(crate) fn believes_routers(interface: &str) -> bool {
    let is_router = || read(interface, "forwarding").is_some_and(|word| word != "0");
    match read(interface, "accept_ra").as_deref() {
        None | Some("0") => false,
        Some("1") => !is_router(),
        Some(_) => true,
    }
}

/// Families, `-4` and `-6` as `ip` has them, with a default route over an interface.
pub(crate) fn default_routes(interface: &str) -> Vec<&'static str> {
    let has = |table, is_default: fn(&str, &str) -> bool| {
        fs::read_to_string(table).is_ok_and(|table| table.lines().any(|line| is_default(line, interface)))
    };
    let v4 = has("/proc/net/route", is_default_v4).then_some("-4");
    let v6 = has("/proc/net/ipv6_route", is_default_v6).then_some("-6");
    v4.into_iter().chain(v6).collect()
}

/// `/proc/net/route`: interface, destination, ..., mask in the eighth place.
fn is_default_v4(line: &str, interface: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    matches!(words[..], [of, "00000000", _, _, _, _, _, "00000000", ..] if of == interface)
}

/// `/proc/net/ipv6_route`: destination, its prefix, ..., metric in the sixth place, interface in the tenth.
/// An unreachable default, on `lo`, is always there.
fn is_default_v6(line: &str, interface: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    matches!(words[..], [to, "00", _, _, _, _, _, _, _, of, ..] if of == interface && to.bytes().all(|digit| digit == b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_is_told_from_others() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
                  eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                  usb0\t0201FEA9\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n";
        let has = |table: &str, is_default: fn(&str, &str) -> bool, interface| {
            table.lines().any(|line| is_default(line, interface))
        };
        assert!(has(v4, is_default_v4, "eth0") && !has(v4, is_default_v4, "usb0"));
        let zeros = "0".repeat(32);
        let v6 = format!(
            "{zeros} 00 {zeros} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003 usb0\n\
             fe800000000000000000000000000000 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001 usb1\n"
        );
        assert!(has(&v6, is_default_v6, "usb0") && !has(&v6, is_default_v6, "usb1"));
    }

    #[test]
    fn the_package_sets_what_the_daemon_sets() {
        let shipped = include_str!("../../dist/sysctl/60-gamelink.conf");
        for setting in TRUSTING {
            assert!(shipped.contains(&format!("-net.ipv6.conf.gamelink*.{setting} = 0\n")));
        }
    }

    #[test]
    fn what_stands_for_all_interfaces_is_never_written() {
        for name in ["", ".", "..", "all", "default", "../eth0"] {
            assert_eq!(path(name, "accept_ra"), None);
        }
    }
}
