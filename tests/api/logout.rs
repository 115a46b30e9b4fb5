//! `POST /api/logout`.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, PASSWORD, TestServer, Tokens};

async fn logout(server: &TestServer, refresh_token: &str) -> Answer {
    server.post("/api/logout", &json!({ "refresh_token": refresh_token })).await
}

async fn logout_by_bearer(server: &TestServer, access_token: &str) -> Answer {
    Answer::of(server.request(Method::POST, "/api/logout").bearer_auth(access_token)).await
}

#[track_caller]
fn assert_done(answer: &Answer) {
    assert_eq!((answer.status, answer.raw.as_str()), (204, ""));
    answer.assert_dressed();
}

async fn assert_over(server: &TestServer, tokens: &Tokens) {
    server.get_with("/api/profile", &tokens.access_token).await.assert_problem(401, "invalid_token");
    server.refresh(&tokens.refresh_token).await.assert_refused("revoked");
}

async fn assert_alive(server: &TestServer, tokens: &Tokens) {
    assert_eq!(server.get_with("/api/profile", &tokens.access_token).await.status, 200);
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
}

#[actix_web::test]
async fn a_refresh_token_ends_its_session_at_once() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    assert_done(&logout(&server, &alice.refresh_token).await);

    assert_over(&server, &alice).await;
}

#[actix_web::test]
async fn a_bearer_token_without_a_body_ends_its_session_at_once() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    assert_done(&logout_by_bearer(&server, &alice.access_token).await);

    assert_over(&server, &alice).await;
}

#[actix_web::test]
async fn an_older_generation_ends_the_session_too() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let first = server.registered("alice").await;
    let mut newest = first.clone();
    for _ in 0..3 {
        time.pass(Duration::from_secs(10));
        newest = server.refresh(&newest.refresh_token).await.tokens();
    }

    assert_done(&logout(&server, &first.refresh_token).await);

    assert_over(&server, &newest).await;
}

#[actix_web::test]
async fn a_logout_ends_one_session_and_no_other() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let elsewhere = server.login("alice", PASSWORD).await.tokens();
    let bob = server.registered("bob").await;

    assert_done(&logout(&server, &alice.refresh_token).await);

    assert_alive(&server, &elsewhere).await;
    assert_alive(&server, &bob).await;
}

#[actix_web::test]
async fn a_logout_holds_after_a_restart() {
    let server = TestServer::start().await;
    let (by_refresh_token, by_bearer) = (server.registered("alice").await, server.registered("bob").await);
    assert_done(&logout(&server, &by_refresh_token.refresh_token).await);
    assert_done(&logout_by_bearer(&server, &by_bearer.access_token).await);

    let server = server.restart().await;

    assert_over(&server, &by_refresh_token).await;
    assert_over(&server, &by_bearer).await;
}

#[actix_web::test]
async fn logging_out_again_is_done_as_well() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    for _ in 0..3 {
        assert_done(&logout(&server, &alice.refresh_token).await);
        assert_done(&logout_by_bearer(&server, &alice.access_token).await);
    }

    assert_over(&server, &alice).await;
}

#[actix_web::test]
async fn a_forged_refresh_token_is_over_already() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    for forged in ["", "forged", "lkr_", &alice.access_token, &alice.refresh_token.to_uppercase()] {
        assert_done(&logout(&server, forged).await);
    }

    assert_alive(&server, &alice).await;
}

#[actix_web::test]
async fn an_expired_session_is_over_already() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;

    time.pass(Duration::from_secs(8 * 24 * 60 * 60));

    assert_done(&logout(&server, &alice.refresh_token).await);
}

#[actix_web::test]
async fn a_refused_bearer_token_logs_nobody_out_and_says_so() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    logout_by_bearer(&server, "forged").await.assert_problem(401, "invalid_token");
    logout_by_bearer(&server, &alice.refresh_token).await.assert_problem(401, "invalid_token");

    // An expired one must not be told that it was done: its session lives.
    time.pass(Duration::from_secs(900));
    logout_by_bearer(&server, &alice.access_token).await.assert_problem(401, "invalid_token");

    let renewed = server.refresh(&alice.refresh_token).await.tokens();
    assert_alive(&server, &renewed).await;
}

#[actix_web::test]
async fn both_kinds_of_token_at_once_are_refused_and_end_nothing() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.registered("alice").await, server.registered("bob").await);
    for (refresh_token, access_token) in [
        (alice.refresh_token.as_str(), alice.access_token.as_str()),
        (&alice.refresh_token, &bob.access_token),
        ("forged", &alice.access_token),
        (&alice.refresh_token, "forged"),
    ] {
        let request = server.request(Method::POST, "/api/logout").bearer_auth(access_token);
        let answer = Answer::of(request.json(&json!({ "refresh_token": refresh_token }))).await;
        answer.assert_problem(400, "invalid_request");
    }
    assert_alive(&server, &alice).await;
    assert_alive(&server, &bob).await;
}

#[actix_web::test]
async fn neither_kind_of_token_is_a_missing_token() {
    let server = TestServer::start().await;

    let answer = Answer::of(server.request(Method::POST, "/api/logout")).await;

    answer.assert_problem(401, "missing_token");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="latchkey""#);
}

#[actix_web::test]
async fn whoever_logged_out_can_log_in_again() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    assert_done(&logout_by_bearer(&server, &alice.access_token).await);

    let again = server.login("alice", PASSWORD).await.tokens();

    assert_alive(&server, &again).await;
    assert_over(&server, &alice).await;
}
