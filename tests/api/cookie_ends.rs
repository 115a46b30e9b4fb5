//! What takes the refresh cookie away: logouts, deletions, and the end of one's own session.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::cookie::SignedIn;
use crate::support::{Answer, PASSWORD, TestServer};

#[track_caller]
fn assert_done(answer: &Answer) -> &Answer {
    assert_eq!((answer.status, answer.raw.as_str()), (204, ""));
    answer.assert_dressed()
}

async fn assert_over(server: &TestServer, signed_in: &SignedIn) {
    server.get_with("/api/profile", &signed_in.access_token).await.assert_problem(401, "invalid_token");
    server.refresh(&signed_in.cookie).await.assert_refused("revoked");
}

/// The calls by which a bearer ends the session that asks, each in a session of its own.
fn endings(server: &TestServer, whose: &SignedIn) -> [(&'static str, RequestBuilder); 3] {
    let bearer = |method, path: &str| server.request(method, path).bearer_auth(&whose.access_token);
    [
        ("one", bearer(Method::DELETE, &format!("/api/sessions/{}", whose.session_id))),
        ("all", bearer(Method::POST, "/api/logout_all")),
        ("account", bearer(Method::POST, "/api/delete_account").json(&json!({"password": PASSWORD}))),
    ]
}

fn carrying(request: RequestBuilder, cookie: &str) -> RequestBuilder {
    request.header("cookie", format!("__Host-latchkey_refresh={cookie}"))
}

#[actix_web::test]
async fn a_logout_with_the_cookie_ends_its_session_and_takes_the_cookie_away() {
    let server = TestServer::start().await;
    let alice = server.registered_by_cookie("alice").await;

    assert_done(&server.logout_by_cookie(&alice.cookie).await).assert_cookie_goes();

    assert_over(&server, &alice).await;
}

#[actix_web::test]
async fn a_logout_takes_the_cookie_away_whatever_it_was_worth() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered_by_cookie("alice").await;
    assert_done(&server.logout_by_cookie(&alice.cookie).await);
    time.pass(Duration::from_secs(8 * 24 * 3600));

    for worthless in ["forged", "", &alice.cookie, &alice.access_token] {
        assert_done(&server.logout_by_cookie(worthless).await).assert_cookie_goes();
    }
}

#[actix_web::test]
async fn a_logout_with_the_cookie_and_a_bearer_token_ends_both_sessions() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.registered_by_cookie("alice").await, server.registered_by_cookie("bob").await);
    let elsewhere = server.signed_in("alice").await;

    let request = server.by_page(Method::POST, "/api/logout", &alice.cookie).bearer_auth(&bob.access_token);
    assert_done(&Answer::of(request).await).assert_cookie_goes();

    assert_over(&server, &alice).await;
    assert_over(&server, &bob).await;
    assert!(server.lives(&elsewhere.session_id));
}

#[actix_web::test]
async fn a_logout_with_the_cookie_does_not_mind_what_the_access_token_beside_it_is_worth() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    for (name, forged) in [("alice", true), ("bob", false)] {
        let signed_in = server.registered_by_cookie(name).await;
        let bearer = if forged { "forged" } else { &signed_in.access_token };
        time.pass(Duration::from_secs(900));

        let request = server.by_page(Method::POST, "/api/logout", &signed_in.cookie).bearer_auth(bearer);
        assert_done(&Answer::of(request).await).assert_cookie_goes();

        server.refresh(&signed_in.cookie).await.assert_refused("revoked");
    }
}

#[actix_web::test]
async fn a_bearer_token_alone_takes_the_cookie_of_a_cookie_session_away_and_of_no_other() {
    let server = TestServer::start().await;
    let alice = server.registered_by_cookie("alice").await;
    let bob = server.registered("bob").await;
    let logout = |bearer: &str| Answer::of(server.request(Method::POST, "/api/logout").bearer_auth(bearer));

    assert_done(&logout(&alice.access_token).await).assert_cookie_goes();
    assert_done(&logout(&bob.access_token).await).assert_cookie_stays();
}

#[actix_web::test]
async fn whoever_ends_their_own_session_loses_its_cookie_whether_it_was_sent_or_not() {
    let server = TestServer::start().await;
    for (name, number, sent) in [
        ("anna", 0, true),
        ("arno", 0, false),
        ("bert", 1, true),
        ("bess", 1, false),
        ("cleo", 2, true),
        ("curt", 2, false),
    ] {
        let signed_in = server.registered_by_cookie(name).await;
        let [one, all, account] = endings(&server, &signed_in);
        let (what, request) = [one, all, account].into_iter().nth(number).unwrap();

        let request = if sent { carrying(request, &signed_in.cookie) } else { request };
        let answer = Answer::of(request).await;

        assert_done(&answer);
        assert!(answer.set_cookie().is_some(), "{what} {sent}");
        answer.assert_cookie_goes();
        assert_over(&server, &signed_in).await;
    }
}

