//! `POST /oauth/token`: a renewal in the words of RFC 6749 §6.
//!
//! The one grant is a refresh token. The password grant is not offered: RFC 9700 §2.4 forbids it, and whoever wrote a
//! client for it would hand passwords to every library on the way. The renewal itself is that of `POST
//! /api/refresh_token`: the same grace window, the same events, the same endings. The successor is in the body, also
//! where the session is one of the cookie (docs/adr/0013-the-refresh-cookie.md).

use actix_web::HttpRequest;
use actix_web::web::Data;

use super::Refusal;
use super::client::{self, Caller};
use crate::actors::Client;
use crate::handlers::error::ApiError;
use crate::handlers::form::Form;
use crate::handlers::issued::Issued;
use crate::handlers::refresh_token::renew;
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::tokens::grant::Transport;

/// Renews a session. Whatever is wrong with the request is found before the token is presented: nothing is spent then.
pub async fn token(
    services: Data<Services>,
    trail: Trail,
    from: Client,
    request: HttpRequest,
    mut form: Form,
) -> Result<Issued, ApiError> {
    if let Caller::Registered = client::of(&services, &trail, request.headers(), &mut form)? {
        return Err(ApiError::OAuth(Refusal::UnauthorizedClient));
    }
    if *form.take_required("grant_type")? != "refresh_token" {
        return Err(ApiError::OAuth(Refusal::UnsupportedGrantType));
    }
    let refresh_token = form.take_required("refresh_token")?;
    // None is defined, so none was granted, and a renewal must not ask for more than was (RFC 6749 §6).
    if form.take("scope")?.is_some() {
        return Err(ApiError::OAuth(Refusal::InvalidScope));
    }
    let presented = services.read_refresh_token(&refresh_token)?;
    let grant = to_the_end(renew(services.clone(), trail, presented, from)).await?;
    Ok(services.issue(&grant, Transport::Body)?)
}
