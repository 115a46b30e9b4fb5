//! How a path gets its methods.
//!
//! Owns one rule: a path answers to the methods it was given, to HEAD wherever to GET, and to all others with 405 and an
//! `Allow` that lists exactly those. The route table in `handlers` is written with [`at`], so no path can forget it.
//!
//! `at("/api/profile").get(profile).behind(authenticate)` -> a service for `App` or a scope

use std::borrow::Cow;
use std::future::ready;

use actix_web::body::MessageBody;
use actix_web::dev::{AppService, HttpServiceFactory, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::guard;
use actix_web::http::Method;
use actix_web::{Error, FromRequest, Handler, HttpResponse, Resource, Responder, Route, web};
use futures_util::future::LocalBoxFuture;

use super::error::ApiError;
use super::oauth::Dialect;
use crate::middleware::trail::Trail;

/// Begins the table of a path; the pattern is actix's (`/api/sessions/{id}`). It is what the log says of a request's path, so
/// it is written whole and not inside a scope.
pub fn at(path: &'static str) -> At {
    At { path, dialect: Dialect::Problem, methods: Vec::new(), routes: Vec::new() }
}

/// What answers at an address that nothing has: the app's default service.
///
/// # Errors
///
/// Always [`ApiError::NotFound`].
pub async fn nowhere() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}

/// A path and the methods it answers to so far.
pub struct At {
    path: &'static str,
    dialect: Dialect,
    methods: Vec<Method>,
    routes: Vec<Route>,
}

/// A service as actix boxes it behind a route; actix-web does not re-export its name for it.
type RouteService = Box<
    dyn Service<
            ServiceRequest,
            Response = ServiceResponse,
            Error = Error,
            Future = LocalBoxFuture<'static, Result<ServiceResponse, Error>>,
        >,
>;

impl At {
    /// Answers GET and HEAD. The handler runs for both; of an answer to HEAD actix sends the head alone, `Content-Length`
    /// included (RFC 9110 §9.3.2).
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.routed([Method::GET, Method::HEAD].into(), handler)
    }

    /// Answers POST.
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.routed([Method::POST].into(), handler)
    }

    /// Answers PUT.
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.routed([Method::PUT].into(), handler)
    }

    /// Answers PATCH.
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.routed([Method::PATCH].into(), handler)
    }

    /// Answers DELETE.
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.routed([Method::DELETE].into(), handler)
    }

    /// Tells every error of the path, its 405 and those of the framework included, as the OAuth standards do.
    pub fn in_oauth(self) -> Self {
        Self { dialect: Dialect::OAuth, ..self }
    }

    /// Puts a middleware in front of the handlers given so far, and not in front of the 405: a wrong method is told before
    /// anybody is asked for a token. `middleware` makes one for each method.
    pub fn behind<M, B>(mut self, middleware: impl Fn() -> M) -> Self
    where
        M: Transform<RouteService, ServiceRequest, Response = ServiceResponse<B>, Error = Error, InitError = ()>
            + 'static,
        B: MessageBody + 'static,
    {
        self.routes = self.routes.into_iter().map(|route| route.wrap(middleware())).collect();
        self
    }

    /// The finished resource, for what concerns the whole path, its 405 included.
    pub fn resource(self) -> Resource {
        let allow: Cow<'static, str> = self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ").into();
        let refuse = move || ready(Err::<HttpResponse, _>(ApiError::MethodNotAllowed { allow: allow.clone() }));
        let (path, dialect) = (self.path, self.dialect);
        // A guard that guards nothing: it runs once the path matched, which no middleware in front of the router knows yet, and
        // what is noted there outlives an error of what is behind.
        let note = guard::fn_guard(move |request| {
            if let Some(trail) = request.req_data().get::<Trail>() {
                trail.note_route(path, dialect);
            }
            true
        });
        let resource = web::resource(path).guard(note).default_service(web::to(refuse));
        self.routes.into_iter().fold(resource, Resource::route)
    }

    /// A guard of our own: actix's method guards note themselves in the extensions of every request that they look at, two
    /// allocations each, for an `Allow` that is known here beforehand.
    fn routed<F, Args>(mut self, methods: Vec<Method>, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.methods.extend_from_slice(&methods);
        let matches = guard::fn_guard(move |request| methods.contains(&request.head().method));
        self.routes.push(web::route().guard(matches).to(handler));
        self
    }
}

impl HttpServiceFactory for At {
    fn register(self, config: &mut AppService) {
        self.resource().register(config);
    }
}
