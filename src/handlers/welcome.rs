//! `GET /api`: says that the service is there.

use serde::Serialize;

use crate::handlers::json::Json;

/// The greeting.
#[derive(Serialize)]
pub struct Welcome {
    message: &'static str,
}

/// Greets whoever asks; no token needed, nothing behind it is asked.
pub async fn welcome() -> Json<Welcome> {
    Json(Welcome { message: "Welcome to the API! It's working." })
}
