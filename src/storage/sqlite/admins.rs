//! The last admin stays.
//!
//! Owns one rule: where there is an enabled admin, there is one afterwards. A service without any can be administered by
//! nobody over the API. Whatever takes an account out of the enabled admins (deletes, disables or demotes it) asks
//! [`require_another`] first, inside the transaction that does it, so that two who go at the same time cannot both believe
//! that the other stays.

use rusqlite::Connection;

use super::batch::{Applied, Unit};
use crate::error::Error;
use crate::storage::Account;
use crate::tokens::principal::{Role, UserId};

/// In the words of the index `enabled_admins`, or it is not used.
const ANOTHER: &str = "SELECT EXISTS (SELECT 1 FROM users
     WHERE disabled = 0 AND instr(',' || roles || ',', ',admin,') > 0 AND id <> ?1)";

/// Agrees to this account, as the transaction read it, being an enabled admin no more. One that is none is missed by nobody.
/// Errors: [`Error::LastAdmin`].
pub(super) fn require_another(unit: &Unit<'_>, leaving: &Account) -> Applied<()> {
    if leaving.disabled || !leaving.principal.roles.contains(&Role::Admin) {
        return Ok(());
    }
    if is_another(unit.connection, leaving.principal.id)? { Ok(()) } else { Err(Error::LastAdmin.into()) }
}

/// Whether there is an enabled admin beside this account.
pub(super) fn is_another(connection: &Connection, than: UserId) -> rusqlite::Result<bool> {
    connection.prepare_cached(ANOTHER)?.query_row([than.0], |row| row.get(0))
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
