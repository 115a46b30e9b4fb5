//! Only for those who have a role.
//!
//! Owns one rule: what a caller may do is what their access token says, and the token is current: a role change refuses the
//! ones from before it (`ver`), so no account is looked up here. Stands behind `authenticate`; without it nobody gets through.
//!
//! [`Identity`] in the request's extensions -> its roles -> the handler, or 403 and one event

use std::future::{Ready, ready};

use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error as ActixError, HttpMessage as _};
use futures_util::future::Either;

use super::trail::Trail;
use crate::error::Error;
use crate::events;
use crate::handlers::error::ApiError;
use crate::tokens::access::Identity;
use crate::tokens::principal::Role;

/// Lets callers with this role through, for a path or a scope: `.behind(|| RequireRole(Role::Admin))`.
#[derive(Debug, Clone, Copy)]
pub struct RequireRole(pub Role);

impl<S, B> Transform<S, ServiceRequest> for RequireRole
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = ActixError>,
{
    type Response = ServiceResponse<B>;
    type Error = ActixError;
    type Transform = Door<S>;
    type InitError = ();
    type Future = Ready<Result<Door<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Door { role: self.0, service }))
    }
}

/// The middleware in front of a service.
#[derive(Debug)]
pub struct Door<S> {
    role: Role,
    service: S,
}

impl<S, B> Service<ServiceRequest> for Door<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = ActixError>,
{
    type Response = ServiceResponse<B>;
    type Error = ActixError;
    type Future = Either<S::Future, Ready<Result<ServiceResponse<B>, ActixError>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match check(self.role, &request) {
            Ok(()) => Either::Left(self.service.call(request)),
            Err(error) => Either::Right(ready(Err(ApiError::from(error).into()))),
        }
    }
}

fn check(role: Role, request: &ServiceRequest) -> Result<(), Error> {
    let extensions = request.extensions();
    let caller = extensions.get::<Identity>().ok_or(Error::Internal("a role is asked of nobody"))?;
    if caller.principal.roles.contains(&role) {
        return Ok(());
    }
    if let Some(trail) = extensions.get::<Trail>() {
        events::authorization_failed(trail, role, caller.principal.id, caller.session);
    }
    Err(Error::InsufficientScope)
}
