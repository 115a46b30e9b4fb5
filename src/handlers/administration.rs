//! `PATCH` and `DELETE /api/admin/users/{id}`, and `DELETE /api/admin/users/{id}/sessions`: what an admin does to an account,
//! their own among them. Behind `authenticate` and `RequireRole`.
//!
//! That whoever asks is an admin still, and that one is left, is decided in the transaction that does it.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ReqData};
use serde::Deserialize;

use crate::actors::{AccountChange, AskedBy, ChangedUser};
use crate::error::{Error, Result};
use crate::events;
use crate::handlers::admin_users::{User, user_id};
use crate::handlers::error::ApiError;
use crate::handlers::json::{Json, RequestBody};
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::tokens::access::Identity;
use crate::tokens::principal::{Role, UserId};

/// What a change takes: one of them, or both.
#[derive(Deserialize)]
pub struct Change {
    roles: Option<Vec<String>>,
    disabled: Option<bool>,
}

impl RequestBody for Change {
    const SHAPE: &'static str = r#"{"roles"?: [string], "disabled"?: boolean}"#;
}

impl Change {
    /// Errors: 400 where nothing is asked for, [`Error::InvalidRole`].
    fn parse(self) -> std::result::Result<AccountChange, ApiError> {
        if self.roles.is_none() && self.disabled.is_none() {
            return Err(ApiError::invalid_request("The body must have `roles` or `disabled`."));
        }
        let parse = |roles: Vec<String>| roles.iter().map(|role| Role::parse(role).ok_or(Error::InvalidRole)).collect();
        Ok(AccountChange { roles: self.roles.map(parse).transpose()?, disabled: self.disabled })
    }
}

/// Changes an account's roles, locks it out or lets it in; answers with the account.
pub async fn change(
    services: Data<Services>,
    trail: Trail,
    caller: ReqData<Identity>,
    id: Path<String>,
    body: Json<Change>,
) -> std::result::Result<Json<User>, ApiError> {
    let (user, change) = (user_id(&id)?, body.0.parse()?);
    let changed = to_the_end(apply(services, trail, asked_by(&caller), user, change)).await?;
    Ok(Json(changed.user.into()))
}

/// Deletes an account, its sessions and its tokens.
pub async fn delete(
    services: Data<Services>,
    trail: Trail,
    caller: ReqData<Identity>,
    id: Path<String>,
) -> std::result::Result<HttpResponse, ApiError> {
    let (user, by) = (user_id(&id)?, asked_by(&caller));
    let deletion = async move {
        services.users.delete(Some(by), user).await?;
        events::user_deleted_by(&trail, by.admin, user);
        Ok(())
    };
    to_the_end(deletion).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends every session of an account.
pub async fn end_sessions(
    services: Data<Services>,
    trail: Trail,
    caller: ReqData<Identity>,
    id: Path<String>,
) -> std::result::Result<HttpResponse, ApiError> {
    let (user, by) = (user_id(&id)?, asked_by(&caller));
    let ending = async move {
        services.users.end_sessions_of(Some(by), user).await?;
        events::all_tokens_revoked_by(&trail, by.admin, user);
        Ok(())
    };
    to_the_end(ending).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn apply(
    services: Data<Services>,
    trail: Trail,
    by: AskedBy,
    user: UserId,
    change: AccountChange,
) -> Result<ChangedUser> {
    let changed = services.users.change(Some(by), user, change).await?;
    if let Some(former) = &changed.former_roles {
        events::roles_changed(&trail, by.admin, user, former, &changed.user.roles);
    }
    if changed.is_disabled_changed {
        events::user_disabled(&trail, by.admin, user, changed.user.disabled);
    }
    Ok(changed)
}

fn asked_by(caller: &Identity) -> AskedBy {
    AskedBy { admin: caller.principal.id, session: caller.session }
}
