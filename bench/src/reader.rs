//! A database as somebody beside its server reads it.
//!
//! Owns the connection that writes nothing, and what more than one scenario asks over it.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, OpenFlags};

/// Opens the database in `file` for reading, whether anybody serves it or not.
pub fn open(file: &Path) -> Result<Connection> {
    Ok(Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// How many rows of sessions there are, of live ones and of those that are over.
pub fn sessions(connection: &Connection) -> Result<usize> {
    let rows: i64 = connection.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))?;
    Ok(usize::try_from(rows)?)
}
