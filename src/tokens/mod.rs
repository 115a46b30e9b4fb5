//! Tokens: what they are made of, and when one buys another.
//!
//! Owns every rule about access and refresh tokens as plain functions and types: no clock, no actor, no storage, no HTTP.
//!
//! - [`principal`]: who a token speaks for
//! - [`refresh`]: the bytes of a refresh token and their MAC
//! - [`rotation`]: what presenting one does to its session, as a pure decision
//! - [`grant`]: what a login or a renewal was given
//! - [`access`]: JWT access tokens, signed from a grant and verified
//! - [`live_keys`]: the keys in use
//! - [`verified`]: the tokens whose signatures were checked lately
//! - [`keys`]: the keys behind access tokens, and the names of all keys
//! - [`ring`]: which keys there are, and when each one signs
//! - [`revocation`]: the ended sessions and users that the verifier must refuse, in memory

pub mod access;
pub mod grant;
pub mod keys;
pub mod live_keys;
pub mod principal;
pub mod refresh;
pub mod revocation;
pub mod ring;
pub mod rotation;
pub mod verified;
