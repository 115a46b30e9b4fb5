//! Latchkey's access tokens, verified by programs that know nothing of Latchkey but the address of its public keys.
//!
//! Owns one question: do others believe what they should, and nothing else, whatever becomes of the keys? Asked of
//! verifiers that nobody here wrote ([`rotation`], [`tampering`]) and of the services in `examples` ([`examples`]).
//!
//! The server's time is the test's; a verifier has the real one. So the server begins some minutes behind it, and its
//! tokens are neither over for anybody, nor from the future.
//!
//! - [`issuer`]: a real server, and what becomes of its keys
//! - [`verifier`]: a verifier's verdicts
//! - [`forged`]: tokens that nobody may believe
//! - [`gate`]: what stands between a verifier and the keys, and counts

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it expects"
)]

mod examples;
#[path = "../foreign/mod.rs"]
mod foreign;
mod forged;
mod gate;
mod issuer;
mod rotation;
#[expect(dead_code, reason = "it is the harness of tests/api, and this needs a part of it")]
#[path = "../api/support/mod.rs"]
mod support;
mod tampering;
mod verifier;
