//! `POST /api/delete_account`.

use futures_util::future::{self, join_all};
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, PASSWORD, TestServer, Tokens, log};

async fn delete(server: &TestServer, tokens: &Tokens, password: &str) -> Answer {
    server.deleting_account(&tokens.access_token, password).await
}

#[track_caller]
fn assert_done(answer: &Answer) {
    assert_eq!((answer.status, answer.raw.as_str()), (204, ""));
    answer.assert_dressed();
}

#[actix_web::test]
async fn an_account_ends_with_all_of_its_sessions_and_tokens_at_once() {
    let server = TestServer::start().await;
    let (phone, laptop) = (server.registered("alice").await, server.logged_in("alice").await);
    let bob = server.registered("bob").await;

    assert_done(&delete(&server, &phone, PASSWORD).await);

    for tokens in [&phone, &laptop] {
        server.assert_over(tokens, "revoked").await;
    }
    server.login("alice", PASSWORD).await.assert_problem(401, "invalid_credentials");
    server.assert_alive(&bob).await;
    assert_eq!(server.number("SELECT count(*) FROM users"), 1);
}

#[actix_web::test]
async fn a_deletion_holds_after_a_restart() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    assert_done(&delete(&server, &alice, PASSWORD).await);

    let server = server.restart().await;

    server.assert_over(&alice, "revoked").await;
    server.login("alice", PASSWORD).await.assert_problem(401, "invalid_credentials");
}

#[actix_web::test]
async fn the_name_is_free_and_whoever_takes_it_is_somebody_else() {
    let server = TestServer::start().await;
    let before = server.registered("alice").await;
    assert_done(&delete(&server, &before, PASSWORD).await);

    let namesake = server.registered("ALICE").await;

    assert_ne!(namesake.user_id(), before.user_id());
    server.assert_over(&before, "revoked").await;
    delete(&server, &before, PASSWORD).await.assert_problem(401, "invalid_token");
    server.assert_alive(&namesake).await;
}

#[actix_web::test]
async fn a_wrong_password_deletes_nothing_and_ends_nothing() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    for wrong in ["wrong horse battery", "", "correct horse battery ", &"x".repeat(100), "a\0b"] {
        delete(&server, &alice, wrong).await.assert_problem(403, "wrong_password");
    }

    server.assert_alive(&alice).await;
    server.login("alice", PASSWORD).await.tokens();
}

#[actix_web::test]
async fn without_a_live_token_no_account_is_deleted() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    server.logout(&alice.refresh_token).await;

    let body = json!({"password": PASSWORD, "username": "alice", "refresh_token": alice.refresh_token});
    server.post("/api/delete_account", &body).await.assert_problem(401, "missing_token");
    for bearer in ["forged", &alice.refresh_token, &alice.access_token] {
        server.deleting_account(bearer, PASSWORD).await.assert_problem(401, "invalid_token");
    }

    server.login("alice", PASSWORD).await.tokens();
}

#[actix_web::test]
async fn whose_account_it_is_stands_in_the_token_alone() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.registered("alice").await, server.registered("bob").await);
    let more = json!({"password": PASSWORD, "username": "bob", "id": bob.user_id(), "user_id": bob.user_id()});

    let request = server.request(Method::POST, "/api/delete_account").bearer_auth(&alice.access_token);
    assert_done(&Answer::of(request.json(&more)).await);

    server.assert_over(&alice, "revoked").await;
    server.assert_alive(&bob).await;
}

#[actix_web::test]
async fn the_only_enabled_admin_stays_signed_in_and_in_office() {
    let server = TestServer::start().await;
    let (alice, disabled) = (server.admin("alice").await, server.admin("mallory").await);
    server.registered("bob").await;
    server.services.users.set_disabled(disabled.user_id(), true).await.unwrap();

    delete(&server, &alice, PASSWORD).await.assert_problem(409, "last_admin");

    server.assert_alive(&alice).await;
    delete(&server, &alice, "wrong horse battery").await.assert_problem(403, "wrong_password");
}

#[actix_web::test]
async fn an_admin_beside_another_can_go_and_then_the_other_cannot() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.admin("alice").await, server.admin("bob").await);

    assert_done(&delete(&server, &alice, PASSWORD).await);

    delete(&server, &bob, PASSWORD).await.assert_problem(409, "last_admin");
}

#[actix_web::test]
async fn of_two_admins_who_go_at_once_one_stays() {
    let server = TestServer::start().await;
    for round in 0..6 {
        let (one, other) = (server.admin(&format!("one{round}")).await, server.admin(&format!("other{round}")).await);

        let (first, second) = future::join(delete(&server, &one, PASSWORD), delete(&server, &other, PASSWORD)).await;

        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409]);
        // For the next round, past the operations, which would keep the last one.
        server.rows_to_change().execute("UPDATE users SET roles = 'user'", []).unwrap();
    }
}

#[actix_web::test]
async fn of_deletions_at_once_one_is_done_and_the_others_are_told_that_it_is_over() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    let sessions = join_all((0..6).map(|_| server.logged_in("alice"))).await;

    let answers = join_all(sessions.iter().map(|session| delete(&server, session, PASSWORD))).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 204) {
        answer.assert_problem(401, "invalid_token");
    }
}

#[actix_web::test]
async fn nothing_that_races_a_deletion_lives_after_it() {
    let server = TestServer::start().await;
    for round in 0..6 {
        let name = format!("user{round}");
        let alice = server.registered(&name).await;

        let renewing = join_all((0..6).map(|_| server.refreshing(&alice.refresh_token)));
        let logging_in = join_all((0..6).map(|_| server.logging_in(&name, PASSWORD)));
        let deleting = server.deleting_account(&alice.access_token, PASSWORD);
        let (renewed, opened, deleted) = future::join3(renewing, logging_in, deleting).await;

        assert_done(&deleted);
        for answer in renewed.iter().chain(&opened).filter(|answer| answer.status == 200) {
            server.assert_over(&answer.tokens(), "revoked").await;
        }
    }
}

#[actix_web::test]
async fn a_deletion_is_logged_and_a_wrong_password_is_a_failed_login() {
    log::keep();
    let server = TestServer::start().await;
    let tokens = server.registered("alice").await;
    let alice = tokens.user_id();

    delete(&server, &tokens, "typed-into-the-wrong-place").await.assert_problem(403, "wrong_password");
    assert_done(&delete(&server, &tokens, PASSWORD).await);

    let line = log::line_with(&[&alice.to_string(), "event=authn_login_fail outcome=failure reason=wrong_password"]);
    assert!(line.contains("WARN latchkey::security:") && line.contains("ip=127.0.0.1"), "{line}");
    let line = log::line_with(&[&tokens.session_id, "event=user_deleted outcome=success"]);
    let who = format!("user_id={alice} session_id={} ip=127.0.0.1", tokens.session_id);
    assert!(line.contains("INFO latchkey::security:") && line.contains(&who), "{line}");
    assert_eq!(log::lines_with("typed-into-the-wrong-place"), [""; 0]);
}
