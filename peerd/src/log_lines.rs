//! Log lines on standard error, with the priorities that the journal understands.

use crate::escape::visible;
use log::{Level, LevelFilter, Log, Metadata, Record};
use nix::errno::Errno;
use std::fmt;
use std::io::{self, Write};

struct Lines {
    for_journal: bool,
}

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // sd-daemon(3): "<N>" before a line is its priority.
        let priority = match record.level() {
            Level::Error => "<3>",
            Level::Warn => "<4>",
            Level::Info => "<6>",
            Level::Debug | Level::Trace => "<7>",
        };
        // Parts come from other machines and programs.
        let words = visible(&record.args().to_string());
        let line = if self.for_journal {
            format!("{priority}{words}\n")
        } else {
            format!("peerd: {}: {words}\n", record.level().as_str().to_lowercase())
        };
        // Without a reader the line is lost.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// Starts logging at `level`.
pub(crate) fn start(level: LevelFilter) {
    let for_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    if log::set_boxed_logger(Box::new(Lines { for_journal })).is_ok() {
        log::set_max_level(level);
    }
}

/// Logs a refusal of the kernel; quietly for an interface that was just pulled out, which the monitor
/// reports.
pub(crate) fn refused(what: fmt::Arguments<'_>, error: impl Into<io::Error>) {
    let error = error.into();
    let level = match error.raw_os_error().map(Errno::from_raw) {
        // EADDRNOTAVAIL: its own address is gone with it.
        Some(Errno::ENODEV | Errno::ENXIO | Errno::ENETDOWN | Errno::EADDRNOTAVAIL) => Level::Debug,
        _ => Level::Warn,
    };
    log::log!(level, "{what} error={error}");
}
