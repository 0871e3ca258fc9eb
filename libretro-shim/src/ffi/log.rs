//! Sends our log lines to the frontend's log.

use super::abi::{GET_LOG_INTERFACE, LogCallback, LogPrintfFn};
use super::c_strings::c_string;
use super::frontend_callbacks::{Callback, call};
use log::{Level, LevelFilter, Log, Metadata, Record};

struct FrontendLog;

static PRINTF: Callback<LogPrintfFn> = Callback::missing();

/// Asks the frontend for its log callback and sends lines there from now on; the frontend filters by its own
/// level.
///
/// Without one, warnings and errors go to standard error.
pub(super) fn find_callback() {
    let mut callback = LogCallback { log: None };
    // SAFETY: GET_LOG_INTERFACE takes a `retro_log_callback` to fill in.
    let is_there = unsafe { call(GET_LOG_INTERFACE, (&raw mut callback).cast()) };
    // RetroArch sets the environment anew for netplay, with one that has no log; the one it gave before is
    // still good.
    if is_there && callback.log.is_some() {
        PRINTF.set(callback.log);
    }
    // The second and later calls find our own logger in place.
    if log::set_logger(&FrontendLog).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

/// The frontend may go away.
pub(super) fn forget_callback() {
    PRINTF.set(None);
}

impl Log for FrontendLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("gamelink")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // `retro_log_level`.
        let level = match record.level() {
            Level::Error => 3,
            Level::Warn => 2,
            Level::Info => 1,
            Level::Debug | Level::Trace => 0,
        };
        let line = format!("[Gamelink] {}", record.args());
        match PRINTF.get() {
            Some(printf) => {
                let line = c_string(&line);
                // SAFETY: a frontend's log callback takes lines from any thread while the core is loaded; the
                // format wants one string.
                unsafe { printf(level, c"%s\n".as_ptr(), line.as_ptr()) };
            }
            None if level >= 2 => eprintln!("{line}"),
            None => {}
        }
    }

    fn flush(&self) {}
}
