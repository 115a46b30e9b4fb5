//! Reading beside the writer.
//!
//! Owns one rule: whoever lists or searches never keeps a renewal waiting. Reads have a thread and a connection of their own,
//! which cannot write and sees every commit that was answered before it was asked. Opened after the migrations, and closed
//! before the writer's connection, which must be the last to copy and remove the log.
//!
//! [`Reads::run`] -> reader thread -> one read transaction -> reply

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::batch::{self, Applied, BatchFailure, Refusal};
use super::open::{self, OpenError};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::lifeline::{Lifeline, Watch};

/// A handle on the thread, for whoever asks.
#[derive(Debug, Clone)]
pub(super) struct Reads(mpsc::Sender<Ask>);

enum Ask {
    Read(Read),
    Stop,
}

/// Breaks where nothing more can be read: the file failed, or a transaction could not be ended.
type Read = Box<dyn FnOnce(&Connection, Timestamp) -> ControlFlow<()> + Send>;

/// The thread, for whoever closes the file.
pub(super) struct Reader {
    reads: Reads,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Opens the connection and starts the thread. A file that fails under it is a death of storage.
    pub fn start(path: &Path, clock: &Clock, watch: &Watch) -> std::result::Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        open::configure_reader(&connection)?;
        let (asks, queue) = mpsc::channel();
        let (clock, lifeline) = (clock.clone(), watch.over("storage"));
        let thread = thread::Builder::new()
            .name("sqlite-reader".to_owned())
            .spawn(move || serve(&connection, &clock, &queue, lifeline))
            .map_err(|source| OpenError::Io { what: "starting the reader thread", source })?;
        Ok(Self { reads: Reads(asks), thread: Some(thread) })
    }

    /// For those who ask.
    pub fn reads(&self) -> Reads {
        self.reads.clone()
    }

    /// Ends the thread and waits until its connection is closed; what was asked before is answered.
    pub fn stop(&mut self) {
        self.reads.0.send(Ask::Stop).ok();
        if let Some(thread) = self.thread.take() {
            // One that panicked holds no connection either, and its lifeline said so.
            thread.join().ok();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Reads {
    /// Runs a read; it is given the time. Errors: the read's own, and [`Error::Unavailable`] where it failed or the thread is gone.
    pub fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, Timestamp) -> Applied<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let (reply, answer) = oneshot::channel();
        let sent = self.0.send(Ask::Read(Box::new(move |connection, now| {
            let mut flow = ControlFlow::Continue(());
            let done =
                as_of_one_commit(connection, |connection| read(connection, now)).map_err(|refusal| match refusal {
                    Refusal::Domain(error) => error,
                    Refusal::Sql(error) | Refusal::Inseparable(error) => {
                        let failure = BatchFailure::statement(error);
                        // A transaction that could not be ended: every later read would be of its commit, or fail.
                        let fatal = failure.fatal || !connection.is_autocommit();
                        tracing::error!(fatal, "a read failed: {}", failure.error);
                        if fatal {
                            flow = ControlFlow::Break(());
                        }
                        Error::Unavailable
                    }
                });
            // Whoever asked may have gone.
            reply.send(done).ok();
            flow
        })));
        async move {
            sent.map_err(|_| Error::Unavailable)?;
            answer.await.unwrap_or(Err(Error::Unavailable))
        }
        .boxed()
    }
}

/// However many statements a read is made of, they see the same commit: not the session of one and the user of a later one.
fn as_of_one_commit<T>(connection: &Connection, read: impl FnOnce(&Connection) -> Applied<T>) -> Applied<T> {
    batch::execute(connection, "BEGIN")?;
    let done = read(connection);
    // There is nothing to lose; SQLite ends it by itself where the file fails.
    if !connection.is_autocommit() {
        batch::execute(connection, "ROLLBACK")?;
    }
    done
}

fn serve(connection: &Connection, clock: &Clock, queue: &mpsc::Receiver<Ask>, mut lifeline: Lifeline) {
    while let Ok(Ask::Read(read)) = queue.recv() {
        if read(connection, clock.now()).is_break() {
            return;
        }
    }
    lifeline.retire();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifeline;

    #[test]
    fn what_is_committed_in_the_middle_of_a_read_is_seen_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latchkey.db");
        let writer = Connection::open(&path).unwrap();
        open::configure(&writer).unwrap();
        writer.execute_batch("CREATE TABLE notes (of INTEGER); INSERT INTO notes VALUES (1)").unwrap();
        let (watch, _deaths) = lifeline::watch();
        let reader = Reader::start(&path, &Clock::system(), &watch).unwrap();
        let note =
            |connection: &Connection| connection.query_row("SELECT of FROM notes", [], |row| row.get::<_, i64>(0));

        let first = reader.reads().run(move |connection, _| {
            let before = note(connection)?;
            writer.execute("UPDATE notes SET of = 2", [])?;
            Ok((before, note(connection)?))
        });
        let next = reader.reads().run(move |connection, _| Ok(note(connection)?));

        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(first).unwrap(), (1, 1));
        assert_eq!(runtime.block_on(next).unwrap(), 2);
    }
}
