//! Working on a database that a server may be serving.
//!
//! Owns one rule: a guest leaves the house as it found it. It writes what it is asked to, in transactions so short that the
//! server hardly waits for them, and nothing beside. It copies no log: a copy that met an I/O error must never be tried again,
//! and nobody would know of it. It writes no time into the `service` row: from those times a server knows which grace windows the one
//! before it left open. It sweeps nothing. And it holds the lock that keeps two servers apart for no longer than it takes to make
//! or migrate a database that nobody serves.
//!
//! operations -> one transaction on the caller's thread -> outcomes; a server hears of what they ended by `others`

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, params};

use super::batch::{self, BatchFailure, Operation, Presence};
use super::{OpenError, Rules, administration, clients, live, migrations, open};
use crate::clients::RegisteredClient;
use crate::clock::{Clock, Timestamp};
use crate::storage::{
    ClientOperation, ClientOutcome, Committed, LiveSession, SessionOperation, SessionOutcome, UserOperation,
    UserOutcome,
};
use crate::tokens::principal::UserId;

/// Between two tries to write. SQLite's own way of waiting, up to 100 ms between two of them, would miss the moments that a
/// busy server leaves between its batches.
const TRY_EVERY: Duration = Duration::from_millis(1);

/// How often a guest looks again whether another process has made or migrated the database: for a second in all.
const LOOKS: u32 = 100;
/// Between two of these looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a guest does where there is no database yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Makes it.
    Made,
    /// Goes.
    Refused,
}

/// Why nothing was done, or nothing is known to be.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// Nothing was done.
    #[error("the database is busy: others wrote to it all the time")]
    Busy,
    /// SQLite refused something. Only its code is told, as everywhere.
    #[error("the database: {}", .0.sqlite_error().map_or_else(|| "SQLite failed".to_owned(), ToString::to_string))]
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for GuestError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Sql(error),
        }
    }
}

impl From<BatchFailure> for GuestError {
    fn from(failure: BatchFailure) -> Self {
        failure.error.into()
    }
}

/// An account as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Whose.
    pub id: UserId,
    /// As registered.
    pub username: String,
    /// What they may do.
    pub roles: Vec<String>,
    /// Locked out.
    pub disabled: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// How many sessions of it are live.
    pub sessions: u32,
}

/// A connection of its own to a database that may be another's.
#[derive(Debug)]
pub struct Guest {
    connection: Connection,
    clock: Clock,
    rules: Rules,
}

impl Guest {
    /// Opens the database at `path`. Waits for `patience`, then and with every write, where others write.
    ///
    /// Errors: those of [`Sqlite::open`](super::Sqlite::open), but for a server that runs, which is no reason;
    /// [`OpenError::Missing`], [`OpenError::OlderSchema`].
    pub fn visit(
        path: &Path,
        rules: Rules,
        clock: &Clock,
        missing: Missing,
        patience: Duration,
    ) -> Result<Self, OpenError> {
        let mut connection = beside_a_server(path, clock, missing)?;
        let mut since = Instant::now();
        let wait = move |tries: i32| {
            if tries == 0 {
                since = Instant::now();
            }
            thread::sleep(TRY_EVERY);
            since.elapsed() < patience
        };
        connection.busy_handler(Some(wait))?;
        Ok(Self { connection, clock: clock.clone(), rules })
    }

    /// Applies operations on users, in order, in one transaction. Says for how long it kept others from writing.
    pub fn users(&self, batch: Vec<UserOperation>) -> Result<(Committed<UserOutcome>, Duration), GuestError> {
        self.batch(batch)
    }

    /// Applies operations on sessions, in order, in one transaction. Says for how long it kept others from writing.
    pub fn sessions(&self, batch: Vec<SessionOperation>) -> Result<(Committed<SessionOutcome>, Duration), GuestError> {
        self.batch(batch)
    }

    /// Applies operations on clients, in order, in one transaction.
    pub fn change_clients(&self, batch: Vec<ClientOperation>) -> Result<Committed<ClientOutcome>, GuestError> {
        self.batch(batch).map(|(committed, _)| committed)
    }

    /// All clients that have a secret, by their ids.
    pub fn clients(&self) -> Result<Vec<RegisteredClient>, GuestError> {
        Ok(clients::all(&self.connection)?)
    }

    fn batch<O: Operation>(&self, batch: Vec<O>) -> Result<(Committed<O::Outcome>, Duration), GuestError> {
        batch::begin(&self.connection)?;
        let begun = Instant::now();
        let committed = batch::finish(&self.connection, &self.clock, &self.rules, batch, Presence::Guest)?;
        Ok((committed, begun.elapsed()))
    }

    /// A user's live sessions, the one that was used last first.
    pub fn live_sessions(&self, user: UserId) -> Result<Vec<LiveSession>, GuestError> {
        Ok(live::list(&self.connection, user, self.clock.now())?)
    }

    /// At most so many accounts behind this one, the oldest first, whose names contain this text, whatever the case.
    pub fn accounts(&self, after: UserId, containing: &str, most: usize) -> Result<Vec<Listed>, GuestError> {
        let containing = containing.to_ascii_lowercase();
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(administration::PAGE)?;
        let rows = statement.query_map(params![self.clock.now().as_millis(), after.0, containing, most], |row| {
            let roles: String = row.get(2)?;
            Ok(Listed {
                id: UserId(row.get(0)?),
                username: row.get(1)?,
                roles: roles.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect(),
                disabled: row.get(3)?,
                created_at: Timestamp::from_millis(row.get(4)?),
                sessions: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// Opens the database without the lock, where its schema is today's. Where it is older and nobody serves it, it is brought up to
/// date first.
fn beside_a_server(path: &Path, clock: &Clock, missing: Missing) -> Result<Connection, OpenError> {
    let mut looks = 0;
    loop {
        let found = schema(path, missing)?;
        if found == migrations::known_schema() {
            break;
        }
        looks += 1;
        match open::prepare(path, clock) {
            Ok(_) => {}
            // Perhaps the other one is just making it.
            Err(OpenError::InUse) if looks < LOOKS => thread::sleep(LOOK_EVERY),
            Err(OpenError::InUse) => return Err(OpenError::OlderSchema { found, known: migrations::known_schema() }),
            Err(refusal) => return Err(refusal),
        }
    }
    let connection = open::connect(path)?;
    let last = open::times(&connection)?;
    open::refuse_times_ahead(last.as_ref(), clock)?;
    open::configure(&connection)?;
    open::sync_log(path)?;
    // What a guest ends must not seem older than what was ended before.
    let newest: Option<i64> = connection.query_row("SELECT max(at) FROM revocations", [], |row| row.get(0))?;
    let last_alive = last.map(|(last_alive, _)| last_alive);
    last_alive.into_iter().chain(newest.map(Timestamp::from_millis)).for_each(|moment| clock.note(moment));
    Ok(connection)
}

/// Which schema the database has; 0 where it is still to be made.
fn schema(path: &Path, missing: Missing) -> Result<i64, OpenError> {
    match (open::is_there(path)?, missing) {
        (true, _) => migrations::refuse_what_is_newer(&open::connect(path)?),
        (false, Missing::Made) => Ok(0),
        (false, Missing::Refused) => Err(OpenError::Missing),
    }
}
