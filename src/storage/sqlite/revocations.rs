//! The `revocations` table: what access tokens must not outlive, and for how long.

use std::time::Duration;

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

/// The endings from that time on.
pub(super) fn since(connection: &Connection, from: Timestamp) -> rusqlite::Result<Vec<Revocation>> {
    connection
        .prepare_cached("SELECT kind, id, least_version, at FROM revocations WHERE at >= ?1")?
        .query_map([from.as_millis()], |row| {
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

/// How long endings are to be kept by a process whose own setting says `today`, and notes that for the next one. Where an
/// earlier setting was longer, tokens that were made under it are refused for their lifetime now, and would be believed once
/// the setting is raised again: until none of them is left, endings are kept for as long as under it. The map in memory needs
/// none of it, because the process that would believe such a token is another one, which reads the table first.
pub(super) fn longest_kept_for(connection: &Connection, today: Duration, now: Timestamp) -> rusqlite::Result<Duration> {
    let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let today = millis(today);
    let noted: (Option<i64>, Option<i64>, Option<i64>) =
        connection.query_row("SELECT endings_kept_for, longer_kept_for, longer_until FROM service", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    // The process before this one made tokens until it ended, which was before now.
    let last = noted.0.map(|kept_for| (kept_for, now.as_millis().saturating_add(kept_for)));
    let earlier = noted.1.zip(noted.2).filter(|(_, until)| *until > now.as_millis());
    let longer = [last, earlier].into_iter().flatten().filter(|(kept_for, _)| *kept_for > today);
    let longer = longer.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)));
    let to_note = (Some(today), longer.map(|(kept_for, _)| kept_for), longer.map(|(_, until)| until));
    if to_note != noted {
        connection.execute(
            "UPDATE service SET endings_kept_for = ?1, longer_kept_for = ?2, longer_until = ?3",
            params![to_note.0, to_note.1, to_note.2],
        )?;
    }
    let longest = longer.map_or(today, |(kept_for, _)| kept_for);
    Ok(Duration::from_millis(u64::try_from(longest).unwrap_or(0)))
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
