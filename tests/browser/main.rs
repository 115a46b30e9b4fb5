//! The refresh cookie in a real browser: Chromium, on the page of `examples/browser`, against a real server.
//!
//! Owns one question: does a browser do with the cookie what the service relies on? Which page may send it, who may read it, and what
//! becomes of it when tabs ask at once is the browser's doing; `tests/api` can only say what it would send. Skipped with a
//! reason where there is no Node, no module or no browser.
//!
//! - [`window`]: the browser, the page's server and Latchkey, together
//! - [`stranger`]: pages of another origin
//!
//! The server's time is the test's and stands still; the browser has the real one, and judges no token by it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it expects"
)]

#[path = "../foreign/mod.rs"]
mod foreign;
mod stranger;
#[expect(dead_code, reason = "it is the harness of tests/api, and this needs a part of it")]
#[path = "../api/support/mod.rs"]
mod support;
mod window;

use std::time::Duration;

use serde_json::json;

use crate::stranger::Stranger;
use crate::window::{Window, tabs};

const SIGNED_OUT: &str = "Signed out.";
/// The default of `ACCESS_TOKEN_TTL`.
const ACCESS_TOKEN_TTL: Duration = Duration::from_secs(15 * 60);
/// The default of `REFRESH_GRACE`.
const GRACE: Duration = Duration::from_secs(10);

#[actix_web::test]
async fn a_page_is_signed_in_by_a_cookie_that_no_script_can_read() {
    let Some(mut window) = Window::open(&[]).await else { return };

    window.log_in("tab", "alice");

    let cookies = window.ask(json!({"do": "cookies"}));
    let expected = json!([{
        "name": "__Host-latchkey_refresh", "domain": "localhost", "path": "/",
        "httpOnly": true, "secure": true, "sameSite": "Strict",
    }]);
    assert_eq!(cookies, expected);
    assert_eq!(window.run("tab", "document.cookie"), "");
    assert_eq!(window.run("tab", "cookieStore.getAll().then((cookies) => cookies.length)"), 0);
    assert_eq!(window.run("tab", "localStorage.length + sessionStorage.length"), 0);
    assert_eq!(window.run("tab", "indexedDB.databases().then((databases) => databases.length)"), 0);
}

#[actix_web::test]
async fn a_page_is_renewed_by_the_cookie_when_its_access_token_ends() {
    let Some(mut window) = Window::open(&[]).await else { return };
    let session = window.log_in("tab", "alice");
    window.answers("tab");

    window.time.pass(ACCESS_TOKEN_TTL);
    window.show_profile("tab", "alice");

    let calls = ["GET /api/profile 401", "POST /api/refresh_token 200", "GET /api/profile 200"];
    assert_eq!(window.answers("tab"), calls);
    assert_eq!(window.server.number_of(&session, "current_generation"), 2);
}

#[actix_web::test]
async fn a_page_stays_signed_in_over_many_lives_of_its_access_token() {
    let Some(mut window) = Window::open(&[]).await else { return };
    let session = window.log_in("tab", "alice");

    for generation in 2..=5 {
        window.time.pass(ACCESS_TOKEN_TTL);
        window.show_profile("tab", "alice");
        assert_eq!(window.server.number_of(&session, "current_generation"), generation);
    }
}

#[actix_web::test]
async fn ten_tabs_that_are_restored_at_once_stay_signed_in_to_one_session() {
    let Some(mut window) = Window::open(&[]).await else { return };
    let session = window.log_in("tab", "alice");
    window.time.pass(ACCESS_TOKEN_TTL);

    window.ask(json!({"do": "restart"}));
    let url = window.page.clone();
    window.all(tabs().map(|tab| json!({"do": "open", "tab": tab, "url": url})));

    window.all(tabs().map(|tab| json!({"do": "says", "tab": tab, "text": "Welcome, alice!"})));
    for tab in tabs() {
        assert_eq!(window.answers(&tab), ["POST /api/refresh_token 200", "GET /api/profile 200"], "{tab}");
    }
    assert_eq!(window.server.number("SELECT count(*) FROM sessions"), 1);
    assert_eq!(window.server.number_of(&session, "current_generation"), 2, "they share one renewal");
}

