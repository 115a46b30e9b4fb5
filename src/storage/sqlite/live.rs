//! Which sessions of a user are live.
//!
//! Owns the question as SQL: not ended, of the user's epoch, past neither limit. It is asked of the index of sessions that
//! were not ended, so what it costs is in proportion to the sessions that live, however many are over.

use rusqlite::{Connection, params};

use crate::clock::Timestamp;
use crate::storage::LiveSession;
use crate::tokens::principal::{Epoch, UserId};
use crate::tokens::refresh::SessionId;

/// All of them, the one that was used last first.
const LIST: &str = "
    SELECT s.id, s.created_at, coalesce(s.rotated_at, s.created_at) AS last_used_at,
           min(s.idle_expires_at, s.absolute_expires_at) AS expires_at, a.text, s.ip
    FROM users u CROSS JOIN sessions s ON s.user_id = u.id AND s.epoch = u.epoch
    LEFT JOIN user_agents a ON a.id = s.user_agent
    WHERE u.id = ?1 AND u.disabled = 0 AND s.ended_at IS NULL
      AND s.idle_expires_at > ?2 AND s.absolute_expires_at > ?2
    ORDER BY last_used_at DESC, s.id DESC";

/// Those of one epoch behind the `?4` that were renewed last.
const BEYOND: &str = "
    SELECT id FROM sessions
    WHERE user_id = ?1 AND epoch = ?2 AND ended_at IS NULL AND idle_expires_at > ?3 AND absolute_expires_at > ?3
    ORDER BY coalesce(rotated_at, created_at) DESC, id DESC LIMIT -1 OFFSET ?4";

/// A user's live sessions, the one that was used last first; none where the user is gone or disabled.
pub(super) fn list(connection: &Connection, user: UserId, now: Timestamp) -> rusqlite::Result<Vec<LiveSession>> {
    connection
        .prepare_cached(LIST)?
        .query_map(params![user.0, now.as_millis()], |row| {
            Ok(LiveSession {
                id: SessionId(row.get(0)?),
                created_at: Timestamp::from_millis(row.get(1)?),
                last_used_at: Timestamp::from_millis(row.get(2)?),
                expires_at: Timestamp::from_millis(row.get(3)?),
                user_agent: row.get(4)?,
                ip: row.get(5)?,
            })
        })?
        .collect()
}

/// The live sessions of a user's epoch but for the `kept` that were renewed last.
pub(super) fn beyond(
    connection: &Connection,
    user: UserId,
    epoch: Epoch,
    now: Timestamp,
    kept: usize,
) -> rusqlite::Result<Vec<SessionId>> {
    let kept = i64::try_from(kept).unwrap_or(i64::MAX);
    connection
        .prepare_cached(BEYOND)?
        .query_map(params![user.0, epoch.0, now.as_millis(), kept], |row| row.get(0).map(SessionId))?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::open::explained;

    fn assert_walks_the_live_ones_only(query: &str) {
        let plan = explained(query);
        let wanted = "USING INDEX live_sessions_by_user (user_id=? AND epoch=?)";
        assert!(plan.contains(wanted) && !plan.contains("SCAN"), "{plan}");
    }

    #[test]
    fn a_list_does_not_walk_the_sessions_that_are_over() {
        assert_walks_the_live_ones_only(LIST);
    }

    #[test]
    fn room_for_a_session_is_made_without_a_walk_over_those_that_are_over() {
        assert_walks_the_live_ones_only(BEYOND);
    }
}
