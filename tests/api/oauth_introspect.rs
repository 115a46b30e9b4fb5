//! `POST /api/introspect`: what a token is worth, told to clients alone, and nothing else comes of it.

use std::time::Duration;

use serde_json::json;

use crate::support::account::claims;
use crate::support::forms::tampered;
use crate::support::{Answer, PASSWORD, TestServer, log};

const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(10);

#[track_caller]
fn assert_inactive(case: &str, answer: &Answer) {
    assert_eq!(answer.raw, r#"{"active":false}"#, "{case}");
}

#[actix_web::test]
async fn an_access_token_is_shown_as_it_is() {
    let server = TestServer::start().await;
    let client = server.client("orders").await;
    let alice = server.registered("Alice").await;
    let said = claims(&alice.access_token);

    let answer = server.introspect(&client, &alice.access_token).await;

    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.body,
        json!({
            "active": true,
            "token_type": "Bearer",
            "client_id": "first-party",
            "username": "Alice",
            "sub": said["sub"],
            "aud": "latchkey",
            "iss": "latchkey",
            "iat": said["iat"],
            "exp": said["exp"],
            "jti": said["jti"],
            "sid": alice.session_id,
            "roles": ["user"],
        })
    );
}

#[actix_web::test]
async fn a_refresh_token_is_shown_with_the_end_of_its_session_and_as_nothing_that_opens_a_resource() {
    let names = [("JWT_ISSUER", "https://id.example.org"), ("JWT_AUDIENCE", "orders")];
    let server = TestServer::with(&names).await;
    let client = server.client("orders").await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    let ends_at = time.now().as_unix_seconds() + 7 * 24 * 60 * 60;
    time.pass(60 * SECOND);

    let answer = server.introspect(&client, &alice.refresh_token).await;

    assert_eq!(
        answer.body,
        json!({
            "active": true,
            "token_type": "refresh_token",
            "client_id": "first-party",
            "username": "alice",
            "sub": alice.user_id(),
            "aud": "https://id.example.org",
            "iss": "https://id.example.org",
            "exp": ends_at,
            "sid": alice.session_id,
        })
    );
}

#[actix_web::test]
async fn the_end_of_a_session_is_never_behind_its_absolute_limit() {
    let server = TestServer::with(&[("REFRESH_TOKEN_TTL", "1h"), ("SESSION_TTL", "90m")]).await;
    let client = server.client("orders").await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    let opened_at = time.now().as_unix_seconds();
    time.pass(59 * 60 * SECOND);
    let renewed = server.renewed(&alice.refresh_token).await;

    let answer = server.introspect(&client, &renewed.refresh_token).await;

    assert_eq!(answer.body["exp"], opened_at + 90 * 60);
}

#[actix_web::test]
async fn what_buys_nothing_is_inactive_and_not_a_word_more() {
    let server = TestServer::start().await;
    let client = server.client("orders").await;
    let alice = server.registered("alice").await;
    let (forged_access, forged_refresh) = (tampered(&alice.access_token), tampered(&alice.refresh_token));
    let of_nobody = server.token_of("0192f0c0-0000-7000-8000-000000000001", 1);
    let of_the_future = server.token_of(&alice.session_id, 2);
    let ended = server.logged_in("alice").await;
    server.logout(&ended.refresh_token).await;
    for (case, token) in [
        ("a word", "x"),
        ("a blank", " "),
        ("a NUL", "\0"),
        ("not ASCII", "ä"),
        ("a JWT of nothing", "e30.e30."),
        ("a client's header", client.as_str()),
        ("a forged access token", &forged_access),
        ("a forged refresh token", &forged_refresh),
        ("a refresh token of nobody's", &of_nobody),
        ("a refresh token from the future", &of_the_future),
        ("an access token of what ended", &ended.access_token),
        ("a refresh token of what ended", &ended.refresh_token),
    ] {
        assert_inactive(case, &server.introspect(&client, token).await);
    }
    server.assert_alive(&alice).await;
}

#[actix_web::test]
async fn what_changed_or_ended_for_the_user_is_inactive_at_once() {
    let server = TestServer::start().await;
    let client = server.client("orders").await;
    let admin = server.admin("admin").await;
    let users = ["disabled", "demoted", "changed", "deleted"];
    let mut tokens = Vec::new();
    for user in users {
        tokens.push(server.registered(user).await);
    }
    let [disabled, demoted, changed, deleted] = tokens.as_slice() else { panic!("four of them") };
    server.patched(&admin, disabled.user_id(), json!({"disabled": true})).await;
    server.patched(&admin, demoted.user_id(), json!({"roles": []})).await;
    assert_eq!(server.putting_password(&changed.access_token, PASSWORD, "another password").await.status, 200);
    assert_eq!(server.deleting_account(&deleted.access_token, PASSWORD).await.status, 204);

    for (user, tokens) in users.iter().zip(&tokens) {
        assert_inactive(user, &server.introspect(&client, &tokens.access_token).await);
        // The session of whoever has other roles lives on.
        let refresh = server.introspect(&client, &tokens.refresh_token).await;
        assert_eq!(refresh.body["active"], *user == "demoted", "{user}");
    }
}

