//! A pair of tokens on its way out.
//!
//! Owns one rule: a refresh token leaves by one way. One that travels in a cookie is in no body, where script would read it.
//!
//! grant and transport -> `Services::issue` -> [`Issued`] -> JSON, and `Set-Cookie` where the token is in a cookie

use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;

use super::json::Json;
use crate::tokens::refresh::{RefreshToken, SessionId};

/// A pair of tokens, as every call answers it that gives some out.
pub struct Issued {
    pub(super) body: TokenResponse,
    pub(super) cookie: Option<HeaderValue>,
}

/// What of it is in the body.
#[derive(Serialize)]
pub(super) struct TokenResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'static str>,
    pub token_type: &'static str,
    pub access_token: String,
    /// What remains of the access token, in seconds.
    pub expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<RefreshToken>,
    /// What remains of the refresh token unless it is renewed, in seconds.
    pub refresh_expires_in: u64,
    pub session_id: SessionId,
}

impl Issued {
    /// The same with a sentence for people.
    pub(super) fn saying(mut self, message: &'static str) -> Self {
        self.body.message = Some(message);
        self
    }

    /// The same, and the browser keeps the cookie that it has.
    pub(super) fn leaving_the_cookie(mut self) -> Self {
        self.cookie = None;
        self
    }
}

impl Responder for Issued {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut answer = Json(self.body).respond_to(request);
        if let Some(cookie) = self.cookie {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        answer
    }
}
