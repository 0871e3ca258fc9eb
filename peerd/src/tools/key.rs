//! `peerd key`: a new key for two machines.

use super::Failure;
use crate::sys::environment;
use gamelink_core::protocol::Key;
use std::process::ExitCode;

/// Prints a new key alone, for a program or a paste.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let secret =
        environment::random().map_err(|error| format!("no random numbers from the system: {error}"))?;
    println!("{}", Key::new(secret).reveal());
    Ok(ExitCode::SUCCESS)
}
