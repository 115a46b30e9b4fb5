//! The `revocations` table: what access tokens must not outlive.

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::tokens::principal::{UserId, Version};
use crate::tokens::refresh::SessionId;
use crate::tokens::revocation::{Ended, Revocation};

/// `kind` of an ended session.
const SESSION: i64 = 1;
/// `kind` of a user whose older versions ended.
const USER: i64 = 2;

/// Adds an ending; one that is there keeps the higher version and the later time.
pub(super) fn write(connection: &Connection, revocation: &Revocation) -> rusqlite::Result<()> {
    let (kind, id, least_version) = match revocation.ended {
        Ended::Session(id) => (SESSION, id.0, 0),
        Ended::User { id, least_version } => (USER, id.0, least_version.0),
    };
    connection
        .prepare_cached(
            "INSERT INTO revocations (kind, id, least_version, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (kind, id) DO UPDATE
             SET least_version = max(least_version, excluded.least_version), at = max(at, excluded.at)",
        )?
        .execute(params![kind, id, least_version, revocation.at.as_millis()])
        .map(|_| ())
}

/// Every ending that is kept.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Revocation>> {
    connection
        .prepare("SELECT kind, id, least_version, at FROM revocations")?
        .query_map([], |row| {
            let id: Uuid = row.get(1)?;
            let ended = if row.get::<_, i64>(0)? == SESSION {
                Ended::Session(SessionId(id))
            } else {
                Ended::User { id: UserId(id), least_version: Version(row.get(2)?) }
            };
            Ok(Revocation { ended, at: Timestamp::from_millis(row.get(3)?) })
        })?
        .collect()
}

/// Removes at most `most` endings from before `oldest`.
pub(super) fn forget(connection: &Connection, oldest: Timestamp, most: usize) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM revocations
             WHERE (kind, id) IN (SELECT kind, id FROM revocations WHERE at <= ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![oldest.as_millis(), i64::try_from(most).unwrap_or(i64::MAX)])
}
