//! `GET /.well-known/oauth-authorization-server`: what a standard client may know before it asks (RFC 8414).
//!
//! Owns one rule: what stands there is so. The issuer of a document must be the URL that it was asked for at, over TLS,
//! and the `iss` of the tokens (§3.3, §6.2); where `PUBLIC_URL` and `JWT_ISSUER` are not the same https URL there is no
//! document that would be true, and none is served. What is not offered is not listed, and where a list may not be
//! missing it is empty.
//!
//! settings -> [`Metadata::of`], once at the start -> [`metadata`]

use actix_web::web::Data;
use serde::Serialize;

use crate::config::Origin;
use crate::handlers::error::ApiError;
use crate::handlers::json::Json;
use crate::handlers::services::Services;

/// The document.
#[derive(Debug, Clone, Serialize)]
pub struct Metadata {
    issuer: String,
    token_endpoint: String,
    /// Whoever has no secret has nothing to prove.
    token_endpoint_auth_methods_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 1],
    /// There is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    jwks_uri: String,
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 1],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 2],
}

impl Metadata {
    /// What holds for a service that is called `public_url` and signs as `issuer`; `None` where that is not one https
    /// URL.
    pub fn of(public_url: Option<&Origin>, issuer: &str) -> Option<Self> {
        let issuer = public_url.filter(|url| url.is_https() && url.as_str() == issuer)?.as_str();
        Some(Self {
            issuer: issuer.to_owned(),
            token_endpoint: format!("{issuer}/oauth/token"),
            token_endpoint_auth_methods_supported: ["none"],
            grant_types_supported: ["refresh_token"],
            response_types_supported: [],
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            introspection_endpoint: format!("{issuer}/api/introspect"),
            introspection_endpoint_auth_methods_supported: ["client_secret_basic"],
            revocation_endpoint: format!("{issuer}/api/revoke"),
            revocation_endpoint_auth_methods_supported: ["none", "client_secret_basic"],
        })
    }
}

/// The document, or 404.
pub async fn metadata(services: Data<Services>) -> Result<Json<Metadata>, ApiError> {
    services.metadata.clone().map(Json).ok_or(ApiError::NotFound)
}
