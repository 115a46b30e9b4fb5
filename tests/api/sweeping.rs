//! What is forgotten, and when.

use std::time::Duration;

use rusqlite::params;
use uuid::Uuid;

use crate::support::TestServer;

const MOMENT: Duration = Duration::from_millis(1);
/// How long an ending is kept: the lifetime of an access token and a minute.
const ENDING_KEPT: Duration = Duration::from_secs(15 * 60 + 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// The endings in memory and in the table.
fn endings(server: &TestServer) -> (usize, i64) {
    (server.services.revocations.len(), server.number("SELECT count(*) FROM revocations"))
}

#[actix_web::test]
async fn an_ending_is_kept_as_long_as_an_access_token_could_live() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    let bob = server.registered("bob").await;
    server.logout(&alice.refresh_token).await;
    server.services.users.delete(None, bob.user_id()).await.unwrap();

    time.pass(ENDING_KEPT - MOMENT);
    server.services.sessions.sweep().await.unwrap();

    assert_eq!(endings(&server), (2, 2));
}

#[actix_web::test]
async fn an_ending_is_forgotten_once_no_access_token_can_be_left() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    let bob = server.registered("bob").await;
    server.logout(&alice.refresh_token).await;
    server.services.users.delete(None, bob.user_id()).await.unwrap();

    time.pass(ENDING_KEPT);
    server.services.sessions.sweep().await.unwrap();

    assert_eq!(endings(&server), (0, 0));
    server.assert_over(&alice, "revoked").await;
    server.assert_over(&bob, "revoked").await;
}

#[actix_web::test]
async fn the_map_holds_what_was_ended_in_one_access_token_lifetime_and_shrinks_by_itself() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    server.registered("alice").await;

    for round in 0..6 {
        for _ in 0..10 {
            server.logout(&server.logged_in("alice").await.refresh_token).await;
        }
        let in_one_lifetime = 10 * (round + 1).min(2);
        assert_eq!(endings(&server), (in_one_lifetime, i64::try_from(in_one_lifetime).unwrap()));
        time.pass(ENDING_KEPT / 2);
        server.services.sessions.sweep().await.unwrap();
    }

    time.pass(ENDING_KEPT / 2);
    server.services.sessions.sweep().await.unwrap();
    assert_eq!(endings(&server), (0, 0));
}

#[actix_web::test]
async fn an_ending_leaves_the_map_on_time_however_long_the_sweep_over_the_table_takes() {
    let server = with_a_long_table().await;
    let time = server.stop_time();
    let bob = server.registered("bob").await;
    server.logout(&bob.refresh_token).await;

    time.pass(ENDING_KEPT);
    server.services.sessions.sweep().await.unwrap();

    assert_eq!(server.services.revocations.len(), 0);
}

#[actix_web::test]
async fn what_ended_before_a_restart_leaves_on_time_too() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    server.logout(&alice.refresh_token).await;

    let server = server.restart().await;
    assert_eq!(endings(&server), (1, 1));
    server.clock.advance(ENDING_KEPT);
    server.services.sessions.sweep().await.unwrap();

    assert_eq!(endings(&server), (0, 0));
}

#[actix_web::test]
async fn a_session_that_was_ended_is_named_for_a_week() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    server.logout(&login.refresh_token).await;

    time.pass(WEEK - MOMENT);
    server.services.sessions.sweep().await.unwrap();

    server.refresh(&login.refresh_token).await.assert_refused("revoked");
}

#[actix_web::test]
async fn a_session_that_was_ended_is_forgotten_after_a_week() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    server.logout(&login.refresh_token).await;

    time.pass(WEEK);
    server.services.sessions.sweep().await.unwrap();

    server.refresh(&login.refresh_token).await.assert_refused("unknown");
    assert_eq!(server.number("SELECT count(*) FROM sessions"), 0);
}

#[actix_web::test]
async fn an_expired_session_is_named_for_a_week_and_then_forgotten() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    time.pass(WEEK);

    time.pass(WEEK - MOMENT);
    server.services.sessions.sweep().await.unwrap();
    server.refresh(&login.refresh_token).await.assert_refused("expired");
    time.pass(MOMENT);
    server.services.sessions.sweep().await.unwrap();

    server.refresh(&login.refresh_token).await.assert_refused("unknown");
}

#[actix_web::test]
async fn a_session_that_is_renewed_is_never_swept_away() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let mut tokens = server.registered("alice").await;

    for _ in 0..4 {
        time.pass(WEEK - MOMENT);
        server.services.sessions.sweep().await.unwrap();
        tokens = server.renewed(&tokens.refresh_token).await;
    }
}

/// A server with 701 sessions, 100 of which ended long ago and stand behind many that live: three steps of the sweeper.
async fn with_a_long_table() -> TestServer {
    let mut server = TestServer::start().await;
    let login = server.registered("alice").await;
    server.halt();
    let mut rows = server.rows_to_change();
    let filling = rows.transaction().unwrap();
    let copy = "INSERT INTO sessions SELECT ?1, user_id, epoch, 1, 0, NULL, created_at, idle_expires_at,
                absolute_expires_at, ?2, NULL, NULL, NULL, transport, NULL, NULL, NULL FROM sessions WHERE id = ?3";
    let session: Uuid = login.session_id.parse().unwrap();
    // Their ids are before every real one.
    for number in 1..=700 {
        let ended_at = (number > 600).then_some(0);
        filling.execute(copy, params![Uuid::from_u128(number), ended_at, session]).unwrap();
    }
    filling.commit().unwrap();
    server.resume().await
}

#[actix_web::test]
async fn a_long_table_is_swept_in_steps_to_its_end() {
    let server = with_a_long_table().await;

    // 701 rows at 256 a step; where the sweeper itself came first, these go on from there.
    for _ in 0..3 {
        server.services.sessions.sweep().await.unwrap();
    }

    assert_eq!(server.number("SELECT count(*) FROM sessions"), 601);
}
