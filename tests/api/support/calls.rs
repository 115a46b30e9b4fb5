//! The calls that take a body, and what their refusals have in common.

use serde_json::{Value, json};

use super::{Answer, TestServer};

/// Stands in every hostile body, and must never come back. No name: the star is not allowed in one.
pub const CANARY: &str = "cAnArY*7f3b";

/// A call that takes a body.
pub struct Call {
    pub method: &'static str,
    pub path: &'static str,
    /// Whether it asks for a bearer token.
    pub signed_in: bool,
    /// The members that it asks for, all of them text.
    pub members: &'static [&'static str],
    /// The status for a well-formed body full of canaries: what shows that the body was read.
    pub read: u16,
}

pub const CALLS: [Call; 6] = [
    Call { read: 422, ..post("/api/register", &["username", "password"]) },
    Call { read: 401, ..post("/api/login", &["username", "password"]) },
    Call { read: 401, ..post("/api/refresh_token", &["refresh_token"]) },
    Call { read: 204, ..post("/api/logout", &["refresh_token"]) },
    Call { method: "PUT", signed_in: true, read: 403, ..post("/api/password", &["current_password", "new_password"]) },
    Call { signed_in: true, read: 403, ..post("/api/delete_account", &["password"]) },
];

const fn post(path: &'static str, members: &'static [&'static str]) -> Call {
    Call { method: "POST", path, signed_in: false, members, read: 0 }
}

/// A server, and the bearer token of somebody who is signed in on it.
pub struct Called {
    pub server: TestServer,
    access_token: String,
}

impl Called {
    pub async fn on(server: TestServer) -> Self {
        let access_token = server.registered("caller").await.access_token;
        Self { server, access_token }
    }

    /// Guesses are not counted: a body that is read is one, and there are many.
    pub async fn start() -> Self {
        Self::on(TestServer::with(&[("LOGIN_FAILURES", "off")]).await).await
    }

    /// The call without a body, with the token that it needs.
    pub fn request(&self, call: &Call) -> reqwest::RequestBuilder {
        let request = self.server.request(call.method.parse().unwrap(), call.path);
        if call.signed_in { request.bearer_auth(&self.access_token) } else { request }
    }

    /// The call with any bytes as a JSON body.
    pub async fn raw(&self, call: &Call, body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.request(call).header("content-type", "application/json").body(body)).await
    }

    /// The head of the call up to its framing, over a connection of its own.
    pub fn head(&self, call: &Call) -> String {
        let bearer =
            if call.signed_in { format!("\r\nAuthorization: Bearer {}", self.access_token) } else { String::new() };
        format!("{} {} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json{bearer}", call.method, call.path)
    }
}

impl Call {
    /// A body with this value for every member.
    pub fn body(&self, value: &Value) -> Value {
        self.members.iter().map(|member| ((*member).to_owned(), value.clone())).collect()
    }

    /// A well-formed body of so many bytes, filled up by a member that nobody asked for.
    pub fn body_of(&self, length: usize) -> String {
        let mut body = self.body(&json!(CANARY));
        body["padding"] = json!("");
        let padding = length - body.to_string().len();
        body["padding"] = json!("x".repeat(padding));
        body.to_string()
    }

    /// Fails unless this is the answer to a body that was read.
    #[track_caller]
    pub fn assert_read(&self, case: &str, answer: &Answer) {
        assert_eq!(answer.status, self.read, "{case} to {}: {}", self.path, answer.raw);
        assert_no_echo(case, answer);
    }
}

/// Fails if a piece of the input is in the answer's body or headers.
#[track_caller]
pub fn assert_no_echo(case: &str, answer: &Answer) {
    let shown = format!("{:?} {}", answer.headers, answer.raw).to_lowercase();
    assert!(!shown.contains(&CANARY.to_lowercase()), "{case}: {shown}");
}

/// Fails unless this is that problem, without an echo.
#[track_caller]
pub fn assert_refused(case: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{case}: {}", answer.raw);
    answer.assert_problem(status, code);
    assert_no_echo(case, answer);
}
