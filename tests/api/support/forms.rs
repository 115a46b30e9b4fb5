//! The calls of the OAuth standards: forms in, OAuth's errors out.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey::clients::ClientSecret;
use reqwest::Method;

use super::{Answer, TestServer};

/// The media type of their bodies.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Every path whose errors are OAuth's.
pub const OAUTH_PATHS: [&str; 3] = ["/oauth/token", "/api/introspect", "/api/revoke"];

/// Parameters as a form, every byte of them escaped that may be.
pub fn encoded(parameters: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric();
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let pairs: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

/// A token with another last character, whatever that was.
pub fn tampered(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "A" { "E" } else { "A" })
}

/// The Authorization header of a client.
pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

impl TestServer {
    /// A request with any bytes as a form.
    pub fn form(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.request(Method::POST, path).header("content-type", FORM).body(body)
    }

    /// Posts these parameters.
    pub async fn posted(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        Answer::of(self.form(path, encoded(parameters))).await
    }

    /// The Authorization header of a client with a secret.
    pub async fn client(&self, name: &str) -> String {
        let (id, secret) = self.new_client(name).await;
        basic(&id, &secret)
    }

    /// A client with a secret, as another process makes it: its id and its secret. The server knows of it.
    pub async fn new_client(&self, name: &str) -> (String, String) {
        let secret = ClientSecret::generate().unwrap();
        let write = "INSERT INTO clients (id, secret_hash, created_at) VALUES (?1, ?2, 0)";
        self.rows_to_change().execute(write, (name, secret.hash().as_bytes())).unwrap();
        self.services.sessions.follow().await.unwrap();
        (name.to_owned(), secret.expose().to_owned())
    }

    /// Posts these parameters as a client.
    pub async fn posted_by(&self, client: &str, path: &str, parameters: &[(&str, &str)]) -> Answer {
        Answer::of(self.form(path, encoded(parameters)).header("authorization", client)).await
    }

    /// Asks what a token is worth.
    pub async fn introspect(&self, client: &str, token: &str) -> Answer {
        let answer = self.posted_by(client, "/api/introspect", &[("token", token)]).await;
        assert_eq!((answer.status, answer.header("pragma")), (200, "no-cache"), "{}", answer.raw);
        answer.assert_dressed();
        answer
    }

    /// A renewal by `POST /oauth/token`, with more parameters.
    pub async fn token(&self, refresh_token: &str, more: &[(&str, &str)]) -> Answer {
        let renewal = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.posted("/oauth/token", &[&renewal, more].concat()).await
    }
}

impl Answer {
    /// Fails unless this is OAuth's error with this status and word: both members and no other, never to be cached.
    #[track_caller]
    pub fn assert_oauth(&self, status: u16, error: &str) -> &Self {
        assert_eq!((self.status, self.body["error"].as_str()), (status, Some(error)), "{}", self.raw);
        assert_eq!(self.header("content-type"), "application/json");
        let members: BTreeSet<_> = self.body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["error", "error_description"].into(), "{}", self.raw);
        assert!(!self.text("error_description").is_empty(), "{}", self.raw);
        let challenge = if status == 401 { r#"Basic realm="latchkey""# } else { "" };
        assert_eq!(self.header("www-authenticate"), challenge, "{}", self.raw);
        assert_eq!(self.header("pragma"), "no-cache");
        self.assert_dressed()
    }
}
