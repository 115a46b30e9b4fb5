//! `POST /api/refresh_token`: its answers. Who gets which successor is the subject of other files.

use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, PASSWORD, TestServer};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What an answer says that remains of the two tokens, in seconds.
fn remaining(answer: &Answer) -> (u64, u64) {
    let seconds = |member: &str| answer.body[member].as_u64().unwrap_or_else(|| panic!("{}", answer.raw));
    (seconds("expires_in"), seconds("refresh_expires_in"))
}

#[actix_web::test]
async fn a_renewal_answers_a_pair_of_tokens_and_nothing_else() {
    let server = TestServer::start().await;
    let _time = server.stop_time();
    let alice = server.registered("alice").await;

    let answer = server.refresh(&alice.refresh_token).await;

    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let renewed = answer.tokens();
    assert_ne!(renewed.refresh_token, alice.refresh_token);
    assert_ne!(renewed.access_token, alice.access_token);
    assert_eq!(
        answer.body,
        json!({
            "token_type": "Bearer",
            "access_token": renewed.access_token,
            "expires_in": 900,
            "refresh_token": renewed.refresh_token,
            "refresh_expires_in": 604_800,
            "session_id": alice.session_id,
        })
    );
}

#[actix_web::test]
async fn a_renewed_access_token_works_beside_the_older_one() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    let renewed = server.refresh(&alice.refresh_token).await.tokens();

    for token in [&alice.access_token, &renewed.access_token] {
        assert_eq!(server.get_with("/api/profile", token).await.status, 200);
    }
}

#[actix_web::test]
async fn a_replay_says_what_remains_and_does_not_lengthen_it() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    time.pass(DAY);
    assert_eq!(remaining(&server.refresh(&alice.refresh_token).await), (900, 604_800));

    time.pass(9 * SECOND);

    assert_eq!(remaining(&server.refresh(&alice.refresh_token).await), (900, 604_791));
}

#[actix_web::test]
async fn what_remains_is_cut_at_the_sessions_absolute_limit() {
    let lifetimes = [("ACCESS_TOKEN_TTL", "15m"), ("REFRESH_TOKEN_TTL", "1h"), ("SESSION_TTL", "2h")];
    let server = TestServer::with(&lifetimes).await;
    let time = server.stop_time();
    server.registered("alice").await;
    let login = server.login("alice", PASSWORD).await;
    assert_eq!(remaining(&login), (900, 3600));

    let mut token = login.tokens().refresh_token;
    // Minutes from the renewal before, and what remains after.
    for (minutes, expected) in [(50, (900, 3600)), (50, (900, 1200)), (10, (600, 600)), (9, (60, 60))] {
        time.pass(minutes * MINUTE);
        let answer = server.refresh(&token).await;
        assert_eq!(remaining(&answer), expected, "after {minutes} more minutes");
        token = answer.tokens().refresh_token;
    }
    time.pass(MINUTE);
    server.refresh(&token).await.assert_refused("expired");
}

#[actix_web::test]
async fn an_access_token_of_a_sessions_last_minute_ends_with_the_session() {
    let lifetimes = [("REFRESH_TOKEN_TTL", "1h"), ("SESSION_TTL", "1h")];
    let server = TestServer::with(&lifetimes).await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    time.pass(59 * MINUTE);
    let last = server.refresh(&alice.refresh_token).await.tokens();

    time.pass(59 * SECOND);
    assert_eq!(server.get_with("/api/profile", &last.access_token).await.status, 200);
    time.pass(SECOND);
    server.get_with("/api/profile", &last.access_token).await.assert_problem(401, "invalid_token");
}

#[actix_web::test]
async fn a_refresh_token_lives_to_its_last_millisecond_and_no_longer() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let (early, late) = (server.registered("alice").await, server.login("alice", PASSWORD).await.tokens());

    time.pass(7 * DAY - Duration::from_millis(1));
    assert_eq!(remaining(&server.refresh(&early.refresh_token).await), (900, 604_800));
    time.pass(Duration::from_millis(1));
    server.refresh(&late.refresh_token).await.assert_refused("expired");
}

#[actix_web::test]
async fn every_refused_renewal_says_why_in_its_reason_and_nowhere_else() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let spent = server.registered("spent").await;
    let ended = server.registered("ended").await;
    let idle = server.registered("idle").await;
    server.refresh(&spent.refresh_token).await.tokens();
    server.post("/api/logout", &json!({"refresh_token": ended.refresh_token})).await;
    time.pass(10 * SECOND);

    let mut details = Vec::new();
    let mut refused = async |token: &str, reason: &str| {
        let answer = server.refresh(token).await;
        answer.assert_refused(reason);
        details.push((answer.text("detail").to_owned(), answer.header("www-authenticate").to_owned()));
    };
    refused("lkr_forged", "unknown").await;
    refused(&ended.refresh_token, "revoked").await;
    refused(&spent.refresh_token, "reused").await;
    refused(&spent.refresh_token, "revoked").await;
    time.pass(7 * DAY);
    refused(&idle.refresh_token, "expired").await;

    assert!(details.iter().all(|detail| *detail == details[0]), "{details:?}");
}

#[actix_web::test]
async fn a_renewal_needs_no_access_token_and_looks_at_none() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    let request = server.request(reqwest::Method::POST, "/api/refresh_token").bearer_auth("forged");
    let answer = Answer::of(request.json(&json!({"refresh_token": alice.refresh_token}))).await;

    assert_eq!(answer.status, 200);
}
