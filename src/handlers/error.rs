//! The one table of statuses: what went wrong -> which problem, which detail, which headers.
//!
//! Owns the translation from the domain's words into HTTP. A handler or an extractor returns an [`ApiError`]; actix carries
//! it to `middleware::respond`, the only place that knows the request id, which calls [`ApiError::render`]. Errors of the
//! framework itself arrive there too and are told apart by status alone ([`ApiError::of_status`]), because their own texts
//! repeat input. No detail in this file is made from anything that a client sent.
//!
//! [`Error`] or a refusal of the HTTP side -> [`ApiError`] -> [`Problem`] + detail + headers -> `application/problem+json`

use std::borrow::Cow;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};

pub use super::body_headers::{Media, Unsupported};
use super::oauth::Refusal;
use super::problem::{self, Problem};
use crate::error::{Error, PasswordRefusal};

/// The challenge where no bearer token was sent (RFC 6750 §3).
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="latchkey""#);
/// The challenge where a bearer token was refused (RFC 6750 §3.1).
const CHALLENGE_TOKEN: HeaderValue = HeaderValue::from_static(r#"Bearer realm="latchkey", error="invalid_token""#);
/// The challenge where the Authorization header itself is malformed (RFC 6750 §3.1).
const CHALLENGE_REQUEST: HeaderValue = HeaderValue::from_static(r#"Bearer realm="latchkey", error="invalid_request""#);
/// The challenge where the bearer token's user lacks a role (RFC 6750 §3.1).
const CHALLENGE_SCOPE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="latchkey", error="insufficient_scope""#);
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request is answered with an error: the domain's reasons and those that only HTTP knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Something below the handlers refused or failed.
    #[error(transparent)]
    Domain(#[from] Error),
    /// The request is not what the call asks for.
    #[error("invalid request: {detail}")]
    InvalidRequest {
        /// What is wrong, without a word of the input.
        detail: Cow<'static, str>,
    },
    /// A part of the service does not answer.
    #[error("not ready: {failing}")]
    NotReady {
        /// The parts, by name.
        failing: String,
    },
    /// The Authorization header is doubled, empty, or a scheme without a token.
    #[error("malformed authorization: {detail}")]
    MalformedAuthorization {
        /// What is wrong, without a word of the input.
        detail: &'static str,
    },
    /// A refresh cookie that none of our own pages sent.
    #[error("a cookie from another site")]
    CrossSite,
    /// Nothing has this address.
    #[error("not found")]
    NotFound,
    /// The address does not answer to this method.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// The methods that it answers to, as the header `Allow` lists them.
        allow: Cow<'static, str>,
    },
    /// The body did not arrive in time.
    #[error("the request's body did not arrive in time")]
    RequestTimeout,
    /// The body is longer than allowed.
    #[error("the request's body is too large")]
    PayloadTooLarge,
    /// The body is in a form that is not read here.
    #[error("the request's body is in an unsupported form: {0}")]
    UnsupportedMediaType(Unsupported),
    /// By a rule of the OAuth standards, in their words: only their calls refuse so, and `oauth::error` renders it.
    #[error("{}", .0.detail())]
    OAuth(Refusal),
}

impl ApiError {
    /// An [`InvalidRequest`](Self::InvalidRequest) with this detail.
    pub fn invalid_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidRequest { detail: detail.into() }
    }

    /// What an error of the framework becomes, of which only the status and the headers are trusted.
    ///
    /// A client error that the contract has no code for is an invalid request; every other one is a fault of ours.
    pub fn of_status(status: StatusCode, headers: &HeaderMap) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Error::MissingToken.into(),
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => {
                let allow = headers.get(header::ALLOW).and_then(|allow| allow.to_str().ok()).unwrap_or_default();
                Self::MethodNotAllowed { allow: Cow::Owned(allow.to_owned()) }
            }
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::PayloadTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType(Unsupported::ContentType(Media::Json)),
            StatusCode::SERVICE_UNAVAILABLE => Error::Unavailable.into(),
            other if other.is_client_error() => Self::invalid_request("The request could not be understood."),
            _ => Error::Internal("an error of the framework").into(),
        }
    }

    /// The table: the problem that this error is, and what to say about it this time.
    pub(super) fn entry(&self) -> (&'static Problem, Cow<'static, str>) {
        match self {
            Self::Domain(error) => domain_entry(error),
            Self::InvalidRequest { detail } => (&problem::INVALID_REQUEST, detail.clone()),
            Self::MalformedAuthorization { detail } => (&problem::INVALID_REQUEST, Cow::Borrowed(detail)),
            Self::NotReady { failing } => {
                (&problem::UNAVAILABLE, format!("These parts do not answer: {failing}.").into())
            }
            Self::CrossSite => {
                (&problem::CROSS_SITE, "The refresh cookie did not come from a page of this service.".into())
            }
            Self::NotFound => (&problem::NOT_FOUND, "There is nothing at this address.".into()),
            Self::MethodNotAllowed { .. } => {
                (&problem::METHOD_NOT_ALLOWED, "This address does not answer to this method.".into())
            }
            Self::RequestTimeout => (&problem::REQUEST_TIMEOUT, "The request's body did not arrive in time.".into()),
            Self::PayloadTooLarge => (&problem::PAYLOAD_TOO_LARGE, "The request's body is longer than 16 KiB.".into()),
            Self::UnsupportedMediaType(Unsupported::ContentType(media)) => (
                &problem::UNSUPPORTED_MEDIA_TYPE,
                format!("The request's body must be {} in UTF-8.", media.name()).into(),
            ),
            Self::UnsupportedMediaType(Unsupported::Coding) => {
                (&problem::UNSUPPORTED_MEDIA_TYPE, "The request's body must not be compressed.".into())
            }
            Self::OAuth(refusal) => (&problem::INVALID_REQUEST, refusal.detail().into()),
        }
    }

    /// The header that tells a client how to do better, where there is one.
    pub(super) fn advice(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Domain(error) => domain_advice(error),
            Self::MalformedAuthorization { .. } => Some((header::WWW_AUTHENTICATE, CHALLENGE_REQUEST)),
            Self::MethodNotAllowed { allow } => {
                HeaderValue::from_str(allow).ok().map(|methods| (header::ALLOW, methods))
            }
            Self::UnsupportedMediaType(Unsupported::ContentType(media)) => {
                Some((header::ACCEPT, HeaderValue::from_static(media.name())))
            }
            Self::UnsupportedMediaType(Unsupported::Coding) => {
                Some((header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
            }
            Self::NotReady { .. }
            | Self::InvalidRequest { .. }
            | Self::CrossSite
            | Self::NotFound
            | Self::RequestTimeout
            | Self::PayloadTooLarge
            | Self::OAuth(_) => None,
        }
    }

    /// Turns `response` into this error's answer; headers that it already has stay, unless the error sets them itself.
    pub fn render<B>(&self, response: HttpResponse<B>, request_id: &str) -> HttpResponse {
        let (problem, detail) = self.entry();
        let reason = if let Self::Domain(Error::InvalidGrant(refusal)) = self { Some(refusal.as_str()) } else { None };
        let mut response = response.set_body(BoxBody::new(problem.body(&detail, request_id, reason)));
        *response.status_mut() = problem.status;
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        if let Some((name, value)) = self.advice() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.entry().0.status
    }

    /// The bare status: the rest is `middleware::respond`'s, which knows the request id. Rendering here too would make
    /// every error's body twice.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// The domain's part of the table.
fn domain_entry(error: &Error) -> (&'static Problem, Cow<'static, str>) {
    let (problem, detail) = match error {
        Error::InvalidUsername => (&problem::INVALID_USERNAME, problem::INVALID_USERNAME.cause),
        Error::UsernameTaken => (&problem::USERNAME_TAKEN, "This username is taken."),
        Error::WeakPassword(refusal) => return (&problem::WEAK_PASSWORD, password_detail(*refusal)),
        Error::WrongPassword => (&problem::WRONG_PASSWORD, "The current password is another."),
        Error::InvalidRole => (&problem::INVALID_ROLE, "The roles are `user` and `admin`."),
        Error::InsufficientScope => (&problem::INSUFFICIENT_SCOPE, "This call needs a role that you do not have."),
        Error::LastAdmin => (&problem::LAST_ADMIN, "The account is the only enabled admin."),
        Error::UnchangedPassword => (&problem::UNCHANGED_PASSWORD, "The new password is the current one."),
        // A login that a password change overtook was made with credentials that are valid no more.
        Error::InvalidCredentials | Error::AccountChanged => {
            (&problem::INVALID_CREDENTIALS, "The username or the password is wrong.")
        }
        Error::NoSuchUser => (&problem::NOT_FOUND, "There is no such user."),
        Error::NoSuchSession => (&problem::NOT_FOUND, "You have no such session."),
        Error::MissingToken => (&problem::MISSING_TOKEN, "This call needs an access token."),
        Error::InvalidToken => (&problem::INVALID_TOKEN, "The access token is not valid, or not any more."),
        Error::InvalidGrant(_) => (&problem::INVALID_GRANT, "The refresh token is not valid, or not any more."),
        Error::TooManyAttempts { .. } => {
            (&problem::TOO_MANY_ATTEMPTS, "There were too many attempts; nothing was checked.")
        }
        Error::Overloaded { .. } => (&problem::OVERLOADED, "The service is at capacity; nothing was started."),
        Error::Unavailable => {
            (&problem::UNAVAILABLE, "The service did not answer in time; the request may have taken effect.")
        }
        // The text of it is for the log: it names a place in the program.
        Error::Internal(_) => (&problem::INTERNAL, "Something went wrong inside the service."),
    };
    (problem, Cow::Borrowed(detail))
}

/// The domain's headers: challenges, and when to come back.
fn domain_advice(error: &Error) -> Option<(HeaderName, HeaderValue)> {
    match error {
        Error::InvalidCredentials | Error::AccountChanged | Error::MissingToken | Error::InvalidGrant(_) => {
            Some((header::WWW_AUTHENTICATE, CHALLENGE))
        }
        Error::InvalidToken => Some((header::WWW_AUTHENTICATE, CHALLENGE_TOKEN)),
        Error::InsufficientScope => Some((header::WWW_AUTHENTICATE, CHALLENGE_SCOPE)),
        Error::Overloaded { retry_after } | Error::TooManyAttempts { retry_after } => {
            Some((header::RETRY_AFTER, HeaderValue::from(whole_seconds(*retry_after))))
        }
        Error::InvalidUsername
        | Error::UsernameTaken
        | Error::WeakPassword(_)
        | Error::WrongPassword
        | Error::UnchangedPassword
        | Error::InvalidRole
        | Error::LastAdmin
        | Error::NoSuchUser
        | Error::NoSuchSession
        | Error::Unavailable
        | Error::Internal(_) => None,
    }
}

/// Which rule refused a password: the rule's words, never the password's.
fn password_detail(refusal: PasswordRefusal) -> Cow<'static, str> {
    match refusal {
        PasswordRefusal::TooShort { least } => format!("A password has at least {least} characters.").into(),
        PasswordRefusal::TooLong => "A password has at most 72 bytes in UTF-8.".into(),
        PasswordRefusal::ControlCharacter => "A password has no control characters.".into(),
        PasswordRefusal::Common => "The password is one that is tried first, or made of such.".into(),
        PasswordRefusal::Username => "A password is not made of the username.".into(),
    }
}

