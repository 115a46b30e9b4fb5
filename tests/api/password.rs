//! `PUT /api/password`.

use futures_util::future::{self, join_all};
use latchkey::actors::NewUser;
use latchkey::passwords::Hasher;
use latchkey::tokens::principal::{Role, Username};
use reqwest::Method;
use serde_json::json;

use crate::support::account::{claims, password};
use crate::support::{Answer, PASSWORD, TestServer, Tokens, log};

const ANOTHER: &str = "another password";

async fn put(server: &TestServer, tokens: &Tokens, current: &str, new: &str) -> Answer {
    server.putting_password(&tokens.access_token, current, new).await
}

#[actix_web::test]
async fn a_change_answers_the_tokens_of_a_fresh_session_and_nothing_else() {
    let server = TestServer::start().await;
    let _time = server.stop_time();
    let alice = server.registered("alice").await;

    let answer = put(&server, &alice, PASSWORD, ANOTHER).await;

    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    answer.assert_dressed();
    let fresh = answer.tokens();
    assert_ne!(fresh.session_id, alice.session_id);
    assert_eq!(
        answer.body,
        json!({
            "token_type": "Bearer",
            "access_token": fresh.access_token,
            "expires_in": 900,
            "refresh_token": fresh.refresh_token,
            "refresh_expires_in": 604_800,
            "session_id": fresh.session_id,
        })
    );
    assert_eq!(claims(&fresh.access_token)["sid"], fresh.session_id);
    server.assert_alive(&fresh).await;
}

#[actix_web::test]
async fn every_older_session_and_token_is_over_at_once_and_after_a_restart() {
    let server = TestServer::start().await;
    let (phone, laptop) = (server.registered("alice").await, server.logged_in("alice").await);
    let renewed = server.renewed(&laptop.refresh_token).await;
    let bob = server.registered("bob").await;

    let fresh = put(&server, &phone, PASSWORD, ANOTHER).await.tokens();

    for tokens in [&phone, &laptop, &renewed] {
        server.assert_over(tokens, "revoked").await;
    }
    let server = server.restart().await;
    for tokens in [&phone, &laptop, &renewed] {
        server.assert_over(tokens, "revoked").await;
    }
    server.assert_alive(&fresh).await;
    server.assert_alive(&bob).await;
}

#[actix_web::test]
async fn afterwards_the_new_password_logs_in_and_the_old_one_does_not() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    // The answer is lost.
    put(&server, &alice, PASSWORD, ANOTHER).await;

    server.login("alice", PASSWORD).await.assert_problem(401, "invalid_credentials");
    server.assert_alive(&server.login("alice", ANOTHER).await.tokens()).await;
}

#[actix_web::test]
async fn the_fresh_session_is_listed_with_where_the_change_came_from() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let request = server.request(Method::PUT, "/api/password").bearer_auth(&alice.access_token);
    let request = request.header("user-agent", "laptop");

    let fresh =
        Answer::of(request.json(&json!({"current_password": PASSWORD, "new_password": ANOTHER}))).await.tokens();

    let list = server.get_with("/api/sessions", &fresh.access_token).await;
    let sessions = list.body["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1, "{}", list.raw);
    assert_eq!((&sessions[0]["id"], &sessions[0]["current"]), (&json!(fresh.session_id), &json!(true)));
    assert_eq!((&sessions[0]["user_agent"], &sessions[0]["ip"]), (&json!("laptop"), &json!("127.0.0.1")));
}

#[actix_web::test]
async fn a_wrong_current_password_changes_nothing_and_ends_nothing() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    for wrong in
        ["wrong horse battery", "", "CORRECT HORSE BATTERY", "correct horse battery ", &"x".repeat(100), "a\0b"]
    {
        put(&server, &alice, wrong, ANOTHER).await.assert_problem(403, "wrong_password");
    }

    server.assert_alive(&alice).await;
    server.login("alice", PASSWORD).await.tokens();
}

#[actix_web::test]
async fn a_weak_new_password_is_refused_with_the_rule_and_costs_no_hash() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let before = server.hasher.rounds();

    for (weak, rule) in [("short", "8 characters"), (&*"x".repeat(73), "72 bytes"), ("pass\nword", "control")] {
        let answer = put(&server, &alice, PASSWORD, weak).await;
        assert!(answer.assert_problem(422, "weak_password").text("detail").contains(rule), "{}", answer.raw);
    }

    assert_eq!(server.hasher.rounds(), before);
    server.assert_alive(&alice).await;
}

#[actix_web::test]
async fn the_policy_knows_whose_password_it_is() {
    let server = TestServer::with(&[("PASSWORD_POLICY", "nist")]).await;
    let name = "alice-of-wonderland";
    let alice = server.registered(name).await;

    let answer = put(&server, &alice, PASSWORD, &format!("{name}2024")).await;

    assert!(answer.assert_problem(422, "weak_password").text("detail").contains("username"), "{}", answer.raw);
    put(&server, &alice, PASSWORD, "bob-of-wonderland2024").await.tokens();
}

