//! Formats of the wire and of the kernel: pure encoding and parsing.

pub(crate) mod beacon;
pub(crate) mod bpf;
pub(crate) mod ethernet_frame;
pub(crate) mod meeting;
pub(crate) mod netlink;
pub(crate) mod reader;
