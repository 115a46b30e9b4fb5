//! The calls of the OAuth standards: forms in, OAuth's errors out.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;

use super::{Answer, TestServer};

/// The media type of their bodies.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Every path whose errors are OAuth's.
pub const OAUTH_PATHS: [&str; 1] = ["/oauth/token"];

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
