//! `GET /api/sessions`.

use std::time::Duration;

use latchkey::clock::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestServer, Tokens};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// The list that the bearer of this is shown.
async fn listed(server: &TestServer, access_token: &str) -> Vec<Value> {
    let answer = server.get_with("/api/sessions", access_token).await;
    assert_eq!(answer.status, 200, "{}", answer.raw);
    answer.body["sessions"].as_array().unwrap().clone()
}

async fn listed_ids(server: &TestServer, access_token: &str) -> Vec<String> {
    listed(server, access_token).await.iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

/// Logs in as a client with this name.
async fn login_from(server: &TestServer, username: &str, user_agent: &str) -> Tokens {
    let request = server.request(Method::POST, "/api/login").header("user-agent", user_agent);
    Answer::of(request.json(&json!({"username": username, "password": PASSWORD}))).await.tokens()
}

fn rfc_3339(moment: Timestamp) -> String {
    moment.to_rfc3339()
}

#[actix_web::test]
async fn an_owner_is_shown_their_live_sessions_and_nothing_else() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    server.registered("bob").await;
    let registered = server.registered("alice").await;
    let opened = time.now();
    time.pass(Duration::from_secs(60));
    let laptop = login_from(&server, "alice", "laptop").await;

    let answer = server.get_with("/api/sessions", &laptop.access_token).await;

    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    answer.assert_dressed();
    let now = time.now();
    let session = |id: &str, current: bool, at: Timestamp, user_agent: Value| {
        json!({
            "id": id, "current": current, "created_at": rfc_3339(at), "last_used_at": rfc_3339(at),
            "expires_at": rfc_3339(at.plus(WEEK)), "user_agent": user_agent, "ip": "127.0.0.1",
        })
    };
    assert_eq!(
        answer.body,
        json!({"sessions": [
            session(&laptop.session_id, true, now, json!("laptop")),
            session(&registered.session_id, false, opened, Value::Null),
        ]})
    );
    let members: Vec<&str> = ["id", "current", "created_at", "last_used_at", "expires_at", "user_agent", "ip"].into();
    let places: Vec<_> = members.iter().map(|member| answer.raw.find(&format!("\"{member}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{}", answer.raw);
}

#[actix_web::test]
async fn a_renewal_that_rotates_shows_when_and_by_whom_the_session_was_used_last() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    server.registered("alice").await;
    time.pass(Duration::from_secs(1));
    let alice = login_from(&server, "alice", "before").await;
    let opened = time.now();
    time.pass(Duration::from_secs(3600));
    let renew = |token: &str, user_agent: &str| {
        let request = server.request(Method::POST, "/api/refresh_token").header("user-agent", user_agent);
        Answer::of(request.json(&json!({"refresh_token": token})))
    };

    let renewed = renew(&alice.refresh_token, "phone").await.tokens();
    // Held and replayed, which is no use of its own.
    time.pass(Duration::from_secs(1));
    renew(&renewed.refresh_token, "tab").await.tokens();
    renew(&alice.refresh_token, "retry").await.tokens();

    let session = listed(&server, &renewed.access_token).await.remove(0);
    let used = opened.plus(Duration::from_secs(3600));
    assert_eq!(session["created_at"], rfc_3339(opened));
    assert_eq!(session["last_used_at"], rfc_3339(used));
    assert_eq!(session["expires_at"], rfc_3339(used.plus(WEEK)));
    assert_eq!(session["user_agent"], "phone");
}

#[actix_web::test]
async fn the_session_that_was_used_last_comes_first() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let first = server.registered("alice").await;
    time.pass(Duration::from_secs(1));
    let second = server.logged_in("alice").await;
    assert_eq!(listed_ids(&server, &first.access_token).await, [&*second.session_id, &first.session_id]);

    time.pass(Duration::from_secs(1));
    server.renewed(&first.refresh_token).await;

    assert_eq!(listed_ids(&server, &first.access_token).await, [&*first.session_id, &second.session_id]);
}

#[actix_web::test]
async fn the_limit_that_comes_first_is_shown() {
    let server = TestServer::with(&[("REFRESH_TOKEN_TTL", "2h"), ("SESSION_TTL", "3h")]).await;
    let time = server.stop_time();
    let alice = server.registered("alice").await;
    let opened = time.now();
    time.pass(Duration::from_secs(5400));

    let renewed = server.renewed(&alice.refresh_token).await;

    let session = listed(&server, &renewed.access_token).await.remove(0);
    assert_eq!(session["expires_at"], rfc_3339(opened.plus(Duration::from_secs(3 * 3600))));
}

#[actix_web::test]
async fn a_session_that_is_over_is_not_shown() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let idle = server.registered("alice").await;
    time.pass(WEEK - Duration::from_secs(1));
    let (kept, ended) = (server.logged_in("alice").await, server.logged_in("alice").await);
    server.logout(&ended.refresh_token).await;
    let mut ids = listed_ids(&server, &kept.access_token).await;
    ids.sort();
    assert_eq!(ids, [&*idle.session_id, &kept.session_id]);

    time.pass(Duration::from_secs(1));

    assert_eq!(listed_ids(&server, &kept.access_token).await, [kept.session_id]);
}

#[actix_web::test]
async fn what_a_client_calls_itself_is_shown_printable_and_cut() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    let long = format!("{}\u{fc}", "x".repeat(119));

    let tabbed = login_from(&server, "alice", "a\tb <script>").await;
    let cut = login_from(&server, "alice", &long).await;

    let sessions = listed(&server, &cut.access_token).await;
    let agent_of = |tokens: &Tokens| {
        let session = sessions.iter().find(|session| session["id"] == tokens.session_id).unwrap();
        session["user_agent"].as_str().unwrap()
    };
    assert_eq!((agent_of(&tabbed), agent_of(&cut)), ("a b <script>", &long[..119]));
}

#[actix_web::test]
async fn without_a_live_token_no_list_is_shown() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;

    server.get("/api/sessions").await.assert_problem(401, "missing_token");
    server.get_with("/api/sessions", "forged").await.assert_problem(401, "invalid_token");
    server.logout(&alice.refresh_token).await;
    server.get_with("/api/sessions", &alice.access_token).await.assert_problem(401, "invalid_token");
}

#[actix_web::test]
async fn the_list_is_the_same_after_a_restart() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    server.renewed(&server.logged_in("alice").await.refresh_token).await;
    let before = listed(&server, &alice.access_token).await;

    let server = server.restart().await;

    assert_eq!(listed(&server, &alice.access_token).await, before);
}
