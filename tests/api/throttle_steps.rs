//! What becomes of an attempt between its reservation and its end.

use std::time::Duration;

use actix_web::test;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use latchkey::actors::password_hasher::HashPermit;
use latchkey::actors::{self, EndReason, NewSession};
use latchkey::error::Error;
use latchkey::tokens::grant::Transport;
use latchkey::tokens::refresh::SessionId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::account::password;
use crate::support::by_hand::Waiting;
use crate::support::time::StoppedTime;
use crate::support::{PASSWORD, TestServer};

/// Status and body of a login that was reserved before `meanwhile` and goes on after it; nothing where that says that the
/// client hangs up.
async fn login_while(
    server: &TestServer,
    password: &str,
    meanwhile: impl Future<Output = Client>,
) -> Option<(u16, Value)> {
    let login = test::TestRequest::post().uri("/api/login");
    answer_while(server, login.set_json(json!({"username": "alice", "password": password})), meanwhile).await
}

/// The same of a deletion under this access token.
async fn deletion_while(
    server: &TestServer,
    bearer: &str,
    password: &str,
    meanwhile: impl Future<Output = Client>,
) -> Option<(u16, Value)> {
    let deletion = test::TestRequest::post().uri("/api/delete_account").append_header(authorization(bearer));
    answer_while(server, deletion.set_json(json!({ "password": password })), meanwhile).await
}

fn authorization(bearer: &str) -> (&str, String) {
    ("authorization", format!("Bearer {bearer}"))
}

