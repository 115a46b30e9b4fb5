//! `GET /api/sessions` and `DELETE /api/sessions/{id}`: where their owner is signed in, and no longer. Behind `authenticate`.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ReqData};
use serde::Serialize;

use crate::actors::LiveSession;
use crate::error::Error;
use crate::events::{self, RevocationCause};
use crate::handlers::error::ApiError;
use crate::handlers::json::Json;
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::tokens::access::Identity;
use crate::tokens::refresh::SessionId;

/// The caller's live sessions.
#[derive(Serialize)]
pub struct SessionList {
    sessions: Vec<Session>,
}

#[derive(Serialize)]
struct Session {
    id: SessionId,
    /// The one that asks.
    current: bool,
    created_at: String,
    last_used_at: String,
    expires_at: String,
    user_agent: Option<String>,
    ip: Option<String>,
}

/// Lists the caller's live sessions, the one that was used last first.
pub async fn list(services: Data<Services>, caller: ReqData<Identity>) -> Result<Json<SessionList>, ApiError> {
    let live = services.sessions.live(caller.principal.id).await?;
    Ok(Json(SessionList { sessions: live.into_iter().map(|session| shown(session, caller.session)).collect() }))
}

/// Ends one of the caller's sessions. One of theirs that is over already is over: 204 too, so that a client may ask again
/// after a lost answer. An id that is no id is one that nobody has.
pub async fn end(
    services: Data<Services>,
    trail: Trail,
    caller: ReqData<Identity>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let session = SessionId::parse(&id).ok_or(Error::NoSuchSession)?;
    to_the_end(revoke(services, trail, caller.into_inner(), session)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn revoke(services: Data<Services>, trail: Trail, caller: Identity, session: SessionId) -> Result<(), Error> {
    if let Some(ended) = services.sessions.end_own(caller.principal.id, caller.session, session).await? {
        events::tokens_revoked(&trail, RevocationCause::Revoked, ended.owner, session);
    }
    Ok(())
}

fn shown(session: LiveSession, current: SessionId) -> Session {
    Session {
        id: session.id,
        current: session.id == current,
        created_at: session.created_at.to_rfc3339(),
        last_used_at: session.last_used_at.to_rfc3339(),
        expires_at: session.expires_at.to_rfc3339(),
        user_agent: session.user_agent,
        ip: session.ip,
    }
}
