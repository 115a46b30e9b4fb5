//! Refresh tokens in a cookie: how it comes, is renewed, and is read.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::everywhere::PATHS;
use crate::support::cookie::{COOKIE, TAKEN_AWAY};
use crate::support::{Answer, PASSWORD, TestServer};

/// The default window.
const WINDOW: Duration = Duration::from_secs(10);

fn members(answer: &Answer) -> BTreeSet<&str> {
    answer.body.as_object().unwrap().keys().map(String::as_str).collect()
}

#[actix_web::test]
async fn a_login_by_cookie_answers_everything_but_the_refresh_token_which_is_in_the_cookie() {
    let server = TestServer::start().await;
    server.registered("alice").await;

    let answer = server.logging_in_by(json!("cookie"), "alice").await;

    let signed_in = answer.signed_in();
    let expected = ["message", "token_type", "access_token", "expires_in", "refresh_expires_in", "session_id"];
    assert_eq!(members(&answer), expected.into_iter().collect());
    let set = format!("{COOKIE}={}; Path=/; Max-Age=604800; Secure; HttpOnly; SameSite=Strict", signed_in.cookie);
    assert_eq!(answer.set_cookie(), Some(set.as_str()));
    assert_eq!(signed_in.cookie, server.token_of(&signed_in.session_id, 1));
    server.assert_signed_in(&signed_in.access_token).await;
}

#[actix_web::test]
async fn a_login_answers_in_the_body_where_it_asks_for_that_or_for_nothing() {
    let server = TestServer::start().await;
    server.registered("alice").await;

    for answer in [server.login("alice", PASSWORD).await, server.logging_in_by(json!("body"), "alice").await] {
        let tokens = answer.tokens();
        assert_eq!(tokens.refresh_token, server.token_of(&tokens.session_id, 1));
        answer.assert_cookie_stays();
    }
}

#[actix_web::test]
async fn a_login_knows_no_other_transport() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    for transport in [
        json!("header"),
        json!("Cookie"),
        json!(""),
        json!(null),
        json!(1),
        json!(true),
        json!(["cookie"]),
        json!({"cookie": null}),
    ] {
        let answer = server.logging_in_by(transport, "alice").await;
        answer.assert_problem(400, "invalid_request").assert_cookie_stays();
    }
    assert_eq!(server.number("SELECT count(*) FROM sessions"), 1);
}

#[actix_web::test]
async fn a_failed_login_by_cookie_sets_none() {
    let server = TestServer::start().await;
    let body = json!({"username": "nobody", "password": PASSWORD, "transport": "cookie"});

    server.post("/api/login", &body).await.assert_problem(401, "invalid_credentials").assert_cookie_stays();
}

#[actix_web::test]
async fn a_renewal_by_cookie_puts_the_successor_into_the_cookie_and_not_into_the_body() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered_by_cookie("alice").await;
    time.pass(Duration::from_secs(3600));

    let answer = server.refresh_by_cookie(&alice.cookie).await;

    assert_eq!(answer.cookie(), server.token_of(&alice.session_id, 2));
    let expected = ["token_type", "access_token", "expires_in", "refresh_expires_in", "session_id"];
    assert_eq!(members(&answer), expected.into_iter().collect());
    assert_eq!(answer.text("session_id"), alice.session_id);
    server.assert_signed_in(answer.text("access_token")).await;
}

#[actix_web::test]
async fn the_cookie_lives_as_long_as_what_really_remains_of_its_session() {
    let server = TestServer::with(&[("SESSION_TTL", "8d")]).await;
    let time = server.stop_time();
    let alice = server.registered_by_cookie("alice").await;
    time.pass(Duration::from_secs(6 * 24 * 3600));

    let answer = server.refresh_by_cookie(&alice.cookie).await;

    assert!(answer.set_cookie().unwrap().contains("; Max-Age=172800; "), "{:?}", answer.set_cookie());
}

#[actix_web::test]
async fn the_same_token_again_inside_the_window_sets_no_cookie() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let alice = server.registered_by_cookie("alice").await;
    let current = server.refresh_by_cookie(&alice.cookie).await.cookie();
    time.pass(WINDOW - Duration::from_millis(1));

    // Whatever its answer brought would arrive behind that of the renewal that comes next.
    let held = server.refresh_by_cookie(&current).await;
    time.pass(Duration::from_millis(1));
    let next = server.refresh_by_cookie(&current).await.cookie();

    assert_eq!(held.status, 200, "{}", held.raw);
    held.assert_cookie_stays();
    assert!(!held.raw.contains("lkr_"), "{}", held.raw);
    server.assert_signed_in(held.text("access_token")).await;
    assert_eq!(next, server.token_of(&alice.session_id, 3));
}

