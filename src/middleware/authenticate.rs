//! Who is calling: Bearer -> [`Identity`].
//!
//! Owns one rule: behind this middleware there is an identity in the request, and it is of a token that is valid now and
//! of nothing that ended. No actor is asked and no database read; the map of endings is in memory.
//!
//! Authorization header -> `bearer::token` -> `Services::recognise` -> request extensions -> handler

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error as ActixError, HttpMessage as _};

use super::bearer;
use super::trail::Trail;
use crate::error::Error;
use crate::handlers::error::ApiError;
use crate::handlers::services::Services;
use crate::tokens::access::Identity;
use crate::tokens::verified::VerifiedTokens;

/// Lets a request through with its [`Identity`] in the extensions, or answers it.
pub async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    let identity = identify(&request)?;
    if let Some(trail) = request.extensions().get::<Trail>() {
        trail.note_user(identity.principal.id);
        trail.note_session(identity.session);
    }
    request.extensions_mut().insert(identity);
    next.call(request).await
}

fn identify(request: &ServiceRequest) -> Result<Identity, ApiError> {
    let services = request.app_data::<Data<Services>>().ok_or(Error::Internal("no services in the app"))?;
    let verified = request.app_data::<VerifiedTokens>().ok_or(Error::Internal("no verified tokens in the app"))?;
    let token = bearer::token(request.headers())?.ok_or(Error::MissingToken)?;
    Ok(services.recognise(verified, token)?)
}
