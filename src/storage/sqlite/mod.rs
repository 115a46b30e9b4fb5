//! The SQLite engine: one file, one writer thread.
//!
//! Owns one rule: every write goes through one connection on one plain thread, so that there is one writer and no lock to
//! wait for. Jobs arrive over a channel and are done in order; a commit is on disk (`synchronous=FULL`) before its
//! batch is answered. An I/O error ends the thread, and with it the process: a file whose fsync failed is not to be trusted.
//! Lists are read beside it, by a thread that cannot write. Another process may write as a guest (`guest`).
//!
//! job -> writer thread -> `batch` (one transaction) -> reply; frames in the WAL -> `checkpoint`; list -> `reader` -> reply

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::oneshot;

use self::batch::{BatchFailure, Operation};
use self::checkpoint::Checkpoints;
pub use self::guest::{Guest, GuestError, Listed, Missing};
pub use self::open::OpenError;
use self::others::Others;
use self::reader::{Reader, Reads};
use crate::clients::RegisteredClient;
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::lifeline::{Lifeline, Watch};
use crate::storage::{
    ClientOperation, ClientOutcome, Committed, KeyRingMark, LiveSession, News, Pending, Renewable, SessionOperation,
    SessionOutcome, ShownUser, Storage, Swept, UserOperation, UserOutcome, UserPage, UserQuery,
};
use crate::throttle;
use crate::tokens::principal::UserId;
use crate::tokens::refresh::Presented;
use crate::tokens::revocation::Revocation;
use crate::tokens::rotation::Policy;

mod administration;
mod admins;
mod attempts;
mod batch;
mod checkpoint;
mod clients;
mod guest;
mod key_ring;
mod live;
mod migrations;
mod open;
mod opening;
mod others;
mod reader;
mod revocations;
mod sessions;
mod sweep;
mod user_agents;
mod users;

/// What the engine needs to know of the settings.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How presented tokens are decided; `resumed` is the engine's to fill.
    pub rotation: Policy,
    /// `SESSION_TTL`: a session's absolute limit.
    pub session_ttl: Duration,
    /// `MAX_SESSIONS_PER_USER`: how many live ones a user may have.
    pub max_sessions_per_user: usize,
    /// How long endings are kept for access tokens that may still be alive; where an earlier setting was longer, the engine
    /// raises it.
    pub revocations_kept_for: Duration,
    /// `LOGIN_FAILURES`: how often a password may be guessed; `None` counts nothing.
    pub throttle: Option<throttle::Policy>,
}

/// A handle on the engine; dropping it closes the database.
#[derive(Debug)]
pub struct Sqlite {
    jobs: mpsc::Sender<Job>,
    reads: Reads,
    /// With what this process knows of the one before it.
    rotation: Policy,
    has_users: bool,
}

type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// The writer thread's own: the one connection that writes.
struct Writer {
    connection: Connection,
    clock: Clock,
    rules: Rules,
    reader: Reader,
    /// Behind every connection: what is dropped first is closed first.
    checkpoints: Checkpoints,
    others: Others,
    sweep: sweep::Cursor,
    /// Something changed, or the process started, since it was last noted that the windows of before were lived through.
    windows_may_be_open: bool,
    lifeline: Lifeline,
    state: State,
}

/// Whether the writer thread goes on after a job.
enum State {
    Serving,
    /// Asked to close; told once the file is.
    Closing(oneshot::Sender<()>),
    Broken,
}

