//! A rotation of keys, seen from outside: who signs, until when what was signed is believed, and what a retry is given.

use std::time::Duration;

use latchkey::tokens::keys::Algorithm;
use latchkey::tokens::ring::change::NewKey;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::ring_file::NOTICE;
use crate::support::time::StoppedTime;
use crate::support::{Answer, PASSWORD, TestServer, Tokens, forge};

const EDDSA: NewKey = NewKey::Access(Algorithm::EdDsa);
const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
/// `ACCESS_TOKEN_TTL`, as it is by default.
const TTL: Duration = Duration::from_secs(15 * 60);
/// `SESSION_TTL` where the test says so.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A server whose time stands still, with a user.
async fn at_rest(changes: &[(&str, &str)]) -> (TestServer, StoppedTime, Tokens) {
    let server = TestServer::with(changes).await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    (server, time, alice)
}

/// One whose sessions end after an hour, idle or not.
async fn with_sessions_of_an_hour() -> (TestServer, StoppedTime, Tokens) {
    at_rest(&[("REFRESH_TOKEN_TTL", "1h"), ("SESSION_TTL", "1h")]).await
}

async fn login(server: &TestServer) -> Tokens {
    server.login("alice", PASSWORD).await.tokens()
}

async fn status(server: &TestServer, access_token: &str) -> u16 {
    server.get_with("/api/profile", access_token).await.status
}

/// The claims of this token as they would be if it was issued so much later.
fn issued_later(tokens: &Tokens, by: Duration) -> Value {
    let (_, mut claims) = forge::parts(&tokens.access_token);
    for claim in ["iat", "exp"] {
        claims[claim] = json!(claims[claim].as_u64().unwrap() + by.as_secs());
    }
    claims
}

#[actix_web::test]
async fn a_new_key_signs_from_its_millisecond_on() {
    let (server, time, alice) = at_rest(&[]).await;
    let before = forge::kid(server.jwt_secret());
    assert_eq!(alice.kid(), before);

    for algorithm in Algorithm::ALL {
        let before = login(&server).await.kid();
        let added = server.add_key(NewKey::Access(algorithm)).await;
        assert_eq!(login(&server).await.kid(), before, "{algorithm:?}");
        time.pass(NOTICE - MILLISECOND);
        assert_eq!(login(&server).await.kid(), before, "{algorithm:?}");
        time.pass(MILLISECOND);

        let tokens = login(&server).await;

        assert_eq!(tokens.kid(), added);
        assert_eq!(forge::parts(&tokens.access_token).0["alg"], algorithm.name());
        assert_eq!(status(&server, &tokens.access_token).await, 200, "{algorithm:?}");
        assert_eq!(server.refresh(&tokens.refresh_token).await.tokens().kid(), added);
    }
}

#[actix_web::test]
async fn what_a_retired_key_signed_last_is_accepted_for_its_whole_life() {
    let (server, time, _) = at_rest(&[]).await;
    server.add_key(EDDSA).await;
    time.pass(NOTICE - Duration::from_secs(1));
    let last = login(&server).await;
    time.pass(TTL - MILLISECOND);

    assert_eq!(status(&server, &last.access_token).await, 200);

    time.pass(MILLISECOND);
    server.get_with("/api/profile", &last.access_token).await.assert_problem(401, "invalid_token");
}

#[actix_web::test]
async fn a_retired_key_is_believed_for_one_lifetime_and_not_longer_whatever_it_signs() {
    // One worker, so that the token is one that it remembers.
    let (server, time, alice) = at_rest(&[("WORKERS", "1")]).await;
    server.add_key(EDDSA).await;
    time.pass(NOTICE + Duration::from_secs(10 * 60));
    let (header, _) = forge::parts(&alice.access_token);
    let claims = issued_later(&alice, NOTICE + Duration::from_secs(10 * 60));
    let stolen_key = forge::hs256(server.jwt_secret(), header, claims);
    time.pass(TTL - Duration::from_secs(10 * 60) - MILLISECOND);
    for _ in 0..3 {
        assert_eq!(status(&server, &stolen_key).await, 200);
    }

    time.pass(MILLISECOND);

    server.get_with("/api/profile", &stolen_key).await.assert_problem(401, "invalid_token");
    assert_eq!(status(&server, &login(&server).await.access_token).await, 200);
}

#[actix_web::test]
async fn a_key_that_waits_verifies_and_does_not_sign() {
    let (server, _, alice) = at_rest(&[]).await;
    let added = server.add_key(EDDSA).await;

    let of_a_node_whose_clock_is_ahead = server.signed_with(&added, &forge::parts(&alice.access_token).1);

    assert_eq!(status(&server, &of_a_node_whose_clock_is_ahead).await, 200);
    assert_ne!(login(&server).await.kid(), added);
}

#[actix_web::test]
async fn a_new_mac_key_signs_refresh_tokens_from_its_millisecond_on() {
    let (server, time, alice) = at_rest(&[]).await;
    server.add_key(NewKey::Refresh).await;
    time.pass(NOTICE - MILLISECOND);
    let before = login(&server).await;
    time.pass(MILLISECOND);

    let after = login(&server).await;

    assert_eq!((alice.mac_id(), before.mac_id(), after.mac_id()), (1, 1, 2));
    assert_eq!(server.refresh(&alice.refresh_token).await.tokens().mac_id(), 2);
    assert_eq!(after.kid(), before.kid(), "each kind changes by itself");
}

