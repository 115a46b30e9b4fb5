//! Clients of many addresses: the test is a proxy that the server trusts.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{Answer, TestServer};

impl TestServer {
    /// A server that believes this host's word about where a request comes from.
    pub async fn behind_a_proxy(changes: &[(&str, &str)]) -> Self {
        let changes: Vec<_> = [("TRUSTED_PROXIES", "127.0.0.1")].iter().chain(changes).copied().collect();
        Self::with(&changes).await
    }

    /// A request that comes from there.
    pub fn request_from(&self, address: &str, path: &str) -> RequestBuilder {
        self.request(Method::POST, path).header("x-forwarded-for", address)
    }

    /// `PUT /api/password` from there, as a future of its own.
    pub fn putting_password_from(
        &self,
        address: &str,
        bearer: &str,
        current: &str,
        new: &str,
    ) -> impl Future<Output = Answer> + use<> {
        let request = self.request(Method::PUT, "/api/password").header("x-forwarded-for", address);
        Answer::of(request.bearer_auth(bearer).json(&json!({"current_password": current, "new_password": new})))
    }

    /// `POST /api/delete_account` from there, as a future of its own.
    pub fn deleting_account_from(
        &self,
        address: &str,
        bearer: &str,
        password: &str,
    ) -> impl Future<Output = Answer> + use<> {
        let request = self.request_from(address, "/api/delete_account").bearer_auth(bearer);
        Answer::of(request.json(&json!({ "password": password })))
    }

    /// A login from there, as a future of its own.
    pub fn logging_in_from(
        &self,
        address: &str,
        username: &str,
        password: &str,
    ) -> impl Future<Output = Answer> + use<> {
        let body = json!({"username": username, "password": password});
        Answer::of(self.request_from(address, "/api/login").json(&body))
    }

    /// So many logins from there with a wrong password, none of which is too many.
    pub async fn fail_from(&self, address: &str, username: &str, times: usize) {
        for _ in 0..times {
            let answer = self.logging_in_from(address, username, "a wrong password").await;
            answer.assert_problem(401, "invalid_credentials");
        }
    }
}
