//! What is known of a request while it is being answered.
//!
//! Owns one rule: whoever logs something about a request finds here which one it was, where it came from and for whom, and
//! nothing that a client could have written a secret into: no path, no query, no header but the checked request id and the
//! addresses that trusted proxies wrote. It outlives the request itself, which is gone after an error or a panic.
//!
//! `respond` begins it -> `At` notes the route, `authenticate` and handlers note who -> `request_line`, `events`

use std::cell::Cell;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::rc::Rc;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::Method;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};

use super::forwarded::Proxies;
use super::request_id::RequestId;
use crate::error::Error;
use crate::handlers::error::ApiError;
use crate::handlers::oauth::Dialect;
use crate::throttle::Origin;
use crate::tokens::principal::UserId;
use crate::tokens::refresh::SessionId;

/// The trail of one request; clones share it. An extractor for handlers.
#[derive(Debug, Clone)]
pub struct Trail(Rc<Steps>);

#[derive(Debug)]
struct Steps {
    id: RequestId,
    method: &'static str,
    origin: Origin,
    route: Cell<Option<&'static str>>,
    dialect: Cell<Dialect>,
    user: Cell<Option<UserId>>,
    session: Cell<Option<SessionId>>,
}

impl Trail {
    /// Begins the trail of a request, and leaves it in its extensions for everybody inside.
    pub(super) fn begin(request: &ServiceRequest, proxies: &Proxies) -> Self {
        let trail = Self(Rc::new(Steps {
            id: RequestId::of(request.headers()),
            method: known(request.method()),
            origin: proxies.origin(request.peer_addr(), request.headers()),
            route: Cell::new(None),
            dialect: Cell::new(Dialect::Problem),
            user: Cell::new(None),
            session: Cell::new(None),
        }));
        request.extensions_mut().insert(trail.clone());
        trail
    }

    /// Notes the pattern of the path that matched, and in which form its errors are told.
    pub(crate) fn note_route(&self, pattern: &'static str, dialect: Dialect) {
        self.0.route.set(Some(pattern));
        self.0.dialect.set(dialect);
    }

    /// Notes whose request this is: of an access token, or of what was just granted.
    pub fn note_user(&self, user: UserId) {
        self.0.user.set(Some(user));
    }

    /// Notes the session of an authentic token, be it live or over.
    pub fn note_session(&self, session: SessionId) {
        self.0.session.set(Some(session));
    }

    /// The name of the request.
    pub fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// The method; `OTHER` for one that no route here knows, because its letters are the client's.
    pub fn method(&self) -> &'static str {
        self.0.method
    }

    /// The client's address: the other end of the connection, or whom trusted proxies name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.origin.ip
    }

    /// The client's address, and whether it stands for one client.
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// The pattern of the path that matched, if one did.
    pub fn route(&self) -> Option<&'static str> {
        self.0.route.get()
    }

    /// In which form its errors are told.
    pub(super) fn dialect(&self) -> Dialect {
        self.0.dialect.get()
    }

    /// Whose request this is, as far as is known.
    pub fn user(&self) -> Option<UserId> {
        self.0.user.get()
    }

    /// The session of the token that came with it, or that it opened.
    pub fn session(&self) -> Option<SessionId> {
        self.0.session.get()
    }
}

impl FromRequest for Trail {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let trail = request.extensions().get::<Self>().cloned();
        ready(trail.ok_or_else(|| Error::Internal("a request without a trail").into()))
    }
}

/// A method is any token that the client chose (RFC 9110 §9.1); only the registered ones are named.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "OTHER",
    }
}
