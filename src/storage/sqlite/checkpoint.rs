//! Moving the write-ahead log into the database file, beside the writer.
//!
//! Owns one rule: nobody who commits waits for a checkpoint longer than it takes to finish one that is nearly done. A
//! second connection copies pages all the while. The log can start over only when every page was copied, the file synced,
//! and nobody writes: so when the log is long, the second connection's thread syncs the file too, and then the writer itself
//! copies and syncs, between two batches, the little that came meanwhile. Only where the disk does not keep up does it wait for
//! all of it, lest the log grow without end: with the second connection alone it grew to 1 GiB in 12 s.
//! Never RESTART or TRUNCATE: both make readers and the writer wait.
//!
//! A checkpoint that met an I/O error is never repeated: SQLite syncs the file only when it has copied the whole log, and the system
//! reports a lost page once to each handle that was open, so a second try could call pages safe that are not. The sync here has a
//! handle of its own, so that what it is told is told to SQLite's as well (Linux since 4.13): the writer may be at a checkpoint then.
//!
//! frames in the log -> [`Checkpoints::tend`] -> helper copies, and syncs once it is long -> writer finishes -> log starts over

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, OpenFlags};

use super::batch::BatchFailure;
use super::open::{self, OpenError, PAGE_BYTES};
use crate::lifeline::Watch;

/// Frames of a MiB of pages.
const MIB: u32 = 1024 * 1024 / PAGE_BYTES;
/// Frames after which the helper is woken. A run that comes to the log's end syncs the file, and commits wait behind it on the disk:
/// with 1 MiB a service with a million sessions came to a tenth fewer renewals, with 15 MiB p99 was five times as long.
const WAKE_EVERY: u32 = 4 * MIB;
/// Frames from which on the log is to start over.
const LONG_LOG: u32 = 16 * MIB;
/// Frames from which on the writer does not wait until the file was synced: on a disk that is so slow the log must not grow on.
const TOO_LONG: u32 = 24 * MIB;

/// The writer's side.
pub(super) struct Checkpoints {
    /// What the helper sees of it.
    log: Arc<Log>,
    /// How long it was when the helper was last woken, and when the writer last helped.
    woken_at: u32,
    helped_at: u32,
    /// Taken when dropped: the helper ends with it.
    wake: Option<mpsc::SyncSender<()>>,
    helper: Option<JoinHandle<()>>,
}

/// What both sides know of the log.
struct Log {
    /// Frames since it last started over, as the last commit left it. The writer's connection holds it too.
    frames: Arc<AtomicU32>,
    /// Most of it is copied, and the file synced: what is left is little.
    nearly_done: AtomicBool,
    /// Set once a checkpoint met an I/O error: the log is all that is certain.
    failed: AtomicBool,
    /// The database's file. POSIX takes all of a process's locks on a file away when any handle on it is closed, those of SQLite's
    /// connections too: so it is closed with the [`Checkpoints`], after every connection that somebody still uses.
    file: File,
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Checkpoints {
    /// Starts the helper, and counts the frames that `writer` commits. A helper that fails is a death of storage. What comes back is
    /// to be dropped after every connection.
    pub fn start(path: &Path, writer: &mut Connection, watch: &Watch) -> Result<Self, OpenError> {
        let file = OpenOptions::new().write(true).open(path);
        let file = file.map_err(|source| OpenError::Io { what: "opening the database's file", source })?;
        let log = Arc::new(Log::of(file));
        let counted = Arc::clone(&log.frames);
        // Replaces SQLite's automatic checkpoint, which would run inside a commit.
        let count = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            counted.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(count))?;

        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        open::configure(&connection)?;
        let (wake, woken) = mpsc::sync_channel(1);
        let copied = Arc::clone(&log);
        let mut lifeline = watch.over("storage");
        let helper = thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    if !copied.move_ahead(&connection) {
                        copied.failed.store(true, Ordering::Release);
                        return;
                    }
                }
                lifeline.retire();
            })
            .map_err(|source| OpenError::Io { what: "starting the checkpoint thread", source })?;
        Ok(Self { log, woken_at: 0, helped_at: 0, wake: Some(wake), helper: Some(helper) })
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
        self.log.failed.load(Ordering::Acquire)
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
        let frames = self.log.frames.load(Ordering::Relaxed);
        if frames < self.woken_at {
            // The log started over.
            (self.woken_at, self.helped_at) = (0, 0);
            self.log.nearly_done.store(false, Ordering::Release);
        }
        let nearly_done = frames >= LONG_LOG && self.log.nearly_done.swap(false, Ordering::AcqRel);
        if nearly_done || frames >= TOO_LONG.max(self.helped_at.saturating_add(MIB)) {
            self.helped_at = frames;
            if !checkpoint(writer) {
                self.log.failed.store(true, Ordering::Release);
            }
        } else if frames >= self.woken_at.saturating_add(WAKE_EVERY) {
            self.woken_at = frames;
            // A full channel: the helper has its call already.
            self.wake.as_ref().map(|wake| wake.try_send(()));
        }
    }
}

impl Log {
    fn of(file: File) -> Self {
        Self { frames: Arc::default(), nearly_done: AtomicBool::new(false), failed: AtomicBool::new(false), file }
    }

    fn is_long(&self) -> bool {
        self.frames.load(Ordering::Relaxed) >= LONG_LOG
    }

    /// The helper's part: copies what it can, and of a long log leaves the writer little to copy and to sync. False where the file
    /// itself failed.
    fn move_ahead(&self, connection: &Connection) -> bool {
        if !checkpoint(connection) {
            return false;
        }
        if !self.is_long() {
            return true;
        }
        // The first sync takes long, and the log grows meanwhile: that much is copied and synced once more.
        let done = self.sync() && checkpoint(connection) && self.sync();
        // The writer may not have waited, and the log have started over: then this is about another one.
        self.nearly_done.store(done && self.is_long(), Ordering::Release);
        done
    }

    /// False where the file failed.
    fn sync(&self) -> bool {
        let synced = self.file.sync_data();
        if let Err(error) = &synced {
            tracing::error!(fatal = true, "syncing the database's file failed: {error}");
        }
        synced.is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of so many frames, and a connection to copy it.
    fn of(frames: u32, file: File) -> (Log, Connection) {
        let log = Log::of(file);
        log.frames.store(frames, Ordering::Relaxed);
        (log, Connection::open_in_memory().unwrap())
    }

    #[test]
    fn only_of_a_long_log_is_the_file_synced_before_the_writer_does() {
        let (long, connection) = of(LONG_LOG, tempfile::tempfile().unwrap());
        assert!(long.move_ahead(&connection));
        assert!(long.nearly_done.load(Ordering::Acquire));

        let (short, connection) = of(LONG_LOG - 1, tempfile::tempfile().unwrap());
        assert!(short.move_ahead(&connection));
        assert!(!short.nearly_done.load(Ordering::Acquire));
    }

    /// A pipe cannot be synced.
    #[test]
    fn a_file_that_cannot_be_synced_is_one_that_failed() {
        let (reading, _writing) = std::io::pipe().unwrap();
        let pipe = || File::from(std::os::fd::OwnedFd::from(reading.try_clone().unwrap()));

        let (long, connection) = of(LONG_LOG, pipe());
        assert!(!long.move_ahead(&connection));
        assert!(!long.nearly_done.load(Ordering::Acquire));

        let (short, connection) = of(LONG_LOG - 1, pipe());
        assert!(short.move_ahead(&connection), "it was synced without need");
    }
}
