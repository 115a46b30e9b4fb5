//! What the log says of security: who, what, where from, and how it ended.

use std::time::Duration;

use actix_web::test;
use latchkey::tokens::keys::Algorithm;
use latchkey::tokens::ring::change::NewKey;
use reqwest::Method;
use serde_json::json;

use crate::support::ring_file::NOTICE;
use crate::support::{Answer, PASSWORD, TestServer, log};

/// Logs in with this request id.
async fn login(server: &TestServer, request_id: &str, username: &str, password: &str) -> Answer {
    let request = server.request(Method::POST, "/api/login").header("x-request-id", request_id);
    Answer::of(request.json(&json!({"username": username, "password": password}))).await
}

#[actix_web::test]
async fn a_login_is_a_login_a_session_and_a_pair_of_tokens() {
    log::keep();
    let server = TestServer::start().await;
    let alice = server.registered("alice").await.user_id();

    let tokens = login(&server, "event-login", "alice", PASSWORD).await.tokens();

    let who = format!("user_id={alice} session_id={}", tokens.session_id);
    for event in ["authn_login_success", "session_created", "authn_token_created"] {
        let line = log::line_with(&["event-login", &format!("event={event} outcome=success")]);
        assert!(line.contains("INFO latchkey::security:") && line.contains(&who), "{line}");
        assert!(line.ends_with("ip=127.0.0.1 request_id=event-login"), "{line}");
    }
}

#[actix_web::test]
async fn a_registration_is_logged_with_its_id_and_one_that_is_refused_is_not() {
    log::keep();
    let server = TestServer::start().await;
    let register = async |id: &str| {
        let request = server.request(Method::POST, "/api/register").header("x-request-id", id);
        Answer::of(request.json(&json!({"username": "Alice", "password": PASSWORD}))).await
    };

    register("event-registered").await;
    register("event-taken").await.assert_problem(409, "username_taken");

    let line = log::line_with(&["event-registered", "event=user_created outcome=success"]);
    let user = server.user_id("alice").await;
    assert!(line.contains(&format!("user_id={user} ip=127.0.0.1")), "{line}");
    assert!(!line.contains("Alice"), "{line}");
    assert!(log::line_with(&["event-taken"]).contains("latchkey::request"));
}

#[actix_web::test]
async fn a_failed_login_says_why_and_names_nobody_who_does_not_exist() {
    log::keep();
    let server = TestServer::start().await;
    let alice = server.registered("Alice").await.user_id();
    let mallory = server.registered("mallory").await.user_id();
    server.services.users.set_disabled(mallory, true).await.unwrap();

    for (id, name, password) in [
        ("fail-wrong", "alice", "typed-into-the-wrong-window"),
        ("fail-long", "alice", &"long".repeat(99)),
        ("fail-unknown", "Zq8name-zq8name", PASSWORD),
        ("fail-malformed", "z q 8 n a m e", PASSWORD),
        ("fail-disabled", "mallory", PASSWORD),
        ("fail-both", "mallory", "typed-into-the-wrong-window"),
    ] {
        login(&server, id, name, password).await.assert_problem(401, "invalid_credentials");
    }

    let alice = format!("user_id={alice} username=\"Alice\" ip=127.0.0.1");
    let mallory = format!("user_id={mallory} username=\"mallory\" ip=127.0.0.1");
    for (id, words) in [
        ("fail-wrong", format!("reason=wrong_password {alice}")),
        ("fail-long", format!("reason=wrong_password {alice}")),
        ("fail-unknown", "reason=unknown_account ip=127.0.0.1".to_owned()),
        ("fail-malformed", "reason=unknown_account ip=127.0.0.1".to_owned()),
        ("fail-disabled", format!("reason=disabled {mallory}")),
        ("fail-both", format!("reason=disabled {mallory}")),
    ] {
        let line = log::line_with(&[id, "authn_login_fail"]);
        assert!(line.contains("WARN latchkey::security: a login was refused event=authn_login_fail"), "{line}");
        assert!(line.contains(&format!("outcome=failure {words} request_id={id}")), "{line}");
        assert!(!log::line_with(&[id, "latchkey::request"]).contains("user_id"), "a claim is no identity");
    }
    assert_eq!(log::lines_with("q8name"), [""; 0]);
    assert_eq!(log::lines_with("z q 8 n"), [""; 0]);
}

#[actix_web::test]
async fn a_window_that_is_full_is_told_once_and_names_nobody_who_does_not_exist() {
    log::keep();
    let server = TestServer::behind_a_proxy(&[("LOGIN_FAILURES", "2 per 15m")]).await;
    let time = server.stop_time();
    server.register("Alice", PASSWORD).await;
    let alice = server.user_id("alice").await;
    for _ in 0..2 {
        server.fail_from("192.0.2.71", "alice", 2).await;
        server.fail_from("192.0.2.72", "Zq9name-zq9name", 2).await;
        for _ in 0..3 {
            server.logging_in_from("192.0.2.71", "alice", PASSWORD).await.assert_problem(429, "too_many_attempts");
            server
                .logging_in_from("192.0.2.72", "Zq9name-zq9name", PASSWORD)
                .await
                .assert_problem(429, "too_many_attempts");
        }
        time.pass(Duration::from_secs(15 * 60));
    }

    let locks = |ip: &str| -> Vec<String> {
        let mut lines = log::lines_with(&format!("ip={ip} "));
        lines.retain(|line| line.contains("event=authn_login_lock"));
        lines
    };
    let words = "WARN latchkey::security: too many logins failed: refusing more event=authn_login_lock outcome=failure \
                 scope=account_from_address retry_after_s=900";
    for (ip, user) in [
        ("192.0.2.71", format!("{words} user_id={alice} untold=0 ip=")),
        ("192.0.2.72", format!("{words} untold=0 ip=")),
    ] {
        let lines = locks(ip);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains(&user)), "{lines:?}");
    }
    assert_eq!(log::lines_with("q9name"), [""; 0]);
}

