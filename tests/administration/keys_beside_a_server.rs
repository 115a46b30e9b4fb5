//! `latchkey keys` beside a server that runs and follows the ring. When a key takes over, to the millisecond: `tests/api/key_rotation.rs`.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::Value;

use crate::keys::with_a_signing_key;
use crate::place::{Place, Tokens};

/// Which key signed an access token, as it says.
fn kid(tokens: &Tokens) -> String {
    let header = URL_SAFE_NO_PAD.decode(tokens.access.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_server_publishes_a_key_that_was_added_while_it_runs_and_everything_goes_on() {
    let place = with_a_signing_key("EdDSA");
    let server = place.serve();
    place.created(&["ada"]);
    let ada = server.login("ada").await.unwrap();
    assert_eq!(kid(&ada), place.key("access", "signing"));

    place.ok(&["keys", "rotate"]);
    place.ok(&["keys", "rotate", "--refresh"]);

    let published = server.publishes(2).await;
    assert_eq!(published, [place.key("access", "waiting"), place.key("access", "signing")]);
    assert!(server.profile(&ada).await.is_ok());
    let renewed = server.renew(&ada).await.unwrap();
    assert_eq!(kid(&renewed), kid(&ada));
}

#[actix_web::test]
async fn a_leaked_key_of_access_tokens_costs_one_renewal() {
    let place = with_a_signing_key("EdDSA");
    let server = place.serve();
    place.created(&["ada"]);
    let ada = server.login("ada").await.unwrap();
    let leaked = place.key("access", "signing");

    place.ok(&["keys", "retire", "--now", "--yes", "--", &leaked]);

    server.refuses(&ada).await;
    let renewed = server.renew(&ada).await.unwrap();
    assert_eq!(kid(&renewed), place.key("access", "signing"));
    assert!(server.profile(&renewed).await.is_ok());
    assert_eq!(server.published().await, [kid(&renewed)]);
}

#[actix_web::test]
async fn a_leaked_key_of_refresh_tokens_costs_a_login_and_the_access_token_lives_on() {
    let place = with_a_signing_key("EdDSA");
    let server = place.serve();
    place.created(&["ada"]);
    let ada = server.login("ada").await.unwrap();

    place.ok(&["keys", "retire", &place.key("refresh", "signing"), "--now", "--yes"]);
    // Told in the same reading of the ring.
    place.ok(&["keys", "rotate"]);
    server.publishes(2).await;

    assert_eq!(server.renew(&ada).await.unwrap_err(), StatusCode::UNAUTHORIZED);
    assert!(server.profile(&ada).await.is_ok());
    let again = server.login("ada").await.unwrap();
    assert!(server.renew(&again).await.is_ok());
}

#[actix_web::test]
async fn a_ring_that_was_lost_is_not_begun_anew_by_mistake() {
    let place = with_a_signing_key("EdDSA");
    drop(place.serve());
    fs::remove_file(place.path().join("data/latchkey.keys")).unwrap();

    for arguments in [&["keys", "rotate"][..], &["keys", "generate", "--alg", "EdDSA"], &["keys", "list"], &["serve"]] {
        place.run(arguments).assert_failed(78, "latchkey keys init");
    }
    place.run(&["keys", "init"]).assert_failed(2, "needs --yes");
    assert!(!place.path().join("data/latchkey.keys").exists());
    place.ok(&["keys", "init", "--yes"]);

    let server = place.serve();
    place.created(&["ada"]);
    assert_eq!(kid(&server.login("ada").await.unwrap()), place.key("access", "signing"));
}

#[actix_web::test]
async fn a_key_is_dated_by_the_time_of_the_server_where_the_clock_was_put_back() {
    let place = with_a_signing_key("EdDSA");
    let server = place.serve();
    place.created(&["ada"]);
    let signing = kid(&server.login("ada").await.unwrap());
    drop(server);
    // As after a step back of half a minute, which a start puts up with: its time stands still meanwhile.
    place.write("UPDATE service SET last_alive_at = last_alive_at + 30000");
    let server = place.serve();

    place.ok(&["keys", "rotate", "--activate-in", "15s"]);
    server.publishes(2).await;

    let ada = server.login("ada").await.unwrap();
    assert_eq!(kid(&ada), signing, "the new one was known for a moment only");
    assert!(server.profile(&ada).await.is_ok());
    let [new, _] = &place.keys("access")[..2] else { panic!("two keys") };
    assert_eq!(new["state"], "waiting");
}

#[actix_web::test]
async fn an_older_ring_is_refused_by_every_command_and_accepted_on_purpose() {
    let place = with_a_signing_key("EdDSA");
    let file = place.path().join("data/latchkey.keys");
    let older = place.ring();
    place.ok(&["keys", "rotate", "--refresh"]);
    let newest = place.ring();
    drop(place.serve());
    let signing = place.key("access", "signing");
    fs::write(&file, &older).unwrap();

    for arguments in [
        &["keys", "rotate"][..],
        &["keys", "rotate", "--refresh"],
        &["keys", "generate", "--alg", "ES256"],
        &["keys", "retire", "--", &signing],
        &["keys", "retire", "--now", "--yes", "--", &signing],
        &["keys", "list"],
        &["serve"],
    ] {
        place.run(arguments).assert_failed(78, "latchkey keys accept");
    }
    place.run(&["keys", "accept"]).assert_failed(2, "needs --yes");
    assert_eq!(place.ring(), older);
    let told = place.ok(&["keys", "accept", "--yes"]);

    assert!(told.contains("has to log in again") && told.contains("believed again"), "{told}");
    assert_eq!(place.keys("refresh").len(), 1);
    drop(place.serve());
    // Now the other one is the older.
    fs::write(&file, &newest).unwrap();
    place.run(&["serve"]).assert_failed(78, "latchkey keys accept");
}

#[test]
fn what_is_not_there_is_not_accepted_and_what_changes_nothing_is_not_dated() {
    let nowhere = Place::new();
    nowhere.run(&["keys", "accept", "--yes"]).assert_failed(1, "there is no key ring to accept");
    assert_eq!(fs::read_dir(nowhere.path()).unwrap().count(), 0);
    let place = with_a_signing_key("EdDSA");
    let ring = place.ring();

    place.ok(&["keys", "retire", place.keys("access")[1]["kid"].as_str().unwrap()]);

    let of = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(of(&place.ring()), of(&ring));
    assert!(of(&ring)["changed_at"].is_string());
}
