//! The key ring beside a server, changed as the command line changes it.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey::app;
use latchkey::clock::Timestamp;
use latchkey::tokens::keys::PrivateJwk;
use latchkey::tokens::ring::change::NewKey;
use latchkey::tokens::ring::{Given, Ring};
use serde_json::Value;

use super::{TestServer, Tokens, forge};

/// How long the keys of these tests are known before they sign.
pub const NOTICE: Duration = Duration::from_secs(60);

impl TestServer {
    /// The file beside the database.
    pub fn ring_file(&self) -> PathBuf {
        self.directory().join("latchkey.keys")
    }

    /// Has the server look at its ring.
    pub async fn look(&self) {
        self.key_ring.now().await;
    }

    /// Changes the ring as the command line does, and has the server look.
    pub async fn change_ring<T>(&self, change: impl FnOnce(&mut Ring, Given<'_>, Timestamp) -> T) -> T {
        let mut done = None;
        let changed = self.settings.key_ring.change(|text| {
            let mut ring = text.map_or(Ok(Ring::empty()), Ring::parse)?;
            done = Some(change(&mut ring, app::given(&self.settings), self.clock.now()));
            ring.date(self.clock.now(), None);
            Ok::<_, latchkey::tokens::ring::RingError>(ring.to_text())
        });
        changed.unwrap();
        self.look().await;
        done.unwrap()
    }

    /// Adds a key that signs after [`NOTICE`]; its name.
    pub async fn add_key(&self, new: NewKey) -> String {
        self.change_ring(|ring, given, now| ring.add(new, NOTICE, given, now).unwrap().kid).await
    }

    /// Takes a key out at once.
    pub async fn withdraw(&self, kid: &str) {
        self.change_ring(|ring, given, now| ring.withdraw(kid, given, now).map(drop).unwrap()).await;
    }

    /// A JWT of these claims under a key of the ring, as whoever holds the file could make it.
    pub fn signed_with(&self, kid: &str, claims: &Value) -> String {
        let ring: Value = serde_json::from_slice(&std::fs::read(self.ring_file()).unwrap()).unwrap();
        let line = ring["access_tokens"].as_array().unwrap().iter().find(|line| line["kid"] == kid).unwrap();
        let header = serde_json::json!({"typ": "at+jwt", "alg": line["alg"], "kid": kid});
        let message = forge::message(header, claims);
        let key: PrivateJwk = serde_json::from_value(line["key"].clone()).unwrap();
        let signature = key.signing_key().unwrap().sign(message.as_bytes()).unwrap();
        format!("{message}.{}", forge::encoded(signature))
    }

    /// What the set of public keys names.
    pub async fn published(&self) -> Vec<String> {
        let set = self.get("/.well-known/jwks.json").await;
        assert_eq!(set.status, 200, "{}", set.raw);
        let keys = set.body["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }
}

impl Tokens {
    /// Which key signed the access token.
    pub fn kid(&self) -> String {
        forge::parts(&self.access_token).0["kid"].as_str().unwrap().to_owned()
    }

    /// The number of the key that signed the refresh token.
    pub fn mac_id(&self) -> u8 {
        URL_SAFE_NO_PAD.decode(&self.refresh_token[4..]).unwrap()[1]
    }
}