/// What the page's lock keeps apart, without it: the browser itself puts one cookie after the other into the one jar.
#[actix_web::test]
async fn ten_tabs_that_renew_at_once_without_taking_turns_stay_signed_in_all_the_same() {
    let Some(mut window) = Window::open(&[]).await else { return };
    let session = window.log_in("tab", "alice");
    let url = window.page.clone();
    window.all(tabs().map(|tab| json!({"do": "open", "tab": tab, "url": url})));
    window.all(tabs().map(|tab| json!({"do": "says", "tab": tab, "text": "Welcome, alice!"})));
    let renewal = r#"fetch("/api/refresh_token", { method: "POST" }).then((answer) => answer.status)"#;

    for generation in 3..=5 {
        window.time.pass(GRACE);
        let statuses = window.all(tabs().map(|tab| json!({"do": "run", "tab": tab, "script": renewal})));
        assert_eq!(statuses, json!([200, 200, 200, 200, 200, 200, 200, 200, 200, 200]));
        assert_eq!(window.server.number_of(&session, "current_generation"), generation);
    }

    assert_eq!(window.server.number_of(&session, "ended_at IS NULL"), 1);
    assert_eq!(window.server.number("SELECT count(*) FROM sessions"), 1);
}

#[actix_web::test]
async fn a_logout_in_one_tab_takes_the_cookie_from_all_of_them() {
    let Some(mut window) = Window::open(&[]).await else { return };
    let session = window.log_in("tab", "alice");
    window.ask(json!({"do": "open", "tab": "other", "url": window.page.clone()}));
    window.says("other", "Welcome, alice!");

    window.ask(json!({"do": "click", "tab": "tab", "button": "#log-out"}));
    window.says("tab", SIGNED_OUT);
    window.ask(json!({"do": "click", "tab": "other", "button": "#profile"}));

    window.says("other", SIGNED_OUT);
    assert_eq!(window.ask(json!({"do": "cookies"})), json!([]));
    assert_eq!(window.server.number_of(&session, "ended_at IS NULL"), 0);
}

/// An answer to a renewal that came behind that to a login would take its cookie away, or put an older one back.
#[actix_web::test]
async fn a_login_and_a_logout_wait_for_what_another_tab_does_with_the_cookie() {
    let Some(mut window) = Window::open(&[]).await else { return };
    window.log_in("tab", "alice");
    window.ask(json!({"do": "open", "tab": "other", "url": window.page.clone()}));
    window.says("other", "Welcome, alice!");
    let hold = r#"void navigator.locks.request("latchkey-session", () => new Promise((done) => (window.done = done)))"#;

    for (button, shown, call) in
        [("#log-in", "Welcome, alice!", "POST /api/login 200"), ("#log-out", SIGNED_OUT, "POST /api/logout 204")]
    {
        window.run("other", hold);
        window.ask(json!({"do": "fill", "tab": "tab", "field": "#password", "text": support::PASSWORD}));
        window.answers("tab");
        window.ask(json!({"do": "click", "tab": "tab", "button": button}));
        assert_eq!(window.answers("tab"), [""; 0], "{button}");

        window.run("other", "window.done()");
        window.says("tab", shown);
        assert_eq!(window.answers("tab")[0], call);
    }
}

#[actix_web::test]
async fn a_logout_that_failed_is_not_shown_as_one() {
    let Some(mut window) = Window::open(&[]).await else { return };
    let session = window.log_in("tab", "alice");
    for failure in ["Promise.resolve(new Response(null, { status: 503 }))", "Promise.reject(new TypeError())"] {
        window.run("tab", &format!("void (window.fetch = () => {failure})"));
        window.run("tab", r#"void (document.getElementById("status").textContent = "")"#);

        window.ask(json!({"do": "click", "tab": "tab", "button": "#log-out"}));

        window.says("tab", "Not signed out");
    }
    assert!(window.server.lives(&session));
}

/// A browser keeps cookies by host and not by port, and a site is more than an origin: SameSite lets this one through.
#[actix_web::test]
async fn a_page_of_another_port_is_refused_though_the_browser_sends_the_cookie() {
    let stranger = Stranger::start();
    // That its origin is listed lets it read the refusal, and use no cookie.
    let Some(mut window) = Window::open(&[("CORS_ORIGINS", &stranger.same_site())]).await else { return };
    let session = window.log_in("tab", "alice");

    let attempts = window.attempts_of(&stranger.same_site());

    assert_eq!(attempts.requests, ["POST /api/refresh_token 403", "POST /api/logout 403"].repeat(2));
    assert_eq!(attempts.forms, [403, 403]);
    window.assert_untouched(&session);
}

#[actix_web::test]
async fn a_page_of_another_site_is_sent_no_cookie_to_begin_with() {
    let stranger = Stranger::start();
    let Some(mut window) = Window::open(&[("CORS_ORIGINS", &stranger.cross_site())]).await else { return };
    let session = window.log_in("tab", "alice");

    let attempts = window.attempts_of(&stranger.cross_site());

    assert_eq!(attempts.requests, ["POST /api/refresh_token 415", "POST /api/logout 401"].repeat(2));
    assert_eq!(attempts.forms, [415, 401]);
    window.assert_untouched(&session);
}
