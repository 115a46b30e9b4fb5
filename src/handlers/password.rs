//! `PUT /api/password`: a new password for the current one. Behind `authenticate`.
//!
//! The write that changes the hash is the one that ends every session, and it opens the caller's next one: whoever else is
//! signed in is out, and the caller stays in, with fresh tokens, which come by the way of the session that asked.

use actix_web::web::{Data, ReqData};
use serde::Deserialize;

use crate::actors::{Client, PasswordChange, UserAgent};
use crate::error::{Error, Result};
use crate::events::{self, GrantedFor, PasswordChangeFailure};
use crate::handlers::current_password;
use crate::handlers::error::ApiError;
use crate::handlers::issued::Issued;
use crate::handlers::json::{Json, RequestBody};
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::passwords::{Password, Submitted};
use crate::tokens::access::Identity;
use crate::tokens::grant::{Grant, Transport};

/// What a password change takes.
#[derive(Deserialize)]
pub struct Passwords {
    current_password: Submitted,
    new_password: Submitted,
}

impl RequestBody for Passwords {
    const SHAPE: &'static str = r#"{"current_password": string, "new_password": string}"#;
}

/// Changes the caller's password: two passwords in, the tokens of a fresh session out.
pub async fn password(
    services: Data<Services>,
    trail: Trail,
    client: Client,
    caller: ReqData<Identity>,
    body: Json<Passwords>,
) -> std::result::Result<Issued, ApiError> {
    match change(&services, &trail, client, &caller, &body).await {
        Ok((grant, transport)) => Ok(services.issue(&grant, transport)?),
        Err(error) => {
            if let Some(reason) = PasswordChangeFailure::of(&error) {
                events::password_change_failed(&trail, reason, caller.principal.id, caller.session);
            }
            Err(error.into())
        }
    }
}

/// What the policy refuses costs no hash; that the new password is the current one is told only to who knows the current.
async fn change(
    services: &Data<Services>,
    trail: &Trail,
    client: Client,
    caller: &Identity,
    passwords: &Passwords,
) -> Result<(Grant, Transport)> {
    let accept = || services.password_policy.accept(&passwords.new_password, &caller.principal.username);
    let is_unchanged = Password::parse(&passwords.current_password).ok() == Some(accept()?);
    current_password::confirmed(services, trail, caller, &passwords.current_password, async |account| {
        if is_unchanged {
            return Err(Error::UnchangedPassword);
        }
        let hash = services.hashing.hash(services.hashing.admit()?, accept()?).await?;
        let change = PasswordChange { seen: account.fence(), hash, asked_by: caller.session, client };
        to_the_end(write(services.clone(), trail.clone(), change)).await
    })
    .await
}

async fn write(services: Data<Services>, trail: Trail, change: PasswordChange) -> Result<(Grant, Transport)> {
    let (asked_by, user_agent) = (change.asked_by, change.client.user_agent);
    let (grant, transport) = services.users.change_password(change).await?;
    let (user, session) = (grant.principal.id, grant.session);
    trail.note_session(session);
    events::password_changed(&trail, user, asked_by);
    events::session_created(&trail, user, session, user_agent.as_ref().map(UserAgent::as_str));
    events::tokens_created(&trail, GrantedFor::PasswordChange, user, session);
    Ok((grant, transport))
}
