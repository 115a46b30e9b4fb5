//! `POST /api/introspect`: what a token is worth, for a client that was given a secret (RFC 7662).
//!
//! Owns two rules. What buys nothing is `{"active":false}` and not a word more, whatever the cause: it would tell the
//! caller about tokens that are none of their business (§2.2). And to look is not to present: nothing is spent, nothing
//! ends and nothing is written, however often and with whichever generation it is asked.
//!
//! An access token is active if this service would accept it now: by signature, time, and the endings in memory. A
//! refresh token is active if presenting it now would be answered with tokens, decided by the same function on the rows
//! as they are; so a parent inside its grace window is, and a spent one outside it is not.
//!
//! Whoever protects a resource takes access tokens alone: an active refresh token has another `token_type`, is for the
//! issuer (`aud`), and says no `roles`, so that a check of any of them refuses it.

use actix_web::HttpRequest;
use actix_web::web::Data;
use serde::Serialize;
use uuid::Uuid;

use super::client;
use crate::actors::Renewable;
use crate::error::Error;
use crate::handlers::error::ApiError;
use crate::handlers::form::Form;
use crate::handlers::json::Json;
use crate::handlers::services::Services;
use crate::middleware::trail::Trail;
use crate::tokens::access::{Authentic, FIRST_PARTY};
use crate::tokens::principal::{Role, UserId, Username};
use crate::tokens::refresh::{Presented, SessionId};

/// An answer (RFC 7662 §2.2); times are seconds since 1970.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Introspection {
    /// Exactly `{"active":false}`.
    Inactive {
        /// False.
        active: bool,
    },
    /// A token that is worth something now.
    Active(Box<Active>),
}

/// What an active token says.
#[derive(Serialize)]
pub struct Active {
    active: bool,
    token_type: &'static str,
    client_id: &'static str,
    username: Username,
    sub: UserId,
    aud: String,
    iss: String,
    /// Of an access token; when a refresh token was made is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// Of a refresh token: when its session ends unless it is renewed.
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<Uuid>,
    sid: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<Role>>,
}

/// Says what a token is worth. `token_type_hint` is not needed: the two kinds cannot be mistaken for each other.
pub async fn introspect(
    services: Data<Services>,
    trail: Trail,
    request: HttpRequest,
    mut form: Form,
) -> Result<Json<Introspection>, ApiError> {
    client::registered(&services, &trail, request.headers(), &mut form)?;
    let token = form.take_required("token")?;
    form.take("token_type_hint")?;
    let active = match services.read_refresh_token(&token) {
        Ok(presented) => refresh(&services, presented).await?,
        Err(_) => access(&services, &token),
    };
    Ok(Json(active.map_or(Introspection::Inactive { active: false }, |active| Introspection::Active(Box::new(active)))))
}

fn access(services: &Services, token: &str) -> Option<Active> {
    let Authentic { identity, issued_at, jti, .. } = services.inspect(token).ok()?;
    let keys = services.keys.now();
    Some(Active {
        active: true,
        token_type: "Bearer",
        client_id: FIRST_PARTY,
        username: identity.principal.username,
        sub: identity.principal.id,
        aud: keys.access.audience().to_owned(),
        iss: keys.access.issuer().to_owned(),
        iat: Some(issued_at.as_unix_seconds()),
        exp: identity.expires_at.as_unix_seconds(),
        jti: Some(jti),
        sid: identity.session,
        roles: Some(identity.principal.roles),
    })
}

async fn refresh(services: &Services, presented: Presented) -> Result<Option<Active>, Error> {
    let Some(Renewable { principal, expires_at }) = services.sessions.inspect(presented).await? else {
        return Ok(None);
    };
    let keys = services.keys.now();
    let issuer = keys.access.issuer();
    Ok(Some(Active {
        active: true,
        token_type: "refresh_token",
        client_id: FIRST_PARTY,
        username: principal.username,
        sub: principal.id,
        aud: issuer.to_owned(),
        iss: issuer.to_owned(),
        iat: None,
        exp: expires_at.as_unix_seconds(),
        jti: None,
        sid: presented.session,
        roles: None,
    }))
}
