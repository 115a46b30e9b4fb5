//! `GET /healthz` and `GET /readyz`: for whoever restarts the process, and for whoever sends it traffic.

use std::sync::OnceLock;
use std::time::Duration;

use actix_web::web::Data;
use futures_util::future::join;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::handlers::error::ApiError;
use crate::handlers::json::Json;
use crate::handlers::services::Services;

/// How long an answer stands, so that probes cost nothing however many there are.
const STANDS_FOR: Duration = Duration::from_secs(1);
/// A part that has not answered by then does not.
const PATIENCE: Duration = Duration::from_secs(1);

/// A good answer of either call.
#[derive(Serialize)]
pub struct Health {
    status: &'static str,
}

/// 200 while the process runs.
pub async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// 200 while actors and storage answer, else 503 with what does not.
pub async fn readyz(services: Data<Services>) -> std::result::Result<Json<Health>, ApiError> {
    match services.readiness.failing(&services).await.as_slice() {
        [] => Ok(Json(Health { status: "ready" })),
        failing => Err(ApiError::NotReady { failing: failing.join(", ") }),
    }
}

/// The last look at the parts, kept for a moment, and the first of them that died.
#[derive(Debug, Default)]
pub struct Readiness {
    seen: Mutex<Option<(Timestamp, Vec<&'static str>)>>,
    dead: OnceLock<&'static str>,
}

impl Readiness {
    /// From now on the service is not ready, whoever answers.
    pub fn died(&self, part: &'static str) {
        // A part that died before is the one to name.
        self.dead.set(part).ok();
    }

    /// The parts that do not answer. Asked at most once a second: whoever comes meanwhile waits for that look and gets it.
    async fn failing(&self, services: &Services) -> Vec<&'static str> {
        if let Some(part) = self.dead.get() {
            return vec![part];
        }
        let mut last = self.seen.lock().await;
        // The wall clock, because the service's time stands still while that runs backwards, and an answer must not.
        let now = services.clock.wall();
        if let Some((seen_at, failing)) = last.as_ref()
            && *seen_at <= now
            && now < seen_at.plus(STANDS_FOR)
        {
            return failing.clone();
        }
        let (users, sessions) =
            join(timeout(PATIENCE, services.users.ping()), timeout(PATIENCE, services.sessions.ping())).await;
        let answered = |answer: std::result::Result<Result<()>, _>| matches!(answer, Ok(Ok(())));
        let asked = [("user store", answered(users)), ("refresh-token store", answered(sessions))];
        let failing: Vec<_> = asked.into_iter().filter(|(_, answered)| !answered).map(|(part, _)| part).collect();
        *last = Some((now, failing.clone()));
        failing
    }
}
