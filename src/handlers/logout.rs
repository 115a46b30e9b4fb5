//! `POST /api/logout`: ends the session of a refresh token, or of the access token that is sent instead.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::actors::EndReason;
use crate::error::Error;
use crate::events::{self, RevocationCause};
use crate::handlers::error::ApiError;
use crate::handlers::json::OptionalJson;
use crate::handlers::refresh_token::RefreshRequest;
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::bearer;
use crate::middleware::trail::Trail;
use crate::tokens::refresh::SessionId;

/// Ends a session. Whoever holds any authentic token of it may; what is over already, or forged, is over: 204 too, so
/// that a client that logs out never has to ask what went wrong.
pub async fn logout(
    services: Data<Services>,
    trail: Trail,
    request: HttpRequest,
    body: OptionalJson<RefreshRequest>,
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
    if let Some(session) = session {
        to_the_end(end(services, trail, session)).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn end(services: Data<Services>, trail: Trail, session: SessionId) -> Result<(), Error> {
    trail.note_session(session);
    if let Some(ended) = services.sessions.end(session, EndReason::Logout).await? {
        let user = ended.owner;
        trail.note_user(user);
        events::tokens_revoked(&trail, RevocationCause::Logout, user, session);
    }
    Ok(())
}
