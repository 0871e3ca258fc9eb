//! What goes over the wire and to the kernel: pure parse and emit.

pub(crate) mod beacon;
pub(crate) mod cursor;
pub(crate) mod filter;
pub(crate) mod frame;
pub(crate) mod netlink;
