//! The line of each request.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, TestServer, log};

async fn named(server: &TestServer, request_id: &str, method: Method, path: &str) -> Answer {
    Answer::of(server.request(method, path).header("x-request-id", request_id)).await
}

#[actix_web::test]
async fn a_request_leaves_one_line_with_what_it_was_and_how_it_ended() {
    log::keep();
    let server = TestServer::start().await;

    named(&server, "line-get", Method::GET, "/api").await;
    named(&server, "line-head", Method::HEAD, "/api").await;
    named(&server, "line-405", Method::DELETE, "/api").await.assert_problem(405, "method_not_allowed");

    for (id, words) in [
        ("line-get", "method=GET route=/api status=200 duration_us="),
        ("line-head", "method=HEAD route=/api status=200 duration_us="),
        ("line-405", "method=DELETE route=/api status=405 duration_us="),
    ] {
        let line = log::line_with(&[id]);
        assert!(line.contains(&format!("INFO latchkey::request: answered {words}")), "{line}");
        assert!(line.ends_with(&format!("request_id={id} ip=127.0.0.1")), "{line}");
    }
}

#[actix_web::test]
async fn the_line_of_a_request_says_whose_it_was() {
    log::keep();
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let who = format!("user_id={} session_id={}", alice.user_id(), alice.session_id);

    let profile = |id| server.request(Method::GET, "/api/profile").header("x-request-id", id);
    Answer::of(profile("who-profile").bearer_auth(&alice.access_token)).await;
    Answer::of(profile("who-nobody")).await.assert_problem(401, "missing_token");
    let renew = server.request(Method::POST, "/api/refresh_token").header("x-request-id", "who-renewal");
    Answer::of(renew.json(&json!({"refresh_token": alice.refresh_token}))).await.tokens();
    let logout = server.request(Method::POST, "/api/logout").header("x-request-id", "who-logout");
    Answer::of(logout.bearer_auth(&alice.access_token)).await;

    for (id, route, status) in [
        ("who-profile", "/api/profile", 200),
        ("who-renewal", "/api/refresh_token", 200),
        ("who-logout", "/api/logout", 204),
    ] {
        let line = log::line_with(&["latchkey::request", id]);
        assert!(line.contains(&who) && line.contains(&format!("route={route} status={status}")), "{line}");
    }
    // The middleware that refuses knows no route any more; the line does.
    let line = log::line_with(&["latchkey::request", "who-nobody"]);
    assert!(line.contains("route=/api/profile status=401") && !line.contains("user_id"), "{line}");
}

#[actix_web::test]
async fn what_a_client_chose_is_not_in_the_line() {
    log::keep();
    let server = TestServer::start().await;
    let method = Method::from_bytes(b"ZQ7WORD").unwrap();

    named(&server, "chosen-path", Method::GET, "/zq7word/%0a%1b%00?zq7word").await.assert_problem(404, "not_found");
    named(&server, "chosen-query", Method::GET, "/api?zq7word").await;
    named(&server, "chosen-method", method, "/api").await.assert_problem(405, "method_not_allowed");
    named(&server, "chosen id with zq7word", Method::GET, "/api").await;

    assert!(log::line_with(&["chosen-path"]).contains("method=GET status=404"));
    assert!(log::line_with(&["chosen-query"]).contains("route=/api status=200"));
    assert!(log::line_with(&["chosen-method"]).contains("method=OTHER route=/api status=405"));
    assert_eq!(log::lines_with("ZQ7WORD"), [""; 0]);
    assert_eq!(log::lines_with("zq7word"), [""; 0]);
}
