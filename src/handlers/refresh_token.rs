//! `POST /api/refresh_token`: one refresh token in, a fresh pair out.
//!
//! The answer comes as the question did: to a token in a body in the body, to one in a cookie by `Set-Cookie`. An authentic token is
//! taken in a body whatever the transport of its session (docs/adr/0013-the-refresh-cookie.md).

use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder as _};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::actors::Client;
use crate::actors::refresh_tokens::Renewal;
use crate::error::{Error, GrantRefusal};
use crate::events;
use crate::handlers::error::ApiError;
use crate::handlers::issued::Issued;
use crate::handlers::json::{OptionalJson, RequestBody};
use crate::handlers::refresh_cookie::{self, varied, without_cookie};
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::tokens::grant::{Grant, Transport};
use crate::tokens::refresh::Presented;

/// What a renewal takes without a cookie, and a logout that comes without a bearer token too. Wiped when dropped.
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
    request: HttpRequest,
    body: OptionalJson<RefreshRequest>,
) -> HttpResponse {
    let asked = Asked { services: &services, trail: &trail, client };
    varied(match refresh_cookie::presented(&services, &trail, request.headers(), body.0.is_some()) {
        Ok(Some(token)) => match asked.by_cookie(token).await {
            Ok(issued) => issued.respond_to(&request),
            Err(error) => asked.refused(error),
        },
        Ok(None) => asked.by_body(body, request.headers()).await.respond_to(&request).map_into_boxed_body(),
        Err(refusal) => HttpResponse::from_error(refusal),
    })
}

/// A renewal that is asked for.
struct Asked<'a> {
    services: &'a Data<Services>,
    trail: &'a Trail,
    client: Client,
}

impl Asked<'_> {
    async fn by_body(&self, body: OptionalJson<RefreshRequest>, headers: &HeaderMap) -> Result<Issued, ApiError> {
        let body = body.required(headers)?;
        let presented = self.services.read_refresh_token(&body.refresh_token)?;
        let grant = self.grant(presented).await?;
        Ok(self.services.issue(&grant, Transport::Body)?)
    }

    /// Where the same generation is answered again (Hold), the browser has it already, or a newer one by now: an answer that arrives
    /// late must not put an older token back over it.
    async fn by_cookie(&self, token: &str) -> Result<Issued, Error> {
        let presented = self.services.read_refresh_token(token)?;
        let grant = self.grant(presented).await?;
        let issued = self.services.issue(&grant, Transport::Cookie)?;
        Ok(if grant.generation == presented.generation { issued.leaving_the_cookie() } else { issued })
    }

    /// Only what is final takes the cookie away: after anything else the page asks again with it.
    fn refused(&self, error: Error) -> HttpResponse {
        let is_final = matches!(error, Error::InvalidGrant(_));
        let answer = HttpResponse::from_error(ApiError::from(error));
        if !is_final {
            return answer;
        }
        without_cookie(self.services, answer).unwrap_or_else(|error| HttpResponse::from_error(ApiError::from(error)))
    }

    async fn grant(&self, presented: Presented) -> Result<Grant, Error> {
        to_the_end(renew(self.services.clone(), self.trail.clone(), presented, self.client)).await
    }
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