#[actix_web::test]
async fn a_spent_token_inside_the_window_sets_the_current_one() {
    let server = TestServer::start().await;
    let _time = server.stop_time();
    let alice = server.registered_by_cookie("alice").await;

    let current = server.refresh_by_cookie(&alice.cookie).await.cookie();
    let replayed = server.refresh_by_cookie(&alice.cookie).await.cookie();

    assert_eq!(replayed, current);
}

#[actix_web::test]
async fn a_final_refusal_takes_the_cookie_away() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let (alice, bob) = (server.registered_by_cookie("alice").await, server.registered_by_cookie("bob").await);
    server.refresh_by_cookie(&alice.cookie).await.cookie();
    time.pass(WINDOW);

    for (cookie, reason) in
        [(alice.cookie.as_str(), "reused"), (&alice.cookie, "revoked"), ("forged", "unknown"), ("", "unknown")]
    {
        let answer = server.refresh_by_cookie(cookie).await;
        answer.assert_refused(reason);
        answer.assert_cookie_goes();
    }
    time.pass(Duration::from_secs(8 * 24 * 3600));
    let answer = server.refresh_by_cookie(&bob.cookie).await;
    answer.assert_refused("expired");
    answer.assert_cookie_goes();
}

#[actix_web::test]
async fn a_refusal_of_a_token_in_a_body_leaves_cookies_alone() {
    let server = TestServer::start().await;

    let answer = server.refresh("forged").await;

    answer.assert_refused("unknown");
    answer.assert_cookie_stays();
}

/// Whoever has it in hand can as well send it as a cookie: docs/adr/0013-the-refresh-cookie.md.
#[actix_web::test]
async fn an_authentic_token_of_a_cookie_session_is_taken_in_a_body_like_any_other() {
    let server = TestServer::start().await;
    let alice = server.registered_by_cookie("alice").await;

    let answer = server.refresh(&alice.cookie).await;

    assert_eq!(answer.tokens().refresh_token, server.token_of(&alice.session_id, 2));
    answer.assert_cookie_stays();
}

#[actix_web::test]
async fn neither_body_nor_cookie_is_a_body_that_is_missing() {
    let server = TestServer::start().await;
    let empty = || server.request(Method::POST, "/api/refresh_token");

    Answer::of(empty()).await.assert_problem(415, "unsupported_media_type");
    Answer::of(empty().header("content-type", "text/plain")).await.assert_problem(415, "unsupported_media_type");
    let declared = Answer::of(empty().header("content-type", "application/json")).await;
    declared.assert_problem(400, "invalid_request");
    let other_cookies = empty().header("cookie", "theme=dark; latchkey_refresh=x");
    Answer::of(other_cookies).await.assert_problem(415, "unsupported_media_type");
}

#[actix_web::test]
async fn a_token_in_the_body_beside_the_cookie_is_refused_and_neither_is_spent() {
    let server = TestServer::start().await;
    let alice = server.registered_by_cookie("alice").await;
    let bob = server.registered("bob").await;
    for path in ["/api/refresh_token", "/api/logout"] {
        for token in [&alice.cookie, &bob.refresh_token, "forged"] {
            let body = json!({ "refresh_token": token });
            for request in [
                server.by_page(Method::POST, path, &alice.cookie),
                server.with_cookie(Method::POST, path, &alice.cookie),
                server.by_page(Method::POST, path, "forged"),
            ] {
                let answer = Answer::of(request.json(&body)).await;
                answer.assert_problem(400, "invalid_request").assert_cookie_stays();
            }
        }
    }
    server.assert_unspent(&alice.session_id);
    server.assert_unspent(&bob.session_id);
}

#[actix_web::test]
async fn two_cookies_of_the_name_are_refused_and_neither_is_spent() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.registered_by_cookie("alice").await, server.registered_by_cookie("bob").await);
    for path in ["/api/refresh_token", "/api/logout"] {
        for other in [&alice.cookie, &bob.cookie, ""] {
            let one = || server.by_page(Method::POST, path, &alice.cookie);
            let in_two_headers = one().header("cookie", format!("{COOKIE}={other}"));
            let in_one_header = format!("{COOKIE}={}; a=b; {COOKIE}={other}", alice.cookie);
            let in_one_header = server.request(Method::POST, path).header("cookie", in_one_header);
            for request in [in_two_headers, in_one_header.header("sec-fetch-site", "same-origin")] {
                let answer = Answer::of(request).await;
                answer.assert_problem(400, "invalid_request").assert_cookie_stays();
            }
        }
    }
    server.assert_unspent(&alice.session_id);
    server.assert_unspent(&bob.session_id);
}