impl Sqlite {
    /// Opens the database at `path`, making and migrating it where needed, and starts its threads.
    ///
    /// Errors: see [`OpenError`]; nothing was changed where the file is another process's, newer, or from the future.
    pub fn open(path: &Path, rules: Rules, clock: &Clock, watch: &Watch) -> std::result::Result<Self, OpenError> {
        let mut opened = open::open(path, rules, clock)?;
        let checkpoints = Checkpoints::start(path, &mut opened.connection, watch)?;
        let reader = Reader::start(path, clock, watch)?;
        let reads = reader.reads();
        let rotation = opened.rules.rotation;
        let mut writer = Writer {
            connection: opened.connection,
            clock: clock.clone(),
            rules: opened.rules,
            reader,
            checkpoints,
            others: Others::default(),
            sweep: sweep::Cursor::default(),
            windows_may_be_open: true,
            lifeline: watch.over("storage"),
            state: State::Serving,
        };
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                writer.serve(&queue);
                let closed = writer.close();
                // Only now may another process open the file.
                drop(opened.lock);
                if let Some(closed) = closed {
                    // Whoever asked may have gone.
                    closed.send(()).ok();
                }
            })
            .map_err(|source| OpenError::Io { what: "starting the writer thread", source })?;
        Ok(Self { jobs, reads, rotation, has_users: opened.has_users })
    }

    /// What the database at `path` remembers of key rings. Changes nothing.
    pub fn key_ring_mark(path: &Path) -> std::result::Result<KeyRingMark, OpenError> {
        key_ring::mark(path)
    }

    /// The newest time in the database at `path`, before which a server that runs on it never goes. Changes nothing.
    pub fn newest_time(path: &Path) -> std::result::Result<Option<Timestamp>, OpenError> {
        key_ring::newest_time(path)
    }

    /// Whether somebody had registered when the database was opened.
    pub fn has_users(&self) -> bool {
        self.has_users
    }

    /// Runs a job on the writer thread. Errors: [`Error::Unavailable`] where the thread is gone or goes meanwhile.
    fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.send(Box::new(move |writer| {
            // Whoever asked may have gone; the work is done all the same.
            reply.send(job(writer)).ok();
        }));
        async move {
            sent.map_err(|_| Error::Unavailable)?;
            answer.await.unwrap_or(Err(Error::Unavailable))
        }
        .boxed()
    }

    fn batch<O>(&self, operations: Vec<O>) -> Pending<O::Outcome>
    where
        O: Operation + Send + 'static,
        O::Outcome: Send + 'static,
    {
        self.run(move |writer| writer.batch(operations))
    }
}

impl Storage for Sqlite {
    fn sessions(&self, batch: Vec<SessionOperation>) -> Pending<SessionOutcome> {
        self.batch(batch)
    }

    fn users(&self, batch: Vec<UserOperation>) -> Pending<UserOutcome> {
        self.batch(batch)
    }

    fn live_sessions(&self, user: UserId) -> BoxFuture<'static, Result<Vec<LiveSession>>> {
        self.reads.run(move |connection, now| Ok(live::list(connection, user, now)?))
    }

    fn renewable(&self, presented: Presented) -> BoxFuture<'static, Result<Option<Renewable>>> {
        let policy = self.rotation;
        self.reads.run(move |connection, now| sessions::renewable(connection, presented, now, &policy))
    }

    fn user_page(&self, query: UserQuery) -> BoxFuture<'static, Result<UserPage>> {
        self.reads.run(move |connection, now| administration::page(connection, &query, now))
    }

    fn shown_user(&self, user: UserId) -> BoxFuture<'static, Result<Option<ShownUser>>> {
        self.reads.run(move |connection, now| administration::shown_user(connection, user, now))
    }

    fn revocations(&self) -> BoxFuture<'static, Result<Vec<Revocation>>> {
        self.run(|writer| {
            let now = writer.clock.now();
            writer.checked(|writer| writer.others.begin(&writer.connection, now))
        })
    }

    fn news_of_others(&self) -> BoxFuture<'static, Result<Option<News>>> {
        self.run(|writer| {
            let now = writer.clock.now();
            let news = writer.checked(|writer| writer.others.look(&writer.connection, now))?;
            if news.is_some() {
                writer.checkpoints.others_wrote();
            }
            Ok(news)
        })
    }

    fn clients(&self) -> BoxFuture<'static, Result<Vec<RegisteredClient>>> {
        self.reads.run(|connection, _| Ok(clients::all(connection)?))
    }

    fn change_clients(&self, batch: Vec<ClientOperation>) -> Pending<ClientOutcome> {
        self.batch(batch)
    }

    fn note_key_ring(&self, ring: KeyRingMark) -> BoxFuture<'static, Result<()>> {
        self.run(move |writer| writer.checked(|writer| key_ring::note(&writer.connection, ring)))
    }

    fn sweep(&self) -> BoxFuture<'static, Result<Swept>> {
        self.run(|writer| {
            let committed = writer.batch(vec![sweep::Step { from: writer.sweep }])?;
            let (swept, cursor) = committed.outcomes.into_iter().next().unwrap_or(Err(Error::Unavailable))?;
            writer.sweep = cursor;
            writer.note_quiet()?;
            Ok(swept)
        })
    }

    fn ping(&self) -> BoxFuture<'static, Result<()>> {
        self.run(|writer| writer.checked(|writer| open::last_alive(&writer.connection)).map(|_| ()))
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let (closed, answer) = oneshot::channel();
        let sent = self.jobs.send(Box::new(move |writer| writer.state = State::Closing(closed)));
        async move {
            // A thread that is gone has closed already.
            if sent.is_ok() {
                answer.await.ok();
            }
        }
        .boxed()
    }
}

