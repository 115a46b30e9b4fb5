//! Removal of what has been over for long.
//!
//! Owns one rule: a session's row stays for a week after its end, so that late reuse is still named, and leaves then, in
//! steps so small that nobody waits long for one (docs/performance.md, "What leaves"). Walks the table in the order of its key;
//! no index is needed for it.

use std::time::Duration;

use rusqlite::params;
use uuid::Uuid;

use super::batch::{Applied, Operation, Unit};
use super::{attempts, revocations};
use crate::storage::Swept;

/// How long a session's row outlives the session.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Rows that one step looks at. Where all of them leave, each costs a page of its own in the log, above all in the index of live
/// sessions; fewer in each step, or a quarter of them in each second, moved p99 of other people's renewals no less.
const STEP: usize = 256;

/// Where the next step begins: after this key. The nil UUID is before every key.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor(Uuid);

/// One step, as a batch of its own.
pub(super) struct Step {
    pub from: Cursor,
}

impl Operation for Step {
    type Outcome = (Swept, Cursor);

    fn apply(self, unit: &mut Unit<'_>) -> Applied<(Swept, Cursor)> {
        let step = i64::try_from(STEP).unwrap_or(i64::MAX);
        let (last, seen): (Option<Uuid>, i64) = unit
            .connection
            .prepare_cached(
                "SELECT max(id), count(*) FROM (SELECT id FROM sessions WHERE id > ?1 ORDER BY id LIMIT ?2)",
            )?
            .query_row(params![self.from.0, step], |row| Ok((row.get(0)?, row.get(1)?)))?;
        revocations::forget(unit.connection, unit.now.minus(unit.rules.revocations_kept_for), STEP)?;
        attempts::sweep(unit, STEP)?;
        let Some(last) = last else { return Ok((Swept::Pass { removed: 0 }, Cursor::default())) };
        let removed = unit
            .connection
            .prepare_cached(
                "DELETE FROM sessions WHERE id > ?1 AND id <= ?2
                 AND min(coalesce(ended_at, idle_expires_at), idle_expires_at, absolute_expires_at) <= ?3",
            )?
            .execute(params![self.from.0, last, unit.now.minus(KEPT_FOR).as_millis()])?;
        if seen < step {
            Ok((Swept::Pass { removed }, Cursor::default()))
        } else {
            Ok((Swept::Step { removed }, Cursor(last)))
        }
    }
}
