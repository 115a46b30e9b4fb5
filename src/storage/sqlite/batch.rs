//! A batch as one transaction.
//!
//! Owns the rules of sharing a commit: operations are decided in order, each on the rows that the one before it left; a
//! refused one fails alone; a batch that changed nothing commits nothing; and where the transaction itself is gone, all
//! of the batch failed and nothing more of it runs.

use rusqlite::{Connection, ErrorCode};

use super::{Rules, revocations};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::storage::Committed;
use crate::tokens::revocation::{Ended, Revocation};
use crate::tokens::rotation;

/// Something that can stand in a batch.
pub(super) trait Operation {
    /// What it answers.
    type Outcome;

    /// Does it inside the batch's transaction. More than one writing statement needs [`Unit::atomically`].
    fn apply(self, unit: &mut Unit<'_>) -> Applied<Self::Outcome>;
}

/// How one operation went.
pub(super) type Applied<T> = std::result::Result<T, Refusal>;

/// Why one operation was not done.
pub(super) enum Refusal {
    /// By a rule of the domain.
    Domain(Error),
    /// By SQLite.
    Sql(rusqlite::Error),
    /// By SQLite, where part of it can neither be kept nor taken back: nothing of the transaction may be committed.
    Inseparable(rusqlite::Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Why nothing of a batch is known to be done.
#[derive(Debug)]
pub(super) struct BatchFailure {
    /// What SQLite said.
    pub error: rusqlite::Error,
    /// The file is not to be trusted any more.
    pub fatal: bool,
}

impl BatchFailure {
    /// Outside a commit: fatal only where the file itself failed.
    pub fn statement(error: rusqlite::Error) -> Self {
        let fatal = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ReadOnly
            )
        );
        Self { error, fatal }
    }

    /// In a commit: what is on disk is unknown, whatever the error.
    fn commit(error: rusqlite::Error) -> Self {
        Self { error, fatal: true }
    }
}

/// What an operation works with.
pub(super) struct Unit<'a> {
    /// Inside the batch's transaction.
    pub connection: &'a Connection,
    /// The transaction's time, one for the whole batch.
    pub now: Timestamp,
    /// The settings that decide.
    pub rules: &'a Rules,
    revocations: Vec<Revocation>,
}

impl Unit<'_> {
    /// Runs several writing statements of one operation so that all of them or none are done.
    pub fn atomically<T>(&mut self, write: impl FnOnce(&mut Self) -> Applied<T>) -> Applied<T> {
        execute(self.connection, "SAVEPOINT operation")?;
        let done = write(self);
        // Where SQLite rolled back the whole transaction by itself there is no savepoint left to return to.
        if self.connection.is_autocommit() {
            return done;
        }
        if done.is_err() {
            execute(self.connection, "ROLLBACK TO operation").map_err(Refusal::Inseparable)?;
        }
        execute(self.connection, "RELEASE operation").map_err(Refusal::Inseparable)?;
        done
    }

    /// Writes an ending for the access tokens that are still out, and notes it for publication after the commit.
    pub fn revoke(&mut self, ended: Ended) -> Applied<()> {
        let revocation = Revocation { ended, at: self.now };
        revocations::write(self.connection, &revocation)?;
        self.revocations.push(revocation);
        Ok(())
    }
}

/// Runs the batch of a server and commits it.
pub(super) fn run<O: Operation>(
    connection: &Connection,
    clock: &Clock,
    rules: &Rules,
    batch: Vec<O>,
) -> std::result::Result<Committed<O::Outcome>, BatchFailure> {
    begin(connection)?;
    finish(connection, clock, rules, batch, Presence::Server)
}

/// Whose batch it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Of the process that serves: what it commits shows that the service runs.
    Server,
    /// Of a guest, who knows nothing of that.
    Guest,
}

/// Begins a batch's transaction: from here on nobody else writes.
pub(super) fn begin(connection: &Connection) -> std::result::Result<(), BatchFailure> {
    execute(connection, "BEGIN IMMEDIATE").map_err(BatchFailure::statement)
}

/// Runs the batch in the transaction that was begun for it, and ends that.
pub(super) fn finish<O: Operation>(
    connection: &Connection,
    clock: &Clock,
    rules: &Rules,
    batch: Vec<O>,
    presence: Presence,
) -> std::result::Result<Committed<O::Outcome>, BatchFailure> {
    // Asked for inside the transaction, so that times are in the order of the commits.
    let mut unit = Unit { connection, now: clock.now(), rules, revocations: Vec::new() };
    let changes_before = connection.total_changes();
    let done = apply_all(&mut unit, batch).and_then(|outcomes| {
        if connection.total_changes() == changes_before {
            execute(connection, "ROLLBACK").map_err(BatchFailure::statement)?;
        } else {
            if presence == Presence::Server {
                note_alive(connection, rules, unit.now).map_err(BatchFailure::statement)?;
            }
            execute(connection, "COMMIT").map_err(BatchFailure::commit)?;
        }
        Ok(outcomes)
    });
    let outcomes = done.map_err(|failure| rolled_back(connection, failure))?;
    Ok(Committed { outcomes, revocations: unit.revocations })
}

