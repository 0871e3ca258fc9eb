//! An interface that may be a phone or a modem: its owner's to set up, and left in peace.
//!
//! Needs root. A veth is made one by a sysfs that says so.

mod lab;

use lab::{CableState, Lab, eventually};

#[test]
#[ignore = "needs root"]
fn what_may_be_a_phone_is_left_as_its_owner_has_it() {
    let mut lab = Lab::pair("phone");
    lab.furnish(&[]);
    let net = "/sys/class/net";
    lab.sh(
        0,
        &format!(
            "mount -t tmpfs tmpfs {net} && mkdir -p {net}/usb0/device {net}/drivers/cdc_ether && \
             ln -s ../../drivers/cdc_ether {net}/usb0/device/driver"
        ),
    );
    let is_up = || lab.sh(0, "ip link show usb0").contains(",UP");
    let a = lab.searching_daemon(0, &[]);
    assert_eq!(
        (a.cable().device.is_certain, a.cable().state),
        (false, CableState::Down)
    );
    let mut game = a.game();
    assert_eq!(a.cable().state, CableState::Down);
    assert!(!is_up());
    // The owner uses the interface, and then a peer is there: a cable after all.
    lab.sh(0, "ip link set usb0 up");
    let b = lab.daemon(1, &[]);
    game.peer_up();
    b.game().peer_up();
    lab.sh(0, "ip link set usb0 down");
    game.peer_down();
    eventually("down", || a.cable().state == CableState::Down);
    assert!(!is_up());
    drop(b);
}

#[test]
#[ignore = "needs root"]
fn what_may_be_a_phone_is_spoken_to_for_a_game_alone_and_keeps_no_daemon() {
    let mut lab = Lab::pair("modem");
    lab.furnish(&[]);
    let net = "/sys/class/net";
    lab.sh(
        0,
        &format!(
            "mount -t tmpfs tmpfs {net} && mkdir -p {net}/usb0/device {net}/drivers/rndis_host && \
             ln -s ../../drivers/rndis_host {net}/usb0/device/driver"
        ),
    );
    lab.sh(0, "ip link set usb0 up");
    lab.sh(1, "ip link set usb0 up");
    let mut a = lab.searching_daemon(0, &["--exit-idle", "1"]);
    let sent = || a.cable().frames.sent;
    eventually("carrier", || a.states() == [CableState::Searching]);
    assert_eq!(sent(), 0);
    let game = a.game();
    eventually("a word", || sent() > 0);
    drop(game);
    assert!(a.wait(std::time::Duration::from_secs(5)));
}
