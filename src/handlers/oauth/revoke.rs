//! `POST /api/revoke`: a logout in the words of RFC 7009.
//!
//! Whoever holds a token may end its session with it, as on `POST /api/logout`: an access token that is valid, or any
//! authentic generation of a refresh token. Both tokens of the session are over then (§2.1). What is no token, or over
//! already, is over: 200, so that nobody learns more than they hold. Nobody has to say who they are; who does must be
//! right.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::client;
use crate::handlers::error::ApiError;
use crate::handlers::form::Form;
use crate::handlers::logout::end;
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;

/// Ends a token's session. `token_type_hint` is not needed: the two kinds cannot be mistaken for each other.
pub async fn revoke(
    services: Data<Services>,
    trail: Trail,
    request: HttpRequest,
    mut form: Form,
) -> Result<HttpResponse, ApiError> {
    client::of(&services, &trail, request.headers(), &mut form)?;
    let token = form.take_required("token")?;
    form.take("token_type_hint")?;
    let session = match services.read_refresh_token(&token) {
        Ok(presented) => Some(presented.session),
        Err(_) => services.keys.now().access.verify(&token, services.clock.now()).ok().map(|identity| identity.session),
    };
    if let Some(session) = session {
        to_the_end(end(services, trail, session)).await?;
    }
    Ok(HttpResponse::Ok().finish())
}
