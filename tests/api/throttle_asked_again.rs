//! `LOGIN_FAILURES` where a password is asked for again: an access token is no further door to guess at.

use futures_util::future::{BoxFuture, join_all};
use latchkey::tokens::principal::Role;

use crate::support::{Answer, PASSWORD, TestServer, Tokens};

const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";
const WRONG: &str = "a wrong password";
const ANOTHER: &str = "another password";
/// What one bcrypt of these tests costs.
const ONE_HASH: u64 = 1 << 4;

/// Three failures a quarter of an hour, and somebody who is signed in.
async fn server() -> (TestServer, Tokens) {
    let server = TestServer::behind_a_proxy(&[("LOGIN_FAILURES", "3 per 15m")]).await;
    let alice = server.registered("alice").await;
    (server, alice)
}

/// This password at each of the three doors, from there.
async fn at_every_door(server: &TestServer, alice: &Tokens, address: &str, password: &str) -> [Answer; 3] {
    [
        server.logging_in_from(address, "alice", password).await,
        server.putting_password_from(address, &alice.access_token, password, ANOTHER).await,
        server.deleting_account_from(address, &alice.access_token, password).await,
    ]
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

#[actix_web::test]
async fn a_password_that_is_asked_for_again_is_guessed_in_the_same_window_as_at_a_login() {
    let (server, alice) = server().await;
    let _time = server.stop_time();
    assert_eq!(statuses(&at_every_door(&server, &alice, HERE, WRONG).await), [401, 403, 403]);
    let rounds = server.hasher.rounds();

    for password in [WRONG, PASSWORD] {
        for answer in at_every_door(&server, &alice, HERE, password).await {
            answer.assert_problem(429, "too_many_attempts");
            assert_eq!(answer.header("retry-after"), "900");
        }
    }

    assert_eq!(server.hasher.rounds(), rounds, "a hash was computed");
    server.assert_signed_in(&alice.access_token).await;
}

#[actix_web::test]
async fn guesses_at_one_account_or_from_one_address_touch_no_other() {
    let (server, alice) = server().await;
    let bob = server.registered("bob").await;
    at_every_door(&server, &alice, HERE, WRONG).await;

    let elsewhere = server.putting_password_from(ELSEWHERE, &alice.access_token, PASSWORD, ANOTHER).await;
    let of_bob = server.putting_password_from(HERE, &bob.access_token, PASSWORD, ANOTHER).await;

    assert_eq!((elsewhere.status, of_bob.status), (200, 200));
}

#[actix_web::test]
async fn guesses_with_a_token_from_many_addresses_fill_the_accounts_window() {
    let (server, alice) = server().await;
    for last in 1..=10 {
        for _ in 0..3 {
            let answer = server.deleting_account_from(&format!("203.0.113.{last}"), &alice.access_token, WRONG).await;
            answer.assert_problem(403, "wrong_password");
        }
    }

    let answer = server.deleting_account_from(ELSEWHERE, &alice.access_token, PASSWORD).await;

    answer.assert_problem(429, "too_many_attempts");
}

#[actix_web::test]
async fn a_change_forgets_the_failures_of_its_account_from_its_address_and_makes_the_address_known() {
    let (server, alice) = server().await;
    server.fail_from(HERE, "alice", 2).await;
    let known = || server.number("SELECT count(*) FROM known_addresses");
    let known_before = known();

    let fresh = server.putting_password_from(HERE, &alice.access_token, PASSWORD, ANOTHER).await.tokens();

    assert_eq!(known(), known_before + 1);
    assert_eq!(statuses(&at_every_door(&server, &fresh, HERE, WRONG).await), [401, 403, 403]);
}

#[actix_web::test]
async fn a_right_password_counts_nothing_even_where_nothing_is_done_with_it() {
    let (server, alice) = server().await;
    server.services.users.set_roles(alice.user_id(), vec![Role::Admin]).await.unwrap();
    let alice = server.renewed(&alice.refresh_token).await;

    for _ in 0..4 {
        let unchanged = server.putting_password_from(HERE, &alice.access_token, PASSWORD, PASSWORD).await;
        unchanged.assert_problem(422, "unchanged_password");
        let last_admin = server.deleting_account_from(HERE, &alice.access_token, PASSWORD).await;
        last_admin.assert_problem(409, "last_admin");
    }

    assert_eq!(server.number("SELECT count(*) FROM login_failures"), 0);
}

#[actix_web::test]
async fn what_the_policy_refuses_is_no_guess() {
    let (server, alice) = server().await;

    for _ in 0..4 {
        let weak = server.putting_password_from(HERE, &alice.access_token, WRONG, "short").await;
        weak.assert_problem(422, "weak_password");
    }

    assert_eq!(server.number("SELECT count(*) FROM login_failures"), 0);
}

#[actix_web::test]
async fn guesses_at_all_doors_at_once_cannot_be_more_than_one_after_the_other() {
    let server = TestServer::behind_a_proxy(&[("LOGIN_FAILURES", "10 per 15m"), ("HASH_MAX_WAIT", "60s")]).await;
    let alice = server.registered("alice").await;
    // However busy the machine is, nobody's turn comes too late.
    let _time = server.stop_time();
    let rounds = server.hasher.rounds();

    let bearer = alice.access_token.as_str();
    let guesses = (0..60).map(|number| -> BoxFuture<'_, Answer> {
        let guess = format!("guess number {number}");
        match number % 3 {
            0 => Box::pin(server.logging_in_from(HERE, "alice", &guess)),
            1 => Box::pin(server.putting_password_from(HERE, bearer, &guess, ANOTHER)),
            _ => Box::pin(server.deleting_account_from(HERE, bearer, &guess)),
        }
    });
    let answers = join_all(guesses).await;

    let with = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(401) + with(403), with(429)), (10, 50));
    assert_eq!(server.hasher.rounds() - rounds, 10 * ONE_HASH);
}
