//! The calls that take a body, and what their refusals have in common.

use serde_json::{Value, json};

use super::Answer;

/// Stands in every hostile body, and must never come back. No name: the star is not allowed in one.
pub const CANARY: &str = "cAnArY*7f3b";

/// A call that takes a body.
pub struct Call {
    pub path: &'static str,
    /// The members that it asks for, all of them text.
    pub members: &'static [&'static str],
    /// The status for a well-formed body full of canaries: what shows that the body was read.
    pub read: u16,
}

pub const CALLS: [Call; 4] = [
    Call { path: "/api/register", members: &["username", "password"], read: 422 },
    Call { path: "/api/login", members: &["username", "password"], read: 401 },
    Call { path: "/api/refresh_token", members: &["refresh_token"], read: 401 },
    Call { path: "/api/logout", members: &["refresh_token"], read: 204 },
];

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
