//! The calls of the OAuth standards while keys change: a token is worth as much there as on the service's own calls.

use std::time::Duration;

use latchkey::tokens::keys::Algorithm;
use latchkey::tokens::ring::Kind;
use latchkey::tokens::ring::change::NewKey;

use crate::support::ring_file::NOTICE;
use crate::support::time::StoppedTime;
use crate::support::{TestServer, Tokens, forge};

const MILLISECOND: Duration = Duration::from_millis(1);
/// `ACCESS_TOKEN_TTL`, as it is by default.
const TTL: Duration = Duration::from_secs(15 * 60);
/// `SESSION_TTL` of these tests.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A server whose time stands still and whose sessions end after an hour, a client that asks it, and a user.
async fn at_rest() -> (TestServer, StoppedTime, String, Tokens) {
    let server = TestServer::with(&[("REFRESH_TOKEN_TTL", "1h"), ("SESSION_TTL", "1h")]).await;
    let time = server.stop_time();
    let client = server.client("orders").await;
    let alice = server.registered("alice").await;
    (server, time, client, alice)
}

/// Adds a key of each kind; in a while they sign, and those from before are retired.
async fn add_keys(server: &TestServer) {
    server.add_key(NewKey::Access(Algorithm::EdDsa)).await;
    server.add_key(NewKey::Refresh).await;
}

/// Takes the only key of each kind out at once; others sign in their place.
async fn withdraw_keys(server: &TestServer) {
    for kind in [Kind::Access, Kind::Refresh] {
        let name = server.change_ring(|ring, given, now| {
            ring.shown(given, now).into_iter().find(|key| key.kind == kind).unwrap().kid
        });
        server.withdraw(&name.await).await;
    }
}

async fn is_active(server: &TestServer, client: &str, token: &str) -> bool {
    server.introspect(client, token).await.body["active"] == true
}

async fn revoke(server: &TestServer, token: &str) {
    assert_eq!(server.posted("/api/revoke", &[("token", token)]).await.status, 200);
}

#[actix_web::test]
async fn an_access_token_of_a_retired_key_is_active_until_the_key_is_over_and_not_longer() {
    let (server, time, client, alice) = at_rest().await;
    add_keys(&server).await;
    time.pass(NOTICE + TTL - MILLISECOND);
    let (header, mut claims) = forge::parts(&alice.access_token);
    for claim in ["iat", "exp"] {
        claims[claim] = (claims[claim].as_u64().unwrap() + NOTICE.as_secs() + 60).into();
    }
    let outlives_its_key = forge::hs256(server.jwt_secret(), header, claims);

    assert!(is_active(&server, &client, &outlives_its_key).await);
    time.pass(MILLISECOND);
    assert!(!is_active(&server, &client, &outlives_its_key).await);
}

#[actix_web::test]
async fn a_refresh_token_of_a_retired_key_is_active_until_the_key_is_over_and_not_longer() {
    let (server, time, client, _) = at_rest().await;
    add_keys(&server).await;
    let retired = server.clock.now();
    time.pass(NOTICE + HOUR / 2);
    let late = server.logged_in("alice").await;
    let under_the_retired_key = server.token_made_at(&late.session_id, 1, retired);
    time.pass(HOUR / 2 - MILLISECOND);

    assert!(is_active(&server, &client, &under_the_retired_key).await);
    time.pass(MILLISECOND);
    assert!(!is_active(&server, &client, &under_the_retired_key).await);
    assert!(is_active(&server, &client, &late.refresh_token).await, "its session lives");
}

#[actix_web::test]
async fn what_a_withdrawn_key_signed_is_inactive_at_once_and_what_its_successor_signs_is_active() {
    let (server, _, client, alice) = at_rest().await;
    assert!(is_active(&server, &client, &alice.access_token).await);
    assert!(is_active(&server, &client, &alice.refresh_token).await);

    withdraw_keys(&server).await;

    assert!(!is_active(&server, &client, &alice.access_token).await);
    assert!(!is_active(&server, &client, &alice.refresh_token).await);
    let again = server.logged_in("alice").await;
    assert!(is_active(&server, &client, &again.access_token).await);
    assert!(is_active(&server, &client, &again.refresh_token).await);
}

#[actix_web::test]
async fn either_token_of_a_retired_key_ends_its_session_while_it_verifies() {
    let (server, time, _, _) = at_rest().await;
    add_keys(&server).await;
    time.pass(NOTICE - Duration::from_secs(1));
    let (first, second) = (server.logged_in("alice").await, server.logged_in("alice").await);
    time.pass(TTL - MILLISECOND);
    let now = server.logged_in("alice").await;
    assert!(first.kid() != now.kid() && first.mac_id() != now.mac_id());

    revoke(&server, &first.refresh_token).await;
    revoke(&server, &second.access_token).await;

    for session in [&first, &second] {
        server.assert_over(session, "revoked").await;
    }
    server.assert_alive(&now).await;
}

#[actix_web::test]
async fn neither_token_of_a_withdrawn_key_ends_anything() {
    let (server, _, _, alice) = at_rest().await;
    withdraw_keys(&server).await;

    revoke(&server, &alice.refresh_token).await;
    revoke(&server, &alice.access_token).await;

    assert!(server.lives(&alice.session_id));
}

#[actix_web::test]
async fn a_renewal_across_the_change_has_the_tokens_of_the_new_keys() {
    let (server, time, _, alice) = at_rest().await;
    add_keys(&server).await;
    time.pass(NOTICE);

    let renewed = server.token(&alice.refresh_token, &[]).await.tokens();

    assert_eq!((alice.mac_id(), renewed.mac_id()), (1, 2));
    assert_ne!(renewed.kid(), alice.kid());
    server.assert_alive(&renewed).await;
}
