//! The errors of the standard endpoints: `{"error", "error_description"}` (RFC 6749 §5.2).
//!
//! Owns the one table from what went wrong to OAuth's words, for every error of such a path, the framework's own
//! included. The words of the standard are few, so a status says what they cannot, and stays what it is everywhere else
//! in this service:
//!
//! | what | status | `error` |
//! |---|---|---|
//! | a refused refresh token, whatever the reason | 400 | `invalid_grant` |
//! | a grant that is not offered | 400 | `unsupported_grant_type` |
//! | a client that may not use the grant | 400 | `unauthorized_client` |
//! | any scope: there are none | 400 | `invalid_scope` |
//! | a client that did not prove itself, or is none | 401, `WWW-Authenticate: Basic` | `invalid_client` |
//! | a malformed request | 400 | `invalid_request` |
//! | another method, a body that is late, too long, or in another form | 405, 408, 413, 415, with their headers | `invalid_request` |
//! | too many, or at capacity, or no answer from storage | 429, 503, with `Retry-After` where it is known | `temporarily_unavailable` |
//! | a fault of ours | 500 | `server_error` |
//!
//! The last two words are those of RFC 6749 §4.1.2.1: §5.2 has none for them. Which path speaks so is the route table's
//! to say.
//!
//! [`ApiError`] -> [`Dialect::render`] -> `middleware::respond`

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType, HeaderMap, HeaderName, HeaderValue, TryIntoHeaderValue as _};
use actix_web::{HttpResponse, ResponseError as _};
use serde::Serialize;

use crate::error::Error;
use crate::handlers::error::ApiError;

/// The challenge to a client that did not prove itself (RFC 7617 §2).
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Basic realm="latchkey""#);
/// For caches from before `Cache-Control` (RFC 6749 §5.1 asks for it).
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// In which form the errors of a path are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 9457, as everywhere in this service.
    Problem,
    /// RFC 6749 §5.2.
    OAuth,
}

/// Why a request was refused, where only OAuth has a word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The client did not prove itself, or there is none of this name.
    InvalidClient,
    /// The client has a secret, and no refresh token was ever given to it.
    UnauthorizedClient,
    /// Any grant but a refresh token.
    UnsupportedGrantType,
    /// Any scope.
    InvalidScope,
}

impl Refusal {
    /// The sentence for people.
    pub fn detail(self) -> &'static str {
        match self {
            Self::InvalidClient => "The client is unknown, or did not prove itself by HTTP Basic.",
            Self::UnauthorizedClient => "Refresh tokens are not this client's to use.",
            Self::UnsupportedGrantType => "The only grant is refresh_token.",
            Self::InvalidScope => "There are no scopes.",
        }
    }

    fn entry(self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::UnauthorizedClient => (StatusCode::BAD_REQUEST, "unauthorized_client"),
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope"),
        }
    }
}

impl Dialect {
    /// The status that an error is answered with.
    pub(crate) fn status(self, error: &ApiError) -> StatusCode {
        match self {
            Self::Problem => error.status_code(),
            Self::OAuth => entry(error).0,
        }
    }

    /// Turns `response` into this error's answer; headers that it already has stay, unless the error sets them itself.
    pub(crate) fn render<B>(self, error: &ApiError, response: HttpResponse<B>, request_id: &str) -> HttpResponse {
        match self {
            Self::Problem => error.render(response, request_id),
            Self::OAuth => render(error, response),
        }
    }

    /// Gives every answer of such a path what the standard asks for beside `no-store`.
    pub(crate) fn dress(self, headers: &mut HeaderMap) {
        if self == Self::OAuth {
            headers.insert(header::PRAGMA, NO_CACHE);
        }
    }
}

/// The members in the order of the standard's examples.
#[derive(Serialize)]
struct Body<'a> {
    error: &'static str,
    error_description: &'a str,
}

