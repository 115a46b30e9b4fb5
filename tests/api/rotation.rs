//! What a renewal is answered while its session lives: hold, rotate, replay and reissue, in every mode of `REFRESH_GRACE`.

use std::time::Duration;

use crate::support::TestServer;
use crate::support::account::claims;

/// `REFRESH_GRACE` unless set.
const WINDOW: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(1);
const STRICT: [(&str, &str); 1] = [("REFRESH_GRACE", "0s")];
const UNTIL_USED: [(&str, &str); 1] = [("REFRESH_GRACE", "until-used")];

#[actix_web::test]
async fn a_renewal_spends_the_token_for_a_new_pair_with_full_lifetimes() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;

    time.pass(Duration::from_secs(3600));
    let answer = server.refresh(&login.refresh_token).await;

    let renewed = answer.tokens();
    assert_ne!(renewed.refresh_token, login.refresh_token);
    assert_eq!(renewed.session_id, login.session_id);
    assert_eq!(
        (answer.body["expires_in"].as_u64(), answer.body["refresh_expires_in"].as_u64()),
        (Some(900), Some(604_800))
    );
    let claims = claims(&renewed.access_token);
    assert_eq!(claims["iat"], time.now().as_unix_seconds());
    assert_eq!(claims["exp"], time.now().as_unix_seconds() + 900);
    server.assert_signed_in(&renewed.access_token).await;
}

#[actix_web::test]
async fn the_newest_token_is_held_inside_the_window_and_its_lifetime_is_not_renewed() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    time.pass(WINDOW - MOMENT);
    let held = server.refresh(&renewed.refresh_token).await;

    assert_eq!(held.tokens().refresh_token, renewed.refresh_token);
    assert_eq!(held.body["refresh_expires_in"], 604_800 - 10);
    assert_eq!(server.number_of(&login.session_id, "current_generation"), 2);
}

#[actix_web::test]
async fn the_newest_token_rotates_again_at_the_end_of_the_window() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    time.pass(WINDOW);
    let again = server.renewed(&renewed.refresh_token).await;

    assert_ne!(again.refresh_token, renewed.refresh_token);
    assert_eq!(server.number_of(&login.session_id, "current_generation"), 3);
}

#[actix_web::test]
async fn holding_does_not_make_the_window_longer() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;
    time.pass(WINDOW / 2);
    server.renewed(&renewed.refresh_token).await;

    time.pass(WINDOW / 2);

    assert_ne!(server.renewed(&renewed.refresh_token).await.refresh_token, renewed.refresh_token);
}

#[actix_web::test]
async fn a_lost_answer_is_given_again_inside_the_window() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let lost = server.renewed(&login.refresh_token).await;

    time.pass(WINDOW - MOMENT);
    let again = server.refresh(&login.refresh_token).await;

    assert_eq!(again.tokens().refresh_token, lost.refresh_token);
    assert_eq!(again.body["refresh_expires_in"], 604_800 - 10);
    assert_eq!(server.number_of(&login.session_id, "current_generation"), 2);
}

#[actix_web::test]
async fn giving_an_answer_again_does_not_make_the_window_longer() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    server.renewed(&login.refresh_token).await;
    time.pass(WINDOW / 2);
    server.renewed(&login.refresh_token).await;

    time.pass(WINDOW / 2);

    server.refresh(&login.refresh_token).await.assert_refused("reused");
}

#[actix_web::test]
async fn whoever_is_given_the_same_refresh_token_is_given_an_access_token_of_their_own() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    time.pass(Duration::from_secs(5));
    let replayed = server.renewed(&login.refresh_token).await;
    let held = server.renewed(&renewed.refresh_token).await;

    let [first, replayed, held] = [renewed, replayed, held].map(|tokens| claims(&tokens.access_token));
    assert_eq!([&replayed["iat"], &held["iat"]], [time.now().as_unix_seconds(); 2]);
    assert!(first["jti"] != replayed["jti"] && replayed["jti"] != held["jti"], "{replayed} {held}");
}