#[actix_web::test]
async fn a_refresh_token_of_a_retired_mac_key_renews_for_as_long_as_its_session_may_live() {
    let (server, time, _) = with_sessions_of_an_hour().await;
    server.add_key(NewKey::Refresh).await;
    time.pass(NOTICE - MILLISECOND);
    let last = login(&server).await;
    time.pass(HOUR - MILLISECOND);

    let renewed = server.refresh(&last.refresh_token).await.tokens();

    assert_eq!((last.mac_id(), renewed.mac_id()), (1, 2));
    time.pass(MILLISECOND);
    server.refresh(&last.refresh_token).await.assert_refused("expired");
    time.pass(MILLISECOND);
    server.refresh(&last.refresh_token).await.assert_refused("unknown");
    server.refresh(&renewed.refresh_token).await.assert_refused("expired");
}

#[actix_web::test]
async fn late_theft_under_a_retired_mac_key_is_still_called_by_its_name() {
    let (server, time, alice) = with_sessions_of_an_hour().await;
    server.add_key(NewKey::Refresh).await;
    time.pass(NOTICE);
    let renewed = server.refresh(&alice.refresh_token).await.tokens();
    time.pass(MINUTE);

    server.refresh(&alice.refresh_token).await.assert_refused("reused");

    server.refresh(&renewed.refresh_token).await.assert_refused("revoked");
}

#[actix_web::test]
async fn a_lost_answer_is_given_again_in_the_same_words_across_the_change() {
    let (server, time, alice) = at_rest(&[]).await;
    server.add_key(NewKey::Refresh).await;
    time.pass(NOTICE - MILLISECOND);
    let first = server.refresh(&alice.refresh_token).await.tokens();
    time.pass(Duration::from_secs(5));

    let replayed = server.refresh(&alice.refresh_token).await.tokens();
    let held = server.refresh(&first.refresh_token).await.tokens();

    assert_eq!(first.mac_id(), 1);
    assert_eq!((&replayed.refresh_token, &held.refresh_token), (&first.refresh_token, &first.refresh_token));
    time.pass(MINUTE);
    assert_eq!(server.refresh(&first.refresh_token).await.tokens().mac_id(), 2);
}

#[actix_web::test]
async fn what_a_withdrawn_access_key_signed_is_refused_at_once_and_the_session_goes_on() {
    let (server, _, alice) = at_rest(&[("WORKERS", "1")]).await;
    for _ in 0..3 {
        assert_eq!(status(&server, &alice.access_token).await, 200);
    }

    server.withdraw(&alice.kid()).await;

    server.get_with("/api/profile", &alice.access_token).await.assert_problem(401, "invalid_token");
    let renewed = server.refresh(&alice.refresh_token).await.tokens();
    assert_ne!(renewed.kid(), alice.kid());
    assert_eq!(status(&server, &renewed.access_token).await, 200);
}

#[actix_web::test]
async fn what_a_withdrawn_mac_key_signed_is_unknown_at_once_and_access_tokens_go_on() {
    let (server, _, alice) = at_rest(&[]).await;
    let of_refresh = latchkey::tokens::ring::Kind::Refresh;
    let name = server.change_ring(|ring, given, now| {
        ring.shown(given, now).into_iter().find(|key| key.kind == of_refresh).unwrap().kid
    });

    server.withdraw(&name.await).await;

    server.refresh(&alice.refresh_token).await.assert_refused("unknown");
    assert_eq!(status(&server, &alice.access_token).await, 200);
    let bob = server.registered("bob").await;
    assert_eq!((bob.mac_id(), server.refresh(&bob.refresh_token).await.status), (2, 200));
}

#[actix_web::test]
async fn a_restart_goes_on_with_the_ring() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    server.withdraw(&alice.kid()).await;
    let renewed = server.refresh(&alice.refresh_token).await.tokens();

    let server = server.restart().await;

    assert_eq!(status(&server, &renewed.access_token).await, 200);
    server.get_with("/api/profile", &alice.access_token).await.assert_problem(401, "invalid_token");
    assert_eq!(login(&server).await.kid(), renewed.kid());
}

#[actix_web::test]
async fn a_session_of_a_withdrawn_mac_key_lives_on_until_it_is_ended_by_its_access_token() {
    let (server, _, alice) = at_rest(&[]).await;
    let of_refresh = latchkey::tokens::ring::Kind::Refresh;
    let name = server.change_ring(|ring, given, now| {
        ring.shown(given, now).into_iter().find(|key| key.kind == of_refresh).unwrap().kid
    });
    server.withdraw(&name.await).await;

    server.logout(&alice.refresh_token).await;
    assert_eq!(status(&server, &alice.access_token).await, 200);

    let by_bearer = server.request(Method::POST, "/api/logout").bearer_auth(&alice.access_token);
    assert_eq!(Answer::of(by_bearer).await.status, 204);
    server.get_with("/api/profile", &alice.access_token).await.assert_problem(401, "invalid_token");
}