#[actix_web::test]
async fn a_cookie_that_is_good_for_nothing_goes_with_any_session_that_its_bearer_ends() {
    let server = TestServer::start().await;
    for (name, number) in [("alice", 0), ("bert", 1), ("carol", 2)] {
        let tokens = server.registered(name).await;
        let of_the_body =
            SignedIn { access_token: tokens.access_token, cookie: tokens.refresh_token, session_id: tokens.session_id };
        let (_, request) = endings(&server, &of_the_body).into_iter().nth(number).unwrap();

        assert_done(&Answer::of(carrying(request, "forged")).await).assert_cookie_goes();
    }
}

#[actix_web::test]
async fn a_session_of_the_body_has_no_cookie_to_take_away() {
    let server = TestServer::start().await;
    for (name, number) in [("alice", 0), ("bert", 1), ("carol", 2)] {
        let tokens = server.registered(name).await;
        let of_the_body =
            SignedIn { access_token: tokens.access_token, cookie: tokens.refresh_token, session_id: tokens.session_id };
        let (_, request) = endings(&server, &of_the_body).into_iter().nth(number).unwrap();

        assert_done(&Answer::of(request).await).assert_cookie_stays();
    }
}

/// One tab is signed in as somebody, and another has signed in as somebody else since: the cookie is the other's.
#[actix_web::test]
async fn whoever_ends_their_own_session_leaves_the_cookie_of_somebody_else_in_the_same_browser() {
    let server = TestServer::start().await;
    let other = server.registered_by_cookie("other").await;
    for (name, number) in [("alice", 0), ("bert", 1), ("carol", 2)] {
        let signed_in = server.registered_by_cookie(name).await;
        let (_, request) = endings(&server, &signed_in).into_iter().nth(number).unwrap();

        assert_done(&Answer::of(carrying(request, &other.cookie)).await).assert_cookie_stays();

        assert_over(&server, &signed_in).await;
    }
    server.assert_unspent(&other.session_id);
}

#[actix_web::test]
async fn whoever_ends_all_of_their_sessions_loses_the_cookie_of_any_of_them() {
    let server = TestServer::start().await;
    for (name, number) in [("bert", 1), ("carol", 2)] {
        let asking = server.registered_by_cookie(name).await;
        let another = server.signed_in(name).await;
        let (_, request) = endings(&server, &asking).into_iter().nth(number).unwrap();

        assert_done(&Answer::of(carrying(request, &another.cookie)).await).assert_cookie_goes();
    }
}

#[actix_web::test]
async fn whoever_ends_another_of_their_sessions_keeps_the_cookie_unless_it_is_that_ones() {
    let server = TestServer::start().await;
    let asking = server.registered_by_cookie("alice").await;
    let (first, second) = (server.signed_in("alice").await, server.signed_in("alice").await);
    let end = |which: &SignedIn, cookie: &str| {
        let request = server.request(Method::DELETE, &format!("/api/sessions/{}", which.session_id));
        Answer::of(carrying(request.bearer_auth(&asking.access_token), cookie))
    };

    assert_done(&end(&first, &asking.cookie).await).assert_cookie_stays();
    assert_done(&end(&second, &second.cookie).await).assert_cookie_goes();

    server.assert_unspent(&asking.session_id);
}

#[actix_web::test]
async fn the_end_of_another_of_their_sessions_says_nothing_of_a_cookie_that_was_not_sent_or_is_of_none() {
    let server = TestServer::start().await;
    let asking = server.registered_by_cookie("alice").await;
    for sent in [None, Some("forged")] {
        let other = server.signed_in("alice").await;
        let request = server.request(Method::DELETE, &format!("/api/sessions/{}", other.session_id));
        let request = request.bearer_auth(&asking.access_token);

        let request = if let Some(cookie) = sent { carrying(request, cookie) } else { request };
        assert_done(&Answer::of(request).await).assert_cookie_stays();

        assert_over(&server, &other).await;
    }
}

#[actix_web::test]
async fn what_is_refused_leaves_the_cookie() {
    let server = TestServer::start().await;
    let alice = server.registered_by_cookie("alice").await;
    let asked =
        |method, path: &str| carrying(server.request(method, path).bearer_auth(&alice.access_token), &alice.cookie);

    let wrong = asked(Method::POST, "/api/delete_account").json(&json!({"password": "wrong horse battery"}));
    Answer::of(wrong).await.assert_problem(403, "wrong_password").assert_cookie_stays();
    let unknown = asked(Method::DELETE, "/api/sessions/0192f0c0-0000-7000-8000-000000000001");
    Answer::of(unknown).await.assert_problem(404, "not_found").assert_cookie_stays();
    let nobody = carrying(server.request(Method::POST, "/api/logout_all"), &alice.cookie);
    Answer::of(nobody).await.assert_problem(401, "missing_token").assert_cookie_stays();
    let two_bearers = server.by_page(Method::POST, "/api/logout", &alice.cookie).header("authorization", "Bearer");
    Answer::of(two_bearers).await.assert_problem(400, "invalid_request").assert_cookie_stays();

    server.assert_unspent(&alice.session_id);
}
