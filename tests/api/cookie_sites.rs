//! Whose pages may send the refresh cookie.

use reqwest::{Method, RequestBuilder};

use crate::support::{Answer, TestServer, log};

const CALLS: [&str; 2] = ["/api/refresh_token", "/api/logout"];
const OWN: &str = "https://id.test";
const LISTED: &str = "https://app.test";

async fn server() -> TestServer {
    TestServer::with(&[("PUBLIC_URL", OWN), ("CORS_ORIGINS", LISTED)]).await
}

fn with(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

#[actix_web::test]
async fn the_cookie_of_any_other_page_is_refused_and_neither_spent_nor_taken_away() {
    let server = server().await;
    let alice = server.registered_by_cookie("alice").await;
    let site = |site| ("sec-fetch-site", site);
    let origin = |origin| ("origin", origin);
    let strangers: [&[(&str, &str)]; 14] = [
        &[site("cross-site")],
        &[site("same-site")],
        &[site("same-site"), origin(LISTED)],
        &[site("cross-site"), origin(OWN)],
        &[site("")],
        &[site("SAME-ORIGIN")],
        &[site("same-origin, none")],
        &[site("same-origin"), site("same-origin")],
        &[site("none"), site("cross-site")],
        &[],
        &[origin("null")],
        &[origin("https://evil.test")],
        &[origin("https://id.test:8443")],
        &[origin(OWN), origin(OWN)],
    ];
    for path in CALLS {
        for headers in strangers {
            for cookie in [&alice.cookie, "forged"] {
                let answer = Answer::of(with(server.with_cookie(Method::POST, path, cookie), headers)).await;
                answer.assert_problem(403, "cross_site").assert_cookie_stays();
                assert_eq!(answer.header("www-authenticate"), "", "{headers:?}");
            }
        }
    }
    server.assert_unspent(&alice.session_id);
}

#[actix_web::test]
async fn a_bearer_token_beside_the_cookie_opens_no_door_to_other_pages() {
    let server = server().await;
    let alice = server.registered_by_cookie("alice").await;

    let request = server.with_cookie(Method::POST, "/api/logout", &alice.cookie).bearer_auth(&alice.access_token);
    Answer::of(request.header("sec-fetch-site", "same-site")).await.assert_problem(403, "cross_site");

    server.assert_unspent(&alice.session_id);
}

#[actix_web::test]
async fn the_services_own_pages_and_the_person_themselves_may_send_it() {
    let server = server().await;
    for (name, headers) in [
        ("page", [("sec-fetch-site", "same-origin"), ("origin", OWN)]),
        ("person", [("sec-fetch-site", "none"), ("accept", "*/*")]),
        ("behind-an-unknown-proxy", [("sec-fetch-site", "same-origin"), ("origin", "https://unlisted.test")]),
    ] {
        let signed_in = server.registered_by_cookie(name).await;

        let renewal = server.with_cookie(Method::POST, CALLS[0], &signed_in.cookie);
        let renewed = Answer::of(with(renewal, &headers)).await.cookie();
        let logout = Answer::of(with(server.with_cookie(Method::POST, CALLS[1], &renewed), &headers)).await;

        assert_eq!(logout.status, 204, "{name}: {}", logout.raw);
        assert!(!server.lives(&signed_in.session_id), "{name}");
    }
}

#[actix_web::test]
async fn a_browser_that_says_only_its_pages_origin_may_send_it_from_those_that_the_operator_named() {
    let server = server().await;
    for (name, origin) in [("own", OWN), ("listed", LISTED)] {
        let signed_in = server.registered_by_cookie(name).await;

        let renewal = server.with_cookie(Method::POST, CALLS[0], &signed_in.cookie).header("origin", origin);
        let renewed = Answer::of(renewal).await.cookie();
        let logout = server.with_cookie(Method::POST, CALLS[1], &renewed).header("origin", origin);

        assert_eq!(Answer::of(logout).await.status, 204, "{name}");
    }
}

/// Its browser keeps an answer to a request with a cookie from it otherwise, and with it the access token.
#[actix_web::test]
async fn a_listed_page_in_a_browser_that_says_only_its_origin_may_read_what_the_cookie_brings() {
    let server = server().await;
    let alice = server.registered_by_cookie("alice").await;

    let renewal = server.with_cookie(Method::POST, CALLS[0], &alice.cookie).header("origin", LISTED);
    let renewed = Answer::of(renewal).await;

    assert_eq!(renewed.status, 200, "{}", renewed.raw);
    assert_eq!(renewed.header("access-control-allow-origin"), LISTED);
    assert_eq!(renewed.header("access-control-allow-credentials"), "true");
}

#[actix_web::test]
async fn a_request_without_the_cookie_is_asked_for_no_page() {
    let server = server().await;
    let (alice, bob) = (server.registered("alice").await, server.registered("bob").await);
    let from_elsewhere = |path| server.request(Method::POST, path).header("sec-fetch-site", "cross-site");

    let renewal = from_elsewhere(CALLS[0]).json(&serde_json::json!({"refresh_token": alice.refresh_token}));
    assert_eq!(Answer::of(renewal).await.status, 200);
    assert_eq!(Answer::of(from_elsewhere(CALLS[1]).bearer_auth(&bob.access_token)).await.status, 204);
}

#[actix_web::test]
async fn a_refusal_is_told_once_with_its_reason_and_session_and_without_a_token() {
    log::keep();
    let server = server().await;
    let alice = server.registered_by_cookie("alice").await;
    for (id, headers, reason) in [
        ("event-site-same", &[("sec-fetch-site", "same-site")][..], "same_site"),
        ("event-site-cross", &[("sec-fetch-site", "cross-site")], "cross_site"),
        ("event-site-other", &[("origin", "https://evil-canary.test")], "other_origin"),
        ("event-site-unclear", &[], "unclear"),
    ] {
        let request = server.with_cookie(Method::POST, CALLS[0], &alice.cookie).header("x-request-id", id);
        Answer::of(with(request, headers)).await.assert_problem(403, "cross_site");

        let line = log::line_with(&[id, "event=malicious_cors outcome=failure"]);
        assert!(line.contains(" WARN latchkey::security:"), "{line}");
        let said = format!("reason={reason} session_id={} ip=127.0.0.1 request_id={id}", alice.session_id);
        assert!(line.ends_with(&said), "{line}");
    }
    assert!(log::lines_with("evil-canary").is_empty() && log::lines_with(&alice.cookie[4..]).is_empty());
    let forged = server.with_cookie(Method::POST, CALLS[0], "forged").header("x-request-id", "event-site-forged");
    Answer::of(forged).await.assert_problem(403, "cross_site");
    let line = log::line_with(&["event-site-forged", "event=malicious_cors"]);
    assert!(!line.contains("session_id"), "{line}");
}
