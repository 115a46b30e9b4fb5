//! What other processes write.
//!
//! Owns one rule: an ending that another process committed, and a client that it changed, is known here one look later.
//! A look is one question to SQLite, whose answer (`PRAGMA data_version`) is another one only after another connection
//! committed something; only then are the tables read, and of the endings no more than may be new.

use rusqlite::Connection;

use super::open::CLOCK_TOLERANCE;
use super::{clients, revocations};
use crate::clock::Timestamp;
use crate::storage::News;
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

    /// What may be new since the last look, if somebody else wrote anything since. A look that failed is as good as
    /// none: the next one finds what it would have found.
    pub fn look(&mut self, connection: &Connection, now: Timestamp) -> rusqlite::Result<Option<News>> {
        let version = version(connection)?;
        let since = match self.last_look {
            Some(last) if last.version == version => None,
            // Their clock may be behind this one, but not by more than what would refuse them the database.
            Some(last) => Some(last.at.minus(CLOCK_TOLERANCE)),
            None => Some(Timestamp::from_millis(i64::MIN)),
        };
        let news = since.map(|since| {
            Ok::<_, rusqlite::Error>(News {
                endings: revocations::since(connection, since)?,
                clients: clients::all(connection)?,
            })
        });
        let news = news.transpose()?;
        self.last_look = Some(Look { version, at: now });
        Ok(news)
    }
}

/// Told to one connection about all the others, checkpoints left out.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
