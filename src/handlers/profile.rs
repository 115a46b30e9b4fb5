//! `GET /api/profile`: what only a signed-in user sees. Behind `authenticate`; nothing is asked, the token says it all.

use actix_web::web::ReqData;
use serde::Serialize;

use crate::handlers::json::Json;
use crate::tokens::access::Identity;
use crate::tokens::principal::{Role, UserId, Username};
use crate::tokens::refresh::SessionId;

/// The caller, as the access token describes them.
#[derive(Serialize)]
pub struct Profile {
    message: String,
    user: User,
    session_id: SessionId,
    /// When the access token ends.
    expires_at: String,
}

#[derive(Serialize)]
struct User {
    id: UserId,
    username: Username,
    roles: Vec<Role>,
}

/// Shows the caller to themselves.
pub async fn profile(identity: ReqData<Identity>) -> Json<Profile> {
    let Identity { principal, session, expires_at } = identity.into_inner();
    Json(Profile {
        message: format!("Welcome, {}! This is protected data.", principal.username),
        user: User { id: principal.id, username: principal.username, roles: principal.roles },
        session_id: session,
        expires_at: expires_at.to_rfc3339(),
    })
}