#[actix_web::test]
async fn over_plain_http_for_development_the_cookie_has_another_name_and_is_not_secure() {
    let server = TestServer::with(&[("COOKIE_INSECURE", "1")]).await;
    server.registered("alice").await;
    let login = server.logging_in_by(json!("cookie"), "alice").await;
    let token = server.token_of(login.text("session_id"), 1);
    let set = format!("latchkey_refresh={token}; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict");
    assert_eq!(login.set_cookie(), Some(set.as_str()));
    let page = |cookie: &str| {
        let request = server.request(Method::POST, "/api/refresh_token").header("cookie", cookie);
        Answer::of(request.header("sec-fetch-site", "same-origin"))
    };

    let unread = page(&format!("{COOKIE}={token}")).await;
    let renewed = page(&format!("{COOKIE}=x; latchkey_refresh={token}")).await;
    let refused = page("latchkey_refresh=forged").await;

    unread.assert_problem(415, "unsupported_media_type");
    assert!(renewed.set_cookie().unwrap().starts_with("latchkey_refresh=lkr_"), "{}", renewed.raw);
    assert_eq!(refused.set_cookie(), Some(TAKEN_AWAY.replace("__Host-", "").replace(" Secure;", "").as_str()));
}

#[actix_web::test]
async fn a_cookie_session_stays_one_after_a_password_change_that_came_without_the_cookie() {
    let server = TestServer::start().await;
    let alice = server.registered_by_cookie("alice").await;
    let server = server.restart().await;

    let changed = server.putting_password(&alice.access_token, PASSWORD, "another password").await;

    let fresh = changed.signed_in();
    assert_ne!(fresh.session_id, alice.session_id);
    assert_eq!(fresh.cookie, server.token_of(&fresh.session_id, 1));
    let again = server.putting_password(&fresh.access_token, "another password", PASSWORD).await;
    again.signed_in();
}

#[actix_web::test]
async fn a_session_of_the_body_stays_one_after_a_password_change_that_came_with_a_cookie() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let bob = server.registered_by_cookie("bob").await;

    let body = json!({"current_password": PASSWORD, "new_password": "another password"});
    let request = server.by_page(Method::PUT, "/api/password", &bob.cookie).bearer_auth(&alice.access_token);
    let changed = Answer::of(request.json(&body)).await;

    let fresh = changed.tokens();
    changed.assert_cookie_stays();
    assert_eq!(fresh.refresh_token, server.token_of(&fresh.session_id, 1));
    server.assert_unspent(&bob.session_id);
}

#[actix_web::test]
async fn the_cookie_authenticates_nothing_but_a_renewal_and_a_logout() {
    let server = TestServer::start().await;
    let root = server.registered_by_cookie("root").await;
    server.rows_to_change().execute("UPDATE users SET roles = 'user,admin'", []).unwrap();
    let mut asked = 0;
    for (path, methods) in PATHS {
        for method in methods.split(", ").map(|method| Method::from_bytes(method.as_bytes()).unwrap()) {
            if matches!(path, "/api/refresh_token" | "/api/logout") {
                continue;
            }
            let body = json!({"password": PASSWORD, "current_password": PASSWORD, "new_password": "another password"});
            let plain = Answer::of(server.request(method.clone(), path).json(&body)).await;
            let with_cookie = Answer::of(server.by_page(method, path, &root.cookie).json(&body)).await;

            assert_eq!((with_cookie.status, &with_cookie.body["code"]), (plain.status, &plain.body["code"]), "{path}");
            with_cookie.assert_cookie_stays();
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
    server.assert_unspent(&root.session_id);
    assert_eq!(server.number("SELECT count(*) FROM sessions"), 1);
}

#[actix_web::test]
async fn the_cookie_in_place_of_an_access_token_is_none() {
    let server = TestServer::start().await;
    let alice = server.registered_by_cookie("alice").await;
    for path in ["/api/profile", "/api/sessions"] {
        Answer::of(server.by_page(Method::GET, path, &alice.cookie)).await.assert_problem(401, "missing_token");
        server.get_with(path, &alice.cookie).await.assert_problem(401, "invalid_token");
    }
}

#[actix_web::test]
async fn an_answer_that_depends_on_the_cookie_says_so() {
    let server = TestServer::start().await;
    let alice = server.registered_by_cookie("alice").await;
    let bob = server.registered("bob").await;

    for answer in [
        server.refresh_by_cookie(&alice.cookie).await,
        server.refresh_by_cookie("forged").await,
        server.refresh(&bob.refresh_token).await,
        server.logout_by_cookie(&alice.cookie).await,
        Answer::of(server.with_cookie(Method::POST, "/api/logout", &alice.cookie)).await,
    ] {
        assert_eq!(answer.header("vary"), "Cookie, Sec-Fetch-Site, Origin", "{}", answer.raw);
    }
    let everywhere = Answer::of(server.request(Method::POST, "/api/logout_all").bearer_auth(&bob.access_token)).await;
    assert_eq!((everywhere.status, everywhere.header("vary")), (204, "Cookie"));
}
