//! `POST /api/refresh_token`: one refresh token in, a fresh pair out.

use actix_web::web::Data;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::handlers::error::ApiError;
use crate::handlers::json::{Json, RequestBody};
use crate::handlers::services::{Services, TokenResponse};

/// What a renewal takes.
#[derive(Deserialize)]
pub struct Renewal {
    refresh_token: String,
}

impl RequestBody for Renewal {
    const SHAPE: &'static str = r#"{"refresh_token": string}"#;
}

impl Drop for Renewal {
    fn drop(&mut self) {
        drop(Zeroizing::new(std::mem::take(&mut self.refresh_token)));
    }
}

/// Renews a session: one refresh token in, its successor out. A forged token ends here, no actor is asked.
pub async fn refresh_token(services: Data<Services>, body: Json<Renewal>) -> Result<Json<TokenResponse>, ApiError> {
    let presented = services.refresh_keys.verify(&body.refresh_token)?;
    let grant = services.sessions.rotate(presented).await?;
    Ok(Json(services.issue(&grant)?))
}
