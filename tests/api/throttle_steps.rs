//! What becomes of an attempt between its reservation and its end. The server's own layers are driven by hand: over a socket
//! nobody knows when a handler has begun.

use std::time::Duration;

use actix_web::dev::{Service, ServiceResponse};
use actix_web::{App, test};
use futures_util::FutureExt as _;
use latchkey::handlers::route_table;
use latchkey::middleware::respond::Respond;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer};

/// Status and body of a login that was reserved before `meanwhile` and goes on after it; nothing where that says that the
/// client hangs up.
async fn login_while(
    server: &TestServer,
    password: &str,
    meanwhile: impl Future<Output = Client>,
) -> Option<(u16, Value)> {
    let app = App::new().app_data(server.services.clone()).configure(route_table).wrap(Respond::default());
    let app = test::init_service(app).await;
    let request = test::TestRequest::post().uri("/api/login").peer_addr("127.0.0.1:50000".parse().unwrap());
    let request = request.set_json(json!({"username": "alice", "password": password})).to_request();
    let mut answer = Box::pin(app.call(request));
    assert!(answer.as_mut().now_or_never().is_none(), "the handler waits for the store");
    // What is asked of the store from here on comes behind the reservation.
    server.services.users.ping().await.unwrap();
    match meanwhile.await {
        Client::Waits => Some(read(answer.await).await),
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

async fn read(answer: Result<ServiceResponse, actix_web::Error>) -> (u16, Value) {
    let response = match answer {
        Ok(answer) => answer.into_parts().1,
        Err(error) => error.error_response(),
    };
    let status = response.status().as_u16();
    let body = actix_web::body::to_bytes(response.into_body()).await;
    (status, serde_json::from_slice(&body.unwrap_or_default()).unwrap())
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
