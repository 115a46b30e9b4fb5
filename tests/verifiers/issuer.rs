//! A real server whose access tokens others verify, and what becomes of its keys.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use latchkey::clock::Clock;
use latchkey::tokens::keys::Algorithm;
use latchkey::tokens::principal::UserId;
use latchkey::tokens::ring::change::NewKey;
use tempfile::TempDir;

use crate::support::forge::parts;
use crate::support::ring_file::NOTICE;
use crate::support::{TestServer, settings};

/// How long a key is known before it signs.
pub const ACTIVATES_IN: Duration = NOTICE;
/// `ACCESS_TOKEN_TTL`: how long a key verifies after it signed last.
pub const OVERLAP: Duration = Duration::from_secs(900);
/// So much the server's time is behind everybody else's at first. More than passes for it before it makes the last token that is
/// verified, or that one would be from the future; less than a token lives, or the first would be over.
const BEHIND: Duration = Duration::from_secs(600);

/// A server on which alice is registered.
pub struct Issuer {
    server: TestServer,
    alice: UserId,
}

/// An access token of alice's, and what its header says of the key.
pub struct Signed {
    pub text: String,
    pub kid: String,
    pub algorithm: String,
}

impl Issuer {
    /// One that signs with a key pair of this algorithm, and publishes no other.
    pub async fn signing_with(algorithm: &str) -> Self {
        let clock = Clock::system();
        clock.step_back(BEHIND);
        let directory = Arc::new(TempDir::new().unwrap());
        let settings = settings(directory.path(), &[]);
        let server = TestServer::launch(directory, settings, clock).await;
        let alice = server.registered("alice").await.user_id();
        let issuer = Self { server, alice };
        issuer.generate(algorithm).await;
        issuer.pass(ACTIVATES_IN);
        issuer
    }

    /// Makes a key as `latchkey keys generate` does, but by the server's time; its `kid`.
    pub async fn generate(&self, algorithm: &str) -> String {
        self.server.add_key(NewKey::Access(Algorithm::parse(algorithm).unwrap())).await
    }

    /// Lets time pass for the server.
    pub fn pass(&self, span: Duration) {
        self.server.clock.advance(span);
    }

    /// A token of now.
    pub async fn token(&self) -> Signed {
        let text = self.server.logged_in("alice").await.access_token;
        let (header, _) = parts(&text);
        let member = |name: &str| header[name].as_str().unwrap().to_owned();
        Signed { kid: member("kid"), algorithm: member("alg"), text }
    }

    /// The names of the keys that everybody can see.
    pub async fn published(&self) -> BTreeSet<String> {
        self.server.published().await.into_iter().collect()
    }

    pub fn user_id(&self) -> UserId {
        self.alice
    }

    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }
}
