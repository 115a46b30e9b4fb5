//! `POST /api/logout_all`: ends every session of the caller, the one that asks among them. Behind `authenticate`.

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};

use crate::error::Error;
use crate::events;
use crate::handlers::error::ApiError;
use crate::handlers::refresh_cookie::{Carried, ended};
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::tokens::access::Identity;
use crate::tokens::grant::Transport;

/// Logs the caller out everywhere.
pub async fn logout_all(
    services: Data<Services>,
    trail: Trail,
    request: HttpRequest,
    caller: ReqData<Identity>,
) -> Result<HttpResponse, ApiError> {
    let caller = caller.into_inner();
    let carried = Carried::by(&services, request.headers()).of_any_session_of(&services, &caller).await;
    let asked_by = caller.session;
    let transport = to_the_end(end_all(services.clone(), trail, caller)).await?;
    Ok(ended(&services, carried.goes_with(asked_by, transport))?)
}

async fn end_all(services: Data<Services>, trail: Trail, caller: Identity) -> Result<Transport, Error> {
    let (user, session) = (caller.principal.id, caller.session);
    let transport = services.users.end_sessions(user, session).await?;
    events::all_tokens_revoked(&trail, user, session);
    Ok(transport)
}
