//! Which client sends a request, and whether that is so (RFC 6749 §2.3).
//!
//! Owns one rule: what a request says of its client is true, or it is refused, before anything else of it is looked at.
//! Whoever says nothing is the first-party client, for which all tokens are made and which has no secret: a page or an
//! app could keep none. It may say so, as standard libraries always do: by `client_id=first-party`, or by Basic with
//! that name and an empty password. Basic is the one way to present a secret. One in the body is refused, right or
//! wrong: bodies are kept by more programs than that header is. Each refusal is a security event, which names a client
//! only where there is one: people paste secrets into the wrong field.
//!
//! Authorization header, form -> [`of`] -> [`Caller`], or [`Refusal::InvalidClient`]

use actix_web::http::header::HeaderMap;

use super::Refusal;
use crate::clients::{ClientId, Proof};
use crate::events::{self, ClientFailure};
use crate::handlers::error::ApiError;
use crate::handlers::form::Form;
use crate::handlers::services::Services;
use crate::middleware::basic::{Sent, credentials};
use crate::middleware::trail::Trail;
use crate::tokens::access::FIRST_PARTY;

/// Parameters by which a client proves itself elsewhere (RFC 6749 §2.3.1, RFC 7521 §4.2).
const NOT_OFFERED: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// Who sends a request.
pub(super) enum Caller {
    /// The client without a secret, or somebody who does not say.
    FirstParty,
    /// A client that proved itself.
    Registered,
}

/// Who sends this request.
///
/// # Errors
///
/// [`Refusal::InvalidClient`]; [`ApiError::InvalidRequest`] where it says two things,
/// [`ApiError::MalformedAuthorization`].
pub(super) fn of(services: &Services, trail: &Trail, headers: &HeaderMap, form: &mut Form) -> Result<Caller, ApiError> {
    let named = form.take("client_id")?;
    let mut is_proof_in_body = false;
    for name in NOT_OFFERED {
        is_proof_in_body |= form.take(name)?.is_some();
    }
    match credentials(headers)? {
        Sent::Nothing if is_proof_in_body => Err(refused(trail, ClientFailure::UnsupportedMethod, None)),
        Sent::Nothing => match named.as_deref().map(String::as_str) {
            None | Some(FIRST_PARTY) => Ok(Caller::FirstParty),
            Some(_) => Err(refused(trail, ClientFailure::NoSecret, None)),
        },
        _ if is_proof_in_body => Err(ApiError::invalid_request("The client proves itself in more than one way.")),
        Sent::Unreadable => Err(refused(trail, ClientFailure::UnsupportedMethod, None)),
        Sent::Credentials { id, .. } if named.is_some_and(|named| named != id) => {
            Err(ApiError::invalid_request("The request names two clients."))
        }
        Sent::Credentials { id, secret } if *id == FIRST_PARTY && secret.is_empty() => Ok(Caller::FirstParty),
        Sent::Credentials { id, secret } => match services.clients.check(&id, &secret, services.clock.now()) {
            Proof::Proven(_) => Ok(Caller::Registered),
            Proof::WrongSecret(client) => Err(refused(trail, ClientFailure::WrongSecret, Some(&client))),
            Proof::Unknown => Err(refused(trail, ClientFailure::UnknownClient, None)),
        },
    }
}

/// The same, where only a client that has a secret may call.
///
/// # Errors
///
/// Those of [`of`], and [`Refusal::InvalidClient`] for whoever did not prove itself.
pub(super) fn registered(
    services: &Services,
    trail: &Trail,
    headers: &HeaderMap,
    form: &mut Form,
) -> Result<(), ApiError> {
    match of(services, trail, headers, form)? {
        Caller::Registered => Ok(()),
        Caller::FirstParty => Err(refused(trail, ClientFailure::NoSecret, None)),
    }
}

fn refused(trail: &Trail, reason: ClientFailure, client: Option<&ClientId>) -> ApiError {
    events::client_refused(trail, reason, client);
    ApiError::OAuth(Refusal::InvalidClient)
}