#[actix_web::test]
async fn every_use_of_a_strict_token_rotates_it() {
    let server = TestServer::with(&STRICT).await;
    let _time = server.stop_time();
    let login = server.registered("alice").await;

    let renewed = server.renewed(&login.refresh_token).await;
    let again = server.renewed(&renewed.refresh_token).await;

    assert_ne!(again.refresh_token, renewed.refresh_token);
    assert_eq!(server.number_of(&login.session_id, "current_generation"), 3);
}

#[actix_web::test]
async fn a_strict_token_is_not_answered_twice_even_in_the_same_millisecond() {
    let server = TestServer::with(&STRICT).await;
    let _time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    server.refresh(&login.refresh_token).await.assert_refused("reused");

    server.assert_over(&renewed, "revoked").await;
}

#[actix_web::test]
async fn until_used_holds_and_replays_inside_its_window() {
    let server = TestServer::with(&UNTIL_USED).await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    time.pass(WINDOW - MOMENT);

    assert_eq!(server.renewed(&renewed.refresh_token).await.refresh_token, renewed.refresh_token);
    assert_eq!(server.renewed(&login.refresh_token).await.refresh_token, renewed.refresh_token);
}

#[actix_web::test]
async fn until_used_reissues_to_a_client_that_was_away_for_days() {
    let server = TestServer::with(&UNTIL_USED).await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let lost = server.renewed(&login.refresh_token).await;

    time.pass(Duration::from_secs(3 * 24 * 3600));
    let reissued = server.refresh(&login.refresh_token).await;

    assert_ne!(reissued.tokens().refresh_token, lost.refresh_token);
    assert_eq!(reissued.body["refresh_expires_in"], 604_800);
    server.assert_signed_in(&reissued.tokens().access_token).await;
}

#[actix_web::test]
async fn the_unused_successor_is_spent_by_a_reissue() {
    let server = TestServer::with(&UNTIL_USED).await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let unused = server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);
    let reissued = server.renewed(&login.refresh_token).await;

    server.refresh(&unused.refresh_token).await.assert_refused("reused");

    server.assert_over(&reissued, "revoked").await;
}

#[actix_web::test]
async fn a_reissue_can_be_lost_and_given_again_too() {
    let server = TestServer::with(&UNTIL_USED).await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);
    let reissued = server.renewed(&login.refresh_token).await;

    time.pass(WINDOW - MOMENT);
    let replayed = server.renewed(&login.refresh_token).await;
    time.pass(MOMENT);
    let reissued_again = server.renewed(&login.refresh_token).await;

    assert_eq!(replayed.refresh_token, reissued.refresh_token);
    assert_ne!(reissued_again.refresh_token, reissued.refresh_token);
}

#[actix_web::test]
async fn the_parent_is_spent_for_good_once_its_successor_was_used() {
    let server = TestServer::with(&UNTIL_USED).await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);
    let newest = server.renewed(&renewed.refresh_token).await;

    server.refresh(&login.refresh_token).await.assert_refused("reused");

    server.assert_over(&newest, "revoked").await;
}

#[actix_web::test]
async fn a_thief_who_renews_first_is_out_at_the_owners_next_renewal() {
    let server = TestServer::with(&UNTIL_USED).await;
    let time = server.stop_time();
    let owner = server.registered("alice").await;
    let thief = server.renewed(&owner.refresh_token).await;
    time.pass(WINDOW);
    let thief = server.renewed(&thief.refresh_token).await;

    server.refresh(&owner.refresh_token).await.assert_refused("reused");

    server.assert_over(&thief, "revoked").await;
}

#[actix_web::test]
async fn the_table_does_not_grow_with_renewals() {
    let server = TestServer::with(&STRICT).await;
    let mut tokens = server.registered("alice").await;

    for _ in 0..50 {
        tokens = server.renewed(&tokens.refresh_token).await;
    }

    assert_eq!(server.number("SELECT count(*) FROM sessions"), 1);
    assert_eq!(server.number_of(&tokens.session_id, "current_generation"), 51);
}
