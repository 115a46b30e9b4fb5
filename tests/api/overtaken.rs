//! What asks for the current password, where the world changed between the token's check and the password's.

use latchkey::tokens::principal::Role;
use serde_json::{Value, json};

use crate::support::in_flight::InFlight;
use crate::support::{PASSWORD, TestServer, Tokens, log};

const ANOTHER: &str = "another password";

/// A password change and a deletion as the bearer of this, both of which wait for their bodies.
fn begin(server: &TestServer, tokens: &Tokens) -> [InFlight; 2] {
    let begin = |line: &str, body: Value| InFlight::begin(server, line, Some(&tokens.access_token), &body);
    [
        begin("PUT /api/password", json!({"current_password": PASSWORD, "new_password": "a third password"})),
        begin("POST /api/delete_account", json!({"password": PASSWORD})),
    ]
}

/// Fails unless each of them is told that its session is over.
fn assert_overtaken(waiting: [InFlight; 2]) {
    for answer in waiting.map(InFlight::finish) {
        answer.assert_problem(401, "invalid_token");
    }
}

#[actix_web::test]
async fn a_password_that_somebody_else_changed_meanwhile_is_not_called_wrong() {
    log::keep();
    let server = TestServer::start().await;
    let (phone, laptop) = (server.registered("alice").await, server.logged_in("alice").await);
    let waiting = begin(&server, &phone);

    let fresh = server.putting_password(&laptop.access_token, PASSWORD, ANOTHER).await.tokens();

    assert_overtaken(waiting);
    server.assert_signed_in(&fresh.access_token).await;
    server.login("alice", ANOTHER).await.tokens();
    let failed = log::lines_with(&phone.user_id().to_string());
    assert!(!failed.iter().any(|line| line.contains("authn_login_fail")), "{failed:?}");
    let failed = log::line_with(&[&phone.session_id, "event=authn_password_change_fail"]);
    assert!(failed.contains("reason=session_ended"), "{failed}");
}

#[actix_web::test]
async fn what_was_asked_under_a_session_that_ended_meanwhile_is_not_done() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let waiting = begin(&server, &alice);

    server.logout(&alice.refresh_token).await;

    assert_overtaken(waiting);
    server.login("alice", PASSWORD).await.tokens();
}

#[actix_web::test]
async fn what_was_asked_before_a_disable_is_not_done_even_when_it_was_undone() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let (during, after) = (begin(&server, &alice), begin(&server, &alice));

    server.services.users.set_disabled(alice.user_id(), true).await.unwrap();
    assert_overtaken(during);
    server.services.users.set_disabled(alice.user_id(), false).await.unwrap();
    assert_overtaken(after);

    server.login("alice", PASSWORD).await.tokens();
}

#[actix_web::test]
async fn what_was_asked_for_an_account_that_is_gone_is_not_done_to_the_next_one_of_its_name() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let (gone, taken) = (begin(&server, &alice), begin(&server, &alice));

    assert_eq!(server.deleting_account(&alice.access_token, PASSWORD).await.status, 204);
    assert_overtaken(gone);
    let namesake = server.registered("alice").await;
    let rounds = server.hasher.rounds();
    assert_overtaken(taken);

    assert_eq!(server.hasher.rounds(), rounds, "another's password is not even tried");
    assert_eq!(server.number("SELECT count(*) FROM login_failures"), 0, "nobody guessed");
    server.assert_signed_in(&namesake.access_token).await;
    server.login("alice", PASSWORD).await.tokens();
}

#[actix_web::test]
async fn a_wrong_password_under_a_token_that_a_role_change_ended_is_no_failed_login() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let wrong = json!({"password": "wrong horse battery"});
    let waiting = InFlight::begin(&server, "POST /api/delete_account", Some(&alice.access_token), &wrong);

    server.services.users.set_roles(alice.user_id(), vec![Role::User, Role::Admin]).await.unwrap();

    waiting.finish().assert_problem(401, "invalid_token");
    assert_eq!(server.number("SELECT count(*) FROM login_failures"), 0, "the right one would have had the same answer");
}

#[actix_web::test]
async fn a_session_that_ended_meanwhile_opens_no_door_to_guess_at() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let guesses = ["wrong horse battery", PASSWORD].map(|guess| {
        // To change it to itself is refused without a look at the session.
        let body = json!({"current_password": guess, "new_password": guess});
        InFlight::begin(&server, "PUT /api/password", Some(&alice.access_token), &body)
    });
    server.logout(&alice.refresh_token).await;
    let rounds = server.hasher.rounds();

    for guess in guesses {
        guess.finish().assert_problem(401, "invalid_token");
    }

    assert_eq!(server.hasher.rounds(), rounds, "a password was looked at");
}
