//! `MAX_SESSIONS_PER_USER`.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::{PASSWORD, TestServer, log};

const MOMENT: Duration = Duration::from_millis(1);

#[actix_web::test]
async fn by_default_the_fifty_first_login_ends_the_session_that_was_renewed_least_recently() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let first = server.registered("alice").await;
    time.pass(MOMENT);
    let second = server.logged_in("alice").await;
    for _ in 2..50 {
        time.pass(MOMENT);
        server.logged_in("alice").await;
    }
    time.pass(MOMENT);
    let first = server.renewed(&first.refresh_token).await;
    server.assert_signed_in(&second.access_token).await;

    let newest = server.logged_in("alice").await;

    server.assert_over(&second, "revoked").await;
    server.assert_signed_in(&first.access_token).await;
    server.assert_signed_in(&newest.access_token).await;
    let listed = server.get_with("/api/sessions", &newest.access_token).await;
    assert_eq!(listed.body["sessions"].as_array().unwrap().len(), 50);
}

#[actix_web::test]
async fn another_users_sessions_and_those_that_are_over_make_no_room() {
    let server = TestServer::with(&[("MAX_SESSIONS_PER_USER", "2")]).await;
    let bob = server.registered("bob").await;
    let kept = server.registered("alice").await;
    for _ in 0..5 {
        server.logout(&server.logged_in("alice").await.refresh_token).await;
    }

    server.assert_signed_in(&kept.access_token).await;
    server.assert_signed_in(&bob.access_token).await;
}

#[actix_web::test]
async fn an_eviction_is_logged_once_with_whose_session_it_ended() {
    log::keep();
    let server = TestServer::with(&[("MAX_SESSIONS_PER_USER", "1")]).await;
    let evicted = server.registered("alice").await;

    server.logged_in("alice").await;

    let line = log::line_with(&[&evicted.session_id, "event=session_evicted outcome=success"]);
    let who = format!("user_id={} session_id={} ip=127.0.0.1", evicted.user_id(), evicted.session_id);
    assert!(line.contains("INFO latchkey::security:") && line.contains(&who), "{line}");
}

#[actix_web::test]
async fn an_eviction_holds_after_a_restart() {
    let server = TestServer::with(&[("MAX_SESSIONS_PER_USER", "1")]).await;
    let evicted = server.registered("alice").await;
    let kept = server.logged_in("alice").await;

    let server = server.restart().await;

    server.assert_over(&evicted, "revoked").await;
    server.assert_signed_in(&kept.access_token).await;
}

#[actix_web::test]
async fn many_logins_at_once_leave_as_many_sessions_as_a_user_may_have() {
    let server = TestServer::with(&[("MAX_SESSIONS_PER_USER", "3"), ("LOGIN_FAILURES", "off")]).await;
    server.registered("alice").await;

    let logins = join_all((0..12).map(|_| server.logging_in("alice", PASSWORD))).await;

    let mut live = 0;
    for login in logins {
        let answer = server.get_with("/api/profile", &login.tokens().access_token).await;
        live += usize::from(answer.status == 200);
    }
    assert_eq!(live, 3);
}
