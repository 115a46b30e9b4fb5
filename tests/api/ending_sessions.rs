//! `DELETE /api/sessions/{id}` and `POST /api/logout_all`.

use futures_util::future::{self, join_all};
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, TestServer, log};

impl TestServer {
    /// `DELETE /api/sessions/{id}` as the bearer of this.
    async fn end_session(&self, access_token: &str, id: &str) -> Answer {
        let request = self.request(Method::DELETE, &format!("/api/sessions/{id}"));
        Answer::of(request.bearer_auth(access_token)).await
    }

    async fn logout_all(&self, access_token: &str) -> Answer {
        Answer::of(self.request(Method::POST, "/api/logout_all").bearer_auth(access_token)).await
    }
}

#[track_caller]
fn assert_done(answer: &Answer) {
    assert_eq!((answer.status, answer.raw.as_str()), (204, ""));
    answer.assert_dressed();
}

#[actix_web::test]
async fn a_session_that_its_owner_ends_is_over_at_once_and_the_others_live() {
    let server = TestServer::start().await;
    let (phone, laptop, third) =
        (server.registered("alice").await, server.logged_in("alice").await, server.logged_in("alice").await);

    assert_done(&server.end_session(&phone.access_token, &laptop.session_id).await);

    server.assert_over(&laptop, "revoked").await;
    server.assert_alive(&phone).await;
    server.assert_alive(&third).await;
    let list = server.get_with("/api/sessions", &phone.access_token).await;
    assert!(!list.raw.contains(&laptop.session_id), "{}", list.raw);
}

#[actix_web::test]
async fn the_session_that_asks_can_be_ended_too() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    assert_done(&server.end_session(&alice.access_token, &alice.session_id).await);

    server.assert_over(&alice, "revoked").await;
    server.end_session(&alice.access_token, &alice.session_id).await.assert_problem(401, "invalid_token");
}

#[actix_web::test]
async fn ending_a_session_of_ones_own_again_is_done_as_well() {
    let server = TestServer::start().await;
    let (phone, laptop) = (server.registered("alice").await, server.logged_in("alice").await);
    let logged_out = server.logged_in("alice").await;
    server.logout(&logged_out.refresh_token).await;

    for _ in 0..2 {
        assert_done(&server.end_session(&phone.access_token, &laptop.session_id).await);
    }
    assert_done(&server.end_session(&phone.access_token, &logged_out.session_id).await);
}

#[actix_web::test]
async fn another_users_session_is_as_unknown_as_one_that_nobody_has() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.registered("alice").await, server.registered("bob").await);
    let nobodys = "0192f0c0-0000-7000-8000-000000000001";

    let of_bob = server.end_session(&alice.access_token, &bob.session_id).await;
    let of_nobody = server.end_session(&alice.access_token, nobodys).await;

    of_bob.assert_problem(404, "not_found");
    of_nobody.assert_problem(404, "not_found");
    assert_eq!(of_bob.body["detail"], of_nobody.body["detail"]);
    server.assert_alive(&bob).await;
}

#[actix_web::test]
async fn what_is_no_id_is_a_404_without_an_echo() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let plain = alice.session_id.replace('-', "");
    let braces = format!("%7B{}%7D", alice.session_id);
    let urn = format!("urn:uuid:{}", alice.session_id);
    let longer = format!("{}0", alice.session_id);
    let ids = ["hunter2", "0", "*", "%00", "%ff", "%2e%2e", "hunter2-hunter2-hunter2-hunter2-hunter2", "a%2fhunter2"];

    for id in ids.into_iter().chain([plain.as_str(), &braces, &urn, &longer, &alice.session_id[..35]]) {
        let answer = server.end_session(&alice.access_token, id).await;
        assert!(!answer.assert_problem(404, "not_found").raw.contains("hunter2"), "{id}");
    }
    for path in ["/api/sessions/", "/api/sessions//"] {
        let request = server.request(Method::DELETE, path).bearer_auth(&alice.access_token);
        Answer::of(request).await.assert_problem(404, "not_found");
    }
    server.assert_alive(&alice).await;
}

#[actix_web::test]
async fn an_id_is_read_whatever_its_case() {
    let server = TestServer::start().await;
    let (phone, laptop) = (server.registered("alice").await, server.logged_in("alice").await);

    assert_done(&server.end_session(&phone.access_token, &laptop.session_id.to_uppercase()).await);

    server.assert_over(&laptop, "revoked").await;
}

