//! Tokens made by hand, as whoever holds the server's secrets could, or pretends to.
//!
//! Written from the documents and not with the service's code, so that the two have to agree.

use std::fmt::Display;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

use super::{Answer, TestServer, Tokens};

/// The challenge to whoever sent a bearer token that was refused.
pub const REFUSED: &str = r#"Bearer realm="latchkey", error="invalid_token""#;

/// A server, an honest session on it, and the parts of that session's access token.
pub struct Forge {
    pub server: TestServer,
    pub honest: Tokens,
    pub header: Value,
    pub claims: Value,
}

impl Forge {
    pub async fn start() -> Self {
        Self::on(TestServer::start().await).await
    }

    /// On a server whose time stands still from here on.
    pub async fn at_rest() -> Self {
        let server = TestServer::start().await;
        server.stop_time();
        Self::on(server).await
    }

    /// On this server.
    pub async fn on(server: TestServer) -> Self {
        let honest = server.registered("alice").await;
        let (header, claims) = parts(&honest.access_token);
        Self { server, honest, header, claims }
    }

    /// A JWT of these texts under the server's own key.
    pub fn jwt(&self, header: impl Display, claims: impl Display) -> String {
        hs256(self.server.jwt_secret(), header, claims)
    }

    /// A refresh token of the honest session under the server's own key.
    pub fn generation(&self, generation: u32) -> String {
        let session = self.honest.session_id.parse().unwrap();
        refresh_token(self.server.refresh_token_secret(), 1, 1, session, generation)
    }

    /// Fails unless this access token opens the door.
    pub async fn assert_accepted(&self, case: &str, token: &str) {
        let answer = self.server.get_with("/api/profile", token).await;
        assert_eq!(answer.status, 200, "{case}: {}", answer.raw);
    }

    /// Fails unless each of these access tokens is refused in the same words, and the honest pair still works.
    pub async fn assert_refused<Case: Display>(&self, forged: impl IntoIterator<Item = (Case, String)>) {
        for (case, token) in forged {
            let answer = self.server.get_with("/api/profile", &token).await;
            assert_eq!(answer.status, 401, "{case}: {}", answer.raw);
            answer.assert_problem(401, "invalid_token");
            assert_eq!(answer.header("www-authenticate"), REFUSED, "{case}");
        }
        self.assert_honest_works().await;
    }

    /// Fails unless the honest session is as it was.
    pub async fn assert_honest_works(&self) -> Answer {
        self.assert_accepted("the honest token", &self.honest.access_token).await;
        let renewed = self.server.refresh(&self.honest.refresh_token).await;
        assert_eq!(renewed.status, 200, "the honest refresh token: {}", renewed.raw);
        renewed
    }
}

/// Header and claims of a JWT.
pub fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

/// `kid` of an HS256 key, as the contract says.
pub fn kid(secret: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, &[b"latchkey kid", secret].concat());
    digest.as_ref()[..4].iter().fold("hs-".to_owned(), |kid, byte| format!("{kid}{byte:02x}"))
}

/// What a MAC of `message` looks like in a JWT.
pub fn signature(algorithm: hmac::Algorithm, secret: &[u8], message: &str) -> String {
    encoded(hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes()))
}

/// `header.claims`, unsigned.
pub fn message(header: impl Display, claims: impl Display) -> String {
    format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()))
}

/// A JWT under any key.
pub fn hs256(secret: &[u8], header: impl Display, claims: impl Display) -> String {
    signed(secret, &message(header, claims))
}

/// A message with its HS256 signature.
pub fn signed(secret: &[u8], message: &str) -> String {
    format!("{message}.{}", signature(hmac::HMAC_SHA256, secret, message))
}

/// A refresh token with any of its fields, under any key.
pub fn refresh_token(secret: &[u8], version: u8, key_id: u8, session: Uuid, generation: u32) -> String {
    let mut bytes = [&[version, key_id][..], session.as_bytes(), &generation.to_be_bytes()].concat();
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &bytes);
    bytes.extend_from_slice(mac.as_ref());
    format!("lkr_{}", encoded(bytes))
}

/// Unpadded base64url.
pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The object with a member set.
pub fn with(object: &Value, member: &str, value: impl Into<Value>) -> Value {
    let mut object = object.clone();
    object[member] = value.into();
    object
}

/// The object without a member.
pub fn without(object: &Value, member: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove(member);
    object
}

/// The text of the object with a member written twice, both times with the same value.
pub fn twice(object: &Value, member: &str) -> String {
    format!("{{\"{member}\":{},{}", object[member], &object.to_string()[1..])
}
