//! The SQLite engine under the suite.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latchkey::clock::Clock;
use latchkey::lifeline::Watch;
use latchkey::storage::Storage;
use latchkey::storage::sqlite::{Rules, Sqlite};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::engine::Engine;

/// A database file in a directory of its own.
pub struct SqliteEngine {
    path: PathBuf,
    /// Opened when it is first needed, and kept: `data_version` is told to one connection about the others.
    other_client: OnceCell<Connection>,
    _directory: Option<TempDir>,
}

impl SqliteEngine {
    pub fn fresh() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latchkey.db");
        Self { path, other_client: OnceCell::new(), _directory: Some(directory) }
    }

    /// In a directory that somebody else removes.
    pub fn within(directory: &Path) -> Self {
        Self { path: directory.join("latchkey.db"), other_client: OnceCell::new(), _directory: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The write-ahead log.
    pub fn log(&self) -> PathBuf {
        self.beside("-wal")
    }

    /// A file with the database's name and this ending.
    pub fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    pub fn other_client(&self) -> &Connection {
        self.other_client.get_or_init(|| {
            let connection = Connection::open(&self.path).unwrap();
            // The engine's log is the engine's business.
            connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(())).unwrap();
            connection
        })
    }
}

impl Engine for SqliteEngine {
    fn open(&self, rules: Rules, clock: &Clock, watch: &Watch) -> Result<Arc<dyn Storage>, String> {
        match Sqlite::open(&self.path, rules, clock, watch) {
            Ok(storage) => Ok(Arc::new(storage)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn sql(&self, statement: &str) {
        self.other_client().execute_batch(statement).unwrap();
    }

    fn number(&self, query: &str) -> i64 {
        self.other_client().query_row(query, [], |row| row.get(0)).unwrap()
    }

    fn text(&self, query: &str) -> Option<String> {
        self.other_client().query_row(query, [], |row| row.get(0)).unwrap()
    }

    fn break_statements(&self, table: &str, event: &str, when: &str) {
        // After the row was touched, so that there is something to take back.
        self.sql(&format!(
            "CREATE TRIGGER broken AFTER {event} ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'on purpose'); END"
        ));
    }

    fn commits(&self) -> i64 {
        self.number("PRAGMA data_version")
    }
}