#[actix_web::test]
async fn logging_out_everywhere_ends_every_session_of_the_user_and_nobody_elses() {
    let server = TestServer::start().await;
    let (phone, laptop) = (server.registered("alice").await, server.logged_in("alice").await);
    let renewed = server.renewed(&laptop.refresh_token).await;
    let bob = server.registered("bob").await;

    assert_done(&server.logout_all(&phone.access_token).await);

    for tokens in [&phone, &laptop, &renewed] {
        server.assert_over(tokens, "revoked").await;
    }
    server.assert_alive(&bob).await;
    server.assert_alive(&server.logged_in("alice").await).await;
    server.logout_all(&phone.access_token).await.assert_problem(401, "invalid_token");
}

#[actix_web::test]
async fn neither_call_is_for_who_is_not_signed_in() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let delete = || server.request(Method::DELETE, &format!("/api/sessions/{}", alice.session_id));
    let logout_all = || server.request(Method::POST, "/api/logout_all");

    for request in [delete(), logout_all()] {
        Answer::of(request).await.assert_problem(401, "missing_token");
    }
    for request in [delete(), logout_all()] {
        Answer::of(request.bearer_auth(&alice.refresh_token)).await.assert_problem(401, "invalid_token");
    }
    // A refresh token is no way to end all sessions, as it is to end its own.
    let body = json!({"refresh_token": alice.refresh_token});
    server.post("/api/logout_all", &body).await.assert_problem(401, "missing_token");
    server.assert_alive(&alice).await;
}

#[actix_web::test]
async fn both_kinds_of_ending_hold_after_a_restart() {
    let server = TestServer::start().await;
    let (phone, laptop) = (server.registered("alice").await, server.logged_in("alice").await);
    let bob = server.registered("bob").await;
    assert_done(&server.end_session(&phone.access_token, &laptop.session_id).await);
    assert_done(&server.logout_all(&bob.access_token).await);

    let server = server.restart().await;

    server.assert_over(&laptop, "revoked").await;
    server.assert_over(&bob, "revoked").await;
    server.assert_alive(&phone).await;
}

#[actix_web::test]
async fn endings_are_logged_with_who_ended_what_and_an_ending_again_is_not() {
    log::keep();
    let server = TestServer::start().await;
    let (phone, laptop) = (server.registered("alice").await, server.logged_in("alice").await);
    let alice = phone.user_id();

    for _ in 0..2 {
        assert_done(&server.end_session(&phone.access_token, &laptop.session_id).await);
    }
    assert_done(&server.logout_all(&phone.access_token).await);
    server.logout(&phone.refresh_token).await;

    let line = log::line_with(&[&laptop.session_id, "event=authn_token_revoked outcome=success"]);
    let who = format!("reason=revoked user_id={alice} session_id={} ip=127.0.0.1", laptop.session_id);
    assert!(line.contains("INFO latchkey::security:") && line.contains(&who), "{line}");
    let line = log::line_with(&[&phone.session_id, "event=authn_token_revoked outcome=success"]);
    let who = format!("reason=logout_all user_id={alice} session_id={} ip=127.0.0.1", phone.session_id);
    assert!(line.contains("INFO latchkey::security:") && line.contains(&who), "{line}");
}

#[actix_web::test]
async fn of_logouts_everywhere_at_once_the_first_one_counts_and_what_was_opened_after_it_lives() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    let sessions = join_all((0..8).map(|_| server.logged_in("alice"))).await;

    let ending = join_all(sessions.iter().map(|session| server.logout_all(&session.access_token)));
    let renewing = join_all(sessions.iter().map(|session| server.refreshing(&session.refresh_token)));
    let (ended, renewed) = future::join(ending, renewing).await;

    assert_eq!(ended.iter().filter(|answer| answer.status == 204).count(), 1);
    for answer in ended.iter().filter(|answer| answer.status != 204) {
        answer.assert_problem(401, "invalid_token");
    }
    for answer in renewed.iter().filter(|answer| answer.status == 200) {
        server.assert_over(&answer.tokens(), "revoked").await;
    }
    server.assert_alive(&server.logged_in("alice").await).await;
}
