//! Operations on users.
//!
//! Owns the fence: a write that follows a hash is refused if the account is no longer what the hash was checked against.

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Row, params};
use uuid::Uuid;

use super::batch::{Applied, Operation, Refusal, Unit};
use super::sessions::{new_id, require_live, transport};
use super::{administration, admins, opening};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::passwords::PasswordHash;
use crate::storage::{Account, Fence, NewUser, PasswordChange, UserOperation, UserOutcome};
use crate::tokens::principal::{Epoch, Principal, Role, UserId, Username, Version};
use crate::tokens::refresh::SessionId;
use crate::tokens::revocation::Ended;

/// The columns that [`account`] reads, in its order.
macro_rules! account_columns {
    () => {
        "SELECT id, username, password_hash, roles, disabled, epoch, version, created_at FROM users "
    };
}

impl Operation for UserOperation {
    type Outcome = UserOutcome;

    fn apply(self, unit: &mut Unit<'_>) -> Applied<UserOutcome> {
        match self {
            Self::Create(new) => create(unit, &new).map(UserOutcome::Created),
            Self::Find(name) => find(unit, &name).map(UserOutcome::Found),
            Self::FindById(user) => by_id(unit, user).map(UserOutcome::Found),
            Self::Import(new) => import(unit, &new),
            Self::ChangePassword(change) => change_password(unit, &change),
            Self::EndSessions { user, asked_by } => end_sessions(unit, user, asked_by),
            Self::Administer(asked) => administration::apply(unit, asked),
            Self::DeleteOwn { seen, asked_by } => delete_own(unit, &seen, asked_by),
            Self::Attempt(attempt) => attempt.apply(unit).map(UserOutcome::Attempt),
        }
    }
}

/// One transaction at a time: whoever has the name is seen here. A conflict would come too late: a trigger runs before it, and
/// takes the copies of whoever is in the way (docs/adr/0016).
fn create(unit: &Unit<'_>, new: &NewUser) -> Applied<Account> {
    let id = UserId(new_id(unit.now));
    let added = unit
        .connection
        .prepare_cached(
            "INSERT INTO users (id, username, username_key, password_hash, roles, created_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM users WHERE username_key = ?3)",
        )?
        .execute(params![
            id.0,
            new.username.as_str(),
            new.username.key(),
            new.hash.expose(),
            joined(&new.roles),
            unit.now.as_millis(),
        ])?;
    if added == 0 {
        return Err(Error::UsernameTaken.into());
    }
    by_id(unit, id)?.ok_or_else(|| Error::Internal("a user that was just added").into())
}

/// An account that is there exactly like this is found, so that an import that was broken off can be run again.
fn import(unit: &Unit<'_>, new: &NewUser) -> Applied<UserOutcome> {
    match create(unit, new) {
        Err(Refusal::Domain(Error::UsernameTaken)) => {
            let there = find(unit, &new.username)?.filter(|account| account.is(new)).ok_or(Error::UsernameTaken)?;
            Ok(UserOutcome::Found(Some(there)))
        }
        created => created.map(UserOutcome::Created),
    }
}

/// The account with this name.
pub(super) fn find(unit: &Unit<'_>, name: &Username) -> Applied<Option<Account>> {
    let mut statement = unit.connection.prepare_cached(concat!(account_columns!(), "WHERE username_key = ?1"))?;
    statement.query_row([name.key()], |row| Ok(account(row))).optional()?.transpose()
}

/// The session that asks is looked at first: where it ended, that is what there is to say, whatever else changed.
fn change_password(unit: &mut Unit<'_>, change: &PasswordChange) -> Applied<UserOutcome> {
    let user = change.seen.user;
    require_live(unit, change.asked_by, user)?;
    let transport = transport(unit, change.asked_by)?;
    unchanged(unit, &change.seen)?;
    unit.atomically(|unit| {
        write_hash(unit, user, &change.hash)?;
        end_all(unit, user)?;
        // Opened under the counters that the line above raised: of all of the user's sessions the only live one.
        let account = by_id(unit, user)?.ok_or(Error::NoSuchUser)?;
        let grant = opening::begin(unit, account, &change.client, transport)?;
        Ok(UserOutcome::PasswordChanged { grant, transport })
    })
}

fn end_sessions(unit: &mut Unit<'_>, user: UserId, asked_by: SessionId) -> Applied<UserOutcome> {
    require_live(unit, asked_by, user)?;
    let transport = transport(unit, asked_by)?;
    unit.atomically(|unit| end_all(unit, user))?;
    Ok(UserOutcome::AllEnded { transport })
}

