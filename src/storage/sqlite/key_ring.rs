//! Whether keys of a key ring ever signed for this database.
//!
//! Owns one mark, which is never taken back: it is on disk before the first such key signs. Whoever starts without a ring looks
//! for it.

use std::path::Path;

use rusqlite::Connection;

use super::migrations;
use super::open::{self, OpenError};

/// Whether the database at `path` has the mark; one that is not there, or older than the mark, has none. Changes nothing.
pub(super) fn is_in_use(path: &Path) -> Result<bool, OpenError> {
    let exists = path.try_exists().map_err(|source| OpenError::Io { what: "looking for the database", source })?;
    if !exists {
        return Ok(false);
    }
    let has_log = open::log_of(path).exists();
    let connection = open::connect(path)?;
    if !has_log {
        // SQLite makes an empty one to read, and removes it like that.
        open::copy_the_log_on_close(&connection);
    }
    migrations::refuse_what_is_newer(&connection)?;
    let known = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('service') WHERE name = 'key_ring_in_use')";
    if !connection.query_row(known, [], |row| row.get(0))? {
        return Ok(false);
    }
    Ok(connection
        .query_row("SELECT EXISTS (SELECT 1 FROM service WHERE key_ring_in_use <> 0)", [], |row| row.get(0))?)
}

/// Sets the mark; on disk afterwards.
pub(super) fn note(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE service SET key_ring_in_use = 1 WHERE key_ring_in_use = 0", []).map(drop)
}
