//! The calls of the OAuth standards.
//!
//! Owns what is different about them: their bodies are forms, their refusals have OAuth's words, and who calls is a
//! client. What they do is what the calls of this service do, by the same functions.
//!
//! - [`token`]: `POST /oauth/token` (RFC 6749 §6)
//! - [`metadata`]: `GET /.well-known/oauth-authorization-server` (RFC 8414)
//! - [`introspect`]: `POST /api/introspect` (RFC 7662); [`revoke`]: `POST /api/revoke` (RFC 7009)
//! - `client`: which client sends a request, and whether that is so (RFC 6749 §2.3)
//! - [`error`]: the one table of their errors (RFC 6749 §5.2)

mod client;
pub mod error;
pub mod introspect;
pub mod metadata;
pub mod revoke;
pub mod token;

pub use self::error::{Dialect, Refusal};
