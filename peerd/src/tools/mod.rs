//! Commands beside `run`.

pub(crate) mod client;
pub(crate) mod doctor;
pub(crate) mod monitor;
pub(crate) mod options;
pub(crate) mod relay;
pub(crate) mod status;
pub(crate) mod visible;

/// Failure.
pub(crate) const EXIT_FAILED: u8 = 1;
/// No daemon answers at the control socket.
pub(crate) const EXIT_NO_DAEMON: u8 = 3;
/// A fault of the link, or no link.
pub(crate) const EXIT_FAULT: u8 = 4;
