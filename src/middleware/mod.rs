//! What surrounds every handler.
//!
//! Owns what is the same for all requests, and no rule of any one of them.
//!
//! - [`respond`]: the outermost layer: request id, panics, problems, security headers
//! - [`cors`]: which web pages may read the answers
//! - [`forwarded`]: where a request came from, behind proxies
//! - [`request_id`]: one name per request, the client's own where it is well-formed
//! - [`trail`]: what is known of a request, for whoever logs; [`request_line`]: the line of each request
//! - `faults`: what the log says of failures that are ours
//! - `unread`: no connection stays open for the rest of a body that nobody reads
//! - [`authenticate`]: Bearer -> identity, for what only a signed-in user may call
//! - [`require_role`]: only for those who have a role, behind it
//! - [`bearer`]: the Authorization header, parsed; [`basic`]: the credentials of a client in it

pub mod authenticate;
pub mod basic;
pub mod bearer;
pub mod cors;
mod faults;
pub mod forwarded;
pub mod request_id;
pub mod request_line;
pub mod require_role;
pub mod respond;
pub mod trail;
mod unread;
