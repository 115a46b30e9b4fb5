//! `POST /oauth/token`: a renewal in the words of RFC 6749.

use std::time::Duration;

use serde_json::json;

use crate::support::forms::{basic, encoded};
use crate::support::{Answer, TestServer, log};

const WINDOW: Duration = Duration::from_secs(10);

#[actix_web::test]
async fn a_renewal_answers_the_tokens_of_the_standard() {
    let server = TestServer::start().await;
    let _time = server.stop_time();
    let alice = server.registered("alice").await;

    let answer = server.token(&alice.refresh_token, &[]).await;

    let renewed = answer.tokens();
    assert_eq!((answer.header("content-type"), answer.header("pragma")), ("application/json", "no-cache"));
    answer.assert_dressed();
    assert_eq!(
        answer.body,
        json!({
            "token_type": "Bearer",
            "access_token": renewed.access_token,
            "expires_in": 900,
            "refresh_token": renewed.refresh_token,
            "refresh_expires_in": 604_800,
            "session_id": alice.session_id,
        })
    );
    assert_ne!(renewed.refresh_token, alice.refresh_token);
    server.assert_alive(&renewed).await;
}

#[actix_web::test]
async fn a_lost_answer_is_answered_again_with_the_same_successor_by_either_call() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    let first = server.token(&alice.refresh_token, &[]).await.tokens();
    let again = server.token(&alice.refresh_token, &[]).await.tokens();
    let elsewhere = server.renewed(&alice.refresh_token).await;

    assert_eq!(first.refresh_token, again.refresh_token);
    assert_eq!(first.refresh_token, elsewhere.refresh_token);
}

#[actix_web::test]
async fn every_refused_refresh_token_is_an_invalid_grant_and_a_spent_one_ends_its_session() {
    log::keep();
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    let (ended, idle) = (server.logged_in("alice").await, server.logged_in("alice").await);
    server.logout(&ended.refresh_token).await;
    let renewed = server.token(&alice.refresh_token, &[]).await.tokens();
    time.pass(WINDOW);

    let refused = async |token: &str, reason: &str| {
        let answer = server.token(token, &[]).await;
        let description = answer.assert_oauth(400, "invalid_grant").text("error_description").to_owned();
        assert!(description.ends_with(&format!("Reason: {reason}.")), "{description}");
    };
    for forged in ["lkr_forged", &alice.access_token, "ä\0"] {
        refused(forged, "unknown").await;
    }
    refused(&ended.refresh_token, "revoked").await;
    refused(&alice.refresh_token, "reused").await;
    server.assert_over(&renewed, "revoked").await;
    assert!(log::line_with(&[&alice.session_id, "event=authn_token_reuse"]).contains("generation=1"));
    time.pass(Duration::from_secs(7 * 24 * 60 * 60));
    refused(&idle.refresh_token, "expired").await;
}

#[actix_web::test]
async fn no_grant_but_a_refresh_token_is_offered_and_a_password_least_of_all() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    for grant in [
        "password",
        "authorization_code",
        "client_credentials",
        "Refresh_token",
        "refresh_token ",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ] {
        let parameters = [
            ("grant_type", grant),
            ("username", "alice"),
            ("password", crate::support::PASSWORD),
            ("refresh_token", &alice.refresh_token),
        ];
        let answer = server.posted("/oauth/token", &parameters).await;
        answer.assert_oauth(400, "unsupported_grant_type");
    }
    assert_eq!(server.number_of(&alice.session_id, "current_generation"), 1);
}

