//! The helper thread: sleeps until something arrives or is due.

use super::conversation_file::ConversationFile;
use super::{Shared, time};
use gamelink_core::time::LocalTime;
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

/// Files that the thread writes; one that cannot be written is given up with a word in the log.
pub(super) struct Files {
    stats: Option<PathBuf>,
    conversation: Option<ConversationFile>,
    stats_due: LocalTime,
}

/// Serves the link until it is dropped; after a panic it goes on with an unplugged cable.
pub(super) fn run(mut poll: Poll, shared: &Shared, mut files: Files) {
    while catch_unwind(AssertUnwindSafe(|| serve(&mut poll, shared, &mut files))).is_err() {
        drop(shared.lock());
    }
    // Before the goodbye, so that the file says how the link was while there was one.
    files.write_stats(shared);
    files.write_conversation(time::now(), shared);
    // The peer hears the goodbye; nothing can be mended if the port cannot be closed now.
    let mut hub = shared.lock();
    let _ = hub.set_peer(None, None);
    hub.leave_netplay();
}

fn serve(poll: &mut Poll, shared: &Shared, files: &mut Files) {
    let mut events = Events::with_capacity(16);
    while !shared.must_stop.load(Ordering::Acquire) {
        let due = shared.lock().poll_timeout().into_iter().chain(files.due()).min();
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
        files.write_due(time::now(), shared);
    }
}

impl Files {
    pub(super) fn new(stats: Option<PathBuf>, conversation: Option<ConversationFile>) -> Files {
        Files {
            stats,
            conversation,
            stats_due: time::now(),
        }
    }

    /// When the next write is due, if there is one.
    fn due(&self) -> Option<LocalTime> {
        let stats = self.stats.as_ref().map(|_| self.stats_due);
        let conversation = self.conversation.as_ref().map(ConversationFile::due);
        stats.into_iter().chain(conversation).min()
    }

    fn write_due(&mut self, now: LocalTime, shared: &Shared) {
        if now >= self.stats_due {
            self.stats_due = now.after(REPORT_EVERY);
            self.write_stats(shared);
        }
        if self.conversation.as_ref().is_some_and(|file| now >= file.due()) {
            self.write_conversation(now, shared);
        }
    }

    fn write_stats(&mut self, shared: &Shared) {
        let Some(path) = &self.stats else { return };
        let report = shared.lock().report();
        if let Err(error) = report.write(path) {
            log::warn!(
                "statistics not written, and no further attempt is made file={} error={error}",
                path.display()
            );
            self.stats = None;
        }
    }

    fn write_conversation(&mut self, now: LocalTime, shared: &Shared) {
        let Some(file) = &mut self.conversation else {
            return;
        };
        if let Err(error) = file.write(now, shared) {
            log::warn!(
                "conversation not written, and no further attempt is made file={} error={error}",
                file.path().display()
            );
            self.conversation = None;
        }
    }
}
