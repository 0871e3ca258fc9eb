//! Commands beside `run`.

pub(crate) mod doctor;
pub(crate) mod key;
pub(crate) mod monitor;
pub(crate) mod options;
pub(crate) mod pair;
pub(crate) mod peers;
pub(crate) mod relay;
mod retroarch;
pub(crate) mod status;
pub(crate) mod status_query;

use status_query::AskError;
use std::process::ExitCode;

/// Failure.
pub(crate) const EXIT_FAILED: u8 = 1;
/// No daemon answers at the control socket.
const EXIT_NO_DAEMON: u8 = 3;
/// A fault of the link, or no link.
const EXIT_FAULT: u8 = 4;

/// Failure of a command, in words, and its exit code.
#[derive(Debug)]
pub(crate) struct Failure(String, u8);

impl Failure {
    /// Tells the user.
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("peerd: {}", self.0);
        ExitCode::from(self.1)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure(message, EXIT_FAILED)
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Failure {
        Failure(error.to_string(), EXIT_NO_DAEMON)
    }
}