/// Removes an account; the caller has seen that an admin stays.
pub(super) fn delete(unit: &mut Unit<'_>, user: UserId) -> Applied<UserOutcome> {
    unit.atomically(|unit| {
        end_all(unit, user)?;
        unit.connection.prepare_cached("DELETE FROM users WHERE id = ?1")?.execute([user.0])?;
        Ok(())
    })?;
    Ok(UserOutcome::Changed)
}

fn delete_own(unit: &mut Unit<'_>, seen: &Fence, asked_by: SessionId) -> Applied<UserOutcome> {
    require_live(unit, asked_by, seen.user)?;
    let account = unchanged(unit, seen)?;
    admins::require_another(unit, &account)?;
    let transport = transport(unit, asked_by)?;
    delete(unit, seen.user)?;
    Ok(UserOutcome::AllEnded { transport })
}

/// Raises both counters, which ends every session and access token of the user in one statement: its trigger takes the copies of
/// the user in their sessions' rows away.
pub(super) fn end_all(unit: &mut Unit<'_>, user: UserId) -> Applied<()> {
    let version = unit
        .connection
        .prepare_cached("UPDATE users SET epoch = epoch + 1, version = version + 1 WHERE id = ?1 RETURNING version")?
        .query_row([user.0], |row| row.get(0).map(Version))
        .optional()?
        .ok_or(Error::NoSuchUser)?;
    unit.revoke(Ended::User { id: user, least_version: version })
}

/// The account, if it is still what was read before a hash. Errors: [`Error::AccountChanged`].
pub(super) fn unchanged(unit: &Unit<'_>, seen: &Fence) -> Applied<Account> {
    by_id(unit, seen.user)?
        .filter(|account| !account.disabled && account.fence() == *seen)
        .ok_or_else(|| Error::AccountChanged.into())
}

/// Stores another hash of the same password, or of a new one; the caller has checked the fence.
pub(super) fn write_hash(unit: &Unit<'_>, user: UserId, hash: &PasswordHash) -> Applied<()> {
    unit.connection
        .prepare_cached("UPDATE users SET password_hash = ?2 WHERE id = ?1")?
        .execute(params![user.0, hash.expose()])?;
    Ok(())
}

/// The account with this id.
pub(super) fn by_id(unit: &Unit<'_>, id: UserId) -> Applied<Option<Account>> {
    let mut statement = unit.connection.prepare_cached(concat!(account_columns!(), "WHERE id = ?1"))?;
    statement.query_row([id.0], |row| Ok(account(row))).optional()?.transpose()
}

fn account(row: &Row<'_>) -> Applied<Account> {
    Ok(Account {
        principal: Principal {
            id: UserId(row.get::<_, Uuid>(0)?),
            username: stored_name(row.get_ref(1)?)?,
            roles: stored_roles(row.get_ref(3)?)?,
            version: Version(row.get(6)?),
        },
        hash: PasswordHash::from_stored(row.get(2)?),
        disabled: row.get(4)?,
        epoch: Epoch(row.get(5)?),
        created_at: Timestamp::from_millis(row.get(7)?),
    })
}

/// A username column. Errors: [`Error::Internal`] where somebody wrote another thing into it.
pub(super) fn stored_name(column: ValueRef<'_>) -> Applied<Username> {
    Username::parse(column.as_str()?).map_err(|_| Error::Internal("a stored username").into())
}

/// A roles column. Errors: [`Error::Internal`] where it names a role that this version does not know.
pub(super) fn stored_roles(column: ValueRef<'_>) -> Applied<Vec<Role>> {
    let names = column.as_str()?.split(',').filter(|name| !name.is_empty());
    names.map(|name| Role::parse(name).ok_or_else(|| Error::Internal("a stored role").into())).collect()
}

/// Roles as the column has them.
pub(super) fn joined(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use crate::storage::sqlite::open::explained;

    #[test]
    fn the_copies_of_a_user_are_found_without_a_walk_over_sessions_or_users() {
        for change in [
            "UPDATE users SET epoch = epoch + 1, version = version + 1 WHERE id = ?1 RETURNING version",
            "UPDATE users SET id = ?1, username_key = ?2 WHERE id = ?3",
            "DELETE FROM users WHERE id = ?1",
            "INSERT INTO users (id, username, username_key, password_hash, roles, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        ] {
            let plan = explained(change);
            let wanted = "SEARCH sessions USING INDEX live_sessions_by_user (user_id=? AND epoch=?)";
            assert!(plan.contains(wanted) && !plan.contains("SCAN"), "{change}: {plan}");
        }
    }
}
