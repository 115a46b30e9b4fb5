//! Who is an admin, and that the last one stays.
//!
//! Owns one rule: where there is an enabled admin, there is one afterwards. A service without any can be administered by
//! nobody over the API. Whatever takes an account out of the enabled admins (deletes, disables or demotes it) asks
//! [`require_another`] first, inside the transaction that does it, so that two who go at the same time cannot both believe
//! that the other stays.

use super::batch::{Applied, Unit};
use super::sessions::require_live;
use super::users::by_id;
use crate::error::Error;
use crate::storage::{Account, AskedBy};
use crate::tokens::principal::Role;

/// In the words of the index `enabled_admins`, or it is not used.
const ANOTHER: &str = "SELECT EXISTS (SELECT 1 FROM users
     WHERE disabled = 0 AND instr(',' || roles || ',', ',admin,') > 0 AND id <> ?1)";

/// Agrees to this account, as the transaction read it, being an enabled admin no more. One that is none is missed by nobody.
/// Errors: [`Error::LastAdmin`].
pub(super) fn require_another(unit: &Unit<'_>, leaving: &Account) -> Applied<()> {
    if leaving.disabled || !leaving.principal.roles.contains(&Role::Admin) {
        return Ok(());
    }
    let mut statement = unit.connection.prepare_cached(ANOTHER)?;
    let is_another: bool = statement.query_row([leaving.principal.id.0], |row| row.get(0))?;
    if is_another { Ok(()) } else { Err(Error::LastAdmin.into()) }
}

/// What an admin asks is done only while they are one, as this transaction finds them: the token was checked earlier, and two
/// who demote each other must not both get their way. Errors: [`Error::InvalidToken`], which says what a renewal would show.
pub(super) fn require_admin(unit: &Unit<'_>, by: AskedBy) -> Applied<()> {
    require_live(unit, by.session, by.admin)?;
    let is_admin = by_id(unit, by.admin)?.is_some_and(|account| account.principal.roles.contains(&Role::Admin));
    if is_admin { Ok(()) } else { Err(Error::InvalidToken.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::open::explained;

    #[test]
    fn another_admin_is_found_without_a_walk_over_everybody() {
        let plan = explained(ANOTHER);
        assert!(plan.contains("SCAN users USING INDEX enabled_admins"), "{plan}");
    }
}
