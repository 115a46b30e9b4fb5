//! The schema, as numbered texts that are run once each.
//!
//! Owns one rule: a text that was run never changes. Each is remembered with its checksum, in the transaction that ran it, and a
//! database of another history, or of a newer program, is refused before anything is written.
//!
//! What has to be sorted on the way goes to a file, where the folder can have one: memory stays what it is, however large the
//! database.
//!
//! `migrations/sqlite` -> [`migrate`] -> today's schema

use std::path::Path;

use aws_lc_rs::digest;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::open::OpenError;
use crate::clock::Clock;

/// A migration's name and its SQL.
type Text = (&'static str, &'static str);

/// Numbered from 1, never changed once released.
pub(super) const MIGRATIONS: [Text; 10] = [
    ("0001_initial", include_str!("../../../migrations/sqlite/0001_initial.sql")),
    ("0002_live_sessions", include_str!("../../../migrations/sqlite/0002_live_sessions.sql")),
    ("0003_enabled_admins", include_str!("../../../migrations/sqlite/0003_enabled_admins.sql")),
    ("0004_longer_endings", include_str!("../../../migrations/sqlite/0004_longer_endings.sql")),
    ("0005_login_failures", include_str!("../../../migrations/sqlite/0005_login_failures.sql")),
    ("0006_key_ring", include_str!("../../../migrations/sqlite/0006_key_ring.sql")),
    ("0007_session_transport", include_str!("../../../migrations/sqlite/0007_session_transport.sql")),
    ("0008_clients", include_str!("../../../migrations/sqlite/0008_clients.sql")),
    ("0009_one_row", include_str!("../../../migrations/sqlite/0009_one_row.sql")),
    ("0010_users_in_the_way", include_str!("../../../migrations/sqlite/0010_users_in_the_way.sql")),
];

/// Before anything is written: a newer schema is another program's. Answers with the one that was found; 0 is none.
pub(super) fn refuse_what_is_newer(connection: &Connection) -> Result<i64, OpenError> {
    if !has_table(connection, "schema_migrations")? {
        return Ok(0);
    }
    let found: i64 =
        connection.query_row("SELECT coalesce(max(number), 0) FROM schema_migrations", [], |row| row.get(0))?;
    let known = known_schema();
    if found > known { Err(OpenError::NewerSchema { found, known }) } else { Ok(found) }
}

/// The number of the newest migration.
pub(super) fn known_schema() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Runs what was not run yet, all of it or nothing.
pub(super) fn migrate(connection: &mut Connection, clock: &Clock) -> Result<(), OpenError> {
    let found = refuse_what_is_newer(connection)?;
    bring(connection, clock, found, &MIGRATIONS)
}

/// Says so before it begins: where there is much to copy the start takes long.
fn bring(connection: &mut Connection, clock: &Clock, from: i64, texts: &[Text]) -> Result<(), OpenError> {
    let to = i64::try_from(texts.len()).unwrap_or(i64::MAX);
    if from == to {
        return run(connection, clock, texts);
    }
    if from > 0 {
        tracing::info!(from, to, "the database is brought to a newer schema, which takes long where it is large");
    }
    sorting_in_a_file(connection, |connection| run(connection, clock, texts))
}

/// With `temp_store=MEMORY` all that is sorted is held, and a table of ten million sessions ends a small container at each start.
fn sorting_in_a_file<T>(
    connection: &mut Connection,
    run: impl FnOnce(&mut Connection) -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    // Beside the database, where a copy of the table must find room anyway: what SQLite would choose, /var/tmp or /tmp, is memory
    // on some machines, and not there in some containers. Of the process; no other connection puts anything into a file.
    let directory =
        connection.path().and_then(|file| Path::new(file).parent()).and_then(Path::to_str).map(str::to_owned);
    let is_set = |directory| connection.pragma_update(None, "temp_store_directory", directory).is_ok();
    // A folder that SQLite will not have, as one that nobody may write into: then in memory, as ever.
    if !directory.is_some_and(is_set) {
        return run(connection);
    }
    let before: i64 = connection.pragma_query_value(None, "temp_store", |row| row.get(0))?;
    // Refused inside a transaction, so it is not the texts that can ask for it.
    connection.pragma_update(None, "temp_store", "FILE")?;
    let done = run(connection);
    let restored = connection.pragma_update(None, "temp_store", before);
    let done = done?;
    restored?;
    Ok(done)
}

fn run(connection: &mut Connection, clock: &Clock, texts: &[Text]) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
         ) STRICT",
    )?;
    for (number, (name, text)) in (1_i64..).zip(texts) {
        let checksum = checksum(text);
        let applied: Option<String> = transaction
            .query_row("SELECT checksum FROM schema_migrations WHERE number = ?1", [number], |row| row.get(0))
            .optional()?;
        match applied {
            Some(applied) if applied == checksum => {}
            Some(_) => return Err(OpenError::ChangedMigration(name)),
            None => {
                transaction.execute_batch(text)?;
                transaction.execute(
                    "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
                    params![number, name, checksum, clock.now().as_millis()],
                )?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn checksum(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

pub(super) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)", [name], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::sync::Arc;

    use super::*;
    use crate::storage::sqlite::open;

    /// Notes where what is sorted goes.
    const LOOK: Text = ("0001_look", "CREATE TABLE looks AS SELECT temp_store FROM pragma_temp_store");
    const FAIL: Text = ("0002_fail", "CREATE TABLE looks (of_another_shape)");
    const WAIT: Text = ("0002_wait", "SELECT 1");

    const FILE: i64 = 1;
    const MEMORY: i64 = 2;

    /// A database that is configured as one that is served, and its directory.
    fn database() -> (Connection, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("latchkey.db")).unwrap();
        open::configure(&connection).unwrap();
        (connection, directory)
    }

    fn temp_store(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "temp_store", |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_migration_sorts_in_a_file_and_what_comes_after_it_in_memory() {
        let (mut connection, _directory) = database();

        bring(&mut connection, &Clock::system(), 0, &[LOOK]).unwrap();

        let seen: i64 = connection.query_row("SELECT temp_store FROM looks", [], |row| row.get(0)).unwrap();
        assert_eq!((seen, temp_store(&connection)), (FILE, MEMORY));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_sorting_in_memory() {
        let (mut connection, _directory) = database();

        bring(&mut connection, &Clock::system(), 0, &[LOOK, FAIL]).unwrap_err();

        assert_eq!(temp_store(&connection), MEMORY);
    }

    #[test]
    fn a_database_that_is_brought_to_a_newer_schema_says_so_once_and_a_new_one_does_not() {
        let (mut connection, directory) = database();
        let log = directory.path().join("log");
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(File::create(&log).unwrap()));

        tracing::subscriber::with_default(subscriber.finish(), || {
            for (from, texts) in [(0, [LOOK].as_slice()), (1, &[LOOK, WAIT]), (2, &[LOOK, WAIT])] {
                bring(&mut connection, &Clock::system(), from, texts).unwrap();
            }
        });

        let told = fs::read_to_string(log).unwrap();
        assert!(told.lines().count() == 1 && told.contains("INFO") && told.contains("from=1 to=2"), "{told}");
    }
}
