//! A service that believes tokens by a library that nobody here wrote, and what it says about them.

use std::process::Command;
use std::time::Duration;

use crate::foreign::{self, Program};
use crate::issuer::Issuer;

/// A library, as a program of `tests/foreign`.
pub struct Library {
    find: fn() -> Option<Command>,
    /// Its words for a signature that does not fit.
    pub bad_signature: &'static str,
    /// Its words for a `kid` that is not among the keys.
    pub no_such_key: &'static str,
}

pub const JOSE: Library = Library {
    find: || foreign::program("node", "tests/foreign/jose_verifier.mjs"),
    bad_signature: "refused ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    no_such_key: "refused ERR_JWKS_NO_MATCHING_KEY",
};

pub const PYJWT: Library = Library {
    find: || foreign::program("python", "tests/foreign/pyjwt_verifier.py"),
    bad_signature: "refused InvalidSignatureError",
    no_such_key: "refused PyJWKClientError",
};

impl Library {
    /// How to run it, or none where it is missing, and the test is skipped.
    pub fn found(&self) -> Option<Command> {
        (self.find)()
    }
}

/// One process, and one cache of keys, for as long as the test lasts.
pub struct Verifier(Program);

impl Verifier {
    /// One that knows no keys yet.
    pub fn start(library: &Library, issuer: &Issuer) -> Self {
        let mut command = library.found().expect("what was found before");
        command.arg(issuer.url("/.well-known/jwks.json"));
        Self(Program::start(command))
    }

    #[track_caller]
    pub fn assert_believes(&mut self, token: &str, issuer: &Issuer) {
        assert_eq!(self.0.ask(token), format!("accepted {}", issuer.user_id()));
    }

    #[track_caller]
    pub fn assert_refuses(&mut self, token: &str, reason: &str) {
        assert_eq!(self.0.ask(token), reason);
    }

    /// Lets so much time pass for its cache.
    pub fn later(&mut self, span: Duration) {
        assert_eq!(self.0.ask(&format!("later {}", span.as_secs())), "later");
    }
}
