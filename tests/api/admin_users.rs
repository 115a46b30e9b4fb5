//! `GET /api/admin/users` and `GET /api/admin/users/{id}`.

use std::collections::HashSet;

use futures_util::future::{self, join_all};
use latchkey::clock::Timestamp;
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, PASSWORD, TestServer, Tokens};

async fn get(server: &TestServer, admin: &Tokens, path: &str) -> Answer {
    server.as_admin(admin, Method::GET, path, None).await
}

/// The names on a page of this query, and the cursor of the next.
async fn page(server: &TestServer, admin: &Tokens, query: &str) -> (Vec<String>, Option<String>) {
    let answer = get(server, admin, query).await;
    assert_eq!(answer.status, 200, "{}", answer.raw);
    let names =
        answer.body["users"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned());
    (names.collect(), answer.body["next_cursor"].as_str().map(str::to_owned))
}

/// The names of all pages of this query, in their order.
async fn walk(server: &TestServer, admin: &Tokens, query: &str) -> Vec<String> {
    let (mut names, mut next) = page(server, admin, query).await;
    while let Some(cursor) = next {
        let (more, following) = page(server, admin, &format!("{query}&cursor={cursor}")).await;
        assert!(!more.is_empty(), "a page without anybody");
        names.extend(more);
        next = following;
    }
    names
}

/// Registers so many, without a hash for each.
async fn crowd(server: &TestServer, prefix: &str, count: usize) {
    let hash = server.hash_of(PASSWORD).await;
    let names: Vec<_> = (0..count).map(|number| format!("{prefix}{number:03}")).collect();
    join_all(names.iter().map(|name| server.create(name, hash.clone()))).await;
}

#[actix_web::test]
async fn an_admin_is_shown_every_account_with_its_live_sessions() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let admin = server.admin("Root").await;
    let (alice, _) = (server.registered("alice").await, server.logged_in("alice").await);
    let over = server.logged_in("alice").await;
    server.logout(&over.refresh_token).await;
    let mallory = server.registered("mallory").await.user_id();
    server.services.users.set_disabled(mallory, true).await.unwrap();

    let answer = get(&server, &admin, "").await;

    answer.assert_dressed();
    let created_at = Timestamp::to_rfc3339(time.now());
    let user = |id, username: &str, roles: &[&str], disabled, sessions| {
        json!({
            "id": id, "username": username, "roles": roles, "disabled": disabled, "created_at": created_at,
            "sessions": sessions,
        })
    };
    let root = user(admin.user_id(), "Root", &["user", "admin"], false, 1);
    let alice = user(alice.user_id(), "alice", &["user"], false, 2);
    let mallory = user(mallory, "mallory", &["user"], true, 0);
    // Of one millisecond, they stand in the order of their ids.
    let mut users = [root, alice.clone(), mallory];
    users.sort_by_key(|user| user["id"].as_str().unwrap().to_owned());
    assert_eq!((answer.status, &answer.body), (200, &json!({"users": users, "next_cursor": null})));
    let id = alice["id"].as_str().unwrap();
    let one = get(&server, &admin, &format!("/{id}")).await;
    assert_eq!((one.status, one.body), (200, alice));
}

#[actix_web::test]
async fn hundreds_of_accounts_are_all_on_one_page_each_while_others_register() {
    let server = TestServer::start().await;
    let admin = server.admin("root").await;
    crowd(&server, "early", 300).await;

    let walks = future::join(walk(&server, &admin, "?limit=7"), walk(&server, &admin, "?limit=200"));
    let ((short, long), ()) = future::join(walks, crowd(&server, "late", 100)).await;

    for names in [short, long] {
        let distinct: HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "somebody was shown twice");
        assert!((0..300).all(|number| distinct.contains(&format!("early{number:03}"))), "somebody was left out");
    }
    assert_eq!(walk(&server, &admin, "?limit=100").await.len(), 401);
}

#[actix_web::test]
async fn the_page_that_ends_with_the_last_account_has_no_next_one() {
    let server = TestServer::start().await;
    let admin = server.admin("root").await;
    crowd(&server, "somebody", 5).await;

    for (limit, pages) in [(6, 1), (7, 1), (5, 2), (3, 2), (2, 3), (1, 6)] {
        let (mut names, mut next) = page(&server, &admin, &format!("?limit={limit}")).await;
        let mut seen = 1;
        while let Some(cursor) = next {
            let (more, following) = page(&server, &admin, &format!("?limit={limit}&cursor={cursor}")).await;
            names.extend(more);
            (next, seen) = (following, seen + 1);
        }
        assert_eq!((names.len(), seen), (6, pages), "{limit}");
    }
}

