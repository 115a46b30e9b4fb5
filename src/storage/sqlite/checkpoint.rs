//! Moving the write-ahead log into the database file, beside the writer.
//!
//! Owns one rule: nobody who commits waits for a checkpoint longer than it takes to finish one that is nearly done. A
//! second connection copies pages all the while; only when the log is long does the writer itself run one between two
//! batches, because the log can start over only when every page was copied and nobody writes. With the second
//! connection alone it grew to 1 GiB in 12 s. Never RESTART or TRUNCATE: both make readers and the writer wait.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, OpenFlags};

use super::open::{self, OpenError, PAGE_BYTES};

/// Frames after which the helper is woken: 1 MiB of pages.
const WAKE_EVERY: u32 = 1024 * 1024 / PAGE_BYTES;
/// Frames beyond which the writer helps: 16 MiB of pages.
const LONG_LOG: u32 = 16 * WAKE_EVERY;

/// The writer's side.
pub(super) struct Checkpoints {
    /// Frames in the log since it last started over, as the last commit left it.
    frames: Arc<AtomicU32>,
    woken_at: u32,
    helped_at: u32,
    /// Taken when dropped: the helper ends with it.
    wake: Option<mpsc::SyncSender<()>>,
    helper: Option<JoinHandle<()>>,
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(helper) = self.helper.take() {
            // A helper that panicked holds no connection either.
            helper.join().ok();
        }
    }
}

impl Checkpoints {
    /// Starts the helper, and counts the frames that `writer` commits.
    pub fn start(path: &Path, writer: &mut Connection) -> Result<Self, OpenError> {
        let frames = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&frames);
        // Replaces SQLite's automatic checkpoint, which would run inside a commit.
        let count = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            counted.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(count))?;

        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        open::configure(&connection)?;
        let (wake, woken) = mpsc::sync_channel(1);
        let helper = thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    checkpoint(&connection);
                }
            })
            .map_err(|source| OpenError::Io { what: "starting the checkpoint thread", source })?;
        Ok(Self { frames, woken_at: 0, helped_at: 0, wake: Some(wake), helper: Some(helper) })
    }

    /// Between two batches: wakes the helper, or helps.
    pub fn tend(&mut self, writer: &Connection) {
        let frames = self.frames.load(Ordering::Relaxed);
        if frames < self.woken_at {
            // The log started over.
            (self.woken_at, self.helped_at) = (0, 0);
        }
        if frames >= LONG_LOG && frames >= self.helped_at.saturating_add(WAKE_EVERY) {
            self.helped_at = frames;
            checkpoint(writer);
        } else if frames >= self.woken_at.saturating_add(WAKE_EVERY) {
            self.woken_at = frames;
            // A full channel: the helper has its call already.
            self.wake.as_ref().map(|wake| wake.try_send(()));
        }
    }
}

fn checkpoint(connection: &Connection) {
    let done = connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut pragma| pragma.query_row([], |_| Ok(())));
    // The log keeps everything; the next call tries again. A file that fails will fail a commit too.
    if let Err(error) = done {
        tracing::warn!("checkpoint failed: {error}");
    }
}
