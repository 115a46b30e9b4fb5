//! `GET /api/profile`.

use std::time::Duration;

use serde_json::json;

use crate::support::{TestServer, Tokens};

#[actix_web::test]
async fn a_profile_shows_the_caller_to_themselves_and_nothing_else() {
    let server = TestServer::start().await;
    let now = server.stop_time().now();
    let alice = server.registered("Alice").await;

    let answer = server.get_with("/api/profile", &alice.access_token).await;

    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(
        answer.body,
        json!({
            "message": "Welcome, Alice! This is protected data.",
            "user": {"id": server.user_id("alice").await, "username": "Alice", "roles": ["user"]},
            "session_id": alice.session_id,
            "expires_at": now.plus(Duration::from_secs(900)).to_rfc3339(),
        })
    );
}

#[actix_web::test]
async fn without_a_token_a_profile_is_refused() {
    let answer = TestServer::start().await.get("/api/profile").await;

    answer.assert_problem(401, "missing_token");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="latchkey""#);
}

#[actix_web::test]
async fn an_access_token_works_for_its_lifetime_and_no_longer() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;

    time.pass(Duration::from_millis(899_999));
    assert_eq!(server.get_with("/api/profile", &alice.access_token).await.status, 200);
    time.pass(Duration::from_millis(1));
    server.get_with("/api/profile", &alice.access_token).await.assert_problem(401, "invalid_token");
}

/// A server and an access token that its only worker has seen so often that it checks the signature no more.
async fn with_a_well_known_token() -> (TestServer, Tokens) {
    let server = TestServer::with(&[("WORKERS", "1")]).await;
    let alice = server.registered("alice").await;
    for _ in 0..3 {
        assert_eq!(server.get_with("/api/profile", &alice.access_token).await.status, 200);
    }
    (server, alice)
}

#[actix_web::test]
async fn a_well_known_token_is_refused_once_its_time_is_over() {
    let (server, alice) = with_a_well_known_token().await;

    server.clock.advance(Duration::from_secs(900));

    for _ in 0..2 {
        server.get_with("/api/profile", &alice.access_token).await.assert_problem(401, "invalid_token");
    }
}

#[actix_web::test]
async fn a_well_known_token_is_refused_once_its_session_ended() {
    let (server, alice) = with_a_well_known_token().await;

    server.logout(&alice.refresh_token).await;

    for _ in 0..2 {
        server.get_with("/api/profile", &alice.access_token).await.assert_problem(401, "invalid_token");
    }
}

#[actix_web::test]
async fn a_well_known_token_with_another_byte_is_refused() {
    let (server, alice) = with_a_well_known_token().await;
    // The last character of the claims: header and signature stay as they are.
    let (message, signature) = alice.access_token.rsplit_once('.').unwrap();
    let (shorter, last) = message.split_at(message.len() - 1);
    let forged = format!("{shorter}{}.{signature}", if last == "A" { "E" } else { "A" });

    server.get_with("/api/profile", &forged).await.assert_problem(401, "invalid_token");
}

#[actix_web::test]
async fn where_no_token_is_remembered_a_profile_is_the_same() {
    let server = TestServer::tuned(|settings| settings.limits.verified_tokens = 0).await;
    let alice = server.registered("alice").await;

    for _ in 0..3 {
        assert_eq!(server.get_with("/api/profile", &alice.access_token).await.status, 200);
    }
}

#[actix_web::test]
async fn an_access_token_outlives_a_restart() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    let server = server.restart().await;

    assert_eq!(server.get_with("/api/profile", &alice.access_token).await.status, 200);
}

#[actix_web::test]
async fn an_access_token_of_a_disabled_account_is_refused_at_once_and_after_a_restart() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let id = server.user_id("alice").await;

    server.services.users.set_disabled(id, true).await.unwrap();

    server.get_with("/api/profile", &alice.access_token).await.assert_problem(401, "invalid_token");
    let server = server.restart().await;
    server.get_with("/api/profile", &alice.access_token).await.assert_problem(401, "invalid_token");
}
