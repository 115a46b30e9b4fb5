//! HTTP in, HTTP out.
//!
//! Owns the shape of requests and answers, and no rule behind them: a handler parses, asks and answers. Storage is never
//! named here; whoever wants something from it asks an actor.
//!
//! - the calls, one file each: [`welcome`], [`register`], [`login`], [`refresh_token`], [`logout`], [`logout_all`], [`profile`],
//!   [`sessions`], [`password`], [`delete_account`], [`admin_users`], [`administration`], [`jwks`], [`health`], [`problems`]
//! - [`services`]: what they ask
//! - [`routes`]: how a path gets its methods, and what answers elsewhere
//! - [`oauth`]: the calls of the OAuth standards, and their errors
//! - [`json`]: request bodies and answers; [`form`]: the bodies of the standards; `body`: the bytes of either
//! - [`issued`]: a pair of tokens as an answer
//! - [`refresh_cookie`]: refresh tokens in a cookie; [`own_pages`]: who may send it
//! - [`attempt`]: what every call begins that checks a password
//! - `client`: where a request comes from
//! - `current_password`: the password, asked for again
//! - `unstoppable`: work that ends even where its client does not wait
//! - [`error`]: the one table of statuses; [`problem`]: the catalogue of error codes

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use self::routes::{At, at, nowhere};
use crate::middleware::authenticate::authenticate;
use crate::middleware::require_role::RequireRole;
use crate::tokens::principal::Role;

pub mod admin_users;
pub mod administration;
pub mod attempt;
mod body;
mod body_headers;
mod client;
mod current_password;
pub mod delete_account;
pub mod error;
pub mod form;
pub mod health;
pub mod issued;
pub mod json;
pub mod jwks;
pub mod login;
pub mod logout;
pub mod logout_all;
pub mod oauth;
pub mod own_pages;
pub mod password;
pub mod problem;
pub mod problems;
pub mod profile;
pub mod refresh_cookie;
pub mod refresh_token;
pub mod register;
pub mod routes;
pub mod services;
pub mod sessions;
mod unstoppable;
pub mod welcome;

/// Every path of the service. Elsewhere: 404; another method: 405.
pub fn route_table(app: &mut ServiceConfig) {
    app.service(at("/api").get(welcome::welcome))
        .service(at("/api/register").post(register::register))
        .service(at("/api/login").post(login::login))
        .service(at("/api/refresh_token").post(refresh_token::refresh_token))
        .service(at("/api/logout").post(logout::logout))
        .service(at("/api/profile").get(profile::profile).behind(|| from_fn(authenticate)))
        .service(at("/api/sessions").get(sessions::list).behind(|| from_fn(authenticate)))
        .service(at("/api/sessions/{id}").delete(sessions::end).behind(|| from_fn(authenticate)))
        .service(at("/api/logout_all").post(logout_all::logout_all).behind(|| from_fn(authenticate)))
        .service(at("/api/password").put(password::password).behind(|| from_fn(authenticate)))
        .service(at("/api/delete_account").post(delete_account::delete_account).behind(|| from_fn(authenticate)))
        .service(for_admins(at("/api/admin/users").get(admin_users::list)))
        .service(for_admins(
            at("/api/admin/users/{id}")
                .get(admin_users::show)
                .patch(administration::change)
                .delete(administration::delete),
        ))
        .service(for_admins(at("/api/admin/users/{id}/sessions").delete(administration::end_sessions)))
        .service(at("/oauth/token").post(oauth::token::token).in_oauth())
        .service(at("/api/introspect").post(oauth::introspect::introspect).in_oauth())
        .service(at("/api/revoke").post(oauth::revoke::revoke).in_oauth())
        .service(at("/.well-known/oauth-authorization-server").get(oauth::metadata::metadata))
        .service(at("/.well-known/jwks.json").get(jwks::jwks))
        .service(at("/healthz").get(health::healthz))
        .service(at("/readyz").get(health::readyz))
        .service(at("/problems").get(problems::problems))
        .default_service(web::to(nowhere));
}

/// The layer that is written last is the outermost: who asks, then what they may.
fn for_admins(path: At) -> At {
    path.behind(|| RequireRole(Role::Admin)).behind(|| from_fn(authenticate))
}
