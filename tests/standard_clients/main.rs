//! Clients of OAuth that know nothing of Latchkey, off the shelf: do they renew, and do they understand what they are
//! told?
//!
//! A client is a library in a small program of `tests/foreign`, which is asked over its standard input, a line for a
//! line; the server is real. Where Node, Python or the library is missing, a test is skipped with a printed reason.
//!
//! - [`authlib`]: Python's Authlib, which renews by itself
//! - [`oauth4webapi`]: the one for JavaScript, which finds everything from the issuer

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it expects"
)]

mod authlib;
#[path = "../foreign/mod.rs"]
mod foreign;
mod oauth4webapi;
#[expect(dead_code, reason = "it is the harness of tests/api, and this needs a part of it")]
#[path = "../api/support/mod.rs"]
mod support;

use serde_json::{Value, json};

use crate::foreign::Program;

/// A client at work.
pub struct Client(Program);

impl Client {
    /// What it answers.
    pub fn asked(&mut self, question: &Value) -> Value {
        let answer = self.0.ask(&question.to_string());
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// The refresh token of a renewal that it made of this one.
    pub fn renewed(&mut self, question: &Value) -> String {
        let answer = self.asked(question);
        refresh_token(&answer["token"])
    }

    /// What it is told of a token, as the client with these credentials.
    pub fn introspected(&mut self, client: &(String, String), token: &str) -> Value {
        self.asked(&json!({"do": "introspect", "token": token, "client": [client.0, client.1]}))["body"].clone()
    }
}

/// Of an answer that must have one.
pub fn refresh_token(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned()
}