/// `Retry-After` has whole seconds (RFC 9110 §10.2.3). Rounded up, and at least one: a client told zero would be back at
/// once, which is what it was turned away for.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::error::GrantRefusal;

    const MINUTE: Duration = Duration::from_millis(59_001);

    fn rendered(error: &ApiError) -> (HttpResponse<()>, Value) {
        let (head, body) = error.render(error.error_response(), "id-1").into_parts();
        let body = actix_web::body::MessageBody::try_into_bytes(body).unwrap();
        (head, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn every_error_has_the_status_the_code_and_the_headers_of_the_contract() {
        let plain = r#"Bearer realm="latchkey""#;
        let grant = |refusal| Error::InvalidGrant(refusal).into();
        let wait = |millis| Error::Overloaded { retry_after: Duration::from_millis(millis) }.into();
        let allow = "GET, HEAD".into();
        let table: Vec<(ApiError, u16, &str, &str, &str)> = vec![
            (Error::InvalidUsername.into(), 422, "invalid_username", "", ""),
            (Error::UsernameTaken.into(), 409, "username_taken", "", ""),
            (Error::WeakPassword(PasswordRefusal::TooLong).into(), 422, "weak_password", "", ""),
            (Error::WrongPassword.into(), 403, "wrong_password", "", ""),
            (Error::InvalidRole.into(), 422, "invalid_role", "", ""),
            (
                Error::InsufficientScope.into(),
                403,
                "insufficient_scope",
                "www-authenticate",
                r#"Bearer realm="latchkey", error="insufficient_scope""#,
            ),
            (Error::LastAdmin.into(), 409, "last_admin", "", ""),
            (Error::UnchangedPassword.into(), 422, "unchanged_password", "", ""),
            (Error::InvalidCredentials.into(), 401, "invalid_credentials", "www-authenticate", plain),
            (Error::AccountChanged.into(), 401, "invalid_credentials", "www-authenticate", plain),
            (Error::NoSuchUser.into(), 404, "not_found", "", ""),
            (Error::NoSuchSession.into(), 404, "not_found", "", ""),
            (Error::MissingToken.into(), 401, "missing_token", "www-authenticate", plain),
            (
                Error::InvalidToken.into(),
                401,
                "invalid_token",
                "www-authenticate",
                r#"Bearer realm="latchkey", error="invalid_token""#,
            ),
            (grant(GrantRefusal::Reused), 401, "invalid_grant", "www-authenticate", plain),
            (wait(2001), 503, "overloaded", "retry-after", "3"),
            (wait(2000), 503, "overloaded", "retry-after", "2"),
            (wait(0), 503, "overloaded", "retry-after", "1"),
            (Error::TooManyAttempts { retry_after: MINUTE }.into(), 429, "too_many_attempts", "retry-after", "60"),
            (Error::Unavailable.into(), 503, "unavailable", "", ""),
            (Error::Internal("here").into(), 500, "internal", "", ""),
            (ApiError::invalid_request("Why."), 400, "invalid_request", "", ""),
            (
                ApiError::MalformedAuthorization { detail: "Why." },
                400,
                "invalid_request",
                "www-authenticate",
                r#"Bearer realm="latchkey", error="invalid_request""#,
            ),
            (ApiError::NotFound, 404, "not_found", "", ""),
            (ApiError::MethodNotAllowed { allow }, 405, "method_not_allowed", "allow", "GET, HEAD"),
            (ApiError::RequestTimeout, 408, "request_timeout", "", ""),
            (ApiError::PayloadTooLarge, 413, "payload_too_large", "", ""),
            (
                ApiError::UnsupportedMediaType(Unsupported::ContentType(Media::Json)),
                415,
                "unsupported_media_type",
                "accept",
                "application/json",
            ),
            (
                ApiError::UnsupportedMediaType(Unsupported::Coding),
                415,
                "unsupported_media_type",
                "accept-encoding",
                "identity",
            ),
        ];
        for (error, status, code, name, value) in table {
            let (head, body) = rendered(&error);

            assert_eq!((head.status().as_u16(), body["code"].as_str()), (status, Some(code)), "{error:?}");
            assert_eq!(body["status"], status, "{error:?}");
            assert_eq!(head.headers().get("content-type").unwrap(), "application/problem+json");
            assert_eq!(head.headers().len(), if name.is_empty() { 1 } else { 2 }, "{error:?}");
            if !name.is_empty() {
                assert_eq!(head.headers().get(name).unwrap(), value, "{error:?}");
            }
            assert!(problem::ALL.iter().any(|entry| entry == error.entry().0), "{error:?}");
        }
    }

    #[test]
    fn a_refused_grant_says_why_and_nothing_else_has_a_reason() {
        for refusal in [GrantRefusal::Unknown, GrantRefusal::Expired, GrantRefusal::Revoked, GrantRefusal::Reused] {
            assert_eq!(rendered(&Error::InvalidGrant(refusal).into()).1["reason"], refusal.as_str());
        }
        assert_eq!(rendered(&Error::InvalidToken.into()).1.get("reason"), None);
    }

    #[test]
    fn a_weak_password_is_told_the_rule() {
        for (refusal, rule) in [
            (PasswordRefusal::TooShort { least: 8 }, "8 characters"),
            (PasswordRefusal::TooLong, "72 bytes"),
            (PasswordRefusal::ControlCharacter, "control characters"),
            (PasswordRefusal::TooShort { least: 15 }, "15 characters"),
            (PasswordRefusal::Common, "tried first"),
            (PasswordRefusal::Username, "made of the username"),
        ] {
            let (_, body) = rendered(&Error::WeakPassword(refusal).into());
            assert!(body["detail"].as_str().unwrap().contains(rule), "{body}");
        }
    }

    #[test]
    fn an_internal_error_does_not_tell_its_place() {
        assert!(!rendered(&Error::Internal("secret place").into()).1.to_string().contains("secret place"));
    }
}