#[actix_web::test]
async fn a_page_has_fifty_accounts_where_nobody_says_how_many() {
    let server = TestServer::start().await;
    let admin = server.admin("root").await;
    crowd(&server, "somebody", 50).await;

    let (names, next) = page(&server, &admin, "").await;

    assert_eq!((names.len(), next.is_some()), (50, true));
}

#[actix_web::test]
async fn a_cursor_holds_where_its_account_is_gone() {
    let server = TestServer::start().await;
    let admin = server.admin("root").await;
    crowd(&server, "somebody", 4).await;
    let all = walk(&server, &admin, "?limit=200").await;
    let (first, next) = page(&server, &admin, "?limit=2").await;
    let last_shown = server.user_id(&first[1]).await;
    server.services.users.delete(None, last_shown).await.unwrap();

    let (rest, _) = page(&server, &admin, &format!("?limit=200&cursor={}", next.unwrap())).await;

    assert_eq!(rest, all[2..]);
}

#[actix_web::test]
async fn a_search_finds_what_is_in_a_name_as_it_stands_but_for_its_case() {
    let server = TestServer::start().await;
    let admin = server.admin("root").await;
    let hash = server.hash_of(PASSWORD).await;
    for name in ["Alice", "malice", "a_b", "axb", "bob"] {
        server.create(name, hash.clone()).await;
    }

    for (q, found) in [
        ("LIC", &["Alice", "malice"][..]),
        ("alice", &["Alice", "malice"]),
        ("a_b", &["a_b"]),
        ("%25", &[]),
        ("_", &["a_b"]),
        ("%5C", &[]),
        ("'", &[]),
        ("%00", &[]),
        ("%C3%BC", &[]),
        ("nobody", &[]),
    ] {
        let names: HashSet<_> = walk(&server, &admin, &format!("?limit=1&q={q}")).await.into_iter().collect();
        assert_eq!(names, found.iter().map(|name| (*name).to_owned()).collect(), "{q}");
    }
    assert_eq!(walk(&server, &admin, "?limit=2&q=").await.len(), 6);
}

#[actix_web::test]
async fn what_is_malformed_in_a_query_is_refused_without_an_echo_and_what_is_unknown_is_not_looked_at() {
    let server = TestServer::start().await;
    let admin = server.admin("root").await;
    let too_long = format!("q={}", "x".repeat(65));
    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=",
        "limit=ten",
        "limit=1.5",
        "limit=99999999999999999999",
        "limit=1&limit=2",
        "cursor=",
        "cursor=canary7",
        "cursor=AAAAAAAAAAAAAAAAAAAAAA==",
        "cursor=AAAAAAAAAAAAAAAAAAAAAAA",
        "cursor=AAAAAAAAAAAAAAAAAAAAAB",
        "cursor=0192f0c0-0000-7000-8000-000000000001",
        too_long.as_str(),
    ] {
        let answer = get(&server, &admin, &format!("?{query}")).await;
        answer.assert_problem(400, "invalid_request");
        assert!(!answer.raw.contains("canary7"), "{}", answer.raw);
    }

    let longest = format!("q={}", "x".repeat(64));
    for query in ["limit=1", "limit=200", "colour=red", "Limit=0", "cursor=AAAAAAAAAAAAAAAAAAAAAA", longest.as_str()] {
        assert_eq!(get(&server, &admin, &format!("?{query}")).await.status, 200, "{query}");
    }
}

#[actix_web::test]
async fn an_account_that_nobody_has_and_an_id_that_is_none_are_unknown() {
    let server = TestServer::start().await;
    let admin = server.admin("root").await;
    for id in ["0192f0c0-0000-7000-8000-000000000001", "not-an-id", "0", "..%2F", "%00"] {
        get(&server, &admin, &format!("/{id}")).await.assert_problem(404, "not_found");
    }
}

#[actix_web::test]
async fn head_is_answered_as_get_without_a_body() {
    let server = TestServer::start().await;
    let admin = server.admin("root").await;
    for path in [String::new(), format!("/{}", admin.user_id())] {
        let head = server.as_admin(&admin, Method::HEAD, &path, None).await;
        assert_eq!((head.status, head.raw.as_str()), (200, ""));
    }
    let wrong = Answer::of(server.request(Method::POST, "/api/admin/users")).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET, HEAD"));
}

#[actix_web::test]
async fn the_line_of_a_request_holds_no_word_of_its_query() {
    use crate::support::log;
    log::keep();
    let server = TestServer::start().await;
    let admin = server.admin("root").await;
    let request = server.request(Method::GET, "/api/admin/users?q=zq8search").bearer_auth(&admin.access_token);
    Answer::of(request.header("x-request-id", "admin-search")).await;

    log::line_with(&["admin-search", "route=/api/admin/users status=200"]);
    assert_eq!(log::lines_with("zq8search"), [""; 0]);
}