#[actix_web::test]
async fn a_token_is_active_to_its_last_moment_and_no_longer() {
    let server = TestServer::start().await;
    let client = server.client("orders").await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;

    time.pass(900 * SECOND - Duration::from_millis(1));
    assert_eq!(server.introspect(&client, &alice.access_token).await.body["active"], true);
    time.pass(Duration::from_millis(1));
    assert_inactive("an access token", &server.introspect(&client, &alice.access_token).await);

    time.pass(7 * 24 * 3600 * SECOND - 900 * SECOND - Duration::from_millis(1));
    assert_eq!(server.introspect(&client, &alice.refresh_token).await.body["active"], true);
    time.pass(Duration::from_millis(1));
    assert_inactive("a refresh token", &server.introspect(&client, &alice.refresh_token).await);
}

#[actix_web::test]
async fn a_parent_is_active_while_a_presentation_would_be_answered() {
    for (grace, inside, outside) in [("10s", true, false), ("0s", false, false), ("until-used", true, true)] {
        let server = TestServer::with(&[("REFRESH_GRACE", grace)]).await;
        let client = server.client("orders").await;
        let time = server.stop_time();
        let alice = server.registered("alice").await;
        let renewed = server.renewed(&alice.refresh_token).await;

        let parent = async || server.introspect(&client, &alice.refresh_token).await.body["active"] == true;
        assert_eq!(parent().await, inside, "{grace}");
        time.pass(WINDOW);
        assert_eq!(parent().await, outside, "{grace}");
        assert_eq!(server.introspect(&client, &renewed.refresh_token).await.body["active"], true, "{grace}");
    }
}

#[actix_web::test]
async fn to_look_at_a_spent_token_ends_nothing_and_writes_nothing() {
    log::keep();
    let server = TestServer::start().await;
    let client = server.client("orders").await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    let renewed = server.renewed(&alice.refresh_token).await;
    time.pass(WINDOW);
    let latest = server.renewed(&renewed.refresh_token).await;
    time.pass(WINDOW);
    let rows = server.rows();
    let version = || rows.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = version();

    for token in [&alice.refresh_token, &renewed.refresh_token, &server.token_of(&alice.session_id, 9)] {
        assert_inactive("spent", &server.introspect(&client, token).await);
    }
    for token in [&latest.refresh_token, &latest.access_token] {
        assert_eq!(server.introspect(&client, token).await.body["active"], true);
    }

    assert_eq!(version(), before);
    assert_eq!(server.number_of(&alice.session_id, "current_generation"), 3);
    let reused: Vec<_> =
        log::lines_with(&alice.session_id).into_iter().filter(|line| line.contains("authn_token_reuse")).collect();
    assert_eq!(reused, [""; 0]);
    server.assert_alive(&latest).await;
}

#[actix_web::test]
async fn a_hint_changes_nothing_and_a_request_without_a_token_is_refused() {
    let server = TestServer::start().await;
    let client = server.client("orders").await;
    let alice = server.registered("alice").await;
    for token in [alice.access_token.as_str(), &alice.refresh_token] {
        for hint in ["access_token", "refresh_token", "id_token", "", "ä"] {
            let parameters = [("token", token), ("token_type_hint", hint)];
            let answer = server.posted_by(&client, "/api/introspect", &parameters).await;
            assert_eq!(answer.body["active"], true, "{hint}: {}", answer.raw);
        }
    }
    let hint = ("token_type_hint", "access_token");
    let token = ("token", alice.access_token.as_str());
    for parameters in [vec![], vec![("token", "")], vec![hint], vec![token, token], vec![token, hint, hint]] {
        let answer = server.posted_by(&client, "/api/introspect", &parameters).await;
        answer.assert_oauth(400, "invalid_request");
    }
    let query = format!("/api/introspect?token={}", alice.access_token);
    server.posted_by(&client, &query, &[]).await.assert_oauth(400, "invalid_request");
}

#[actix_web::test]
async fn without_storage_a_refresh_token_is_neither_active_nor_not() {
    let mut server = TestServer::tuned(|settings| settings.limits.last_words = Duration::MAX).await;
    let client = server.client("orders").await;
    let alice = server.registered("alice").await;
    let rows = server.rows_to_change();
    rows.execute_batch("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 1 << 30 WHERE name = 'users'")
        .unwrap();
    rows.execute_batch("PRAGMA schema_version = 1000").unwrap();

    let answer = server.posted_by(&client, "/api/introspect", &[("token", &alice.refresh_token)]).await;

    answer.assert_oauth(503, "temporarily_unavailable");
    server.begin_stop().wait().unwrap_err();
}
