//! `GET /api/profile`.

use std::time::Duration;

use serde_json::json;

use crate::support::TestServer;

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
