//! What a restart changes: nothing. Time without the service does not count, and what ended stays ended.

use std::time::Duration;

use latchkey::tokens::principal::Role;

use crate::support::TestServer;

const MINUTE: Duration = Duration::from_secs(60);
const HOURS: Duration = Duration::from_secs(6 * 3600);
/// A window of minutes, so that the time a start takes is nothing against it.
const GRACE: [(&str, &str); 1] = [("REFRESH_GRACE", "5m")];
/// Access tokens that outlive the downtime: what refuses them is not their age.
const LASTING: [(&str, &str); 1] = [("ACCESS_TOKEN_TTL", "1d")];

#[actix_web::test]
async fn a_window_that_a_stop_interrupted_is_open_until_the_start_and_the_grace() {
    let server = TestServer::with(&GRACE).await;
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    let server = server.restart_after(HOURS).await;
    server.clock.advance(4 * MINUTE);

    assert_eq!(server.renewed(&login.refresh_token).await.refresh_token, renewed.refresh_token);
    assert_eq!(server.renewed(&renewed.refresh_token).await.refresh_token, renewed.refresh_token);
}

#[actix_web::test]
async fn a_window_that_a_stop_interrupted_closes_the_grace_after_the_start() {
    let server = TestServer::with(&GRACE).await;
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    let server = server.restart_after(HOURS).await;
    server.clock.advance(5 * MINUTE);

    server.refresh(&login.refresh_token).await.assert_refused("reused");
    server.refresh(&renewed.refresh_token).await.assert_refused("revoked");
}

#[actix_web::test]
async fn a_window_that_was_open_at_the_last_write_is_opened_again() {
    let server = TestServer::with(&GRACE).await;
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;
    server.clock.advance(4 * MINUTE);
    server.registered("the_last_write").await;

    let server = server.restart_after(HOURS).await;

    assert_eq!(server.renewed(&login.refresh_token).await.refresh_token, renewed.refresh_token);
}

#[actix_web::test]
async fn a_window_that_had_closed_before_the_last_write_stays_closed() {
    let server = TestServer::with(&GRACE).await;
    let login = server.registered("alice").await;
    server.renewed(&login.refresh_token).await;
    server.clock.advance(5 * MINUTE);
    server.registered("the_last_write").await;

    let server = server.restart_after(HOURS).await;

    server.refresh(&login.refresh_token).await.assert_refused("reused");
}

#[actix_web::test]
async fn a_rotation_after_the_start_has_its_own_window() {
    let server = TestServer::with(&GRACE).await;
    let login = server.registered("alice").await;
    let server = server.restart_after(HOURS).await;
    server.clock.advance(4 * MINUTE);
    let renewed = server.renewed(&login.refresh_token).await;

    server.clock.advance(4 * MINUTE);
    let replayed = server.renewed(&login.refresh_token).await;
    server.clock.advance(MINUTE);

    assert_eq!(replayed.refresh_token, renewed.refresh_token);
    server.refresh(&login.refresh_token).await.assert_refused("reused");
}

#[actix_web::test]
async fn a_restart_opens_no_window_for_strict_tokens() {
    let server = TestServer::with(&[("REFRESH_GRACE", "0s")]).await;
    let login = server.registered("alice").await;
    server.renewed(&login.refresh_token).await;

    let server = server.restart_after(HOURS).await;

    server.refresh(&login.refresh_token).await.assert_refused("reused");
}

#[actix_web::test]
async fn downtime_counts_against_the_idle_limit() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;

    let server = server.restart_after(7 * 24 * HOURS / 6).await;

    server.refresh(&login.refresh_token).await.assert_refused("expired");
}

#[actix_web::test]
async fn an_access_token_of_a_session_that_was_logged_out_is_refused_after_a_restart() {
    let server = TestServer::with(&LASTING).await;
    let login = server.registered("alice").await;
    server.logout(&login.refresh_token).await;

    let server = server.restart_after(HOURS).await;

    server.assert_over(&login, "revoked").await;
}

#[actix_web::test]
async fn an_access_token_of_a_session_that_a_reuse_ended_is_refused_after_a_restart() {
    let server = TestServer::with(&LASTING).await;
    let login = server.registered("alice").await;
    server.refresh(&server.token_of(&login.session_id, 3)).await.assert_refused("reused");

    let server = server.restart_after(HOURS).await;

    server.assert_over(&login, "revoked").await;
}

#[actix_web::test]
async fn an_access_token_of_a_deleted_account_is_refused_after_a_restart() {
    let server = TestServer::with(&LASTING).await;
    let login = server.registered("alice").await;
    server.services.users.delete(None, login.user_id()).await.unwrap();

    let server = server.restart_after(HOURS).await;

    server.assert_over(&login, "revoked").await;
}

#[actix_web::test]
async fn tokens_from_before_a_password_change_are_refused_after_a_restart() {
    let server = TestServer::with(&LASTING).await;
    let login = server.registered("alice").await;
    server.change_password("alice", "another password").await;

    let server = server.restart_after(HOURS).await;

    server.assert_over(&login, "revoked").await;
}

#[actix_web::test]
async fn an_access_token_from_before_a_role_change_is_refused_after_a_restart() {
    let server = TestServer::with(&LASTING).await;
    let login = server.registered("alice").await;
    server.services.users.set_roles(login.user_id(), vec![Role::User, Role::Admin]).await.unwrap();

    let server = server.restart_after(HOURS).await;

    server.assert_signed_out(&login.access_token).await;
    server.renewed(&login.refresh_token).await;
}

#[actix_web::test]
async fn what_is_alive_stays_alive() {
    let server = TestServer::with(&LASTING).await;
    let login = server.registered("alice").await;

    let server = server.restart_after(HOURS).await;

    server.assert_signed_in(&login.access_token).await;
    server.renewed(&login.refresh_token).await;
}
