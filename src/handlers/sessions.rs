//! `GET /api/sessions` and `DELETE /api/sessions/{id}`: where their owner is signed in, and no longer. Behind `authenticate`.

use actix_web::web::{Data, Path, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::actors::{EndedSession, LiveSession};
use crate::error::Error;
use crate::events::{self, RevocationCause};
use crate::handlers::error::ApiError;
use crate::handlers::json::Json;
use crate::handlers::refresh_cookie::{Carried, ended};
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
    request: HttpRequest,
    caller: ReqData<Identity>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let session = SessionId::parse(&id).ok_or(Error::NoSuchSession)?;
    let carried = Carried::by(&services, request.headers());
    let caller = caller.into_inner();
    let mine = caller.session;
    let over = to_the_end(revoke(services.clone(), trail, caller, session)).await?;
    // A cookie goes with the session that it is of, and one that is of none with that of the page.
    let cookie_goes = match carried {
        Carried::Of(its_session) => its_session == session,
        Carried::Nothing | Carried::Useless => {
            mine == session && over.is_some_and(|over| carried.goes_with(session, over.transport))
        }
    };
    Ok(ended(&services, cookie_goes)?)
}

async fn revoke(
    services: Data<Services>,
    trail: Trail,
    caller: Identity,
    session: SessionId,
) -> Result<Option<EndedSession>, Error> {
    let ended = services.sessions.end_own(caller.principal.id, caller.session, session).await?;
    if let Some(EndedSession { owner, .. }) = ended {
        events::tokens_revoked(&trail, RevocationCause::Revoked, owner, session);
    }
    Ok(ended)
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
