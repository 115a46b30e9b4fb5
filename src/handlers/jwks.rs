//! `GET /.well-known/jwks.json`: the public keys that verify access tokens, for other services (RFC 7517 §5).
//!
//! Owns what they are told about keeping them: for so long that a key is never first met in a token, where clocks agree. Only
//! public halves are ever here; a shared secret has none, so with HS256 alone the set is empty.

use actix_web::Responder;
use actix_web::http::header;
use actix_web::web::Data;

use crate::handlers::json::Json;
use crate::handlers::services::Services;
use crate::tokens::ring::{LEAST_NOTICE, PICK_UP, SETTLED};

/// Ten seconds, [`SETTLED`]. A key is added [`LEAST_NOTICE`] before it signs and stands here within [`PICK_UP`]; whoever kept the
/// set from the moment before comes back before the key signs. Longer, and an obedient verifier would meet a token of a key that it
/// does not know.
const CACHEABLE: &str = "public, max-age=10";
const _: () = assert!(SETTLED.as_secs() == 10, "what CACHEABLE says");
const _: () = assert!(SETTLED.as_secs() <= LEAST_NOTICE.as_secs() - PICK_UP.as_secs());
/// Any page may read it: it is for everybody, and comes without credentials.
const ANY_ORIGIN: &str = "*";

/// Shows the keys that verify now, those included that will sign. Written anew for each request: a few hundred bytes, which change
/// with the time as well as with the ring. As `application/json`: `application/jwk-set+json` (RFC 7517 §8.5.2) is what some
/// verifiers refuse, and none asks for it alone.
pub async fn jwks(services: Data<Services>) -> impl Responder {
    Json(services.keys.now().access.jwks(services.clock.now()))
        .customize()
        .insert_header((header::CACHE_CONTROL, CACHEABLE))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN))
}
