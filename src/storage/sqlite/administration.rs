//! Acts on somebody's account, and what an admin is shown of accounts.
//!
//! Owns two rules: whoever asks is an admin still, as the transaction finds them, and what changes nothing raises no counter.
//! That an admin stays is asked of `admins`. Pages are read beside the writer, in the order of the primary key.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::admins;
use super::batch::{Applied, Refusal, Unit};
use super::users::{by_id, delete, end_all, joined, stored_name, stored_roles};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::storage::{
    Account, AccountChange, Act, Administration, ChangedUser, ShownUser, UserOutcome, UserPage, UserQuery,
};
use crate::tokens::principal::{Role, UserId, Version};
use crate::tokens::revocation::Ended;

/// An account with the number of its live sessions, in the words of the index of those that were not ended.
macro_rules! shown_columns {
    () => {
        "SELECT u.id, u.username, u.roles, u.disabled, u.created_at,
                (SELECT count(*) FROM sessions s
                 WHERE s.user_id = u.id AND s.epoch = u.epoch AND s.ended_at IS NULL AND u.disabled = 0
                   AND s.idle_expires_at > ?1 AND s.absolute_expires_at > ?1)
         FROM users u "
    };
}

const ONE: &str = concat!(shown_columns!(), "WHERE u.id = ?2");

/// Behind a key, in its order: whoever registers meanwhile moves nothing. A part of a name is looked for as it stands.
pub(super) const PAGE: &str = concat!(
    shown_columns!(),
    "WHERE u.id > ?2 AND (?3 IS NULL OR instr(u.username_key, ?3) > 0) ORDER BY u.id LIMIT ?4"
);

/// Does it, if whoever asks is an admin still.
pub(super) fn apply(unit: &mut Unit<'_>, asked: Administration) -> Applied<UserOutcome> {
    if let Some(by) = asked.by {
        admins::require_admin(unit, by)?;
    }
    let account = by_id(unit, asked.user)?.ok_or(Error::NoSuchUser)?;
    match asked.act {
        Act::Change(change) => self::change(unit, account, change).map(UserOutcome::Administered),
        Act::EndSessions => {
            unit.atomically(|unit| end_all(unit, asked.user))?;
            Ok(UserOutcome::Changed)
        }
        Act::Delete => {
            admins::require_another(unit, &account)?;
            delete(unit, asked.user)
        }
    }
}

fn change(unit: &mut Unit<'_>, before: Account, change: AccountChange) -> Applied<ChangedUser> {
    let user = before.principal.id;
    let former = normal(before.principal.roles.clone());
    let roles = change.roles.map_or_else(|| former.clone(), normal);
    let disabled = change.disabled.unwrap_or(before.disabled);
    let (is_role_changed, is_disabled_changed) = (roles != former, disabled != before.disabled);
    if disabled || !roles.contains(&Role::Admin) {
        admins::require_another(unit, &before)?;
    }
    if is_role_changed || is_disabled_changed {
        unit.atomically(|unit| {
            // Enabling raises the epoch too: it costs nothing, and no session from before comes back to life.
            let version = unit
                .connection
                .prepare_cached(
                    "UPDATE users SET roles = ?2, disabled = ?3, epoch = epoch + ?4, version = version + 1 WHERE id = ?1
                     RETURNING version",
                )?
                .query_row(params![user.0, joined(&roles), disabled, is_disabled_changed], |row| row.get(0))?;
            unit.revoke(Ended::User { id: user, least_version: Version(version) })
        })?;
    }
    let user = shown_user(unit.connection, user, unit.now)?.ok_or(Error::NoSuchUser)?;
    Ok(ChangedUser { user, former_roles: is_role_changed.then_some(former), is_disabled_changed })
}

/// Each role once, in the order in which the service names them: what is the same is stored the same.
fn normal(mut roles: Vec<Role>) -> Vec<Role> {
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// The account with this id.
pub(super) fn shown_user(connection: &Connection, id: UserId, now: Timestamp) -> Applied<Option<ShownUser>> {
    let mut statement = connection.prepare_cached(ONE)?;
    statement.query_row(params![now.as_millis(), id.0], |row| Ok(shown(row))).optional()?.transpose()
}

/// One entry more than is shown is read: where it exists there is another page.
pub(super) fn page(connection: &Connection, query: &UserQuery, now: Timestamp) -> Applied<UserPage> {
    let after = query.after.map_or(uuid::Uuid::nil(), |user| user.0);
    let containing = query.containing.as_deref().filter(|part| !part.is_empty()).map(str::to_ascii_lowercase);
    let most = i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut statement = connection.prepare_cached(PAGE)?;
    let rows = statement.query_map(params![now.as_millis(), after, containing, most], |row| Ok(shown(row)))?;
    let mut users: Vec<ShownUser> = rows.map(|row| row.map_err(Refusal::from)?).collect::<Applied<_>>()?;
    let is_more = users.len() > query.limit;
    users.truncate(query.limit);
    let next = users.last().map(|user| user.id).filter(|_| is_more);
    Ok(UserPage { users, next })
}

fn shown(row: &Row<'_>) -> Applied<ShownUser> {
    Ok(ShownUser {
        id: UserId(row.get(0)?),
        username: stored_name(row.get_ref(1)?)?,
        roles: stored_roles(row.get_ref(2)?)?,
        disabled: row.get(3)?,
        created_at: Timestamp::from_millis(row.get(4)?),
        sessions: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::open::explained;

    #[test]
    fn a_page_begins_at_its_cursor_and_counts_the_live_sessions_only() {
        for query in [PAGE, ONE] {
            let plan = explained(query);
            assert!(plan.contains("SEARCH u USING PRIMARY KEY (id"), "{plan}");
            assert!(plan.contains("USING INDEX live_sessions_by_user (user_id=? AND epoch=?)"), "{plan}");
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
