//! Clients of many addresses: the test is a proxy that the server trusts.

use reqwest::{Method, RequestBuilder};

use super::TestServer;

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
}
