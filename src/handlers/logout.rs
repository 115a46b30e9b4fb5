//! `POST /api/logout`: ends the session of a refresh token, or of the access token that is sent instead.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::actors::EndReason;
use crate::error::Error;
use crate::handlers::error::ApiError;
use crate::handlers::json::{OptionalJson, RequestBody};
use crate::handlers::services::Services;
use crate::middleware::bearer;

/// What a logout takes where it comes without a bearer token.
#[derive(Deserialize)]
pub struct Logout {
    refresh_token: String,
}

impl RequestBody for Logout {
    const SHAPE: &'static str = r#"{"refresh_token": string}"#;
}

/// Ends a session. Whoever holds any authentic token of it may; what is over already, or forged, is over: 204 too, so
/// that a client that logs out never has to ask what went wrong.
pub async fn logout(
    services: Data<Services>,
    request: HttpRequest,
    body: OptionalJson<Logout>,
) -> Result<HttpResponse, ApiError> {
    let session = match (&body.0, bearer::token(request.headers())?) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid_request("Send either a refresh token or an access token, not both."));
        }
        (None, None) => return Err(Error::MissingToken.into()),
        (Some(body), None) => services.refresh_keys.verify(&body.refresh_token).ok().map(|token| token.session),
        // Not asked whether it ended already: a second logout is one too.
        (None, Some(access_token)) => Some(services.access_tokens.verify(access_token, services.clock.now())?.session),
    };
    if let Some(session) = session
        && services.sessions.end(session, EndReason::Logout).await?
    {
        tracing::info!(event = "authn_token_revoked", session_id = %session, reason = "logout", "a session was ended");
    }
    Ok(HttpResponse::NoContent().finish())
}