#[actix_web::test]
async fn the_current_password_in_any_spelling_is_no_new_one() {
    let server = TestServer::start().await;
    let (composed, decomposed) = ("p\u{e4}ssw\u{f6}rter", "pa\u{308}sswo\u{308}rter");
    server.register("alice", composed).await;
    let alice = server.login("alice", composed).await.tokens();

    for new in [composed, decomposed] {
        put(&server, &alice, decomposed, new).await.assert_problem(422, "unchanged_password");
    }

    server.assert_alive(&alice).await;
}

#[actix_web::test]
async fn that_a_password_is_unchanged_is_told_only_to_who_knows_it() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    put(&server, &alice, ANOTHER, ANOTHER).await.assert_problem(403, "wrong_password");
}

#[actix_web::test]
async fn without_a_live_token_no_password_is_changed() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let body = json!({"current_password": PASSWORD, "new_password": ANOTHER});
    server.logout(&alice.refresh_token).await;

    Answer::of(server.request(Method::PUT, "/api/password").json(&body)).await.assert_problem(401, "missing_token");
    for bearer in ["forged", &alice.refresh_token, &alice.access_token] {
        server.putting_password(bearer, PASSWORD, ANOTHER).await.assert_problem(401, "invalid_token");
    }

    server.login("alice", PASSWORD).await.tokens();
}

#[actix_web::test]
async fn of_changes_at_once_one_succeeds_and_the_others_sessions_are_over() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    let mut current = PASSWORD.to_owned();
    for round in 0..5 {
        let sessions = join_all((0..6).map(|_| server.logging_in("alice", &current))).await;
        let news: Vec<_> = (0..6).map(|change| format!("password {round} of {change}")).collect();

        let changes = sessions
            .iter()
            .zip(&news)
            .map(async |(session, new)| (put(&server, &session.tokens(), &current, new).await, new.clone()));
        let answers = join_all(changes).await;

        let (changed, others): (Vec<_>, Vec<_>) = answers.iter().partition(|(answer, _)| answer.status == 200);
        let [(answer, new)] = changed.as_slice() else { panic!("{} succeeded", changed.len()) };
        for (other, _) in others {
            other.assert_problem(401, "invalid_token");
        }
        server.assert_alive(&answer.tokens()).await;
        current.clone_from(new);
    }
}

#[actix_web::test]
async fn a_change_beside_a_login_that_makes_the_hash_stronger_succeeds() {
    for _ in 0..8 {
        let server = TestServer::with(&[("BCRYPT_COST", "5")]).await;
        let (username, hash) = (Username::parse("alice").unwrap(), Hasher::new(4).hash(&password(PASSWORD)).unwrap());
        server.services.users.create(NewUser { username, hash, roles: vec![Role::User] }).await.unwrap();
        let session = server.open_session("alice").await;

        let change = server.putting_password(&session, PASSWORD, ANOTHER);
        let (changed, _) = future::join(change, server.logging_in("alice", PASSWORD)).await;

        server.assert_alive(&changed.tokens()).await;
    }
}

#[actix_web::test]
async fn a_change_is_logged_with_the_session_that_asked_and_the_one_that_it_opened() {
    log::keep();
    let server = TestServer::start().await;
    let asked_by = server.registered("alice").await;

    let fresh = put(&server, &asked_by, PASSWORD, ANOTHER).await.tokens();

    let alice = asked_by.user_id();
    for (session, event, more) in [
        (&asked_by.session_id, "authn_password_change", ""),
        (&fresh.session_id, "session_created", ""),
        (&fresh.session_id, "authn_token_created", "grant=password_change "),
    ] {
        let line = log::line_with(&[session, &format!("event={event} outcome=success {more}user_id={alice}")]);
        let who = format!("user_id={alice} session_id={session}");
        assert!(line.contains("INFO latchkey::security:") && line.contains(&who), "{line}");
        assert!(line.contains("ip=127.0.0.1"), "{line}");
    }
}

#[actix_web::test]
async fn a_refused_change_is_logged_with_the_reason_and_a_wrong_password_as_a_failed_login_too() {
    log::keep();
    let server = TestServer::start().await;
    let tokens = server.registered("alice").await;
    let alice = tokens.user_id();

    put(&server, &tokens, "typed-into-the-wrong-window", ANOTHER).await.assert_problem(403, "wrong_password");
    put(&server, &tokens, PASSWORD, "short").await.assert_problem(422, "weak_password");
    put(&server, &tokens, PASSWORD, PASSWORD).await.assert_problem(422, "unchanged_password");

    for reason in ["wrong_password", "weak_password", "unchanged_password"] {
        let event = format!("event=authn_password_change_fail outcome=failure reason={reason}");
        let line = log::line_with(&[&tokens.session_id, &event]);
        let who = format!("user_id={alice} session_id={} ip=127.0.0.1", tokens.session_id);
        assert!(line.contains("WARN latchkey::security:") && line.contains(&who), "{line}");
    }
    let event = "event=authn_login_fail outcome=failure reason=wrong_password";
    let line = log::line_with(&[&alice.to_string(), event]);
    assert!(line.contains("username=\"alice\" ip=127.0.0.1"), "{line}");
    assert_eq!(log::lines_with("typed-into-the-wrong-window"), [""; 0]);
}
