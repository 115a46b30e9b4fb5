//! The current password, asked for again.
//!
//! Owns one rule: an access token alone does not take an account over or away. Whoever changes the password or deletes the
//! account shows that they know it, and what was read to check it is what the write is fenced with. A wrong one is a failed
//! login: it is logged and counted as such, of the account and from the address of the [`Trail`], together with those that
//! were made at the door. A right one is given back before anything is done with it: it was no guess, whatever becomes of the
//! write.
//!
//! permit (503) -> [`Attempt`] (429) and the account as it is now -> its hash checked -> [`Account`] -> the write, all of it anew
//! where a rehash came first

use actix_web::web::Data;

use crate::actors::Account;
use crate::error::{Error, Result};
use crate::events::{self, LoginFailure};
use crate::handlers::attempt::Attempt;
use crate::handlers::services::Services;
use crate::middleware::trail::Trail;
use crate::passwords::{Checked, Password, Submitted};
use crate::tokens::access::Identity;

/// How often it begins anew where the hash changed under it while the session lived on: that is the rehash of a login
/// beside it, which is one change, and the next try finds the new hash.
const TRIES: usize = 3;

/// Does what the caller's current password allows, with the account as the password was checked against it.
///
/// Errors: those of [`check`], and `act`'s own but for [`Error::AccountChanged`], after which it begins anew.
pub(super) async fn confirmed<T>(
    services: &Data<Services>,
    trail: &Trail,
    caller: &Identity,
    submitted: &Submitted,
    act: impl AsyncFn(Account) -> Result<T>,
) -> Result<T> {
    for _ in 0..TRIES {
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
/// That the caller's session lives was asked before the body came. It is asked again before anything is spent, and once more
/// before anything is told: under one that ended, the right password has the same answer and the same work as a wrong one.
/// Else whoever ends a session themselves while their requests wait could guess there, uncounted.
///
/// Errors: [`Error::WrongPassword`]; [`Error::InvalidToken`] where the account is disabled or gone, or what the caller came
/// with ended meanwhile; [`Error::Overloaded`] and [`Error::TooManyAttempts`] with nothing started.
async fn check(services: &Data<Services>, trail: &Trail, caller: &Identity, submitted: &Submitted) -> Result<Account> {
    still_live(services, caller)?;
    // The permit comes first, as at a login.
    let permit = services.hashing.admit()?;
    let (attempt, found) = Attempt::begin(services, trail, caller.principal.username.as_str()).await?;
    // A name that was deleted and registered again is another's.
    let account = found.filter(|account| account.principal.id == caller.principal.id && !account.disabled);
    let account = attempt.or_give_back(account.ok_or(Error::InvalidToken)).await?;
    let password = Password::parse(submitted).ok();
    let checked = services.hashing.check(permit, password, Some(account.hash.clone())).await;
    let checked = attempt.or_give_back(checked).await?;
    attempt.or_give_back(still_live(services, caller)).await?;
    match checked {
        Checked::Matches { .. } => {
            attempt.succeeded(account.principal.id).await?;
            Ok(account)
        }
        Checked::Differs => {
            events::login_failed(trail, LoginFailure::WrongPassword, Some(&account.principal));
            Err(Error::WrongPassword)
        }
    }
}

/// Nothing ended of what the caller came with. Errors: [`Error::InvalidToken`].
fn still_live(services: &Services, caller: &Identity) -> Result<()> {
    if services.is_over(caller) { Err(Error::InvalidToken) } else { Ok(()) }
}
