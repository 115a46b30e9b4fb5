//! Which client sends a request, and whether that is so (RFC 6749 §2.3).
//!
//! Owns one rule: what a request says of its client is true, or it is refused, before anything else of it is looked at. Whoever
//! says nothing is the first-party client, for which all tokens are made and which has no secret: a page or an app could keep none.
//! It may say so, as standard libraries always do: by `client_id=first-party`, or by Basic with that name and an empty password.
//! Basic is the one way to present a secret. One in the body is refused, right or wrong: bodies are kept by more programs than
//! that header is.
//!
//! Authorization header, form -> [`of`] -> a known client, or [`Refusal::InvalidClient`]

use actix_web::http::header::HeaderMap;

use super::Refusal;
use crate::handlers::error::ApiError;
use crate::handlers::form::Form;
use crate::middleware::basic;
use crate::tokens::access::FIRST_PARTY;

/// Parameters by which a client proves itself elsewhere (RFC 6749 §2.3.1, RFC 7521 §4.2).
const NOT_OFFERED: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// The first-party client, or a refusal.
///
/// # Errors
///
/// [`Refusal::InvalidClient`]; [`ApiError::InvalidRequest`] where it says two things.
pub(super) fn of(headers: &HeaderMap, form: &mut Form) -> Result<(), ApiError> {
    let named = form.take("client_id")?;
    let mut is_proof_in_body = false;
    for name in NOT_OFFERED {
        is_proof_in_body |= form.take(name)?.is_some();
    }
    let basic = basic::credentials(headers)?;
    if basic != basic::Sent::Nothing && is_proof_in_body {
        return Err(ApiError::invalid_request("The client proves itself in more than one way."));
    }
    let (id, secret) = match &basic {
        basic::Sent::Nothing if is_proof_in_body => return Err(refused()),
        basic::Sent::Nothing => (named.as_ref(), ""),
        basic::Sent::Unreadable => return Err(refused()),
        basic::Sent::Credentials { id, secret } => {
            if named.is_some_and(|named| named != *id) {
                return Err(ApiError::invalid_request("The request names two clients."));
            }
            (Some(id), secret.as_str())
        }
    };
    match id.map_or(FIRST_PARTY, |id| id.as_str()) {
        FIRST_PARTY if secret.is_empty() => Ok(()),
        _ => Err(refused()),
    }
}

fn refused() -> ApiError {
    ApiError::OAuth(Refusal::InvalidClient)
}
