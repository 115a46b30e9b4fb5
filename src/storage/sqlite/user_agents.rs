//! What clients call themselves: a row for each text, however many sessions name it (and a second time in its index).
//!
//! Owns one rule: a text is stored for as long as a session names it. Sessions come and go in several places; the database itself
//! counts them (`migrations/sqlite/0009_one_row.sql`), and removes a text with the last.

use rusqlite::OptionalExtension as _;

use super::batch::{Applied, Unit};
use crate::storage::UserAgent;

/// The number by which a session names it, made where there is none. For a session that is written in the same unit.
pub(super) fn number(unit: &Unit<'_>, user_agent: Option<&UserAgent>) -> Applied<Option<i64>> {
    let Some(text) = user_agent.map(UserAgent::as_str) else { return Ok(None) };
    let known = unit
        .connection
        .prepare_cached("SELECT id FROM user_agents WHERE text = ?1")?
        .query_row([text], |row| row.get(0))
        .optional()?;
    if known.is_some() {
        return Ok(known);
    }
    unit.connection.prepare_cached("INSERT INTO user_agents (text) VALUES (?1)")?.execute([text])?;
    Ok(Some(unit.connection.last_insert_rowid()))
}
