//! How the game's serial port reaches the bridge.
//!
//! Today by [`loopback`]: the stock core's own "Network Client" connects to a listener on 127.0.0.1 that the link owns.

mod loopback;

pub(crate) use loopback::{Port, Reason};
