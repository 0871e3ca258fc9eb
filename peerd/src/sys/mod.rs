//! The system: one kind of socket a file. The only place with unsafe code.
#![allow(unsafe_code)]

pub(crate) mod claim;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod environment;
pub(crate) mod firewall;
pub(crate) mod holes;
pub(crate) mod multicast;
pub(crate) mod netlink;
pub(crate) mod packet;
pub(crate) mod signals;
pub(crate) mod sysctl;
pub(crate) mod sysfs;
pub(crate) mod udev;
pub(crate) mod udp;
