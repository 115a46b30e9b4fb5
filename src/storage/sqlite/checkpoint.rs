//! Moving the write-ahead log into the database file, beside the writer.
//!
//! Owns one rule: nobody who commits waits for a checkpoint longer than it takes to finish one that is nearly done. A
//! second connection copies pages all the while; only when the log is long does the writer itself run one between two
//! batches, because the log can start over only when every page was copied and nobody writes. With the second
//! connection alone it grew to 1 GiB in 12 s. Never RESTART or TRUNCATE: both make readers and the writer wait.
//!
//! A checkpoint that met an I/O error is never repeated: SQLite syncs the file only when it has copied the whole log, and
//! the system reports a lost page to one sync and not to the next, so a second try could call pages safe that are not.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, OpenFlags};

use super::batch::BatchFailure;
use super::open::{self, OpenError, PAGE_BYTES};
use crate::lifeline::Watch;

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
    /// Set once a checkpoint met an I/O error: the log is all that is certain.
    failed: Arc<AtomicBool>,
    /// Taken when dropped: the helper ends with it.
    wake: Option<mpsc::SyncSender<()>>,
    helper: Option<JoinHandle<()>>,
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Checkpoints {
    /// Starts the helper, and counts the frames that `writer` commits. A helper that fails is a death of storage.
    pub fn start(path: &Path, writer: &mut Connection, watch: &Watch) -> Result<Self, OpenError> {
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
        let failed = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&failed);
        let mut lifeline = watch.over("storage");
        let helper = thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    if !checkpoint(&connection) {
                        noted.store(true, Ordering::Release);
                        return;
                    }
                }
                lifeline.retire();
            })
            .map_err(|source| OpenError::Io { what: "starting the checkpoint thread", source })?;
        Ok(Self { frames, woken_at: 0, helped_at: 0, failed, wake: Some(wake), helper: Some(helper) })
    }

    /// Ends the helper and waits until its connection is closed.
    pub fn stop(&mut self) {
        self.wake = None;
        if let Some(helper) = self.helper.take() {
            // A helper that panicked holds no connection either, and its lifeline said so.
            helper.join().ok();
        }
    }

    /// Whether a checkpoint met an I/O error.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Has the helper copy what another process wrote: those frames are not counted here, and that process copies none.
    pub fn others_wrote(&self) {
        if !self.failed() {
            // A full channel: the helper has its call already.
            self.wake.as_ref().map(|wake| wake.try_send(()));
        }
    }

    /// Between two batches: wakes the helper, or helps.
    pub fn tend(&mut self, writer: &Connection) {
        if self.failed() {
            return;
        }
        let frames = self.frames.load(Ordering::Relaxed);
        if frames < self.woken_at {
            // The log started over.
            (self.woken_at, self.helped_at) = (0, 0);
        }
        if frames >= LONG_LOG && frames >= self.helped_at.saturating_add(WAKE_EVERY) {
            self.helped_at = frames;
            if !checkpoint(writer) {
                self.failed.store(true, Ordering::Release);
            }
        } else if frames >= self.woken_at.saturating_add(WAKE_EVERY) {
            self.woken_at = frames;
            // A full channel: the helper has its call already.
            self.wake.as_ref().map(|wake| wake.try_send(()));
        }
    }
}

/// Copies what it can. False where the file itself failed.
fn checkpoint(connection: &Connection) -> bool {
    let done = connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut pragma| pragma.query_row([], |_| Ok(())));
    let Err(failure) = done.map_err(BatchFailure::statement) else { return true };
    // Where the disk is full the log keeps everything, and the next call tries again.
    tracing::error!(fatal = failure.fatal, "checkpoint failed: {}", failure.error);
    !failure.fatal
}
