//! `POST /api/login`.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::forge::{kid, parts, refresh_token};
use crate::support::{Answer, PASSWORD, TestServer};

#[actix_web::test]
async fn a_login_answers_a_pair_of_tokens_and_nothing_else() {
    let server = TestServer::start().await;
    let _time = server.stop_time();
    let session = server.registered("alice").await.session_id;

    let answer = server.login("alice", PASSWORD).await;

    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let tokens = answer.tokens();
    assert_ne!(tokens.session_id, session, "every login is a session of its own");
    assert_eq!(
        answer.body,
        json!({
            "message": "Logged in successfully!",
            "token_type": "Bearer",
            "access_token": tokens.access_token,
            "expires_in": 900,
            "refresh_token": tokens.refresh_token,
            "refresh_expires_in": 604_800,
            "session_id": tokens.session_id,
        })
    );
}

#[actix_web::test]
async fn an_access_token_has_the_header_and_the_claims_that_verifiers_are_promised() {
    let server = TestServer::start().await;
    let now = server.stop_time().now().as_unix_seconds();
    let alice = server.registered("Alice").await;

    let (header, claims) = parts(&alice.access_token);

    assert_eq!(header, json!({"typ": "at+jwt", "alg": "HS256", "kid": kid(server.jwt_secret())}));
    let jti = claims["jti"].as_str().unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": "latchkey",
            "aud": "latchkey",
            "sub": server.user_id("alice").await,
            "client_id": "first-party",
            "username": "Alice",
            "roles": ["user"],
            "sid": alice.session_id,
            "ver": claims["ver"].as_i64().unwrap(),
            "iat": now,
            "exp": now + 900,
            "jti": uuid::Uuid::parse_str(jti).unwrap(),
        })
    );
}

#[actix_web::test]
async fn a_refresh_token_is_laid_out_as_documented() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    let session = alice.session_id.parse().unwrap();

    assert_eq!(alice.refresh_token, refresh_token(server.refresh_token_secret(), 1, 1, session, 1));
}

/// Everything of an answer that must not tell one failure from another.
fn comparable(answer: &Answer) -> (u16, HeaderMap, Value) {
    let (mut headers, mut body) = (answer.headers.clone(), answer.body.clone());
    headers.remove("date");
    headers.remove("x-request-id");
    body["request_id"] = Value::Null;
    (answer.status, headers, body)
}

/// Every way in which a login can fail, on a server where `alice` may log in and `mallory` is disabled.
fn failures() -> Vec<(&'static str, &'static str, String)> {
    let right = || PASSWORD.to_owned();
    vec![
        ("an unknown name", "nobody", right()),
        ("a wrong password", "alice", "wrong horse battery".to_owned()),
        ("a disabled account", "mallory", right()),
        ("a disabled account and a wrong password", "mallory", "wrong horse battery".to_owned()),
        ("an empty password", "alice", String::new()),
        ("a password of 73 bytes", "alice", "x".repeat(73)),
        ("a password of ten thousand bytes", "alice", "x".repeat(10_000)),
        ("a password with a NUL", "alice", format!("{PASSWORD}\0")),
        ("an over-long password for an unknown name", "nobody", "x".repeat(73)),
        ("an over-long password for a disabled account", "mallory", "x".repeat(73)),
        ("an empty name", "", right()),
        ("a malformed name", "no name!", right()),
        ("a name with a blank behind", "alice ", right()),
        ("a malformed name and an over-long password", "no name!", "x".repeat(73)),
    ]
}

async fn with_a_disabled_account() -> TestServer {
    let server = TestServer::start().await;
    server.registered("alice").await;
    server.registered("mallory").await;
    let mallory = server.user_id("mallory").await;
    server.services.users.set_disabled(mallory, true).await.unwrap();
    server
}

#[actix_web::test]
async fn every_failed_login_has_the_same_answer_and_the_same_work() {
    let server = with_a_disabled_account().await;
    let first = server.login("somebody", PASSWORD).await;
    first.assert_problem(401, "invalid_credentials");
    assert_eq!(first.text("title"), "Invalid credentials");

    for (case, name, password) in failures() {
        let before = server.hasher.rounds();
        let answer = server.login(name, &password).await;
        assert_eq!(comparable(&answer), comparable(&first), "{case}");
        assert_eq!(server.hasher.rounds() - before, 1 << 4, "{case}");
    }
}

#[actix_web::test]
async fn failed_logins_still_cost_the_same_after_the_cost_was_raised() {
    let server = with_a_disabled_account().await;

    let server = server.restart_with(|settings| settings.bcrypt_cost = 6).await;

    for (case, name, password) in failures() {
        let before = server.hasher.rounds();
        server.login(name, &password).await.assert_problem(401, "invalid_credentials");
        assert_eq!(server.hasher.rounds() - before, 1 << 6, "{case}");
    }
}

#[actix_web::test]
async fn the_first_login_after_the_cost_was_raised_stores_a_stronger_hash() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    let server = server.restart_with(|settings| settings.bcrypt_cost = 6).await;

    let rounds_of_a_login = async || {
        let before = server.hasher.rounds();
        server.login("alice", PASSWORD).await.tokens();
        server.hasher.rounds() - before
    };

    assert_eq!(rounds_of_a_login().await, (1 << 4) + (1 << 6));
    assert_eq!(rounds_of_a_login().await, 1 << 6);
}

#[actix_web::test]
async fn an_account_that_is_enabled_again_logs_in_and_its_old_tokens_stay_dead() {
    let server = TestServer::start().await;
    let before = server.registered("mallory").await;
    let mallory = server.user_id("mallory").await;

    server.services.users.set_disabled(mallory, true).await.unwrap();
    server.services.users.set_disabled(mallory, false).await.unwrap();

    assert_eq!(server.login("mallory", PASSWORD).await.status, 200);
    server.refresh(&before.refresh_token).await.assert_refused("revoked");
    server.get_with("/api/profile", &before.access_token).await.assert_problem(401, "invalid_token");
}
