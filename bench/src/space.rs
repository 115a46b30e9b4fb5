//! What a database takes on the disk, and for what.
//!
//! Owns the account of its pages: SQLite's own (`dbstat`), by table and index, of a file that nobody serves. Sessions pay for
//! everything that is not known to be there for something else, so that a table which a later schema adds is not forgotten.

use std::path::Path;

use anyhow::Result;
use rusqlite::Row;

use crate::reader;

/// Tables that are there without a session: accounts, attempts to log in, other services, and what is the service's own.
const NOT_OF_SESSIONS: [&str; 7] =
    ["clients", "known_addresses", "login_failure_rows", "login_failures", "schema_migrations", "service", "users"];

/// A file, in bytes.
#[derive(Debug)]
pub struct Space {
    /// All of it, pages that hold nothing included.
    pub file: u64,
    /// Pages that hold nothing.
    pub free: u64,
    /// By table and index, the largest first.
    pub parts: Vec<Part>,
}

/// A table, or an index of one.
#[derive(Debug)]
pub struct Part {
    /// Its own.
    pub name: String,
    /// Its table's: another one where it is an index.
    pub table: String,
    /// Its pages.
    pub bytes: u64,
}

impl Space {
    /// Looks at every page of the database in `file`.
    pub fn of(file: &Path) -> Result<Self> {
        let connection = reader::open(file)?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| counted(row, 0));
        let page = pragma("page_size")?;
        let mut statement = connection.prepare(
            "SELECT name, coalesce((SELECT tbl_name FROM sqlite_schema WHERE sqlite_schema.name = dbstat.name), ''), pgsize
             FROM dbstat WHERE aggregate = TRUE ORDER BY pgsize DESC",
        )?;
        let part = |row: &Row<'_>| Ok(Part { name: row.get(0)?, table: row.get(1)?, bytes: counted(row, 2)? });
        let parts = statement.query_map([], part)?.collect::<rusqlite::Result<_>>()?;
        Ok(Self { file: page * pragma("page_count")?, free: page * pragma("freelist_count")?, parts })
    }

    /// Of the tables and indexes that sessions need.
    pub fn of_sessions(&self) -> u64 {
        self.parts.iter().filter(|part| part.is_of_sessions()).map(|part| part.bytes).sum()
    }

    /// Of all others.
    pub fn of_others(&self) -> u64 {
        self.parts.iter().filter(|part| !part.is_of_sessions()).map(|part| part.bytes).sum()
    }
}

fn counted(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    // SQLite's integers have a sign, and none of these is negative.
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

impl Part {
    fn is_of_sessions(&self) -> bool {
        // The schema itself has no table.
        !self.table.is_empty() && !NOT_OF_SESSIONS.contains(&&*self.table)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::seed::World;

    #[test]
    fn sessions_pay_for_their_table_its_indexes_and_every_table_that_nobody_knows() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("some.db");
        let connection = Connection::open(&file).unwrap();
        connection
            .execute_batch(
                "PRAGMA page_size = 1024;
                 CREATE TABLE users (id BLOB PRIMARY KEY, name TEXT UNIQUE) WITHOUT ROWID;
                 CREATE TABLE sessions (id BLOB PRIMARY KEY, user BLOB) WITHOUT ROWID;
                 CREATE INDEX sessions_by_user ON sessions (user);
                 CREATE TABLE user_agents (id INTEGER PRIMARY KEY, words TEXT);",
            )
            .unwrap();
        drop(connection);

        let space = Space::of(&file).unwrap();

        // A page each: three of sessions', two of users' with the one of their names, and the schema's.
        assert_eq!((space.of_sessions(), space.of_others()), (3 * 1024, 3 * 1024));
        assert_eq!((space.file, space.free), (6 * 1024, 0));
    }

    #[test]
    fn every_table_that_sessions_do_not_pay_for_is_one_of_the_schemas() {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        world.people(1).unwrap();

        let tables: Vec<String> =
            Space::of(&world.database()).unwrap().parts.into_iter().map(|part| part.table).collect();

        for table in NOT_OF_SESSIONS {
            assert!(tables.iter().any(|known| known == table), "{table}");
        }
        assert!(tables.iter().any(|known| known == "revocations"));
    }
}
