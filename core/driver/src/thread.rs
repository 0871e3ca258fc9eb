//! The helper thread: sleeps until something arrives or is due.

use super::{Shared, time};
use mio::{Events, Poll, Token};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(super) const WAKER: Token = Token(0);
pub(super) const LISTENER: Token = Token(1);
pub(super) const GAME: Token = Token(2);
pub(super) const PEER: Token = Token(3);
pub(super) const DAEMON: Token = Token(4);

/// Period of writes of the statistics file.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Serves the link until it is dropped; after a panic it goes on with an unplugged cable.
pub(super) fn run(mut poll: Poll, shared: &Shared, mut stats: Option<PathBuf>) {
    while catch_unwind(AssertUnwindSafe(|| serve(&mut poll, shared, &mut stats))).is_err() {
        drop(shared.lock());
    }
    // Before the goodbye, so that the file says how the link was while there was one.
    write(&mut stats, shared);
    // The peer hears the goodbye; nothing can be mended if the port cannot be closed now.
    let _ = shared.lock().set_peer(None, None);
}

fn serve(poll: &mut Poll, shared: &Shared, stats: &mut Option<PathBuf>) {
    let mut events = Events::with_capacity(16);
    let mut report_due = time::now();
    while !shared.must_stop.load(Ordering::Acquire) {
        let report = stats.as_ref().map(|_| report_due);
        let due = shared.lock().poll_timeout().into_iter().chain(report).min();
        let timeout = due.map(|due| due.since(time::now()));
        if let Err(error) = poll.poll(&mut events, timeout)
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            log::error!("the link cannot wait for its sockets error={error}");
            // Never spin: without a poll the game is still served, a little later.
            std::thread::sleep(Duration::from_millis(10));
        }
        let log = shared.lock().service();
        log.flush();
        if time::now() >= report_due {
            report_due = time::now().after(REPORT_EVERY);
            write(stats, shared);
        }
    }
}

/// Writes the statistics file, where there is one.
fn write(stats: &mut Option<PathBuf>, shared: &Shared) {
    let Some(path) = stats else { return };
    let report = shared.lock().report();
    if let Err(error) = report.write(path) {
        log::warn!(
            "statistics not written, and no further attempt is made file={} error={error}",
            path.display()
        );
        *stats = None;
    }
}
