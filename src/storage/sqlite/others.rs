//! What other processes write.
//!
//! Owns one rule: an ending that another process committed is known here one look later. A look is one question to SQLite,
//! whose answer (`PRAGMA data_version`) is another one only after another connection committed something; only then is the
//! table read, and of it no more than may be new.

use rusqlite::Connection;

use super::open::CLOCK_TOLERANCE;
use super::revocations;
use crate::clock::Timestamp;
use crate::tokens::revocation::Revocation;

/// What was seen of them.
#[derive(Debug, Default)]
pub(super) struct Others {
    last_look: Option<Look>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    version: i64,
    at: Timestamp,
}

impl Others {
    /// Reads every ending that is kept: where a process begins.
    pub fn begin(&mut self, connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<Revocation>> {
        // Before the read: what is committed between the two is then found by the next look.
        let version = version(connection)?;
        let endings = revocations::since(connection, Timestamp::from_millis(i64::MIN))?;
        self.last_look = Some(Look { version, at: now });
        Ok(endings)
    }

    /// The endings that may be new since the last look, if somebody else wrote anything since. A look that failed is as good
    /// as none: the next one finds what it would have found.
    pub fn look(&mut self, connection: &Connection, now: Timestamp) -> rusqlite::Result<Option<Vec<Revocation>>> {
        let Some(last) = self.last_look else { return self.begin(connection, now).map(Some) };
        let version = version(connection)?;
        let endings = if version == last.version {
            None
        } else {
            // Their clock may be behind this one, but not by more than what would refuse them the database.
            Some(revocations::since(connection, last.at.minus(CLOCK_TOLERANCE))?)
        };
        self.last_look = Some(Look { version, at: now });
        Ok(endings)
    }
}

/// Told to one connection about all the others, checkpoints left out.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
