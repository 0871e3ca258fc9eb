//! The trace of the conversation as a file: one JSON object a line, appended while the game runs.

use super::Shared;
use gamelink_core::bridge::conversation::Entry;
use gamelink_core::time::LocalTime;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Period of writes: the trace has room for a quarter of a second of the fastest conversation.
const WRITE_EVERY: Duration = Duration::from_millis(100);

/// Entries taken under one lock, some microseconds.
const BATCH: usize = 1024;

/// The file, its name for the log, and when it is written next.
pub(super) struct ConversationFile {
    path: PathBuf,
    file: BufWriter<File>,
    batch: Vec<Entry>,
    due: LocalTime,
}

impl ConversationFile {
    /// Makes the file anew.
    pub(super) fn create(path: &Path) -> io::Result<ConversationFile> {
        // Never through what somebody else has put there: in a folder that others may write to that can be a
        // link to anything.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(ConversationFile {
            path: path.to_owned(),
            file: BufWriter::new(file),
            batch: Vec::with_capacity(BATCH),
            due: LocalTime::default(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// When the next write is due.
    pub(super) fn due(&self) -> LocalTime {
        self.due
    }

    /// Writes all that has been traced since the last time.
    pub(super) fn write(&mut self, now: LocalTime, shared: &Shared) -> io::Result<()> {
        self.due = now.after(WRITE_EVERY);
        loop {
            let mut hub = shared.lock();
            let entries = std::iter::from_fn(|| hub.bridge_mut().poll_conversation());
            self.batch.extend(entries.take(BATCH));
            drop(hub);
            let is_last = self.batch.len() < BATCH;
            for entry in self.batch.drain(..) {
                serde_json::to_writer(&mut self.file, &entry)?;
                self.file.write_all(b"\n")?;
            }
            if is_last {
                return self.file.flush();
            }
        }
    }
}
