//! `POST /api/logout_all`: ends every session of the caller, the one that asks among them. Behind `authenticate`.

use actix_web::HttpResponse;
use actix_web::web::{Data, ReqData};

use crate::error::Error;
use crate::events;
use crate::handlers::error::ApiError;
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::tokens::access::Identity;

/// Logs the caller out everywhere.
pub async fn logout_all(
    services: Data<Services>,
    trail: Trail,
    caller: ReqData<Identity>,
) -> Result<HttpResponse, ApiError> {
    to_the_end(end_all(services, trail, caller.into_inner())).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn end_all(services: Data<Services>, trail: Trail, caller: Identity) -> Result<(), Error> {
    let (user, session) = (caller.principal.id, caller.session);
    services.users.end_sessions(user, session).await?;
    events::all_tokens_revoked(&trail, user, session);
    Ok(())
}