async fn answer_while(
    server: &TestServer,
    request: test::TestRequest,
    meanwhile: impl Future<Output = Client>,
) -> Option<(u16, Value)> {
    let answer = server.begun(request).await;
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

/// A login with the right password that is reserved and holds the only place in front of the hashing threads.
async fn in_the_only_place() -> (TestServer, StoppedTime, Waiting) {
    let one_place = [("LOGIN_FAILURES", "1 per 15m"), ("HASH_THREADS", "1"), ("HASH_MAX_WAIT", "0s")];
    let server = TestServer::with(&one_place).await;
    assert_eq!(server.register("alice", PASSWORD).await.status, 201);
    let time = server.stop_time();
    let login = test::TestRequest::post().uri("/api/login");
    let login = server.begun(login.set_json(json!({"username": "alice", "password": PASSWORD}))).await;
    server.services.users.ping().await.unwrap();
    (server, time, login)
}

/// Lets the login go on until its password was checked and its place is free, which is taken for it not to have another.
/// Further it does not get, while the file is somebody else's.
async fn place_of(server: &TestServer, login: &mut Waiting) -> HashPermit {
    loop {
        assert!(login.now_or_never().is_none(), "the login waits for the store");
        match server.services.hashing.admit() {
            Ok(place) => return place,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn assert_given_back(server: &TestServer, login: Waiting) {
    let (status, body) = login.await;
    assert_eq!((status, &body["code"]), (503, &json!("overloaded")));
    assert_eq!(server.number("SELECT count(*) FROM login_failures"), 0);
}

#[actix_web::test]
async fn a_login_that_would_begin_anew_and_finds_no_place_is_given_back() {
    let (server, _time, mut login) = in_the_only_place().await;
    // A change to the same password, whose hash took no place.
    let (seen, hash) = (server.account("alice").await.fence(), server.hasher.hash(&password(PASSWORD)).unwrap());
    server.changing_password(seen, hash).await.unwrap();
    let file = server.rows_to_change();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();

    let _place = place_of(&server, &mut login).await;
    drop(file);

    assert_given_back(&server, login).await;
}

#[actix_web::test]
async fn a_login_whose_session_finds_no_place_in_the_store_is_given_back() {
    let (server, _time, mut login) = in_the_only_place().await;
    let file = server.rows_to_change();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    let sessions = &server.services.sessions;
    let ending = || sessions.end(SessionId(Uuid::from_u128(7)), EndReason::Logout);
    // More than may wait; none is done while the file is held, so the first that is answered says that no more may.
    let mut crowd: FuturesUnordered<_> = (0..5000).map(|_| ending()).collect();
    assert!(matches!(crowd.next().await, Some(Err(Error::Overloaded { .. }))));

    let place = place_of(&server, &mut login).await;
    // What the one hashing thread answers now comes behind the verdict, and what the store answers behind the session.
    server.services.hashing.hash(place, password(PASSWORD)).await.unwrap();
    assert!((&mut login).now_or_never().is_none(), "the session is asked for");
    for _ in 0..2 {
        assert!(matches!(ending().await, Err(Error::Overloaded { .. })));
    }
    drop(file);

    assert_given_back(&server, login).await;
}

#[actix_web::test]
async fn a_login_that_a_password_change_overtook_stays_a_failure() {
    let server = server().await;

    let change = waiting(server.change_password("alice", "another password"));
    let (status, body) = login_while(&server, PASSWORD, change).await.unwrap();

    assert_eq!((status, &body["code"]), (401, &json!("invalid_credentials")));
    server.login("alice", "another password").await.assert_problem(429, "too_many_attempts");
}

#[actix_web::test]
async fn a_password_asked_for_again_that_the_service_was_too_busy_for_is_given_back() {
    let server = server().await;
    let bearer = server.open_session("alice").await;

    let too_late = waiting(async { server.clock.advance(Duration::from_secs(5)) });
    let (status, body) = deletion_while(&server, &bearer, "a wrong password", too_late).await.unwrap();

    assert_eq!((status, &body["code"]), (503, &json!("overloaded")));
    assert_eq!(server.number("SELECT count(*) FROM login_failures"), 0);
}

#[actix_web::test]
async fn whoever_is_asked_for_the_password_again_and_hangs_up_has_failed() {
    let server = server().await;
    let bearer = server.open_session("alice").await;

    let answer = deletion_while(&server, &bearer, "a wrong password", async { Client::HangsUp }).await;

    assert!(answer.is_none());
    server.deleting_account(&bearer, PASSWORD).await.assert_problem(429, "too_many_attempts");
}

#[actix_web::test]
async fn what_begins_anew_after_a_rehash_holds_one_place_at_a_time() {
    let server = server().await;
    let bearer = server.open_session("alice").await;
    let seen = server.account("alice").await.fence();
    let stronger_hash = Some(server.hash_of(PASSWORD).await);
    let login = NewSession {
        seen,
        stronger_hash,
        client: actors::Client::default(),
        transport: Transport::Body,
        reservation: None,
    };

    let rehashed = waiting(async {
        server.services.sessions.open(login).await.unwrap();
    });
    let answer = deletion_while(&server, &bearer, PASSWORD, rehashed).await;

    assert_eq!(answer.map(|(status, _)| status), Some(204));
}

#[actix_web::test]
async fn whoever_ends_their_session_while_the_password_is_looked_at_learns_nothing_of_it() {
    let server = server().await;

    let mut answers = Vec::new();
    for password in ["a wrong password", PASSWORD] {
        let bearer = server.open_session("alice").await;
        let rounds = server.hasher.rounds();
        let logout = waiting(async {
            let caller = server.services.identify(&bearer).unwrap();
            server.services.users.end_sessions(caller.principal.id, caller.session).await.unwrap();
        });
        // To change it to itself is refused without a look at the session.
        let change = test::TestRequest::put().uri("/api/password").append_header(authorization(&bearer));
        let change = change.set_json(json!({"current_password": password, "new_password": password}));
        let (status, body) = answer_while(&server, change, logout).await.unwrap();
        answers.push((status, body["code"].clone(), server.hasher.rounds() - rounds));
    }

    assert_eq!(answers[0], answers[1]);
    assert_eq!((answers[0].0, &answers[0].1), (401, &json!("invalid_token")));
    assert_eq!(server.number("SELECT count(*) FROM login_failures"), 0, "the right one had the same answer");
}
