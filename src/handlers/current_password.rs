//! The current password, asked for again.
//!
//! Owns one rule: an access token alone does not take an account over or away. Whoever changes the password or deletes the
//! account shows that they know it, and what was read to check it is what the write is fenced with. A wrong one is a failed
//! login: it is logged as such, from the address of the [`Trail`].
//!
//! permit -> the account as it is now -> its hash checked -> [`Account`] -> the write, anew where a rehash came first

use crate::actors::Account;
use crate::error::{Error, Result};
use crate::events::{self, LoginFailure};
use crate::handlers::services::Services;
use crate::middleware::trail::Trail;
use crate::passwords::{Checked, Password, Submitted};
use crate::tokens::access::Identity;

/// How often it begins anew where the hash changed under it while the session lived on: that is the rehash of a login
/// beside it, which is one change, and the next try finds the new hash.
const ATTEMPTS: usize = 3;

/// Does what the caller's current password allows, with the account as the password was checked against it.
///
/// Errors: those of [`check`], and `act`'s own but for [`Error::AccountChanged`], after which it begins anew.
pub(super) async fn confirmed<T>(
    services: &Services,
    trail: &Trail,
    caller: &Identity,
    submitted: &Submitted,
    act: impl AsyncFn(Account) -> Result<T>,
) -> Result<T> {
    for _ in 0..ATTEMPTS {
        let account = check(services, trail, caller, submitted).await?;
        match act(account).await {
            Err(Error::AccountChanged) => {}
            done => return done,
        }
    }
    Err(Error::InvalidToken)
}

/// The caller's account, if this is its password now.
///
/// Errors: [`Error::WrongPassword`]; [`Error::InvalidToken`] where the account is disabled or gone, or what the caller came
/// with ended meanwhile; [`Error::Overloaded`] with nothing started.
async fn check(services: &Services, trail: &Trail, caller: &Identity, submitted: &Submitted) -> Result<Account> {
    let permit = services.hashing.admit()?;
    let found = services.users.find(caller.principal.username.clone()).await?;
    // A name that was deleted and registered again is another's.
    let account = found.filter(|account| account.principal.id == caller.principal.id && !account.disabled);
    let account = account.ok_or(Error::InvalidToken)?;
    let password = Password::parse(submitted).ok();
    match services.hashing.check(permit, password, Some(account.hash.clone())).await? {
        Checked::Matches { .. } => Ok(account),
        // Where somebody else changed the password since, it was not this caller who did not know it.
        Checked::Differs if services.is_over(caller) => Err(Error::InvalidToken),
        Checked::Differs => {
            events::login_failed(trail, LoginFailure::WrongPassword, Some(&account.principal));
            Err(Error::WrongPassword)
        }
    }
}