fn render<B>(error: &ApiError, response: HttpResponse<B>) -> HttpResponse {
    let (status, word) = entry(error);
    let description = description(error);
    // Empty only if serialising strings failed, which it has no way to.
    let body = serde_json::to_vec(&Body { error: word, error_description: &description }).unwrap_or_default();
    let mut response = response.set_body(BoxBody::new(body));
    *response.status_mut() = status;
    if let Ok(json) = ContentType::json().try_into_value() {
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    if let Some((name, value)) = advice(error) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The table.
fn entry(error: &ApiError) -> (StatusCode, &'static str) {
    match error {
        ApiError::OAuth(refusal) => refusal.entry(),
        ApiError::Domain(Error::InvalidGrant(_)) => (StatusCode::BAD_REQUEST, "invalid_grant"),
        ApiError::Domain(_)
        | ApiError::InvalidRequest { .. }
        | ApiError::NotReady { .. }
        | ApiError::MalformedAuthorization { .. }
        | ApiError::NotFound
        | ApiError::CrossSite
        | ApiError::MethodNotAllowed { .. }
        | ApiError::RequestTimeout
        | ApiError::PayloadTooLarge
        | ApiError::UnsupportedMediaType(_) => by_status(error.status_code()),
    }
}

fn by_status(status: StatusCode) -> (StatusCode, &'static str) {
    let word = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    };
    (status, word)
}

/// The sentence that a problem would have. Which of the four a refused refresh token is stands in it: the standard has
/// one word for them all, and whoever holds an authentic token may know.
fn description(error: &ApiError) -> String {
    let (_, detail) = error.entry();
    match error {
        ApiError::Domain(Error::InvalidGrant(reason)) => format!("{detail} Reason: {reason}."),
        _ => detail.into_owned(),
    }
}

/// The headers of a problem but for its challenge, which is to whoever brings a bearer token.
fn advice(error: &ApiError) -> Option<(HeaderName, HeaderValue)> {
    if *error == ApiError::OAuth(Refusal::InvalidClient) {
        return Some((header::WWW_AUTHENTICATE, CHALLENGE));
    }
    error.advice().filter(|(name, _)| name != header::WWW_AUTHENTICATE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::error::GrantRefusal;
    use crate::handlers::error::{Media, Unsupported};

    fn rendered(error: &ApiError) -> (HttpResponse<()>, Value) {
        let (head, body) = Dialect::OAuth.render(error, error.error_response(), "id-1").into_parts();
        let body = actix_web::body::MessageBody::try_into_bytes(body).unwrap();
        (head, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn every_error_has_the_status_the_word_and_the_headers_of_the_table() {
        let basic = r#"Basic realm="latchkey""#;
        let form = "application/x-www-form-urlencoded";
        let wait = Duration::from_secs(2);
        let allow = "POST".into();
        let table: Vec<(ApiError, u16, &str, &str, &str)> = vec![
            (Error::InvalidGrant(GrantRefusal::Reused).into(), 400, "invalid_grant", "", ""),
            (ApiError::OAuth(Refusal::UnsupportedGrantType), 400, "unsupported_grant_type", "", ""),
            (ApiError::OAuth(Refusal::UnauthorizedClient), 400, "unauthorized_client", "", ""),
            (ApiError::OAuth(Refusal::InvalidScope), 400, "invalid_scope", "", ""),
            (ApiError::OAuth(Refusal::InvalidClient), 401, "invalid_client", "www-authenticate", basic),
            (ApiError::invalid_request("Why."), 400, "invalid_request", "", ""),
            (ApiError::MalformedAuthorization { detail: "Why." }, 400, "invalid_request", "", ""),
            (ApiError::MethodNotAllowed { allow }, 405, "invalid_request", "allow", "POST"),
            (ApiError::RequestTimeout, 408, "invalid_request", "", ""),
            (ApiError::PayloadTooLarge, 413, "invalid_request", "", ""),
            (
                ApiError::UnsupportedMediaType(Unsupported::ContentType(Media::Form)),
                415,
                "invalid_request",
                "accept",
                form,
            ),
            (
                ApiError::UnsupportedMediaType(Unsupported::Coding),
                415,
                "invalid_request",
                "accept-encoding",
                "identity",
            ),
            (Error::TooManyAttempts { retry_after: wait }.into(), 429, "temporarily_unavailable", "retry-after", "2"),
            (Error::Overloaded { retry_after: wait }.into(), 503, "temporarily_unavailable", "retry-after", "2"),
            (Error::Unavailable.into(), 503, "temporarily_unavailable", "", ""),
            (Error::Internal("here").into(), 500, "server_error", "", ""),
        ];
        for (error, status, word, name, value) in table {
            let (head, body) = rendered(&error);

            assert_eq!((head.status().as_u16(), body["error"].as_str()), (status, Some(word)), "{error:?}");
            assert_eq!(Dialect::OAuth.status(&error).as_u16(), status, "{error:?}");
            assert_eq!(head.headers().get("content-type").unwrap(), "application/json");
            assert_eq!(head.headers().len(), if name.is_empty() { 1 } else { 2 }, "{error:?}");
            if !name.is_empty() {
                assert_eq!(head.headers().get(name).unwrap(), value, "{error:?}");
            }
            let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["error", "error_description"], "{error:?}");
            // RFC 6749 §5.2: no quotation mark, no backslash, no line end, nothing beyond ASCII.
            let description = body["error_description"].as_str().unwrap();
            let fits = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\';
            assert!(!description.is_empty() && description.bytes().all(fits), "{description}");
        }
    }

    #[test]
    fn a_refused_grant_says_why_to_people() {
        for refusal in [GrantRefusal::Unknown, GrantRefusal::Expired, GrantRefusal::Revoked, GrantRefusal::Reused] {
            let (_, body) = rendered(&Error::InvalidGrant(refusal).into());
            assert!(body["error_description"].as_str().unwrap().ends_with(&format!("Reason: {refusal}.")), "{body}");
        }
    }
}
