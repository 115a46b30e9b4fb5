//! What becomes of an attempt between its reservation and its end.

use std::time::Duration;

use actix_web::test;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer};

/// Status and body of a login that was reserved before `meanwhile` and goes on after it; nothing where that says that the
/// client hangs up.
async fn login_while(
    server: &TestServer,
    password: &str,
    meanwhile: impl Future<Output = Client>,
) -> Option<(u16, Value)> {
    let login = test::TestRequest::post().uri("/api/login");
    let answer = server.begun(login.set_json(json!({"username": "alice", "password": password}))).await;
    // What is asked of the store from here on comes behind the reservation.
    server.services.users.ping().await.unwrap();
    match meanwhile.await {
        Client::Waits => Some(answer.await),
        Client::HangsUp => None,
    }
}

enum Client {
    Waits,
    HangsUp,
}

/// What happens while a client waits.
async fn waiting(meanwhile: impl Future<Output = ()>) -> Client {
    meanwhile.await;
    Client::Waits
}

/// Where a second failure is one too many.
async fn server() -> TestServer {
    let server = TestServer::with(&[("LOGIN_FAILURES", "1 per 15m")]).await;
    assert_eq!(server.register("alice", PASSWORD).await.status, 201);
    server
}

#[actix_web::test]
async fn an_attempt_that_the_service_was_too_busy_for_is_given_back() {
    let server = server().await;

    let too_late = waiting(async { server.clock.advance(Duration::from_secs(5)) });
    let (status, body) = login_while(&server, "a wrong password", too_late).await.unwrap();

    assert_eq!((status, &body["code"]), (503, &json!("overloaded")));
    assert_eq!(server.number("SELECT count(*) FROM login_failures"), 0);
    server.login("alice", "a wrong password").await.assert_problem(401, "invalid_credentials");
    server.login("alice", PASSWORD).await.assert_problem(429, "too_many_attempts");
}

#[actix_web::test]
async fn a_client_that_hangs_up_has_failed() {
    let server = server().await;

    let answer = login_while(&server, "a wrong password", async { Client::HangsUp }).await;

    assert!(answer.is_none());
    server.login("alice", PASSWORD).await.assert_problem(429, "too_many_attempts");
}

#[actix_web::test]
async fn a_login_that_begins_anew_is_one_attempt() {
    let server = server().await;

    // Another hash of the same password, as a login at the same time makes one where the cost was raised.
    let rehash = waiting(server.change_password("alice", PASSWORD));
    let (status, body) = login_while(&server, PASSWORD, rehash).await.unwrap();

    assert_eq!(status, 200, "{body}");
    assert_eq!(server.number("SELECT count(*) FROM login_failures"), 0);
}

#[actix_web::test]
async fn a_login_that_a_password_change_overtook_stays_a_failure() {
    let server = server().await;

    let change = waiting(server.change_password("alice", "another password"));
    let (status, body) = login_while(&server, PASSWORD, change).await.unwrap();

    assert_eq!((status, &body["code"]), (401, &json!("invalid_credentials")));
    server.login("alice", "another password").await.assert_problem(429, "too_many_attempts");
}
