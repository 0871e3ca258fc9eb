//! An interface that may be a phone or a modem: its owner's to set up, left in peace, and taken only when a
//! peer answers.
//!
//! Needs root. A veth is made one by a sysfs that says so.

mod lab;

use lab::{CableState, Lab, eventually};
use std::time::Duration;

/// Two machines with a cable that may be a phone at the first one's end, by its driver.
fn lab(name: &str, driver: &str) -> Lab {
    let mut lab = Lab::pair(name);
    lab.furnish(&[]);
    let net = "/sys/class/net";
    lab.sh(
        0,
        &format!(
            "mount -t tmpfs tmpfs {net} && mkdir -p {net}/usb0/device {net}/drivers/{driver} && \
             ln -s ../../drivers/{driver} {net}/usb0/device/driver"
        ),
    );
    lab
}

#[test]
#[ignore = "needs root"]
fn what_may_be_a_phone_is_taken_when_a_peer_answers_and_given_back_as_it_was() {
    let lab = lab("phone", "cdc_ncm");
    let links = || lab.sh(0, "ip -o link show type veth");
    let mut a = lab.searching_daemon(0, &[]);
    assert_eq!(
        (a.cable().device.is_certain, a.cable().state),
        (false, CableState::Down)
    );
    let mut game = a.game();
    assert_eq!(a.cable().state, CableState::Down);
    assert!(!links().contains(",UP"));
    // The owner sets the interface up, and then a peer is there: a cable after all.
    lab.sh(0, "ip link set usb0 up");
    let b = lab.daemon(1, &[]);
    game.peer_up();
    b.game().peer_up();
    assert!(
        a.cable().device.is_certain && links().contains("gamelink0@"),
        "{}",
        links()
    );
    // The owner takes it down again: it stays so.
    lab.sh(0, "ip link set gamelink0 down");
    game.peer_down();
    eventually("down", || a.cable().state == CableState::Down);
    assert!(!links().contains(",UP"));
    lab.sh(0, "ip link set gamelink0 up");
    game.peer_up();
    drop(game);
    a.terminate();
    assert!(
        links().contains("usb0@") && !links().contains("alias"),
        "{}",
        links()
    );
    assert!(!lab.sh(0, "ip -d link show usb0").contains("addrgenmode none"));
    drop(b);
}

#[test]
#[ignore = "needs root"]
fn a_taken_interface_is_known_again_after_a_crash_and_given_back_without_a_peer() {
    let lab = lab("taken", "cdc_ncm");
    lab.sh(0, "ip link set usb0 up");
    let b = lab.daemon(1, &[]);
    let mut a = lab.searching_daemon(0, &[]);
    a.game().peer_up();
    a.kill();
    drop(b);
    // Where the driver of an interface is, goes with its name.
    let net = "/sys/class/net";
    lab.sh(0, &format!("cp -a {net}/usb0 {net}/gamelink0"));
    let a = lab.searching_daemon(0, &[]);
    assert!(a.cable().device.is_certain);
    eventually("given back", || a.cable().device.interface == "usb0");
    assert!(!a.cable().device.is_certain);
}

#[test]
#[ignore = "needs root"]
fn what_its_owner_uses_is_left_alone_and_hears_nothing() {
    let lab = lab("lease", "rndis_host");
    lab.sh(
        0,
        "ip address add 192.168.42.17/24 dev usb0 && ip link set usb0 up",
    );
    let before = || {
        lab.sh(
            0,
            "ip -d address show usb0 | grep -v valid_lft; ip route; ip neigh",
        )
    };
    let b = lab.daemon(1, &[]);
    let _other = b.game();
    eventually("the kernel's own address", || before().contains("fe80"));
    let found = before();
    let a = lab.searching_daemon(0, &[]);
    let _game = a.game();
    eventually("said", || {
        a.diagnostics().iter().any(|words| words.contains("left alone"))
    });
    assert_eq!(
        a.cable().in_use.as_deref(),
        Some("it has the address 192.168.42.17")
    );
    assert_eq!(a.cable().frames.sent, 0);
    assert!(b.cable().peer.is_none());
    assert_eq!(before(), found);
    // The owner gives it up.
    lab.sh(0, "ip address flush dev usb0 scope global");
    eventually("linked", || a.states() == [CableState::Linked]);
}

#[test]
#[ignore = "needs root"]
fn what_may_be_a_phone_is_spoken_to_for_a_game_alone_and_keeps_no_daemon() {
    let lab = lab("modem", "rndis_host");
    lab.sh(0, "ip link set usb0 up");
    lab.sh(1, "ip link set usb0 up");
    let mut a = lab.searching_daemon(0, &["--exit-idle", "1"]);
    let sent = || a.cable().frames.sent;
    eventually("carrier", || a.states() == [CableState::Searching]);
    assert_eq!(sent(), 0);
    let game = a.game();
    eventually("a word", || sent() > 0);
    drop(game);
    assert!(a.wait(Duration::from_secs(5)));
}