#[actix_web::test]
async fn too_many_registrations_are_told_once() {
    log::keep();
    let server = TestServer::behind_a_proxy(&[("REGISTRATIONS", "1 per 1h")]).await;
    let _time = server.stop_time();

    for number in 0..4 {
        let body = json!({"username": format!("name{number}"), "password": PASSWORD});
        Answer::of(server.request_from("192.0.2.73", "/api/register").json(&body)).await;
    }

    let line = log::line_with(&["ip=192.0.2.73 ", "event=excess_rate_limit_exceeded outcome=failure untold=0"]);
    assert!(line.contains("WARN latchkey::security:"), "{line}");
}

#[actix_web::test]
async fn a_logout_is_logged_once_with_whose_session_it_ended() {
    log::keep();
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    for _ in 0..2 {
        server.post("/api/logout", &json!({"refresh_token": alice.refresh_token})).await;
    }

    let line = log::line_with(&[&alice.session_id, "event=authn_token_revoked outcome=success"]);
    let who = format!("reason=logout user_id={} session_id={}", alice.user_id(), alice.session_id);
    assert!(line.contains(&who) && line.contains("ip=127.0.0.1"), "{line}");
}

#[actix_web::test]
async fn a_renewal_after_the_limit_is_logged_with_whose_session_it_was() {
    log::keep();
    let server = TestServer::with(&[("REFRESH_TOKEN_TTL", "1h")]).await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    time.pass(Duration::from_secs(3600));

    server.refresh(&alice.refresh_token).await.assert_refused("expired");

    let line = log::line_with(&[&alice.session_id, "event=session_expired outcome=failure"]);
    assert!(line.contains(&format!("user_id={} session_id={}", alice.user_id(), alice.session_id)), "{line}");
}

#[actix_web::test]
async fn a_thief_who_hangs_up_at_once_leaves_a_trace() {
    log::keep();
    let server = TestServer::with(&[("REFRESH_GRACE", "0s")]).await;
    let alice = server.registered("alice").await;
    server.refresh(&alice.refresh_token).await.tokens();
    let request = test::TestRequest::post().uri("/api/refresh_token").insert_header(("x-request-id", "thief"));

    drop(server.begun(request.set_json(json!({"refresh_token": alice.refresh_token}))).await);

    log::wait_for(&["thief", "latchkey::request: abandoned method=POST route=/api/refresh_token"]).await;
    log::wait_for(&["thief", "event=authn_token_reuse", &alice.session_id]).await;
}

#[actix_web::test]
async fn who_ends_sessions_and_hangs_up_at_once_leaves_a_trace() {
    log::keep();
    let server = TestServer::start().await;
    let (phone, laptop) = (server.registered("alice").await, server.logged_in("alice").await);
    let own = format!("/api/sessions/{}", laptop.session_id);

    for (id, method, path) in [("hasty-delete", "DELETE", own.as_str()), ("hasty-all", "POST", "/api/logout_all")] {
        let request = test::TestRequest::with_uri(path).method(method.parse().unwrap());
        let request = request.insert_header(("authorization", format!("Bearer {}", phone.access_token)));
        drop(server.begun(request.insert_header(("x-request-id", id))).await);
        log::wait_for(&[id, "event=authn_token_revoked outcome=success"]).await;
    }

    server.assert_over(&laptop, "revoked").await;
    server.assert_over(&phone, "revoked").await;
}

#[actix_web::test]
async fn a_key_that_takes_over_is_told_once_at_its_time_and_by_its_name() {
    log::keep();
    let server = TestServer::start().await;
    let time = server.stop_time();
    for (new, kind) in [(NewKey::Access(Algorithm::EdDsa), "access"), (NewKey::Refresh, "refresh")] {
        let added = server.add_key(new).await;
        let told =
            || log::lines_with(&format!("event=signer_changed outcome=success kind={kind} signer={added} before="));
        time.pass(NOTICE - Duration::from_millis(1));
        server.look().await;
        assert_eq!(told(), Vec::<String>::new());
        time.pass(Duration::from_millis(1));

        server.look().await;
        server.look().await;

        let told = told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("INFO latchkey::security:"), "{told:?}");
    }
}

#[actix_web::test]
async fn a_withdrawn_key_is_told_with_the_one_in_its_place() {
    log::keep();
    let server = TestServer::start().await;
    let leaked = server.registered("alice").await.kid();

    server.withdraw(&leaked).await;

    let signer = server.login("alice", PASSWORD).await.tokens().kid();
    log::line_with(&[&format!("signer={signer} before={leaked}"), "event=signer_changed", "kind=access"]);
}
