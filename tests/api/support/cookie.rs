//! A page of the service's own origin: what its browser keeps and sends.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{Answer, PASSWORD, TestServer};

/// The cookie's name.
pub const COOKIE: &str = "__Host-latchkey_refresh";
/// What stands behind the token, and behind nothing where the cookie is taken away.
pub const TAKEN_AWAY: &str = "__Host-latchkey_refresh=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict";

/// Somebody who is signed in by cookie.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub access_token: String,
    /// What the browser keeps and no script sees.
    pub cookie: String,
    pub session_id: String,
}

impl TestServer {
    /// Registers a user with [`PASSWORD`] and signs them in by cookie.
    pub async fn registered_by_cookie(&self, username: &str) -> SignedIn {
        assert_eq!(self.register(username, PASSWORD).await.status, 201);
        self.signed_in(username).await
    }

    /// Signs a user in by cookie.
    pub async fn signed_in(&self, username: &str) -> SignedIn {
        self.logging_in_by(json!("cookie"), username).await.signed_in()
    }

    /// Logs in with this word for the transport.
    pub async fn logging_in_by(&self, transport: serde_json::Value, username: &str) -> Answer {
        self.post("/api/login", &json!({"username": username, "password": PASSWORD, "transport": transport})).await
    }

    /// A request with the cookie, as a page of the service's own origin sends it.
    pub fn by_page(&self, method: Method, path: &str, cookie: &str) -> RequestBuilder {
        self.with_cookie(method, path, cookie).header("sec-fetch-site", "same-origin")
    }

    /// The same, and the browser does not say where from.
    pub fn with_cookie(&self, method: Method, path: &str, cookie: &str) -> RequestBuilder {
        self.request(method, path).header("cookie", format!("theme=dark; {COOKIE}={cookie}"))
    }

    /// A page renews.
    pub async fn refresh_by_cookie(&self, cookie: &str) -> Answer {
        Answer::of(self.by_page(Method::POST, "/api/refresh_token", cookie)).await
    }

    /// A page logs out.
    pub async fn logout_by_cookie(&self, cookie: &str) -> Answer {
        Answer::of(self.by_page(Method::POST, "/api/logout", cookie)).await
    }

    /// Fails unless the session lives and its first token was never spent.
    #[track_caller]
    pub fn assert_unspent(&self, session_id: &str) {
        let row = (self.number_of(session_id, "current_generation"), self.number_of(session_id, "ended_at IS NULL"));
        assert_eq!(row, (1, 1), "it was spent or ended");
    }

    /// Whether nothing ended the session by itself.
    pub fn lives(&self, session_id: &str) -> bool {
        self.number_of(session_id, "ended_at IS NULL") == 1
    }
}

impl Answer {
    /// The one `Set-Cookie`, where there is one.
    #[track_caller]
    pub fn set_cookie(&self) -> Option<&str> {
        let mut sent = self.headers.get_all("set-cookie").iter();
        let first = sent.next().map(|cookie| cookie.to_str().unwrap());
        assert!(sent.next().is_none(), "{:?}", self.headers);
        first
    }

    /// The token that an answer of 200 puts into the cookie, and not into its body.
    #[track_caller]
    pub fn cookie(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.raw);
        assert!(!self.raw.contains("lkr_") && self.body.get("refresh_token").is_none(), "{}", self.raw);
        let set = self.set_cookie().expect("a cookie");
        let (name, rest) = set.split_once('=').unwrap();
        let (token, attributes) = rest.split_once("; ").unwrap();
        let expected =
            format!("Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Strict", self.body["refresh_expires_in"]);
        assert_eq!((name, attributes), (COOKIE, expected.as_str()));
        assert!(token.starts_with("lkr_"), "no token in it");
        self.assert_dressed();
        token.to_owned()
    }

    #[track_caller]
    pub fn signed_in(&self) -> SignedIn {
        SignedIn {
            cookie: self.cookie(),
            access_token: self.text("access_token").to_owned(),
            session_id: self.text("session_id").to_owned(),
        }
    }

    /// Fails unless the browser is told to forget the cookie.
    #[track_caller]
    pub fn assert_cookie_goes(&self) -> &Self {
        assert_eq!(self.set_cookie(), Some(TAKEN_AWAY), "{}", self.raw);
        self
    }

    /// Fails unless the browser keeps what it has.
    #[track_caller]
    pub fn assert_cookie_stays(&self) -> &Self {
        assert_eq!(self.set_cookie(), None, "{}", self.raw);
        self
    }
}
