//! Log lines written while the lock is held, to be logged when it is not.
//!
//! The log ends in the frontend's own callback, and nothing of the frontend is called under the lock.

use log::Level;
use std::fmt;

/// More than this between two flushes says nothing new.
const CAPACITY: usize = 16;

/// Lines that wait to be logged; bounded.
#[derive(Debug, Default)]
pub(super) struct DeferredLog(Vec<(Level, String)>);

impl DeferredLog {
    /// Notes one line, unless too many wait.
    pub(super) fn note(&mut self, level: Level, line: fmt::Arguments<'_>) {
        if self.0.len() < CAPACITY && log::log_enabled!(level) {
            self.0.push((level, line.to_string()));
        }
    }

    pub(super) fn info(&mut self, line: fmt::Arguments<'_>) {
        self.note(Level::Info, line);
    }

    pub(super) fn warn(&mut self, line: fmt::Arguments<'_>) {
        self.note(Level::Warn, line);
    }

    /// Logs the lines. Hold no lock.
    pub(super) fn flush(self) {
        for (level, line) in self.0 {
            log::log!(level, "{line}");
        }
    }
}
