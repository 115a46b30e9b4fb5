//! `POST /api/refresh_token`: one refresh token in, a fresh pair out.

use actix_web::web::Data;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::actors::Client;
use crate::actors::refresh_tokens::Renewal;
use crate::error::{Error, GrantRefusal};
use crate::events;
use crate::handlers::error::ApiError;
use crate::handlers::json::{Json, RequestBody};
use crate::handlers::services::{Services, TokenResponse};
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::tokens::grant::Grant;
use crate::tokens::refresh::Presented;

/// What a renewal takes, and a logout that comes without a bearer token. Wiped when dropped.
#[derive(Deserialize)]
pub struct RefreshRequest {
    pub(super) refresh_token: String,
}

impl RequestBody for RefreshRequest {
    const SHAPE: &'static str = r#"{"refresh_token": string}"#;
}

impl Drop for RefreshRequest {
    fn drop(&mut self) {
        drop(Zeroizing::new(std::mem::take(&mut self.refresh_token)));
    }
}

/// Renews a session: one refresh token in, its successor out. A forged token ends here, no actor is asked.
pub async fn refresh_token(
    services: Data<Services>,
    trail: Trail,
    client: Client,
    body: Json<RefreshRequest>,
) -> Result<Json<TokenResponse>, ApiError> {
    let presented = services.refresh_keys.verify(&body.refresh_token)?;
    let grant = to_the_end(renew(services.clone(), trail, presented, client)).await?;
    Ok(Json(services.issue(&grant)?))
}

/// Presents the token and logs what came of it. Not to be stopped by whoever presented it: a thief who hangs up at once
/// would end the session and leave no trace.
pub(super) async fn renew(
    services: Data<Services>,
    trail: Trail,
    presented: Presented,
    client: Client,
) -> Result<Grant, Error> {
    let session = presented.session;
    trail.note_session(session);
    let (user, renewed) = match services.sessions.rotate(presented, client).await? {
        Renewal::Granted(grant) => {
            events::tokens_renewed(&trail, grant.principal.id, session);
            (grant.principal.id, Ok(grant))
        }
        Renewal::Expired { user } => {
            events::session_expired(&trail, user, session);
            (user, Err(Error::InvalidGrant(GrantRefusal::Expired)))
        }
        Renewal::Reused { user, rollback_detected } => {
            events::token_reused(&trail, user, &presented, rollback_detected);
            (user, Err(Error::InvalidGrant(GrantRefusal::Reused)))
        }
    };
    trail.note_user(user);
    renewed
}
