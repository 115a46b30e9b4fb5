//! Which web pages may read the answers (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! Owns one rule: an answer names the page's origin if it is on the operator's list, byte by byte, and names none otherwise.
//! It decides nothing else: whoever is not on the list is answered as before, and it is the browser that keeps the answer
//! from the page. Applied by `respond` to every answer, errors and panics included, because a page that cannot read a 401
//! cannot know that it should renew. Where the list is empty, there is no [`Cors`] and no answer has a word of it.
//!
//! request headers -> `Cors::of` -> `Asked`, kept beside the request -> `Asked::dress` -> the answer's headers
//!
//! What anybody may read (`handlers::jwks`) says so itself; where the page is listed, its name takes that place.
//!
//! A preflight is answered from the route table: what answers to OPTIONS with 405 knows the path's methods
//! (`Asked::preflight`).

use std::borrow::Cow;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::config::Origin;
use crate::handlers::error::ApiError;

/// What pages may send beyond what every page may.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type, X-Request-Id");
/// What pages may read beyond what every page may: the id to report, when to come back, and what to do about a 401.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("X-Request-Id, Retry-After, WWW-Authenticate");
/// The methods told for an address that nothing has: all that the service knows, so that the page gets to read the 404.
const ALL_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// How long a browser may remember a preflight's answer, in seconds: two hours, the most that Chromium keeps.
const REMEMBERED_S: HeaderValue = HeaderValue::from_static("7200");
const TRUE: HeaderValue = HeaderValue::from_static("true");
/// An answer to one page must not be served from a cache to another, nor one without these headers to any.
const VARY: HeaderValue = HeaderValue::from_static("Origin");
const VARY_OF_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");

/// The operator's list.
#[derive(Debug)]
pub struct Cors {
    /// As they are written into answers; parsed once.
    origins: Vec<HeaderValue>,
}

/// What one request asks, as far as its answer depends on it.
#[derive(Debug)]
pub(super) struct Asked {
    /// The page's origin, where it is listed.
    origin: Option<HeaderValue>,
    method_is_options: bool,
    is_preflight: bool,
}

impl Cors {
    /// `None` for an empty list.
    pub fn new(origins: &[Origin]) -> Option<Self> {
        // An origin is ASCII, so each of them is a header value.
        let origins: Vec<_> = origins.iter().filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok()).collect();
        (!origins.is_empty()).then_some(Self { origins })
    }

    /// Looks at a request. Of two `Origin` headers neither counts: no browser sends two.
    pub(super) fn of(&self, method: &Method, headers: &HeaderMap) -> Asked {
        let mut sent = headers.get_all(header::ORIGIN);
        let origin = match (sent.next(), sent.next()) {
            (Some(only), None) => self.origins.iter().find(|listed| *listed == only).cloned(),
            _ => None,
        };
        let method_is_options = method == Method::OPTIONS;
        let is_preflight = method_is_options && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        Asked { origin, method_is_options, is_preflight }
    }
}

impl Asked {
    /// What a preflight from a listed page is told instead of `failure`: the methods that the address answers to. The 405
    /// of the route table lists them; where nothing is, or nobody could be asked, the call itself says so.
    pub(super) fn preflight(&self, failure: &ApiError) -> Option<Cow<'static, str>> {
        if !self.is_preflight || self.origin.is_none() {
            return None;
        }
        match failure {
            ApiError::MethodNotAllowed { allow } => Some(allow.clone()),
            ApiError::NotFound => Some(Cow::Borrowed(ALL_METHODS)),
            _ => None,
        }
    }

    /// Gives an answer what its page needs to read it. `methods` are those of a preflight that is answered.
    pub(super) fn dress(&self, headers: &mut HeaderMap, methods: Option<&str>) {
        headers.append(header::VARY, if self.method_is_options { VARY_OF_PREFLIGHT } else { VARY });
        let Some(origin) = &self.origin else { return };
        let mut say = |name: HeaderName, value: HeaderValue| drop(headers.insert(name, value));
        say(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        say(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        match methods.and_then(|methods| HeaderValue::from_str(methods).ok()) {
            Some(methods) => {
                say(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
                say(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
                say(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_S);
            }
            None => say(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS),
        }
    }
}