#[actix_web::test]
async fn what_is_missing_or_there_twice_is_an_invalid_request_and_spends_nothing() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let (grant, token) = (("grant_type", "refresh_token"), ("refresh_token", alice.refresh_token.as_str()));
    for parameters in [
        vec![],
        vec![grant],
        vec![token],
        vec![grant, ("refresh_token", "")],
        vec![("grant_type", ""), token],
        vec![grant, token, token],
        vec![grant, grant, token],
        vec![grant, token, ("refresh_token", "")],
        vec![grant, token, ("scope", ""), ("scope", "")],
        vec![grant, token, ("client_id", "first-party"), ("client_id", "first-party")],
        vec![grant, ("Refresh_token", &alice.refresh_token)],
    ] {
        let answer = server.posted("/oauth/token", &parameters).await;
        answer.assert_oauth(400, "invalid_request");
        assert!(!answer.raw.contains(&alice.refresh_token), "{}", answer.raw);
    }
    let query = format!("/oauth/token?{}", encoded(&[grant, token]));
    server.posted(&query, &[]).await.assert_oauth(400, "invalid_request");
    server.posted(&query, &[grant]).await.assert_oauth(400, "invalid_request");
    assert_eq!(server.number_of(&alice.session_id, "current_generation"), 1);
}

#[actix_web::test]
async fn a_scope_is_refused_for_there_are_none_and_an_unknown_parameter_is_ignored() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    server.token(&alice.refresh_token, &[("scope", "openid")]).await.assert_oauth(400, "invalid_scope");
    assert_eq!(server.number_of(&alice.session_id, "current_generation"), 1);

    let more = [("scope", ""), ("resource", "a"), ("resource", "b"), ("redirect_uri", "x")];
    assert_eq!(server.token(&alice.refresh_token, &more).await.status, 200);
}

#[actix_web::test]
async fn the_first_party_client_may_name_itself_in_every_way_that_libraries_do() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let named: &[(&str, &str)] = &[("client_id", "first-party")];
    for (more, authorization) in [
        (named, None),
        (&[("client_id", "first-party"), ("client_secret", "")], None),
        (&[], Some(basic("first-party", ""))),
        (&[], Some(basic("first%2Dparty", ""))),
        (named, Some(basic("first-party", ""))),
        (&[], Some("Bearer expired".to_owned())),
    ] {
        let answer = as_client(&server, &alice.refresh_token, more, authorization.as_deref()).await;
        assert_eq!(answer.status, 200, "{more:?} {authorization:?}: {}", answer.raw);
    }
}

#[actix_web::test]
async fn every_other_client_is_refused_and_spends_nothing() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    for (more, authorization) in [
        (vec![("client_id", "someone")], None),
        (vec![("client_id", "First-Party")], None),
        (vec![("client_id", "first-party"), ("client_secret", "x")], None),
        (vec![("client_secret", "x")], None),
        (vec![("client_assertion", "x")], None),
        (vec![("client_assertion_type", "x")], None),
        (vec![], Some(basic("someone", ""))),
        (vec![], Some(basic("first-party", "x"))),
        (vec![], Some(basic("", ""))),
        (vec![], Some("Basic".to_owned())),
        (vec![], Some("Basic first-party:".to_owned())),
        (vec![], Some("Digest first-party".to_owned())),
    ] {
        let answer = as_client(&server, &alice.refresh_token, &more, authorization.as_deref()).await;
        answer.assert_oauth(401, "invalid_client");
    }
    for (more, authorization) in [
        (vec![("client_id", "someone")], basic("first-party", "")),
        (vec![("client_id", "first-party")], basic("someone", "")),
        (vec![("client_secret", "x")], basic("first-party", "")),
        (vec![], String::new()),
    ] {
        let answer = as_client(&server, &alice.refresh_token, &more, Some(&authorization)).await;
        answer.assert_oauth(400, "invalid_request");
    }
    assert_eq!(server.number_of(&alice.session_id, "current_generation"), 1);
}

async fn as_client(server: &TestServer, token: &str, more: &[(&str, &str)], authorization: Option<&str>) -> Answer {
    let renewal = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let request = server.form("/oauth/token", encoded(&[&renewal, more].concat()));
    Answer::of(match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    })
    .await
}