/// After a failure: a transaction that cannot even be rolled back would fail every batch from here on, so that is fatal.
fn rolled_back(connection: &Connection, failure: BatchFailure) -> BatchFailure {
    let open = !connection.is_autocommit();
    let fatal = failure.fatal || open && execute(connection, "ROLLBACK").is_err();
    BatchFailure { fatal, ..failure }
}

fn apply_all<O: Operation>(
    unit: &mut Unit<'_>,
    batch: Vec<O>,
) -> std::result::Result<Vec<Result<O::Outcome>>, BatchFailure> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for operation in batch {
        let published = unit.revocations.len();
        let outcome = match operation.apply(unit) {
            Ok(outcome) => Ok(outcome),
            Err(Refusal::Domain(error)) => Err(error),
            Err(Refusal::Sql(error)) => {
                let failure = BatchFailure::statement(error);
                if failure.fatal || unit.connection.is_autocommit() {
                    return Err(failure);
                }
                tracing::error!("a statement failed: {}", failure.error);
                Err(Error::Unavailable)
            }
            Err(Refusal::Inseparable(error)) => return Err(BatchFailure::statement(error)),
        };
        if outcome.is_err() {
            unit.revocations.truncate(published);
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Writes that the service runs at `now`, and which windows are open: after a restart, time without the service does not
/// count against them.
pub(super) fn note_alive(connection: &Connection, rules: &Rules, now: Timestamp) -> rusqlite::Result<()> {
    let open_after = rotation::open_after(now, &rules.rotation);
    connection
        .prepare_cached("UPDATE service SET last_alive_at = ?1, open_after = ?2")?
        .execute([now.as_millis(), open_after.as_millis()])
        .map(|_| ())
}

/// Runs a statement without values, which is kept prepared.
pub(super) fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::rotation::Policy;
    use std::time::Duration;

    /// Adds two rows, the second of which may fail.
    enum Pair {
        Whole,
        Refused,
        /// The savepoint is gone when the second fails, so that the first cannot be taken back.
        Inseparable,
    }

    impl Operation for Pair {
        type Outcome = ();

        fn apply(self, unit: &mut Unit<'_>) -> Applied<()> {
            unit.atomically(|unit| {
                execute(unit.connection, "INSERT INTO rows DEFAULT VALUES")?;
                if matches!(self, Self::Inseparable) {
                    execute(unit.connection, "RELEASE operation")?;
                }
                if !matches!(self, Self::Whole) {
                    return Err(Error::AccountChanged.into());
                }
                execute(unit.connection, "INSERT INTO rows DEFAULT VALUES")?;
                Ok(())
            })
        }
    }

    /// How the batch went, and the rows that are there afterwards.
    fn run_pairs(batch: Vec<Pair>) -> (Option<Vec<Result<()>>>, i64) {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE rows (id INTEGER PRIMARY KEY);
                 CREATE TABLE service (last_alive_at INTEGER, open_after INTEGER);",
            )
            .unwrap();
        let rotation = Policy { window: Duration::ZERO, until_used: false, idle_ttl: Duration::ZERO, resumed: None };
        let rules = Rules {
            rotation,
            session_ttl: Duration::ZERO,
            max_sessions_per_user: 1,
            revocations_kept_for: Duration::ZERO,
            throttle: None,
        };

        let done = run(&connection, &Clock::system(), &rules, batch);

        assert!(connection.is_autocommit(), "the transaction was left open");
        let rows = connection.query_row("SELECT count(*) FROM rows", [], |row| row.get(0)).unwrap();
        (done.ok().map(|committed| committed.outcomes), rows)
    }

    #[test]
    fn a_refused_operation_takes_back_what_it_had_written() {
        let (outcomes, rows) = run_pairs(vec![Pair::Whole, Pair::Refused, Pair::Whole]);

        assert_eq!(outcomes, Some(vec![Ok(()), Err(Error::AccountChanged), Ok(())]));
        assert_eq!(rows, 4);
    }

    #[test]
    fn where_half_an_operation_cannot_be_taken_back_the_whole_batch_failed() {
        let (outcomes, rows) = run_pairs(vec![Pair::Whole, Pair::Inseparable, Pair::Whole]);

        assert_eq!(outcomes, None);
        assert_eq!(rows, 0);
    }
}
