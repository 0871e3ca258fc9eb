//! System interfaces, one kind of socket a file. The only place with unsafe code.

pub(crate) mod cable_list;
pub(crate) mod clock;
pub(crate) mod control_socket;
pub(crate) mod environment;
pub(crate) mod firewall;
pub(crate) mod firewall_pinholes;
pub(crate) mod interface_lock;
pub(crate) mod key_file;
pub(crate) mod multicast;
pub(crate) mod netlink;
pub(crate) mod packet;
pub(crate) mod signals;
pub(crate) mod sysctl;
pub(crate) mod sysfs;
pub(crate) mod udev;
pub(crate) mod udp_probe;
pub(crate) mod usage;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use std::os::fd::AsRawFd;

/// Registers a descriptor for input. It leaves the poll when it is closed.
fn poll_for_input(registry: &Registry, of: &impl AsRawFd, token: Token) -> std::io::Result<()> {
    registry.register(&mut SourceFd(&of.as_raw_fd()), token, Interest::READABLE)
}
