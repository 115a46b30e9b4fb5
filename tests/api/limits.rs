//! When a session and its tokens end by themselves.

use std::time::Duration;

use crate::support::TestServer;
use crate::support::account::claims;

const MOMENT: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Idle after an hour, over after two.
const SHORT: [(&str, &str); 3] = [("ACCESS_TOKEN_TTL", "15m"), ("REFRESH_TOKEN_TTL", "1h"), ("SESSION_TTL", "2h")];

#[actix_web::test]
async fn a_session_can_be_renewed_until_the_last_moment_of_its_idle_limit() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;

    time.pass(IDLE - MOMENT);

    server.renewed(&login.refresh_token).await;
}

#[actix_web::test]
async fn a_session_that_was_idle_for_too_long_is_expired() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;

    time.pass(IDLE);

    server.assert_over(&login, "expired").await;
}

#[actix_web::test]
async fn a_renewal_moves_the_idle_limit() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    time.pass(IDLE - MOMENT);
    let renewed = server.renewed(&login.refresh_token).await;

    time.pass(IDLE - MOMENT);
    server.renewed(&renewed.refresh_token).await;
    time.pass(IDLE);

    server.assert_over(&renewed, "expired").await;
}

#[actix_web::test]
async fn no_renewal_moves_the_idle_limit_past_the_absolute_one() {
    let server = TestServer::with(&SHORT).await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    time.pass(50 * MINUTE);
    let renewed = server.renewed(&login.refresh_token).await;

    time.pass(50 * MINUTE);
    let last = server.refresh(&renewed.refresh_token).await;

    assert_eq!(last.body["refresh_expires_in"], 20 * 60);
    assert_eq!(
        server.number_of(&login.session_id, "idle_expires_at"),
        server.number_of(&login.session_id, "absolute_expires_at")
    );
}

#[actix_web::test]
async fn no_access_token_outlives_the_absolute_limit_of_its_session() {
    let server = TestServer::with(&SHORT).await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    time.pass(55 * MINUTE);
    let renewed = server.renewed(&login.refresh_token).await;

    time.pass(55 * MINUTE);
    let renewed = server.refresh(&renewed.refresh_token).await;
    time.pass(MINUTE);
    let held = server.refresh(&renewed.tokens().refresh_token).await;

    let over_at = server.number_of(&login.session_id, "absolute_expires_at") / 1000;
    assert_eq!((&renewed.body["expires_in"], &held.body["expires_in"]), (&(10 * 60).into(), &(9 * 60).into()));
    for answer in [&renewed, &held] {
        assert_eq!(claims(answer.text("access_token"))["exp"], over_at);
    }
}

#[actix_web::test]
async fn a_session_is_over_at_its_absolute_limit_however_often_it_was_renewed() {
    let server = TestServer::with(&SHORT).await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    time.pass(50 * MINUTE);
    let renewed = server.renewed(&login.refresh_token).await;
    time.pass(50 * MINUTE);
    let renewed = server.renewed(&renewed.refresh_token).await;
    time.pass(19 * MINUTE + Duration::from_secs(59));
    let last = server.renewed(&renewed.refresh_token).await;

    time.pass(Duration::from_secs(1));

    server.assert_over(&last, "expired").await;
}

#[actix_web::test]
async fn an_access_token_is_refused_from_its_last_second_on() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let lives_until = claims(&login.access_token)["exp"].as_i64().unwrap() * 1000;
    let left = Duration::from_millis(u64::try_from(lives_until - time.now().as_millis()).unwrap());

    time.pass(left - MOMENT);
    server.assert_signed_in(&login.access_token).await;
    time.pass(MOMENT);

    server.assert_signed_out(&login.access_token).await;
}

#[actix_web::test]
async fn an_expired_session_says_so_whatever_else_is_wrong_with_it() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;
    server.services.users.set_disabled(login.user_id(), true).await.unwrap();

    time.pass(IDLE);

    for spent_or_not in [&login, &renewed] {
        server.refresh(&spent_or_not.refresh_token).await.assert_refused("expired");
    }
    assert_eq!(server.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL"), 1);
}

#[actix_web::test]
async fn a_session_that_was_ended_stays_revoked_when_it_would_have_expired() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    server.logout(&login.refresh_token).await;

    time.pass(IDLE);

    server.refresh(&login.refresh_token).await.assert_refused("revoked");
}

#[actix_web::test]
async fn a_session_at_the_greatest_generation_is_expired() {
    let mut server = TestServer::start().await;
    let login = server.registered("alice").await;
    server.halt();
    let reach = "UPDATE sessions SET current_generation = ?1, parent_generation = ?1 - 1, rotated_at = NULL";
    server.rows_to_change().execute(reach, [u32::MAX]).unwrap();
    let server = server.resume().await;

    for generation in [u32::MAX, u32::MAX - 1] {
        server.refresh(&server.token_of(&login.session_id, generation)).await.assert_refused("expired");
    }
}

#[actix_web::test]
async fn the_last_renewal_of_all_is_still_answered() {
    let mut server = TestServer::start().await;
    let login = server.registered("alice").await;
    server.halt();
    let reach = "UPDATE sessions SET current_generation = ?1, parent_generation = ?1 - 1, rotated_at = NULL";
    server.rows_to_change().execute(reach, [u32::MAX - 1]).unwrap();
    let server = server.resume().await;

    let last = server.renewed(&server.token_of(&login.session_id, u32::MAX - 1)).await;

    assert_eq!(last.refresh_token, server.token_of(&login.session_id, u32::MAX));
}
