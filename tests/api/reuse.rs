//! What a spent token does to its session, and what is told to a token that buys nothing.

use std::time::Duration;

use uuid::Uuid;

use crate::support::{TestServer, Tokens, log};

const WINDOW: Duration = Duration::from_secs(10);

/// Fails unless the token is refused as reused, and with it everything of the session at once.
async fn assert_ends_the_session(server: &TestServer, spent: &str, of_the_session: &[&Tokens]) {
    server.refresh(spent).await.assert_refused("reused");
    for tokens in of_the_session {
        server.assert_over(tokens, "revoked").await;
    }
    server.refresh(spent).await.assert_refused("revoked");
}

#[actix_web::test]
async fn a_parent_outside_the_window_ends_the_session_and_its_access_tokens_at_once() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    time.pass(WINDOW);

    assert_ends_the_session(&server, &login.refresh_token, &[&login, &renewed]).await;
}

#[actix_web::test]
async fn a_grandparent_ends_the_session_even_inside_the_window() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let parent = server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);
    let newest = server.renewed(&parent.refresh_token).await;

    assert_ends_the_session(&server, &login.refresh_token, &[&parent, &newest]).await;
}

#[actix_web::test]
async fn a_generation_that_storage_has_not_reached_ends_the_session() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;

    let from_the_future = server.token_of(&login.session_id, 2);

    assert_ends_the_session(&server, &from_the_future, &[&login]).await;
}

#[actix_web::test]
async fn a_reuse_ends_one_session_and_leaves_the_users_others_alone() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let other = server.logged_in("alice").await;
    server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);

    server.refresh(&login.refresh_token).await.assert_refused("reused");

    server.assert_signed_in(&other.access_token).await;
    server.renewed(&other.refresh_token).await;
}

#[actix_web::test]
async fn a_reuse_is_logged_once_with_its_session_and_user_and_without_a_token() {
    log::keep();
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);

    server.refresh(&login.refresh_token).await.assert_refused("reused");
    server.refresh(&login.refresh_token).await.assert_refused("revoked");

    let lines: Vec<_> =
        log::lines_with(&login.session_id).into_iter().filter(|line| line.contains("authn_token_reuse")).collect();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.contains(&login.user_id().to_string()) && line.contains("rollback_detected=false"), "{line}");
    assert!(!line.contains("lkr_") && !line.contains("alice"), "{line}");
}

#[actix_web::test]
async fn a_generation_that_storage_has_not_reached_is_logged_as_a_rollback() {
    log::keep();
    let server = TestServer::start().await;
    let login = server.registered("alice").await;

    server.refresh(&server.token_of(&login.session_id, 7)).await.assert_refused("reused");

    let lines = log::lines_with(&login.session_id);
    assert!(lines.iter().any(|line| line.contains("rollback_detected=true")), "{lines:?}");
}

#[actix_web::test]
async fn an_authentic_token_of_a_session_that_nobody_remembers_is_unknown() {
    let server = TestServer::start().await;
    let never_opened = Uuid::from_u128(0x0192_3f5e_8a00_7000_8000_0000_0000_0001).to_string();

    server.refresh(&server.token_of(&never_opened, 1)).await.assert_refused("unknown");

    assert_eq!(server.number("SELECT count(*) FROM sessions"), 0);
}

#[actix_web::test]
async fn every_generation_of_a_session_that_was_logged_out_is_revoked() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let parent = server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);
    let newest = server.renewed(&parent.refresh_token).await;

    server.logout(&newest.refresh_token).await;

    for tokens in [&login, &parent, &newest] {
        server.assert_over(tokens, "revoked").await;
    }
    server.refresh(&server.token_of(&login.session_id, 9)).await.assert_refused("revoked");
}

#[actix_web::test]
async fn a_spent_token_logs_its_session_out_too() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);

    server.logout(&login.refresh_token).await;

    server.assert_over(&renewed, "revoked").await;
    assert_eq!(server.number("SELECT count(*) FROM sessions WHERE end_reason = 'logout'"), 1);
}

#[actix_web::test]
async fn a_later_ending_does_not_overwrite_the_first() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);
    server.refresh(&login.refresh_token).await.assert_refused("reused");
    let ended_at = server.number_of(&login.session_id, "ended_at");

    time.pass(WINDOW);
    server.logout(&login.refresh_token).await;

    assert_eq!(server.number_of(&login.session_id, "ended_at"), ended_at);
    assert_eq!(server.number("SELECT count(*) FROM sessions WHERE end_reason = 'reuse'"), 1);
}
