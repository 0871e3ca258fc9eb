//! Formats of the wire and of the kernel: pure encoding and parsing.

pub(crate) mod beacon;
pub(crate) mod cursor;
pub(crate) mod filter;
pub(crate) mod frame;
pub(crate) mod netlink;
