//! The schema, as numbered texts that are run once each.
//!
//! Owns one rule: a text that was run never changes. Each is remembered with its checksum, in the transaction that ran it, and a
//! database of another history, or of a newer program, is refused before anything is written.
//!
//! `migrations/sqlite` -> [`migrate`] -> today's schema

use aws_lc_rs::digest;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::open::OpenError;
use crate::clock::Clock;

/// Numbered from 1, never changed once released.
pub(super) const MIGRATIONS: [(&str, &str); 10] = [
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
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
         ) STRICT",
    )?;
    for (number, (name, text)) in (1_i64..).zip(MIGRATIONS) {
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