impl Writer {
    fn serve(&mut self, queue: &mpsc::Receiver<Job>) {
        while matches!(self.state, State::Serving) {
            // A closed channel: the handle was dropped, which is as good as `close`.
            let Ok(job) = queue.recv() else { break };
            job(self);
            // A file that failed is not touched again.
            if matches!(self.state, State::Serving) {
                self.checkpoints.tend(&self.connection);
            }
            if matches!(self.state, State::Serving) && self.checkpoints.failed() {
                self.state = State::Broken;
            }
        }
    }

    /// Closes the file: the other connections first, so that this one, the last, can copy and remove the log. Answers
    /// whom to tell. Where the file failed, the log stays for the next process to read, and the lifeline's end is reported.
    fn close(mut self) -> Option<oneshot::Sender<()>> {
        self.reader.stop();
        self.checkpoints.stop();
        if !matches!(self.state, State::Broken) && !self.checkpoints.failed() && self.note_the_stop() {
            open::copy_the_log_on_close(&self.connection);
            self.lifeline.retire();
        }
        drop(self.connection);
        drop(self.checkpoints);
        match self.state {
            State::Closing(closed) => Some(closed),
            State::Serving | State::Broken => None,
        }
    }

    /// A planned stop: windows that are over by now stay over. Where it cannot be written, the next start is more lenient by
    /// what was missed. False where the file itself failed.
    fn note_the_stop(&self) -> bool {
        let noted = batch::note_alive(&self.connection, &self.rules, self.clock.now());
        !noted.map_err(BatchFailure::statement).is_err_and(|failure| failure.fatal)
    }

    fn batch<O: Operation>(&mut self, operations: Vec<O>) -> Result<Committed<O::Outcome>> {
        let changes = self.connection.total_changes();
        let committed = batch::run(&self.connection, &self.clock, &self.rules, operations);
        self.windows_may_be_open |= self.connection.total_changes() != changes;
        committed.map_err(|failure| self.failed(&failure))
    }

    /// Once nothing has changed for a window, the windows that were open are known to be over: written down once, or a
    /// restart days later would open them again.
    fn note_quiet(&mut self) -> Result<()> {
        let window = self.rules.rotation.window;
        let now = self.clock.now();
        if !self.windows_may_be_open {
            return Ok(());
        }
        let last_alive = self.checked(|writer| open::last_alive(&writer.connection))?;
        let started_at = self.rules.rotation.resumed.map(|resumed| resumed.started_at);
        if last_alive.max(started_at).is_some_and(|since| now >= since.plus(window)) {
            let rules = self.rules;
            self.checked(|writer| batch::note_alive(&writer.connection, &rules, now))?;
            self.windows_may_be_open = false;
        }
        Ok(())
    }

    /// What is asked or written outside a batch.
    fn checked<T>(&mut self, ask: impl FnOnce(&mut Self) -> rusqlite::Result<T>) -> Result<T> {
        ask(self).map_err(|error| self.failed(&BatchFailure::statement(error)))
    }

    fn failed(&mut self, failure: &BatchFailure) -> Error {
        tracing::error!(fatal = failure.fatal, "storage failed: {}", failure.error);
        if failure.fatal {
            self.state = State::Broken;
        }
        Error::Unavailable
    }
}
