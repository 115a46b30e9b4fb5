//! `GET /api/sessions`: where its owner is signed in. Behind `authenticate`.

use actix_web::web::{Data, ReqData};
use serde::Serialize;

use crate::actors::LiveSession;
use crate::handlers::error::ApiError;
use crate::handlers::json::Json;
use crate::handlers::services::Services;
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
pub async fn list(services: Data<Services>, identity: ReqData<Identity>) -> Result<Json<SessionList>, ApiError> {
    let live = services.sessions.live(identity.principal.id).await?;
    Ok(Json(SessionList { sessions: live.into_iter().map(|session| shown(session, identity.session)).collect() }))
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
