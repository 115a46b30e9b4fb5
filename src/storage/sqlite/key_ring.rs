//! Which key ring was in use with this database, and by which time a change of it goes.
//!
//! Owns one mark, which is never taken back: that a ring held keys, and when the newest ring came to be. It is on disk before a key
//! of that ring signs. Whoever starts, or changes a ring, looks for it, beside a server that may run.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::migrations;
use super::open::{self, OpenError};
use crate::clock::Timestamp;
use crate::storage::KeyRingMark;

/// In the place of a time that no ring said.
const NEVER: i64 = 0;

/// The mark of the database at `path`; one that is not there, or older than the mark, has none. Changes nothing.
pub(super) fn mark(path: &Path) -> Result<KeyRingMark, OpenError> {
    let asked = looked_at(path, |connection| {
        let known = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('service') WHERE name = 'key_ring_in_use')";
        if !connection.query_row(known, [], |row| row.get(0))? {
            return Ok(None);
        }
        let mark = connection.query_row("SELECT key_ring_in_use, key_ring_changed_at FROM service", [], |row| {
            let changed_at: i64 = row.get(1)?;
            let changed_at = (changed_at > NEVER).then(|| Timestamp::from_millis(changed_at));
            Ok(KeyRingMark { holds_keys: row.get(0)?, changed_at })
        });
        mark.optional()
    });
    Ok(asked?.flatten().unwrap_or_default())
}

/// The newest time in the database at `path`, before which a server that runs on it never goes; `None` where there is none yet.
/// Changes nothing.
pub(super) fn newest_time(path: &Path) -> Result<Option<Timestamp>, OpenError> {
    let asked = looked_at(path, |connection| Ok(open::times(connection)?.map(|(last_alive, _)| last_alive)));
    asked.map(Option::flatten)
}

/// Asks a database that may be a server's, and leaves it as it was; `None` where there is none.
fn looked_at<T>(path: &Path, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<Option<T>, OpenError> {
    if !open::is_there(path)? {
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

/// Adds this to the mark; on disk afterwards.
pub(super) fn note(connection: &Connection, ring: KeyRingMark) -> rusqlite::Result<()> {
    let changed_at = ring.changed_at.map_or(NEVER, Timestamp::as_millis);
    let note = "UPDATE service SET key_ring_in_use = max(key_ring_in_use, ?1), \
                                   key_ring_changed_at = max(key_ring_changed_at, ?2)";
    connection.execute(note, params![ring.holds_keys, changed_at]).map(drop)
}
