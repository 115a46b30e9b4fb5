//! `POST /api/revoke`: a logout in the words of RFC 7009.

use std::time::Duration;

use crate::support::forms::{basic, tampered};
use crate::support::{Answer, TestServer, log};

async fn revoked(server: &TestServer, parameters: &[(&str, &str)]) {
    assert_done(&server.posted("/api/revoke", parameters).await);
}

#[track_caller]
fn assert_done(answer: &Answer) {
    assert_eq!((answer.status, answer.raw.as_str(), answer.header("pragma")), (200, "", "no-cache"));
    answer.assert_dressed();
}

#[actix_web::test]
async fn either_token_ends_its_session_and_no_other() {
    log::keep();
    let server = TestServer::start().await;
    let others = server.registered("alice").await;
    let (first, second) = (server.logged_in("alice").await, server.logged_in("alice").await);

    revoked(&server, &[("token", &first.refresh_token)]).await;
    revoked(&server, &[("token", &second.access_token)]).await;

    for session in [&first, &second] {
        server.assert_over(session, "revoked").await;
        let line = log::line_with(&[&session.session_id, "event=authn_token_revoked"]);
        assert!(line.contains(&format!("reason=logout user_id={}", others.user_id())), "{line}");
    }
    server.assert_alive(&others).await;
}

#[actix_web::test]
async fn any_authentic_generation_ends_its_session_without_being_a_reuse() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    let renewed = server.renewed(&alice.refresh_token).await;
    time.pass(Duration::from_secs(10));

    revoked(&server, &[("token", &alice.refresh_token)]).await;

    server.assert_over(&renewed, "revoked").await;
    let reason = "SELECT count(*) FROM sessions WHERE end_reason = 'logout'";
    assert_eq!(server.number(reason), 1);
}

#[actix_web::test]
async fn what_is_no_token_or_over_already_is_over() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    let late = server.registered("late").await;
    let forged = [&alice.access_token, &alice.refresh_token].map(|token| tampered(token));
    for token in ["x", "lkr_forged", "ä\0", &forged[0], &forged[1]] {
        revoked(&server, &[("token", token)]).await;
    }
    server.assert_alive(&alice).await;

    for _ in 0..2 {
        revoked(&server, &[("token", &alice.refresh_token)]).await;
    }
    // An access token that is over is no token, and whoever finds one in an old log ends nothing with it.
    time.pass(Duration::from_secs(900));
    revoked(&server, &[("token", &late.access_token)]).await;
    server.renewed(&late.refresh_token).await;
}

#[actix_web::test]
async fn a_hint_changes_nothing_and_a_request_without_a_token_is_refused() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    for hint in ["access_token", "refresh_token", "saml2", "", "ä"] {
        for pick in [0, 1] {
            let session = server.logged_in("alice").await;
            let token = [&session.refresh_token, &session.access_token][pick];
            revoked(&server, &[("token", token), ("token_type_hint", hint)]).await;
            server.assert_over(&session, "revoked").await;
        }
    }
    let alice = server.logged_in("alice").await;
    let token = ("token", alice.refresh_token.as_str());
    let hint = ("token_type_hint", "refresh_token");
    for parameters in [vec![], vec![("token", "")], vec![hint], vec![token, token], vec![token, hint, hint]] {
        server.posted("/api/revoke", &parameters).await.assert_oauth(400, "invalid_request");
    }
    let query = format!("/api/revoke?token={}", alice.refresh_token);
    server.posted(&query, &[]).await.assert_oauth(400, "invalid_request");
    server.assert_alive(&alice).await;
}

#[actix_web::test]
async fn whoever_says_who_they_are_must_be_right() {
    let server = TestServer::start().await;
    let client = server.client("orders").await;
    let alice = server.registered("alice").await;
    let token = ("token", alice.refresh_token.as_str());

    for wrong in [basic("orders", "lkc_wrong"), basic("nobody", ""), basic("first-party", "x"), "Digest x".to_owned()] {
        server.posted_by(&wrong, "/api/revoke", &[token]).await.assert_oauth(401, "invalid_client");
    }
    for named in ["orders", "nobody"] {
        let answer = server.posted("/api/revoke", &[token, ("client_id", named)]).await;
        answer.assert_oauth(401, "invalid_client");
    }
    server.assert_alive(&alice).await;

    for (header, more) in [(Some(client), None), (Some(basic("first-party", "")), None), (None, Some("first-party"))] {
        let session = server.logged_in("alice").await;
        let mut parameters = vec![("token", session.refresh_token.as_str())];
        parameters.extend(more.map(|name| ("client_id", name)));
        assert_done(&match header {
            Some(header) => server.posted_by(&header, "/api/revoke", &parameters).await,
            None => server.posted("/api/revoke", &parameters).await,
        });
        server.assert_over(&session, "revoked").await;
    }
}
