//! The bridge: one end of the cable as a pure machine.

pub mod transfer;
