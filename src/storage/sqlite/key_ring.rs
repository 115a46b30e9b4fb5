//! Whether keys of a key ring ever signed for this database, and by which time a change of it goes.
//!
//! Owns one mark, which is never taken back: it is on disk before the first such key signs. Whoever starts without a ring looks
//! for it, beside a server that may run.

use std::path::Path;

use rusqlite::Connection;

use super::migrations;
use super::open::{self, OpenError};
use crate::clock::Timestamp;

/// Whether the database at `path` has the mark; one that is not there, or older than the mark, has none. Changes nothing.
pub(super) fn is_in_use(path: &Path) -> Result<bool, OpenError> {
    let asked = looked_at(path, |connection| {
        let known = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('service') WHERE name = 'key_ring_in_use')";
        if !connection.query_row(known, [], |row| row.get(0))? {
            return Ok(false);
        }
        connection.query_row("SELECT EXISTS (SELECT 1 FROM service WHERE key_ring_in_use <> 0)", [], |row| row.get(0))
    });
    asked.map(Option::unwrap_or_default)
}

/// The newest time in the database at `path`, before which a server that runs on it never goes; `None` where there is none yet.
/// Changes nothing.
pub(super) fn newest_time(path: &Path) -> Result<Option<Timestamp>, OpenError> {
    let asked = looked_at(path, |connection| Ok(open::times(connection)?.map(|(last_alive, _)| last_alive)));
    asked.map(Option::flatten)
}

/// Asks a database that may be a server's, and leaves it as it was; `None` where there is none.
fn looked_at<T>(path: &Path, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<Option<T>, OpenError> {
    let exists = path.try_exists().map_err(|source| OpenError::Io { what: "looking for the database", source })?;
    if !exists {
        return Ok(None);
    }
    let has_log = open::log_of(path).exists();
    let connection = open::connect(path)?;
    if !has_log {
        // SQLite makes an empty one to read, and removes it like that.
        open::copy_the_log_on_close(&connection);
    }
    migrations::refuse_what_is_newer(&connection)?;
    Ok(Some(ask(&connection)?))
}

/// Sets the mark; on disk afterwards.
pub(super) fn note(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE service SET key_ring_in_use = 1 WHERE key_ring_in_use = 0", []).map(drop)
}
