//! `POST /api/logout`: ends the session of a refresh token, of the access token that is sent instead, or of the cookie.

use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::actors::{EndReason, EndedSession};
use crate::error::Error;
use crate::events::{self, RevocationCause};
use crate::handlers::error::ApiError;
use crate::handlers::json::OptionalJson;
use crate::handlers::refresh_cookie::{self, ended, varied};
use crate::handlers::refresh_token::RefreshRequest;
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::bearer;
use crate::middleware::trail::Trail;
use crate::tokens::grant::Transport;
use crate::tokens::refresh::SessionId;

/// Ends a session. Whoever holds any authentic token of it may; what is over already, or forged, is over: 204 too, so
/// that a client that logs out never has to ask what went wrong. With the cookie goes whatever the access token beside it is of.
pub async fn logout(
    services: Data<Services>,
    trail: Trail,
    request: HttpRequest,
    body: OptionalJson<RefreshRequest>,
) -> HttpResponse {
    let done = log_out(&services, &trail, request.headers(), body.0).await;
    varied(done.unwrap_or_else(HttpResponse::from_error))
}

async fn log_out(
    services: &Data<Services>,
    trail: &Trail,
    headers: &HeaderMap,
    body: Option<RefreshRequest>,
) -> Result<HttpResponse, ApiError> {
    let cookie = refresh_cookie::presented(services, trail, headers, body.is_some())?;
    let bearer = bearer::token(headers)?;
    if body.is_some() && bearer.is_some() {
        return Err(ApiError::invalid_request("Send either a refresh token or an access token, not both."));
    }
    let refresh_token = body.as_ref().map(|body| body.refresh_token.as_str()).or(cookie);
    if refresh_token.is_none() && bearer.is_none() {
        return Err(Error::MissingToken.into());
    }
    let of_refresh_token =
        refresh_token.and_then(|token| services.read_refresh_token(token).ok()).map(|token| token.session);
    // Not asked whether it ended already: a second logout is one too.
    let of_bearer = match bearer.map(|token| services.keys.now().access.verify(token, services.clock.now())).transpose()
    {
        Ok(identity) => identity.map(|identity| identity.session),
        // Whoever logs out with the cookie is out, though their access token ended long ago.
        Err(_) if cookie.is_some() => None,
        Err(refused) => return Err(refused.into()),
    };
    let mut cookie_goes = cookie.is_some();
    for session in [of_refresh_token, of_bearer].into_iter().flatten() {
        let over = to_the_end(end(services.clone(), trail.clone(), session)).await?;
        cookie_goes |= over.is_some_and(|session| session.transport == Transport::Cookie);
    }
    Ok(ended(services, cookie_goes)?)
}

pub(super) async fn end(
    services: Data<Services>,
    trail: Trail,
    session: SessionId,
) -> Result<Option<EndedSession>, Error> {
    trail.note_session(session);
    let ended = services.sessions.end(session, EndReason::Logout).await?;
    if let Some(EndedSession { owner, .. }) = ended {
        trail.note_user(owner);
        events::tokens_revoked(&trail, RevocationCause::Logout, owner, session);
    }
    Ok(ended)
}
