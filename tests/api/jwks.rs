//! `GET /.well-known/jwks.json`: what other services verify with.

use std::time::Duration;

use latchkey::tokens::keys::Algorithm;
use latchkey::tokens::ring::change::NewKey;
use serde_json::json;

use crate::support::ring_file::NOTICE;
use crate::support::{Answer, TestServer};

const EDDSA: NewKey = NewKey::Access(Algorithm::EdDsa);
const ES256: NewKey = NewKey::Access(Algorithm::Es256);
const HS256: NewKey = NewKey::Access(Algorithm::Hs256);
const TTL: Duration = Duration::from_secs(15 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);

async fn set(server: &TestServer) -> Answer {
    server.get("/.well-known/jwks.json").await
}

#[actix_web::test]
async fn shared_secrets_are_not_published() {
    let server = TestServer::start().await;
    assert_eq!(set(&server).await.body, json!({"keys": []}));

    server.add_key(HS256).await;
    server.add_key(NewKey::Refresh).await;

    assert_eq!(set(&server).await.body, json!({"keys": []}));
}

#[actix_web::test]
async fn it_may_be_kept_for_ten_seconds_and_read_by_any_page() {
    let server = TestServer::with(&[("CORS_ORIGINS", "https://app.test")]).await;

    let answer =
        Answer::of(server.request(reqwest::Method::GET, "/.well-known/jwks.json").header("origin", "https://b.test"));
    let answer = answer.await;

    assert_eq!(answer.header("cache-control"), "public, max-age=10");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[actix_web::test]
async fn a_key_is_published_from_its_addition_to_the_end_of_what_it_signed_last() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let first = server.add_key(EDDSA).await;
    assert_eq!(server.published().await, [first.as_str()], "it waits");
    time.pass(NOTICE);
    assert_eq!(server.published().await, [first.as_str()], "it signs");
    let second = server.add_key(ES256).await;
    assert_eq!(server.published().await, [second.as_str(), first.as_str()]);
    time.pass(NOTICE + TTL - MILLISECOND);
    assert_eq!(server.published().await, [second.as_str(), first.as_str()], "what it signed last may be alive");

    time.pass(MILLISECOND);

    assert_eq!(server.published().await, [second.as_str()]);
    server.withdraw(&second).await;
    let now = server.published().await;
    assert!(now.len() == 1 && now != [second], "{now:?}");
}

#[actix_web::test]
async fn a_published_key_says_what_it_is_for_and_has_no_private_half() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let kid = server.add_key(EDDSA).await;
    time.pass(NOTICE);
    let second = server.add_key(ES256).await;

    let keys = set(&server).await.body["keys"].as_array().unwrap().clone();

    let expected = json!([
        {"kty": "EC", "use": "sig", "alg": "ES256", "kid": second, "crv": "P-256", "x": keys[0]["x"], "y": keys[0]["y"]},
        {"kty": "OKP", "use": "sig", "alg": "EdDSA", "kid": kid, "crv": "Ed25519", "x": keys[1]["x"]},
    ]);
    assert_eq!(json!(keys), expected);
}
