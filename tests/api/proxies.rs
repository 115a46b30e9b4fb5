//! `TRUSTED_PROXIES`: one address of a client for the log, the sessions and the limits.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, PASSWORD, TestServer, log};

/// Logs in with this header; the address that the session has.
async fn session_address(server: &TestServer, request_id: &str, forwarded_for: &[&str]) -> String {
    let mut request = server.request(Method::POST, "/api/login").header("x-request-id", request_id);
    for line in forwarded_for {
        request = request.header("x-forwarded-for", *line);
    }
    let tokens = Answer::of(request.json(&json!({"username": "alice", "password": PASSWORD}))).await.tokens();
    let id: uuid::Uuid = tokens.session_id.parse().unwrap();
    server.rows().query_row("SELECT ip FROM sessions WHERE id = ?1", [id], |row| row.get(0)).unwrap()
}

#[actix_web::test]
async fn a_client_behind_a_trusted_proxy_has_its_own_address_in_the_log_and_in_its_session() {
    log::keep();
    let server = TestServer::with(&[("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")]).await;
    server.register("alice", PASSWORD).await;

    let address = session_address(&server, "proxied", &["203.0.113.9", "192.0.2.44, 10.1.2.3"]).await;

    assert_eq!(address, "192.0.2.44");
    for line in log::lines_with("proxied") {
        assert!(line.contains("ip=192.0.2.44"), "{line}");
    }
    assert!(log::line_with(&["proxied", "latchkey::request"]).ends_with("ip=192.0.2.44"));
}

#[actix_web::test]
async fn whoever_is_not_listed_is_not_believed_and_a_forgotten_proxy_is_warned_about_once() {
    log::keep();
    let server = TestServer::with(&[("LOGIN_FAILURES", "3 per 15m"), ("REGISTRATIONS", "1 per 1h")]).await;
    server.register("alice", PASSWORD).await;

    assert_eq!(session_address(&server, "unlisted", &["192.0.2.45"]).await, "127.0.0.1");
    assert_eq!(session_address(&server, "unlisted-again", &["192.0.2.46"]).await, "127.0.0.1");

    let line = log::line_with(&["event=proxy_not_trusted"]);
    assert!(line.contains("WARN latchkey::security:") && line.contains("TRUSTED_PROXIES"), "{line}");
    assert!(line.ends_with("outcome=failure ip=127.0.0.1"), "{line}");
    // The whole site is behind that address: it stands for nobody. One account from there is one account all the same.
    for number in 0..31 {
        server
            .logging_in_from("192.0.2.47", &format!("name{number}"), PASSWORD)
            .await
            .assert_problem(401, "invalid_credentials");
    }
    for name in ["bob", "carol"] {
        let request = server.request_from("192.0.2.47", "/api/register");
        assert_eq!(Answer::of(request.json(&json!({"username": name, "password": PASSWORD}))).await.status, 201);
    }
    server.fail_from("192.0.2.48", "alice", 3).await;
    server.logging_in_from("192.0.2.49", "alice", PASSWORD).await.assert_problem(429, "too_many_attempts");
}
